//! What precision costs: results of `high` beside those of `highest`, and which layers are computed how.

mod interpreter;

use interpreter::networks;
use plusx_engine::{Engine, EngineOptions, Precision};
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

#[test]
fn high_is_near_the_highest() {
    let mut graphs = networks::all();
    graphs.extend([
        ("resnet18-d2l", network("resnet18-d2l", "1x64x64")),
        ("resnet18", network("resnet18", "3x96x96")),
        ("resnet50", network("resnet50", "3x96x96")),
    ]);
    for (name, graph) in &graphs {
        let params = params(graph);
        let [highest, high] = [Precision::Highest, Precision::High].map(|precision| {
            let mut engine = engine(graph, &params, precision);
            let inferred = [1, 6].map(|n| {
                let data = images(graph, n, 2);
                engine.infer(Images { data: &data, n }, &[graph.output()]).unwrap().remove(0).data
            });
            let data = images(graph, 8, 4);
            let targets = Targets::Classes(&[0, 1, 2, 3, 3, 2, 1, 0]);
            let step =
                engine.train_step(Images { data: &data, n: 8 }, targets, &StepOptions::default()).unwrap();
            (inferred, step.losses, engine.gradients())
        });
        eprintln!(
            "{name}: {:e} {:e} losses {:e} gradients {:e}",
            share(&high.0[0], &highest.0[0]),
            share(&high.0[1], &highest.0[1]),
            share(&high.1, &highest.1),
            share(high.2.values(), highest.2.values())
        );
    }
}
