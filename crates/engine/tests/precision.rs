//! What precision costs: results of `high` beside those of `highest`, and which layers are computed how.

mod interpreter;

use interpreter::networks;
use plusx_engine::{Engine, EngineOptions, Mode, Precision};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::random::{ENGINE_TESTS, Philox, uniform24};
use plusx_model::targets::Targets;
use plusx_model::trace::{Names, trace};
use plusx_model::update::Update;
use plusx_model::zoo::{self, ZooOptions};

fn images(graph: &Graph, n: usize, seed: u32) -> Vec<f32> {
    let random = Philox::new(seed, ENGINE_TESTS);
    let len = n * graph.input_shape().len();
    (0..len).map(|index| 2.0 * uniform24(random.block([index as u32, 0, 0, 0])[0]) - 1.0).collect()
}

fn network(name: &str, size: &str) -> Graph {
    let block = zoo::build(name, ZooOptions { classes: 10 }).unwrap();
    trace(block.as_ref(), size.parse().unwrap(), &mut Names::new()).unwrap()
}

fn engine(graph: &Graph, params: &Params, precision: Precision) -> Engine {
    let mut engine =
        Engine::new(graph.clone(), EngineOptions { precision, ..EngineOptions::default() }).unwrap();
    engine.set_params(params).unwrap();
    engine
}

/// First values after two steps, so that running statistics are away from their start.
fn params(graph: &Graph) -> Params {
    let mut engine = engine(graph, &initialize(graph, Init::Xavier, 3), Precision::Highest);
    let data = images(graph, 8, 1);
    let update = Update::sgd(0.01, 8);
    for _ in 0..2 {
        let batch = Images { data: &data, n: 8 };
        let targets = Targets::Classes(&[0, 1, 2, 3, 3, 2, 1, 0]);
        engine.train_step(batch, targets, &StepOptions::update(&update)).unwrap();
    }
    engine.params()
}

/// Largest difference, as a part of the largest value.
fn share(ours: &[f32], truth: &[f32]) -> f64 {
    let size = truth.iter().fold(0.0f64, |size, value| size.max(f64::from(*value).abs()));
    let worst = ours.iter().zip(truth).fold(0.0f64, |worst, (a, b)| {
        let difference = (f64::from(*a) - f64::from(*b)).abs();
        if difference.is_nan() { f64::INFINITY } else { worst.max(difference) }
    });
    worst / size.max(f64::MIN_POSITIVE)
}

/// One step's losses and gradients, and logits of a single image and of several.
struct Found {
    logits: [Vec<f32>; 2],
    losses: Vec<f32>,
    gradients: Params,
}

fn found(graph: &Graph, params: &Params, precision: Precision) -> Found {
    let mut engine = engine(graph, params, precision);
    let logits = [1, 6].map(|n| {
        let data = images(graph, n, 2);
        engine.infer(Images { data: &data, n }, &[graph.output()]).unwrap().remove(0).data
    });
    let data = images(graph, 8, 4);
    let targets = Targets::Classes(&[0, 1, 2, 3, 3, 2, 1, 0]);
    let step = engine.train_step(Images { data: &data, n: 8 }, targets, &StepOptions::default()).unwrap();
    Found { logits, losses: step.losses, gradients: engine.gradients() }
}

/// Of the largest logit, loss and gradient. What is printed of these networks was 4e-5, 1e-5 and 8e-5.
const SMALL: [f64; 3] = [1e-4, 5e-5, 3e-4];

#[test]
fn high_is_near_the_highest_on_small_networks() {
    for (name, graph) in networks::all() {
        let params = params(&graph);
        let [highest, high] =
            [Precision::Highest, Precision::High].map(|precision| found(&graph, &params, precision));
        let shares = [
            (0..2).map(|at| share(&high.logits[at], &highest.logits[at])).fold(0.0, f64::max),
            share(&high.losses, &highest.losses),
            share(high.gradients.values(), highest.gradients.values()),
        ];
        let near = shares.iter().zip(SMALL).all(|(share, bound)| *share < bound);
        assert!(near, "{name}: logits, losses, gradients differ by {shares:?}");
    }
}

/// Logits of trained statistics are as near as the error of a product lets expect. Where training normalises few values, any
/// rounding opens or closes some ReLU, which moves gradients by percents: two methods of `f32` differ by as much on the
/// last of these networks. So of a training step the losses are compared.
#[test]
fn high_is_near_the_highest_on_residual_networks() {
    for (model, size) in [("resnet18-d2l", "1x64x64"), ("resnet18", "3x96x96"), ("resnet50", "3x96x96")] {
        let graph = network(model, size);
        let params = params(&graph);
        let [highest, high] =
            [Precision::Highest, Precision::High].map(|precision| found(&graph, &params, precision));
        for (high, highest) in high.logits.iter().zip(&highest.logits) {
            let share = share(high, highest);
            assert!(share < 1e-5, "{model}: logits differ by {share:e}");
        }
        let share = share(&high.losses, &highest.losses);
        assert!(share < 5e-4, "{model}: losses differ by {share:e}");
    }
}

/// Every layer of one group is computed on tiles in all three passes; with the highest precision none is.
#[test]
fn layers_are_computed_on_tiles() {
    let graph = network("resnet50", "3x224x224");
    let params = Params::zeros(&graph);
    for (precision, tiles) in [(Precision::Highest, false), (Precision::High, true)] {
        let mut engine = engine(&graph, &params, precision);
        let output = graph.output();
        for (mode, batch) in [(Mode::train(), 8), (Mode::infer(&[output]), 1), (Mode::infer(&[output]), 32)] {
            let plan = engine.plan(&mode, batch).unwrap().to_string();
            assert_eq!(plan.lines().next().unwrap().contains("precision high"), tiles, "{plan}");
            assert_eq!(plan.contains("bf16x2"), tiles, "{plan}");
            let other = ["winograd", " conv_", " transpose "].iter().any(|word| plan.contains(word));
            assert_eq!(other, !tiles, "{plan}");
        }
    }
    let graph = network("resnext50_32x4d", "3x64x64");
    let mut engine = engine(&graph, &Params::zeros(&graph), Precision::High);
    let plan = engine.plan(Mode::train(), 2).unwrap().to_string();
    assert!(plan.contains("bf16x2_forward") && plan.contains("grouped"), "{plan}");
}
