//! Exports are written when they answer as the network does, and read back as what they are.

use crate::looking::GREY_PNG;
use crate::program::Place;
use plusx_formats::onnx::{ExportModel, Input, OnnxOptions, encode};
use plusx_formats::safetensors::{Contents, read, write};
use plusx_formats::{ModelFile, onnx};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use serde_json::{Value, json};

/// A folder with `net.safetensors`, a small network as a training leaves it.
fn place() -> Place {
    place_of("resnet18-d2l", ImageShape::new(1, 16, 16))
}

/// One with this network for such images.
fn place_of(name: &str, input: ImageShape) -> Place {
    let place = Place::new();
    let params = initialize(&graph(name, input), Init::Xavier, 1);
    let meta = ModelFile {
        architecture: name.into(),
        classes: (0..10).map(|index| format!("class {index}")).collect(),
        preprocess: Preprocess::chapter(input),
        metrics: Default::default(),
        training: Some(json!({ "step": 7 })),
    };
    let state = plusx_model::update::OptimiserState::Sgd { velocity: params.clone() };
    let contents =
        Contents { params: &params, optimiser: Some(&state), average: None, batches: 7, meta: &meta };
    write(&place.path("net.safetensors"), &contents).unwrap();
    place
}

fn graph(name: &str, input: ImageShape) -> Graph {
    let net = zoo::build(name, ZooOptions { classes: 10 }).unwrap();
    trace(&*net, input, &mut Names::new()).unwrap()
}

#[test]
fn an_onnx_file_is_proven_and_read_back() {
    let place = place();
    let weights = read(&place.path("net.safetensors")).unwrap();
    let said = place.ok("export --weights net.safetensors -o net.onnx --threads 2");
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&report["format"], &report["proof"]["images"]), (&"onnx".into(), &8.into()), "{said:?}");
    assert!(report["proof"]["worst"].as_f64().unwrap() < 1e-4, "{said:?}");
    let found = onnx::read(&place.path("net.onnx")).unwrap();
    assert_eq!(found.meta.unwrap().classes, weights.meta.classes);
    assert_eq!(found.graph.input_shape(), weights.meta.preprocess.input);
    assert!(!found.softmax && found.normalise.is_none());

    // the same command, the same bytes; and with everything else
    let first = place.read("net.onnx");
    place.ok("export --weights net.safetensors -o net.onnx --overwrite --format onnx --threads 1");
    assert_eq!(place.read("net.onnx"), first);
    place.ok("export --weights net.safetensors -o all.onnx --keep-batch-norm --softmax --with-preprocessing");
    let all = onnx::read(&place.path("all.onnx")).unwrap();
    assert!(all.softmax && all.normalise.is_some());
    let graph = all.graph;
    assert_eq!(all.params, weights.params(&graph).unwrap());
}

#[test]
fn a_file_is_proven_at_every_precision() {
    let place = place();
    for precision in ["highest", "high", "medium"] {
        let said = place.ok(&format!(
            "export --weights net.safetensors --output {precision}.onnx --precision {precision}"
        ));
        assert_eq!(said.stderr.contains("at precision high"), precision == "medium", "{said:?}");
    }
    assert_eq!(place.read("highest.onnx"), place.read("medium.onnx"), "a file has no precision");
}

#[test]
fn a_file_takes_what_was_asked_for() {
    let input = ImageShape::new(1, 16, 16);
    let place = place_of("resnet20", input);
    let weights = read(&place.path("net.safetensors")).unwrap();
    let meta = ModelFile { training: None, ..weights.meta.clone() };
    let graph = graph("resnet20", input);
    let params = weights.params(&graph).unwrap();
    let model = ExportModel { graph: &graph, params: &params, meta: &meta };
    let written = |arguments: &str, options: OnnxOptions| {
        let said = place.ok(&format!("export --weights net.safetensors -o net.onnx {arguments}"));
        let report: Value = serde_json::from_str(&said.stdout).unwrap();
        assert!(report["proof"]["worst"].as_f64().unwrap() < 1e-4, "{said:?}");
        assert!(place.read("net.onnx") == encode(&model, options).unwrap(), "{arguments}: {options:?}");
        std::fs::remove_file(place.path("net.onnx")).expect("a file");
        said.stderr
    };
    let takes = |input| OnnxOptions { input, ..OnnxOptions::default() };
    written("--input-type float32", takes(Input::Prepared));
    written("--input-type uint8", takes(Input::Bytes));
    written("--input-type uint8 --with-preprocessing", takes(Input::Bytes));
    let said = written("--input-type float32 --with-preprocessing", takes(Input::Floats));
    assert!(said.contains("0 to 255"), "{said}");
    written("--batch 3", OnnxOptions { batch: Some(3), ..OnnxOptions::default() });
    let said = written("--for ultralytics", takes(Input::Ultralytics));
    assert!(said.contains("a little otherwise") && said.contains("not square"), "{said}");
    written("--for ultralytics --batch 2", OnnxOptions { batch: Some(2), ..takes(Input::Ultralytics) });
    for wrong in
        ["--batch 0", "--for ultralytics --with-preprocessing", "--for nobody", "--batch 1 --format timm"]
    {
        let said = place.plusx(&format!("export --weights net.safetensors -o none.onnx {wrong}"));
        assert_eq!(said.code, Some(2), "{wrong}: {said:?}");
    }
    assert!(!place.exists("none.onnx"));
}

#[test]
fn option_a_goes_out_and_comes_in_again() {
    let input = ImageShape::new(3, 32, 32);
    let place = place_of("resnet20", input);
    place.ok("export --weights net.safetensors -o net.onnx --keep-batch-norm --batch 1");
    place.ok("import net.onnx --model resnet20 -o again.safetensors");
    let graph = graph("resnet20", input);
    let [before, after] =
        ["net", "again"].map(|name| read(&place.path(format!("{name}.safetensors"))).unwrap());
    assert!(after.params(&graph).unwrap() == before.params(&graph).unwrap());
    let said = place.plusx("import net.onnx --model resnet20-b -o none.safetensors");
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("resnet20"), "{said:?}");
}

#[test]
fn pictures_of_the_users_own_prove_it_too() {
    let place = place();
    std::fs::create_dir(place.path("pictures")).expect("a folder");
    place.write("pictures/notes.txt", b"no picture");
    let export = "export --weights net.safetensors -o net.onnx --proof-images pictures";
    let said = place.plusx(export);
    assert_eq!(said.code, Some(66), "{said:?}");
    assert!(said.stderr.contains("no picture in this folder"), "{said:?}");
    place.write("pictures/grey.png", GREY_PNG);
    let report: Value = serde_json::from_str(&place.ok(export).stdout).unwrap();
    assert_eq!(report["proof"]["images"], 1);
    std::fs::remove_file(place.path("net.onnx")).expect("a file");
    place.write("pictures/broken.png", b"no picture either");
    let said = place.plusx(export);
    assert_eq!(said.code, Some(65), "{said:?}");
    assert!(said.stderr.contains("broken.png") && !place.exists("net.onnx"), "{said:?}");
    let said = place.plusx("export --weights net.safetensors -o net.onnx --proof-images nowhere.png");
    assert_eq!(said.code, Some(66), "{said:?}");
}

#[test]
fn a_safetensors_file_has_the_parameters_and_nothing_of_the_training() {
    let place = place();
    place.ok("export --weights net.safetensors --format safetensors -o out.safetensors");
    let (before, after) =
        (read(&place.path("net.safetensors")).unwrap(), read(&place.path("out.safetensors")).unwrap());
    assert!(before.meta.training.is_some() && after.meta.training.is_none());
    assert_eq!(after.meta.classes, before.meta.classes);
    place.ok("eval --weights out.safetensors --data fashion-mnist-mini --threads 2");
}

#[test]
fn networks_that_timm_lacks_and_options_that_do_not_fit_are_refused() {
    let place = place();
    let said = place.plusx("export --weights net.safetensors --format timm -o folder");
    assert_eq!(said.code, Some(2), "{said:?}");
    for part in ["resnet18-d2l", "resnet50"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    assert!(!place.exists("folder"));
    let said = place.plusx("export --weights net.safetensors --format timm -o folder --softmax");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--softmax"), "{said:?}");
    let said = place.plusx("export --weights net.safetensors -o no/such/folder/net.onnx");
    assert_eq!(said.code, Some(66), "{said:?}");
}
