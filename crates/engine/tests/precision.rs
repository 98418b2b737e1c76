//! What precision costs: results of `high` beside those of `highest`, and which layers are computed how.

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
    // without Winograd algorithms most layers are computed on tiles
    let options = EngineOptions { precision, exact: true, ..EngineOptions::default() };
    let mut engine = Engine::new(graph.clone(), options).unwrap();
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

/// Logits of a single image and of several, and losses of a training step.
struct Found {
    logits: [Vec<f32>; 2],
    losses: Vec<f32>,
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
    Found { logits, losses: step.losses }
}

/// Bounds of what logits and losses may differ by, of the largest.
struct Bounds {
    precision: Precision,
    logits: f64,
    losses: f64,
}

/// Logits of trained statistics are as near as the error of a product lets expect. Where training normalises few values, any
/// rounding opens or closes some ReLU, which moves gradients by percents: on the last of these networks two methods of `f32`
/// differ by 1.5 % and `high` by 6.5 %. So of a training step the losses are compared.
#[test]
fn every_precision_is_near_the_highest() {
    for (model, size) in [("resnet18-d2l", "1x64x64"), ("resnet18", "3x96x96"), ("resnet50", "3x96x96")] {
        let graph = network(model, size);
        let params = params(&graph);
        let highest = found(&graph, &params, Precision::Highest);
        for Bounds { precision, logits, losses } in [
            Bounds { precision: Precision::High, logits: 1e-5, losses: 5e-4 },
            Bounds { precision: Precision::Medium, logits: 0.02, losses: 0.1 },
        ] {
            let other = found(&graph, &params, precision);
            for (other, highest) in other.logits.iter().zip(&highest.logits) {
                let share = share(other, highest);
                eprintln!("{model}: logits at {precision} differ by {share:e}");
                assert!(share > 0.0 && share < logits, "{model}: logits at {precision} differ by {share:e}");
            }
            let share = share(&other.losses, &highest.losses);
            eprintln!("{model}: losses at {precision} differ by {share:e}");
            assert!(share > 0.0 && share < losses, "{model}: losses at {precision} differ by {share:e}");
        }
    }
}

/// Layers with many products for each value are computed on tiles, others as with the highest precision.
#[test]
fn layers_that_gain_are_computed_on_tiles() {
    let graph = network("resnet50", "3x224x224");
    let plan_of = |precision, exact, mode: &Mode, batch| {
        let options = EngineOptions { precision, exact, ..EngineOptions::default() };
        let mut engine = Engine::new(graph.clone(), options).unwrap();
        engine.plan(mode, batch).unwrap().to_string()
    };
    let output = graph.output();
    for (mode, batch) in [(Mode::train(), 8), (Mode::infer(&[output]), 1), (Mode::infer(&[output]), 32)] {
        let highest = plan_of(Precision::Highest, false, &mode, batch);
        assert!(!highest.contains("bf16") && !highest.contains("precision"), "{highest}");
        let high = plan_of(Precision::High, false, &mode, batch);
        assert!(high.lines().next().unwrap().contains("precision high"), "{high}");
        let kernel = |plan: &str, layer: &str| {
            let line = plan.lines().find(|line| line.contains(&format!("  {layer} ")));
            line.unwrap().split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_owned()
        };
        // 1x1, 1024 to 512 channels; 3x3 with stride 2; then 1x1 of 64, the first layer, and 3x3 with stride 1
        for layer in ["conv43 forward", "conv44 forward"] {
            assert_eq!(kernel(&high, layer), "bf16x2_forward");
        }
        for layer in ["conv3 forward", "conv0 forward"] {
            assert_eq!(kernel(&high, layer), "conv_forward");
        }
        assert_eq!(kernel(&high, "conv2 forward"), "winograd_forward");
        let exact = plan_of(Precision::High, true, &mode, batch);
        assert_eq!(kernel(&exact, "conv2 forward"), "bf16x2_forward");
    }
}
