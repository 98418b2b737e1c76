//! The engine against PyTorch in f64, on every level of this machine. `tools/golden.py` says what is stored and why a
//! test asks |ours - f64| <= 6 |torch fp32 - f64| + 1e-6; `tools/golden_units.py` does the same for single units.

mod gold;
mod units;

use gold::{Report, integer, list, number, numbers, read, text};
use plusx_engine::{Engine, EngineOptions, Level};
use plusx_model::containers::{Residual, Sequential};
use plusx_model::executor::{Executor, Images, StepOptions, StepResult};
use plusx_model::graph::{Graph, NodeId, Op, Role, RunningVariance};
use plusx_model::init::{Init, initialize};
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::targets::Targets;
use plusx_model::trace::{Names, trace};
use plusx_model::update::{Rule, Update};
use plusx_model::zoo::{self, Shortcut, Spec, Unit, ZooOptions};
use serde_json::Value;

/// One of the golden files and the network it is about.
struct Gold {
    name: &'static str,
    json: Value,
    graph: Graph,
}

impl Gold {
    fn load(name: &'static str) -> Self {
        let json: Value = serde_json::from_slice(&read(&format!("{name}.json"))).unwrap();
        let [c, h, w] = [0, 1, 2].map(|axis| integer(&json["input"][axis]));
        let classes = integer(&json["classes"]);
        let net = match name.strip_prefix("unit-") {
            Some(kind) => units::network(kind, classes).unwrap_or_else(|| two_units(kind, classes)),
            None => {
                let channels: Vec<usize> = list(&json["channels"]).iter().map(integer).collect();
                resnet18(&channels, classes)
            }
        };
        let graph = trace(&net, ImageShape::new(c, h, w), &mut Names::new()).unwrap();
        Self { name, json, graph }
    }

    fn batch(&self) -> usize {
        integer(&self.json["batch"])
    }

    fn images(&self, stream: usize, batch: usize, n: usize) -> Vec<f32> {
        gold::images(self.graph.input_shape(), stream, batch, n)
    }

    fn labels(&self, stream: usize, batch: usize, n: usize) -> Vec<u32> {
        gold::labels(integer(&self.json["classes"]), stream, batch, n)
    }

    fn params(&self) -> Params {
        initialize(&self.graph, Init::Xavier, 42)
    }

    fn engine(&self, level: Level) -> Engine {
        self.engine_for(self.graph.clone(), level)
    }

    fn engine_for(&self, graph: Graph, level: Level) -> Engine {
        let mut engine = Engine::new(graph, EngineOptions { level, ..EngineOptions::default() }).unwrap();
        engine.set_params(&self.params()).unwrap();
        engine
    }

    /// Forward and backward on batch 0, without an update.
    fn step(&self, engine: &mut Engine) -> StepResult {
        let (stream, n) = (integer(&self.json["stream"]), self.batch());
        let (images, labels) = (self.images(stream, 0, n), self.labels(stream, 0, n));
        engine
            .train_step(Images { data: &images, n }, Targets::Classes(&labels), &StepOptions::default())
            .unwrap()
    }

    fn on_every_level(&self, check: impl Fn(Level, &mut Report)) {
        for level in Level::ALL.into_iter().filter(|level| level.supported()) {
            let mut report = Report { prefix: format!("{} on {level}", self.name), ..Report::default() };
            check(level, &mut report);
            report.finish();
        }
    }
}

/// The chapter's network with any channels, under torchvision's names.
fn resnet18(channels: &[usize], classes: usize) -> Sequential {
    let mut net = Sequential::new()
        .add_named("conv1", Conv2d::new(channels[0], 7).strides(2).padding(3))
        .add_named("bn1", BatchNorm::new())
        .add_named("relu", Activation::Relu)
        .add_named("maxpool", MaxPool2d::new(3).strides(2).padding(1));
    for (stage, &width) in channels.iter().enumerate() {
        let halve = stage > 0;
        let first = Residual::new(width).use_1x1conv(halve).strides(if halve { 2 } else { 1 });
        net.push_named(format!("layer{}", stage + 1), Sequential::new().add(first).add(Residual::new(width)));
    }
    net.add_named("avgpool", GlobalAvgPool2d::new()).add_named("fc", Dense::new(classes))
}

/// Two stages of eight and sixteen channels, a unit each.
fn two_units(kind: &str, classes: usize) -> Sequential {
    let narrow = |name| Spec { width: 8, stages: &[1, 1], ..*zoo::find(name).unwrap() };
    let spec = match kind {
        "grouped" => {
            let unit = Unit::Bottleneck { groups: 2, base: 32, shortcut: Shortcut::Projection };
            Spec { unit, ..narrow("resnext50_32x4d") }
        }
        "pooled" => narrow("resnet18d"),
        "padded" => narrow("resnet20"),
        "preact" => narrow("resnet18v2"),
        _ => panic!("no network for unit-{kind}.json"),
    };
    spec.build(ZooOptions { classes })
}

/// The name of the variant.
fn op_name(op: &Op) -> String {
    format!("{op:?}").chars().take_while(|letter| letter.is_alphanumeric()).collect()
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::ConvWeight => "conv_weight",
        Role::DenseWeight => "dense_weight",
        Role::Bias => "bias",
        Role::Gamma => "gamma",
        Role::Beta => "beta",
        Role::RunningMean => "running_mean",
        Role::RunningVar => "running_var",
    }
}

/// Names of the convolution biases whose value a batch norm takes away again.
fn biases_under_batch_norm(graph: &Graph) -> Vec<&str> {
    let under_norm = |node: &&plusx_model::graph::Node| matches!(node.op, Op::BatchNorm { .. });
    let inputs = graph.nodes.iter().filter(under_norm).map(|node| &graph.node(node.inputs[0]).op);
    inputs
        .filter_map(|op| match op {
            Op::Conv2d { bias: Some(bias), .. } => Some(graph.param(*bias).name.as_str()),
            _ => None,
        })
        .collect()
}

/// Both sides name, shape and start the parameters alike.
fn same_start(name: &'static str) {
    let gold = Gold::load(name);
    let table = list(&gold.json["params"]);
    assert_eq!(gold.graph.params.len(), table.len());
    let params = gold.params();
    for ((spec, values), theirs) in params.iter().zip(table) {
        assert_eq!(
            (spec.name.as_str(), role_name(spec.role)),
            (text(&theirs["name"]), text(&theirs["role"]))
        );
        let dims: Vec<usize> = list(&theirs["dims"]).iter().map(integer).collect();
        assert_eq!(spec.dims, dims, "{}", spec.name);
        if !spec.role.trainable() {
            continue;
        }
        let start = &gold.json["initial"][&spec.name];
        let norm = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
        // the values are equal bit for bit; only the order of these f64 sums differs
        assert!((norm - number(&start["norm"])).abs() < 1e-9, "{}", spec.name);
        assert!((sum - number(&start["sum"])).abs() < 1e-9, "{}", spec.name);
    }
}

/// Values of all nodes with batch statistics, and the losses.
fn forward(name: &'static str) {
    let gold = Gold::load(name);
    let nodes: Vec<NodeId> = (0..gold.graph.nodes.len() as u32).map(NodeId).collect();
    let theirs = list(&gold.json["nodes"]);
    assert_eq!(nodes.len(), theirs.len());
    gold.on_every_level(|level, report| {
        let mut engine = gold.engine(level);
        let n = gold.batch();
        let images = gold.images(integer(&gold.json["stream"]), 0, n);
        let values = engine.forward_training(Images { data: &images, n }, &nodes).unwrap();
        for ((node, value), theirs) in gold.graph.nodes.iter().zip(&values).zip(theirs) {
            let shape: Vec<usize> = list(&theirs["shape"]).iter().map(integer).collect();
            assert_eq!(op_name(&node.op), text(&theirs["op"]), "{}", node.label);
            assert_eq!([value.shape.c, value.shape.h, value.shape.w][..], shape, "{}", node.label);
            report.digest(&node.label, &value.data, theirs);
        }
        assert_eq!(engine.params(), gold.params(), "forward_training moved a parameter");
        let losses = gold.step(&mut engine).losses;
        let error = number(&gold.json["losses"]["error"]);
        for (image, (ours, exact)) in losses.iter().zip(numbers(&gold.json["losses"]["values"])).enumerate() {
            report.compare(|| format!("loss of image {image}"), f64::from(*ours), exact, error);
        }
    });
}

/// Gradients; of biases under a batch norm, of which there are `biases`, exactly 0.
fn gradients(name: &'static str, biases: usize) {
    let gold = Gold::load(name);
    let zeros = biases_under_batch_norm(&gold.graph);
    assert_eq!(zeros.len(), biases);
    gold.on_every_level(|level, report| {
        let mut engine = gold.engine(level);
        gold.step(&mut engine);
        for (spec, values) in engine.gradients().iter().filter(|(spec, _)| spec.role.trainable()) {
            let theirs = &gold.json["gradients"][&spec.name];
            if zeros.contains(&spec.name.as_str()) {
                assert!(values.iter().all(|&v| v == 0.0), "gradient of {} is not exactly 0", spec.name);
                assert!(number(&theirs["norm"]) < 1e-12, "{} should have no gradient", spec.name);
                continue;
            }
            report.digest(&spec.name, values, theirs);
        }
    });
}

/// Running statistics after one step, with either variance.
fn running(name: &'static str) {
    let gold = Gold::load(name);
    for (key, which) in
        [("running_biased", RunningVariance::Biased), ("running_unbiased", RunningVariance::Unbiased)]
    {
        let mut graph = gold.graph.clone();
        for node in &mut graph.nodes {
            if let Op::BatchNorm { spec, .. } = &mut node.op {
                spec.running_variance = which;
            }
        }
        gold.on_every_level(|level, report| {
            let mut engine = gold.engine_for(graph.clone(), level);
            gold.step(&mut engine);
            for (spec, values) in engine.params().iter().filter(|(spec, _)| !spec.role.trainable()) {
                report.digest(&format!("{} ({key})", spec.name), values, &gold.json[key][&spec.name]);
            }
        });
    }
}

/// Losses of ten steps of one kind of descent, then the logits with running statistics.
fn descent(name: &'static str, kind: &str) {
    let gold = Gold::load(name);
    let (sgd, run) = (&gold.json["sgd"], &gold.json["sgd"][kind]);
    let (n, stream) = (integer(&gold.json["step_batch"]), integer(&run["stream"]));
    let update = Update {
        rule: Rule::Sgd { momentum: number(&run["momentum"]), nesterov: false },
        weight_decay: number(&run["weight_decay"]),
        scale: number(&gold.json["scale"]),
        ..Update::sgd(number(&sgd["lr"]), 1)
    };
    gold.on_every_level(|level, report| {
        let mut engine = gold.engine(level);
        for (index, exact) in list(&run["losses"]).iter().enumerate() {
            let (images, labels) = (gold.images(stream, index + 1, n), gold.labels(stream, index + 1, n));
            let (images, targets) = (Images { data: &images, n }, Targets::Classes(&labels));
            let losses = engine.train_step(images, targets, &StepOptions::update(&update)).unwrap().losses;
            for (image, (&ours, exact)) in losses.iter().zip(numbers(exact)).enumerate() {
                let what = || format!("loss of image {image} in step {}", index + 1);
                report.compare(what, f64::from(ours), exact, number(&run["error"][index]));
            }
        }
        let images = gold.images(stream, 0, n);
        let logits = engine.infer(Images { data: &images, n }, &[gold.graph.output()]).unwrap();
        report.digest("logits after the steps", &logits[0].data, &run["logits"]);
    });
}

/// Those of the chapter's network: the stem and two convolutions in each of eight blocks.
const BIASES: usize = 17;

#[test]
fn narrow_starts_alike() {
    same_start("narrow");
}

#[test]
fn narrow_forward() {
    forward("narrow");
}

#[test]
fn narrow_gradients() {
    gradients("narrow", BIASES);
}

/// Not only the sampled entries: every gradient of every parameter.
#[test]
fn narrow_gradients_whole() {
    let gold = Gold::load("narrow");
    let bytes = read("narrow.gradients.f32");
    let whole: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    gold.on_every_level(|level, report| {
        let mut engine = gold.engine(level);
        gold.step(&mut engine);
        let mut rest = &whole[..];
        for (spec, values) in engine.gradients().iter().filter(|(spec, _)| spec.role.trainable()) {
            let (theirs, tail) = rest.split_at(spec.len());
            rest = tail;
            let error = number(&gold.json["gradients"][&spec.name]["error"]);
            for (at, (&ours, &exact)) in values.iter().zip(theirs).enumerate() {
                report.compare(|| format!("{}[{at}]", spec.name), ours.into(), exact.into(), error);
            }
        }
        assert!(rest.is_empty(), "the file has more gradients than the network");
    });
}

#[test]
fn narrow_running_statistics() {
    running("narrow");
}

#[test]
fn narrow_descents() {
    for kind in ["plain", "momentum"] {
        descent("narrow", kind);
    }
}

#[test]
fn d2l_starts_alike() {
    same_start("d2l");
}

#[test]
fn d2l_forward() {
    forward("d2l");
}

#[test]
fn d2l_gradients() {
    gradients("d2l", BIASES);
}

#[test]
fn d2l_running_statistics() {
    running("d2l");
}

#[test]
fn d2l_descent() {
    descent("d2l", "plain");
}

#[test]
fn units_start_alike() {
    UNITS.into_iter().for_each(same_start);
}

#[test]
fn units_forward() {
    UNITS.into_iter().for_each(forward);
}

#[test]
fn units_gradients() {
    UNITS.into_iter().for_each(|name| gradients(name, 0));
}

/// The files of `tools/golden_units.py`.
const UNITS: [&str; 6] =
    ["unit-grouped", "unit-pooled", "unit-padded", "unit-preact", "unit-squeezed", "unit-dense"];
