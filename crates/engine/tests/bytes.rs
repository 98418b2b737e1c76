//! The same bytes whatever the machine does: threads, levels of one profile, batch sizes, what ran before.

mod interpreter;

use interpreter::networks;
use plusx_engine::{Engine, EngineOptions, Level, Mode, Precision};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::{Graph, NodeId};
use plusx_model::init::{Init, initialize};
use plusx_model::random::{ENGINE_TESTS, Philox, uniform24};
use plusx_model::targets::Targets;
use plusx_model::trace::{Names, trace};
use plusx_model::update::{OptimiserState, ParamRules, Update};
use plusx_model::zoo::{self, ZooOptions};

fn images(len: usize) -> Vec<f32> {
    let random = Philox::new(5, ENGINE_TESTS);
    (0..len).map(|index| uniform24(random.block([index as u32, 0, 0, 0])[0])).collect()
}

fn engine(graph: &Graph, threads: usize, level: Level, precision: Precision) -> Engine {
    let options = EngineOptions { threads, level, precision, ..EngineOptions::default() };
    let mut engine = Engine::new(graph.clone(), options).unwrap();
    engine.set_params(&initialize(graph, Init::Xavier, 3)).unwrap();
    engine
}

fn resnet(size: &str) -> Graph {
    let block = zoo::build("resnet18-d2l", ZooOptions { classes: 10 }).unwrap();
    trace(block.as_ref(), size.parse().unwrap(), &mut Names::new()).unwrap()
}

/// One unit of each stage of ResNeXt-50: groups of 4, 8, 16 and 32 channels.
fn resnext() -> Graph {
    let spec = zoo::Spec { stages: &[1, 1, 1, 1], ..*zoo::find("resnext50_32x4d").unwrap() };
    let block = spec.build(ZooOptions { classes: 10 });
    trace(&block, "3x64x64".parse().unwrap(), &mut Names::new()).unwrap()
}

/// Everything a few steps leave behind, as bits.
fn trained(engine: &mut Engine, n: usize, steps: usize) -> Vec<u32> {
    let data = images(n * engine.graph().input_shape().len());
    let labels: Vec<u32> = (0..n as u32).map(|image| image % 4).collect();
    let sgd = Update {
        weight_decay: 1e-4,
        params: ParamRules::DecayMatrices,
        ..Update::sgd(f64::from(0.05f32), n).momentum(f64::from(0.9f32))
    };
    let mut bits = Vec::new();
    for _ in 0..steps {
        let batch = Images { data: &data, n };
        let result = engine.train_step(batch, Targets::Classes(&labels), &StepOptions::update(&sgd)).unwrap();
        bits.extend(result.losses.iter().map(|loss| loss.to_bits()));
        bits.extend(result.predictions);
    }
    let Some(OptimiserState::Sgd { velocity }) = engine.optimiser_state() else { panic!("no velocity") };
    for params in [engine.params(), engine.gradients(), velocity] {
        bits.extend(params.values().iter().map(|value| value.to_bits()));
    }
    bits
}

#[test]
fn threads_change_no_byte() {
    let networks = networks::all();
    let one = |graph, precision| engine(graph, 1, Level::detect(), precision);
    for ((name, graph), precision) in with_precisions(&networks) {
        let reference = trained(&mut one(graph, precision), 70, 1);
        for threads in [2, 3, 4, 7] {
            let bits = trained(&mut engine(graph, threads, Level::detect(), precision), 70, 1);
            assert!(bits == reference, "{name}, {precision}: {threads} threads");
        }
    }
    let graph = resnet("1x32x32");
    for precision in Precision::ALL {
        let mut reused = one(&graph, precision);
        let reference = trained(&mut reused, 9, 2);
        for threads in [2, 3, 4, 7] {
            // the number may also change between steps, and what ran before leaves no trace
            reused.set_threads(threads);
            reused.set_params(&initialize(&graph, Init::Xavier, 3)).unwrap();
            reused.set_optimiser_state(None).unwrap();
            reused.infer(Images { data: &images(12 * 1024), n: 12 }, &[graph.output()]).unwrap();
            assert!(trained(&mut reused, 9, 2) == reference, "{precision}: {threads} threads");
        }
    }
}

/// The unit of tiles is one of the levels: what it computes, vectors compute to the byte.
#[test]
fn levels_of_one_profile_change_no_byte() {
    let mut graphs = networks::all();
    graphs.extend([("resnet18-d2l", resnet("1x32x32")), ("resnext50", resnext())]);
    for ((name, graph), precision) in with_precisions(&graphs) {
        let mut references = std::collections::HashMap::new();
        for level in Level::ALL.into_iter().filter(|level| level.supported()) {
            // alone in its profile, and slow at the products of tiles
            if level == Level::Portable && precision != Precision::Highest {
                continue;
            }
            let mut engine = engine(graph, 2, level, precision);
            let mut bits = trained(&mut engine, 5, 1);
            let data = images(graph.input_shape().len());
            let logits = engine.infer(Images { data: &data, n: 1 }, &[graph.output()]).unwrap();
            bits.extend(logits[0].data.iter().map(|value| value.to_bits()));
            let reference = references.entry(level.profile()).or_insert_with(|| bits.clone());
            assert!(bits == *reference, "{name}, {precision}: {level}");
        }
    }
}

/// Every network with every precision.
fn with_precisions<'g>(
    graphs: &'g [(&'static str, Graph)],
) -> impl Iterator<Item = (&'g (&'static str, Graph), Precision)> {
    graphs.iter().flat_map(|graph| Precision::ALL.map(|precision| (graph, precision)))
}

/// Batches that the engine may plan for latency, where it may take a direct convolution instead of a Winograd algorithm.
const LATENCY: usize = 4;

#[test]
fn an_image_has_the_same_logits_in_any_batch() {
    let mut graphs = networks::all();
    graphs.extend([("resnet18-d2l", resnet("1x32x32")), ("resnext50", resnext())]);
    let both = [false, true];
    for (((name, graph), precision), exact) in
        with_precisions(&graphs).flat_map(|one| both.map(|exact| (one, exact)))
    {
        let (len, n) = (graph.input_shape().len(), 13);
        let data = images(n * len);
        let options = EngineOptions { threads: 2, exact, precision, ..EngineOptions::default() };
        let mut engine = Engine::new(graph.clone(), options).unwrap();
        engine.set_params(&initialize(graph, Init::Xavier, 3)).unwrap();
        // running statistics away from their start
        trained(&mut engine, 6, 1);
        let mut logits = |range: std::ops::Range<usize>| {
            let batch = Images { data: &data[range.start * len..range.end * len], n: range.len() };
            engine.infer(batch, &[graph.output()]).unwrap().remove(0).data
        };
        let whole = logits(0..n);
        let largest = whole.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
        for split in [1, 2, 5] {
            for part in [0..split, split..n] {
                let expected = &whole[part.start * whole.len() / n..part.end * whole.len() / n];
                let bound = if part.len() <= LATENCY && !exact { 1e-5 * largest } else { 0.0 };
                for (got, expected) in logits(part.clone()).iter().zip(expected) {
                    let what = format!("{name}, {precision}, exact {exact}, images {part:?}");
                    assert!((got - expected).abs() <= bound, "{what}: {got}, in the whole batch {expected}");
                }
            }
        }
    }
}

/// A node that is asked for cannot be skipped, so with all of them every batch norm, ReLU and sum is a step or a reader's; the
/// output alone is computed by convolutions that finish them on the way out. Both in bands of rows (one image) and without.
#[test]
fn what_convolutions_finish_has_the_bytes_of_separate_steps() {
    let mut graphs = networks::all();
    graphs.extend([("resnet18-d2l", resnet("1x64x64")), ("resnext50", resnext())]);
    for ((name, graph), precision) in with_precisions(&graphs) {
        let mut engine = engine(graph, 2, Level::detect(), precision);
        trained(&mut engine, 6, 1);
        let nodes: Vec<_> = (0..graph.nodes.len() as u32).map(NodeId).collect();
        // a reference kernel rounds what it finishes once, not after every operation
        let plan = engine.plan(Mode::infer(&[graph.output()]), 1).unwrap().to_string();
        if plan.contains("conv_forward/reference") {
            assert_eq!(*name, "strides, kernels, dilation, groups", "a reference kernel is slow");
            continue;
        }
        for n in [1, 2, 7] {
            let data = images(n * graph.input_shape().len());
            let batch = Images { data: &data, n };
            let apart = engine.infer(batch, &nodes).unwrap();
            for threads in [1, 2, 3, 4, 7] {
                engine.set_threads(threads);
                let output = engine.infer(batch, &[graph.output()]).unwrap();
                let wanted = &apart[graph.output().index()];
                assert!(
                    bits(&output[0].data) == bits(&wanted.data),
                    "{name}, {precision}: {n} images, {threads} threads"
                );
            }
        }
    }
}

/// What was prepared from parameters is made again when they change, and when another plan has used the memory.
#[test]
fn prepared_filters_follow_the_parameters() {
    let graph = resnet("1x64x64");
    let data = images(9 * graph.input_shape().len());
    for precision in Precision::ALL {
        let mut used = engine(&graph, 2, Level::detect(), precision);
        let batch = |n: usize| Images { data: &data[..n * graph.input_shape().len()], n };
        let logits =
            |engine: &mut Engine, n| bits(&engine.infer(batch(n), &[graph.output()]).unwrap()[0].data);
        let fresh = |params: &plusx_model::params::Params, n| {
            let mut engine = engine(&graph, 2, Level::detect(), precision);
            engine.set_params(params).unwrap();
            logits(&mut engine, n)
        };
        let first = used.params();
        let expected = fresh(&first, 9);
        // twice the same plan, another one between
        for n in [9, 9, 1, 9] {
            assert!(logits(&mut used, n) == fresh(&first, n), "{n} images");
        }
        trained(&mut used, 6, 1);
        let second = used.params();
        assert!(logits(&mut used, 9) == fresh(&second, 9), "after a training step");
        assert!(logits(&mut used, 9) != expected, "training changed nothing");
        used.set_params(&first).unwrap();
        assert!(logits(&mut used, 9) == expected, "after other parameters");
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
