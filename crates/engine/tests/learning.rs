//! How the engine learns, against PyTorch's own losses, optimisers and averages in f64, on every level of this machine.
//! `tools/golden_learning.py` says what the cases are.

mod gold;

use gold::{Report, images, integer, labels, list, number, numbers, read, text};
use plusx_engine::{Engine, EngineOptions, Level};
use plusx_model::containers::Sequential;
use plusx_model::executor::{Executor, Images, Sgd, StepOptions};
use plusx_model::graph::{Graph, Op, RunningVariance};
use plusx_model::init::{Init, initialize};
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d};
use plusx_model::shape::ImageShape;
use plusx_model::targets::{Loss, Targets};
use plusx_model::trace::{Names, trace};
use serde_json::Value;

/// The network of the script.
fn network(gold: &Value) -> Graph {
    let net = Sequential::new()
        .add_named("conv1", Conv2d::new(6, 3).padding(1).bias(false))
        .add_named("bn1", BatchNorm::new())
        .add_named("relu1", Activation::Relu)
        .add_named("conv2", Conv2d::new(10, 3).strides(2).padding(1))
        .add_named("bn2", BatchNorm::new())
        .add_named("relu2", Activation::Relu)
        .add_named("avgpool", GlobalAvgPool2d::new())
        .add_named("fc", Dense::new(integer(&gold["classes"])));
    let [c, h, w] = [0, 1, 2].map(|axis| integer(&gold["input"][axis]));
    let mut graph = trace(&net, ImageShape::new(c, h, w), &mut Names::new()).unwrap();
    for node in &mut graph.nodes {
        if let Op::BatchNorm { spec, .. } = &mut node.op {
            spec.running_variance = RunningVariance::Unbiased;
        }
    }
    graph
}

/// One of the script's cases.
struct Case<'a> {
    json: &'a Value,
    classes: usize,
    n: usize,
}

impl Case<'_> {
    fn name(&self) -> &str {
        text(&self.json["name"])
    }

    fn weights(&self) -> Option<Vec<f32>> {
        let weights = self.json.get("weights")?;
        Some(numbers(weights).iter().map(|weight| *weight as f32).collect())
    }

    /// Three quarters of each image's class, and a quarter of that of the image across the batch.
    fn soft(&self, labels: &[u32]) -> Vec<f32> {
        let mut soft = vec![0.0; self.n * self.classes];
        for (image, row) in soft.chunks_exact_mut(self.classes).enumerate() {
            row[labels[image] as usize] += 0.75;
            row[labels[self.n - 1 - image] as usize] += 0.25;
        }
        soft
    }

    fn run(&self, engine: &mut Engine, report: &mut Report) {
        let (stream, n) = (integer(&self.json["stream"]), self.n);
        let weights = self.weights();
        let smoothing = self.json.get("smoothing").map_or(0.0, number) as f32;
        let loss = Loss { smoothing, class_weights: weights.as_deref() };
        let optimiser = &self.json["optimiser"];
        for (index, exact) in list(&self.json["losses"]).iter().enumerate() {
            let images = images(engine.graph().input_shape(), stream, index + 1, n);
            let labels = labels(self.classes, stream, index + 1, n);
            let soft = self.soft(&labels);
            let targets = match self.json.get("targets").map(text) {
                Some("soft") => Targets::Soft(&soft),
                _ => Targets::Classes(&labels),
            };
            let scale = (1.0 / loss.divisor(targets, n)) as f32;
            let update = Sgd {
                lr: number(&optimiser["lr"]) as f32,
                momentum: number(&optimiser["momentum"]) as f32,
                nesterov: optimiser["nesterov"].as_bool().unwrap(),
                weight_decay: number(&optimiser["weight_decay"]) as f32,
                decay_all: true,
                scale,
            };
            let options = StepOptions { loss, update: Some(&update) };
            let losses = engine.train_step(Images { data: &images, n }, targets, &options).unwrap().losses;
            for (image, (&ours, exact)) in losses.iter().zip(numbers(exact)).enumerate() {
                let what = || format!("loss of image {image} in step {}", index + 1);
                report.compare(what, f64::from(ours), exact, number(&self.json["error"][index]));
            }
        }
        for (spec, values) in engine.params().iter() {
            report.digest(&spec.name, values, &self.json["params"][&spec.name]);
        }
    }
}

/// The cases that `wanted` says.
fn cases(wanted: impl Fn(&Value) -> bool) {
    let gold: Value = serde_json::from_slice(&read("learning.json")).unwrap();
    let graph = network(&gold);
    let mut count = 0;
    for json in list(&gold["cases"]).iter().filter(|json| wanted(json)) {
        count += 1;
        let case = Case { json, classes: integer(&gold["classes"]), n: integer(&gold["batch"]) };
        for level in Level::ALL.into_iter().filter(|level| level.supported()) {
            let options = EngineOptions { level, threads: 2, ..EngineOptions::default() };
            let mut engine = Engine::new(graph.clone(), options).unwrap();
            engine.set_params(&initialize(&graph, Init::Xavier, 42)).unwrap();
            let mut report = Report { prefix: format!("{} on {level}", case.name()), ..Report::default() };
            case.run(&mut engine, &mut report);
            report.finish();
        }
    }
    assert!(count > 0, "no case was run");
}

#[test]
fn losses_of_soft_smoothed_and_weighted_targets() {
    cases(|json| ["targets", "smoothing", "weights"].iter().any(|key| json.get(key).is_some()));
}
