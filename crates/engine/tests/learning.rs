//! How the engine learns, against PyTorch's own losses, optimisers and averages in f64, on every level of this machine.
//! `tools/golden_learning.py` says what the cases are.

mod gold;

use gold::{Report, images, integer, labels, list, number, numbers, read, text};
use plusx_engine::{Engine, EngineOptions, Level};
use plusx_model::containers::Sequential;
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::{Graph, Op, ParamSpec, RunningVariance};
use plusx_model::init::{Init, initialize};
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::targets::{Loss, Targets};
use plusx_model::trace::{Names, trace};
use plusx_model::update::{OptimiserState, ParamRule, ParamRules, Rule, Update};
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

    /// A rate for each layer, and no decay of vectors.
    fn rules(&self, graph: &Graph) -> Option<Vec<ParamRule>> {
        let groups = self.json.get("groups")?;
        let rule = |spec: &ParamSpec| ParamRule {
            lr_scale: number(&groups[spec.name.split('.').next().unwrap()]),
            decays: spec.dims.len() > 1,
        };
        Some(graph.params.iter().map(rule).collect())
    }

    fn update<'r>(&self, rules: Option<&'r [ParamRule]>) -> Update<'r> {
        let optimiser = &self.json["optimiser"];
        let rule = match text(&optimiser["rule"]) {
            "sgd" => Rule::Sgd {
                momentum: number(&optimiser["momentum"]),
                nesterov: optimiser["nesterov"].as_bool().unwrap(),
            },
            _ => Rule::AdamW {
                beta1: number(&optimiser["betas"][0]),
                beta2: number(&optimiser["betas"][1]),
                eps: number(&optimiser["eps"]),
            },
        };
        Update {
            rule,
            lr: number(&optimiser["lr"]),
            weight_decay: number(&optimiser["weight_decay"]),
            params: rules.map_or(ParamRules::Alike, ParamRules::Each),
            scale: 1.0,
            max_norm: self.json.get("max_norm").map(number),
        }
    }

    /// The tensors of `set` that the script has under `key`.
    fn compare(&self, report: &mut Report, key: &str, set: &Params) {
        for (spec, values) in set.iter() {
            match self.json[key].get(&spec.name) {
                Some(theirs) => report.digest(&format!("{key} {}", spec.name), values, theirs),
                None => assert!(values.iter().all(|value| *value == 0.0), "{key} {}", spec.name),
            }
        }
    }

    fn run(&self, engine: &mut Engine, report: &mut Report) {
        let (stream, n) = (integer(&self.json["stream"]), self.n);
        let weights = self.weights();
        let smoothing = self.json.get("smoothing").map_or(0.0, number) as f32;
        let loss = Loss { smoothing, class_weights: weights.as_deref() };
        let rules = self.rules(engine.graph());
        let update = self.update(rules.as_deref());
        for (index, exact) in list(&self.json["losses"]).iter().enumerate() {
            let images = images(engine.graph().input_shape(), stream, index + 1, n);
            let labels = labels(self.classes, stream, index + 1, n);
            let soft = self.soft(&labels);
            let targets = match self.json.get("targets").map(text) {
                Some("soft") => Targets::Soft(&soft),
                _ => Targets::Classes(&labels),
            };
            let update = Update { scale: 1.0 / loss.divisor(targets, n), ..update };
            let options = StepOptions { loss, update: Some(&update) };
            let losses = engine.train_step(Images { data: &images, n }, targets, &options).unwrap().losses;
            for (image, (&ours, exact)) in losses.iter().zip(numbers(exact)).enumerate() {
                let what = || format!("loss of image {image} in step {}", index + 1);
                report.compare(what, f64::from(ours), exact, number(&self.json["error"][index]));
            }
        }
        self.compare(report, "params", &engine.params());
        for (name, set) in engine.optimiser_state().iter().flat_map(OptimiserState::sets) {
            self.compare(report, name.trim_start_matches("optimiser."), set);
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

/// Without what later tests are about.
fn is_plain(json: &Value) -> bool {
    ["frozen", "evaluated", "decay"].iter().all(|key| json.get(key).is_none())
}

#[test]
fn momentum_nesterov_groups_and_clipping() {
    cases(|json| is_plain(json) && text(&json["optimiser"]["rule"]) == "sgd");
}

#[test]
fn adamw() {
    cases(|json| is_plain(json) && text(&json["optimiser"]["rule"]) == "adamw");
}

/// A run that goes on from what was remembered has the bytes of one that never stopped.
#[test]
fn adamw_resumes_to_the_byte() {
    let gold: Value = serde_json::from_slice(&read("learning.json")).unwrap();
    let (graph, n) = (network(&gold), 7);
    let images = images(graph.input_shape(), 1, 0, n);
    let labels = labels(4, 1, 0, n);
    let update = Update { max_norm: Some(0.5), params: ParamRules::DecayMatrices, ..Update::adamw(0.01, n) };
    let step = |engine: &mut Engine| {
        let options = StepOptions::update(&update);
        engine.train_step(Images { data: &images, n }, Targets::Classes(&labels), &options).unwrap();
    };
    let mut whole =
        Engine::new(graph.clone(), EngineOptions { threads: 3, ..EngineOptions::default() }).unwrap();
    whole.set_params(&initialize(&graph, Init::Xavier, 42)).unwrap();
    step(&mut whole);
    let mut resumed = Engine::new(graph, EngineOptions { threads: 1, ..EngineOptions::default() }).unwrap();
    resumed.set_params(&whole.params()).unwrap();
    resumed.set_optimiser_state(whole.optimiser_state().as_ref()).unwrap();
    for engine in [&mut whole, &mut resumed] {
        step(engine);
        step(engine);
    }
    assert_eq!(whole.params(), resumed.params());
    assert_eq!(whole.optimiser_state(), resumed.optimiser_state());
    let Some(OptimiserState::AdamW { steps, .. }) = whole.optimiser_state() else { panic!("no moments") };
    assert_eq!(steps[0], 3);
}
