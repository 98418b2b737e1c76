//! A prepared network gives the engine's bytes, to any number of threads at once, and refuses what does not fit.

mod interpreter;

use std::sync::{Arc, Barrier};

use interpreter::networks;
use plusx_engine::{Engine, EngineError, EngineOptions, Level, Prepared, PreparedOptions};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::params::Params;
use plusx_model::random::{ENGINE_TESTS, Philox, uniform24};
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

/// Batch sizes on both sides of what is planned for latency; of one image, bands are the pieces.
const BATCHES: [usize; 4] = [1, 3, 5, 9];

fn images(len: usize, seed: u32) -> Vec<f32> {
    let random = Philox::new(seed, ENGINE_TESTS);
    (0..len).map(|index| uniform24(random.block([index as u32, 0, 0, 0])[0])).collect()
}

fn resnet(size: &str) -> Graph {
    let block = zoo::build("resnet18-d2l", ZooOptions { classes: 10 }).unwrap();
    trace(block.as_ref(), size.parse().unwrap(), &mut Names::new()).unwrap()
}

/// First values that no layer maps to zero or to itself, running statistics included.
fn params(graph: &Graph) -> Params {
    let mut params = initialize(graph, Init::Xavier, 3);
    let mut engine = Engine::new(graph.clone(), EngineOptions::default()).unwrap();
    engine.set_params(&params).unwrap();
    let data = images(6 * graph.input_shape().len(), 2);
    let targets = plusx_model::targets::Targets::Classes(&[0, 1, 2, 3, 0, 1]);
    engine.train_step(Images { data: &data, n: 6 }, targets, &StepOptions::default()).unwrap();
    params = engine.params();
    params
}

/// The engine's logits, as bits.
fn wanted(graph: &Graph, params: &Params, (data, n): (&[f32], usize), exact: bool) -> Vec<u32> {
    let options = EngineOptions { threads: 1, level: Level::detect(), exact, ..EngineOptions::default() };
    let mut engine = Engine::new(graph.clone(), options).unwrap();
    engine.set_params(params).unwrap();
    let values = engine.infer(Images { data, n }, &[graph.output()]).unwrap();
    bits(&values[0].data)
}

fn found(net: &Prepared, (data, n): (&[f32], usize)) -> Vec<u32> {
    let mut logits = vec![f32::NAN; n * net.outputs()];
    net.infer(Images { data, n }, &mut logits).unwrap();
    bits(&logits)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn its_bytes_are_the_engines() {
    let mut all = networks::all();
    all.push(("the chapter's", resnet("1x64x48")));
    for (name, graph) in all {
        let params = params(&graph);
        for exact in [false, true] {
            let options = PreparedOptions { threads: 2, exact, ..PreparedOptions::default() };
            let net = Prepared::new(graph.clone(), &params, options).unwrap();
            // each size twice, with the others in between
            for n in BATCHES.into_iter().chain(BATCHES) {
                let data = images(n * graph.input_shape().len(), n as u32);
                let wanted = wanted(&graph, &params, (&data, n), exact);
                assert!(found(&net, (&data, n)) == wanted, "{name}, {n} images, exact {exact}");
            }
        }
    }
}

#[test]
fn many_threads_at_once_get_the_bytes_of_one_after_another() {
    const CALLERS: usize = 8;
    let graph = resnet("1x64x48");
    let params = params(&graph);
    let batches: Vec<(Vec<f32>, usize)> = (0..CALLERS)
        .map(|caller| {
            let n = BATCHES[caller % BATCHES.len()];
            (images(n * graph.input_shape().len(), caller as u32), n)
        })
        .collect();
    let wanted: Vec<_> = batches.iter().map(|(data, n)| wanted(&graph, &params, (data, *n), false)).collect();
    // more callers than seats, as many, and a thread or more for each
    for (at_once, threads) in [(1, 2), (3, 1), (CALLERS, 1), (2, 3)] {
        let options = PreparedOptions { threads, at_once, ..PreparedOptions::default() };
        let net = Arc::new(Prepared::new(graph.clone(), &params, options).unwrap());
        let start = Barrier::new(CALLERS);
        std::thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (net, start, batches, wanted) = (Arc::clone(&net), &start, &batches, &wanted);
                scope.spawn(move || {
                    start.wait();
                    // every caller goes through all batches, each from another one on
                    for index in (0..CALLERS).map(|index| (caller + index) % CALLERS) {
                        let (data, n) = &batches[index];
                        let found = found(&net, (data, *n));
                        assert!(found == wanted[index], "caller {caller}, {n} images, {at_once} at once");
                    }
                });
            }
        });
    }
}

#[test]
fn what_does_not_fit_is_refused_and_the_network_stays_usable() {
    let (_, graph) = networks::all().remove(2);
    let params = params(&graph);
    let net = Prepared::new(graph.clone(), &params, PreparedOptions::default()).unwrap();
    let len = graph.input_shape().len();
    let data = images(2 * len, 1);
    let mut logits = vec![0.0; 2 * net.outputs()];
    let mut refused = |data: &[f32], n, room: usize| {
        let error = net.infer(Images { data, n }, &mut logits[..room]).unwrap_err();
        assert!(error.to_string().contains("pass"), "{error}");
        error
    };
    let room = net.outputs();
    assert!(matches!(refused(&[], 0, 0), EngineError::Images { .. }));
    assert!(matches!(refused(&data[1..], 2, 2 * room), EngineError::Images { .. }));
    assert!(matches!(refused(&data, usize::MAX, 2 * room), EngineError::Images { .. }));
    assert!(matches!(refused(&data, 2, room), EngineError::Logits { images: 2, .. }));
    assert!(matches!(net.arena_bytes(0), Err(EngineError::Images { .. })));
    assert!(matches!(net.arena_bytes(usize::MAX), Err(EngineError::Memory { .. })));
    assert_eq!(found(&net, (&data, 2)), wanted(&graph, &params, (&data, 2), false));

    let other = initialize(&resnet("1x32x32"), Init::Xavier, 1);
    let error = Prepared::new(graph, &other, PreparedOptions::default()).unwrap_err();
    assert!(matches!(error, EngineError::Params { .. }), "{error}");
}
