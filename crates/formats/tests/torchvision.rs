//! The zoo against torchvision itself: weights that torchvision wrote come in, and the network answers and learns as
//! torchvision's does; weights that go out load there. `tools/torchvision_reference.py` makes what is compared with, when the
//! test runs.

mod peers;

use std::path::Path;

use plusx_engine::{Engine, EngineOptions};
use plusx_formats::ModelFile;
use plusx_formats::foreign::{Allow, FileKind, ForeignFile};
use plusx_formats::safetensors::{Contents, write};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::{Graph, ParamId};
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;
use plusx_model::targets::Targets;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use serde_json::Value;

/// Logits may differ by this much of an image's largest.
const TOLERANCE: f64 = 1e-4;

/// Gradients as in the engine's golden tests: our error against f64 may be this many times that of PyTorch's fp32 ...
const TIMES: f64 = 6.0;
/// ... and this much more.
const PLUS: f64 = 1e-6;

fn graph(name: &str, input: ImageShape) -> Graph {
    trace(&*zoo::build(name, ZooOptions { classes: 1000 }).unwrap(), input, &mut Names::new()).unwrap()
}

fn integer(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no integer")) as usize
}

/// What the script wrote for one network.
struct Reference<'a> {
    folder: &'a Path,
    name: &'a str,
    json: &'a Value,
}

impl Reference<'_> {
    /// The numbers of one file.
    fn numbers(&self, what: &str) -> Vec<f32> {
        let bytes = std::fs::read(self.folder.join(format!("{}.{what}", self.name))).unwrap();
        bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    /// torchvision's weights in our engine, for colour pictures of the size that `sizes` says.
    fn engine(&self, sizes: &Value) -> Engine {
        let weights = ForeignFile::read(&self.folder.join(format!("{}.pth", self.name)))
            .and_then(|file| file.weights_for(zoo::find(self.name).unwrap(), None))
            .unwrap();
        assert_eq!(weights.kind, FileKind::TorchZip);
        let graph = graph(self.name, ImageShape::new(3, integer(&sizes["h"]), integer(&sizes["w"])));
        let adopted = weights.adopt(&graph, Params::zeros(&graph), Allow::default()).unwrap();
        assert_eq!(adopted.report.taken, graph.params.len());
        let mut engine = Engine::new(graph, EngineOptions::default()).unwrap();
        engine.set_params(&adopted.params).unwrap();
        engine
    }
}

/// Runs the script for `part`, then `check` on each of the networks that it knows, of which there are `networks`.
fn compare(part: &str, networks: usize, check: impl Fn(&Reference<'_>)) {
    let Some(python) = peers::python("torch, torchvision, numpy") else { return };
    // hundreds of megabytes: beside what cargo builds there is room for them
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    peers::run(&python, "torchvision_reference.py", &[&part, &folder.path()]);
    let index = std::fs::read(folder.path().join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let index = index.as_object().unwrap();
    assert_eq!(index.len(), networks);
    for (name, json) in index {
        check(&Reference { folder: folder.path(), name, json });
    }
}

/// The largest difference, as a part of the largest logit of its image.
fn apart(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let images = ours.chunks(1000).zip(theirs.chunks(1000));
    let apart = images.map(|(ours, theirs)| {
        let largest = theirs.iter().fold(0.0, |largest: f64, &logit| largest.max(f64::from(logit).abs()));
        let differences =
            ours.iter().zip(theirs).map(|(&ours, &theirs)| (f64::from(ours) - f64::from(theirs)).abs());
        // a NaN is no maximum, but any other is
        differences.map(|one| if one.is_nan() { f64::INFINITY } else { one }).fold(0.0, f64::max) / largest
    });
    apart.fold(0.0, f64::max)
}

#[test]
fn logits_are_torchvisions() {
    compare("logits", 5, |reference| {
        let sizes = reference.json["sizes"].as_array().unwrap();
        assert_eq!(sizes.len(), 2);
        for (number, size) in sizes.iter().enumerate() {
            let mut engine = reference.engine(size);
            let (n, output) = (integer(&size["n"]), engine.graph().output());
            let data = reference.numbers(&format!("images{number}"));
            let ours = engine.infer(Images { data: &data, n }, &[output]).unwrap().remove(0).data;
            let theirs = reference.numbers(&format!("logits{number}"));
            assert_eq!(theirs.len(), n * 1000);
            let (name, input, worst) = (reference.name, engine.graph().input_shape(), apart(&ours, &theirs));
            println!("{name}, {n} images of {input}: {worst:.1e} of the largest logit");
            assert!(worst <= TOLERANCE, "{name}, {n} images of {input}: {worst:e} of the largest logit");
        }
    });
}

/// Tensors of one kind, one after another as in the file `what`, each within its bound. `ours` finds a tensor by name.
fn within_bounds<'p>(reference: &Reference<'_>, what: &str, ours: impl Fn(&str) -> &'p [f32]) {
    let theirs = reference.numbers(what);
    let (mut rest, mut worst, mut relative) = (&theirs[..], (0.0, String::new()), 0.0_f64);
    for tensor in reference.json[what].as_array().unwrap() {
        let (name, error) = (tensor["name"].as_str().unwrap(), tensor["error"].as_f64().unwrap());
        let (exact, tail) = rest.split_at(integer(&tensor["len"]));
        rest = tail;
        let (ours, bound) = (ours(name), TIMES * error + PLUS);
        assert_eq!(ours.len(), exact.len(), "{name}");
        let largest = exact.iter().fold(0.0, |largest: f64, &one| largest.max(f64::from(one).abs()));
        for (at, (&ours, &exact)) in ours.iter().zip(exact).enumerate() {
            let difference = (f64::from(ours) - f64::from(exact)).abs();
            let share = difference / bound;
            assert!(
                share <= 1.0,
                "{}: {what}: {name}[{at}] is {ours:e}, f64 {exact:e}, off by {share:.2} bounds of {bound:e}",
                reference.name
            );
            if share > worst.0 {
                worst = (share, format!("{name}[{at}]"));
            }
            // of a gradient that is 0, as before the norm of a channel that is always on, only the bound says something
            if largest > bound {
                relative = relative.max(difference / largest);
            }
        }
    }
    assert!(rest.is_empty() && !theirs.is_empty());
    println!(
        "{}: {} numbers of {what}, nearest to its bound ({:.2} of it) {}; {relative:.1e} of a tensor's largest at most",
        reference.name,
        theirs.len(),
        worst.0,
        worst.1
    );
}

fn named<'p>(params: &'p Params, name: &str) -> &'p [f32] {
    params.get(params.find(name).unwrap_or_else(|| panic!("no parameter {name}")))
}

#[test]
fn a_training_step_is_torchvisions() {
    compare("gradients", 3, |reference| {
        let mut engine = reference.engine(reference.json);
        let data = reference.numbers("images");
        let labels: Vec<u32> =
            reference.json["labels"].as_array().unwrap().iter().map(|label| integer(label) as u32).collect();
        let images = Images { data: &data, n: labels.len() };
        let step = engine.train_step(images, Targets::Classes(&labels), &StepOptions::default()).unwrap();
        let (gradients, params) = (engine.gradients(), engine.params());
        let trainable = engine.graph().params.iter().filter(|spec| spec.role.trainable()).count();
        let [learned, running] =
            ["gradients", "running"].map(|what| reference.json[what].as_array().unwrap().len());
        assert_eq!((learned, running), (trainable, params.iter().count() - trainable));
        within_bounds(reference, "losses", |_| &step.losses);
        within_bounds(reference, "gradients", |name| named(&gradients, name));
        within_bounds(reference, "running", |name| named(&params, name));
    });
}

#[test]
fn torchvision_loads_what_is_written() {
    let Some(python) = peers::python("torch, torchvision, safetensors, numpy") else { return };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [file, images, logits] = ["net.safetensors", "images", "logits"].map(|name| folder.path().join(name));
    for name in ["resnet18", "resnext50_32x4d"] {
        let input = ImageShape::new(3, 65, 58);
        let graph = graph(name, input);
        let mut params = initialize(&graph, Init::Xavier, 3);
        // gammas, betas and running statistics that a training could have left
        for (index, spec) in graph.params.iter().enumerate().filter(|(_, spec)| spec.dims.len() == 1) {
            let values = params.get_mut(ParamId(index as u32)).iter_mut().enumerate();
            values.for_each(|(at, value)| *value += 0.3 * ((at + spec.name.len()) as f32).sin());
        }
        let meta = ModelFile {
            architecture: name.into(),
            classes: (0..1000).map(|class| format!("class {class}")).collect(),
            preprocess: Preset::Imagenet.record(input),
            metrics: Default::default(),
            training: None,
        };
        write(&file, &Contents { params: &params, optimiser: None, batches: 5, meta: &meta }).unwrap();
        let data: Vec<f32> = (0..2 * input.len()).map(|i| (i as f32 * 0.7).sin()).collect();
        let mut engine = Engine::new(graph, EngineOptions::default()).unwrap();
        engine.set_params(&params).unwrap();
        let output = engine.graph().output();
        let ours = engine.infer(Images { data: &data, n: 2 }, &[output]).unwrap().remove(0).data;
        peers::write(&images, &peers::channels_first(&data, input));
        peers::write(&logits, &ours);
        let said = peers::run(
            &python,
            "check_weights.py",
            &[&"torchvision", &file, &"--images", &images, &"--logits", &logits],
        );
        println!("{said}");
    }
}
