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

/// What decides how results are rounded, beside the level.
#[derive(Clone, Copy, Debug)]
struct Rounding {
    exact: bool,
    precision: Precision,
}

impl Rounding {
    const USUAL: Self = Self { exact: false, precision: Precision::Highest };
    const EXACT: Self = Self { exact: true, precision: Precision::Highest };
    const HIGH: Self = Self { exact: false, precision: Precision::High };
    const MEDIUM: Self = Self { exact: false, precision: Precision::Medium };
    /// Without Winograd algorithms, most layers are computed on tiles.
    const TILES: Self = Self { exact: true, precision: Precision::High };
}

fn images(len: usize) -> Vec<f32> {
    let random = Philox::new(5, ENGINE_TESTS);
    (0..len).map(|index| uniform24(random.block([index as u32, 0, 0, 0])[0])).collect()
}

fn engine(graph: &Graph, threads: usize, level: Level, rounding: Rounding) -> Engine {
    let Rounding { exact, precision } = rounding;
    let options = EngineOptions { threads, level, exact, precision, ..EngineOptions::default() };
    let mut engine = Engine::new(graph.clone(), options).unwrap();
    engine.set_params(&initialize(graph, Init::Xavier, 3)).unwrap();
    engine
}

fn resnet(size: &str) -> Graph {
    let block = zoo::build("resnet18-d2l", ZooOptions { classes: 10 }).unwrap();
    trace(block.as_ref(), size.parse().unwrap(), &mut Names::new()).unwrap()
}

/// One unit of each stage of ResNet-50: layers wide enough for tiles, and others.
fn bottlenecks() -> Graph {
    let spec = zoo::Spec { stages: &[1, 1, 1, 1], ..*zoo::find("resnet50").unwrap() };
    let block = spec.build(ZooOptions { classes: 10 });
    trace(&block, "3x64x64".parse().unwrap(), &mut Names::new()).unwrap()
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

/// Networks, each with a rounding: all of them as usual, those with wide layers on tiles, too.
fn cases() -> Vec<(&'static str, Graph, Rounding)> {
    let mut cases: Vec<_> =
        networks::all().into_iter().map(|(name, graph)| (name, graph, Rounding::USUAL)).collect();
    for rounding in [Rounding::USUAL, Rounding::HIGH, Rounding::TILES, Rounding::MEDIUM] {
        cases.push(("resnet18-d2l", resnet("1x32x32"), rounding));
        cases.push(("resnet50", bottlenecks(), rounding));
    }
    cases.push(("resnext50", resnext(), Rounding::USUAL));
    cases
}

#[test]
fn threads_change_no_byte() {
    for (name, graph) in networks::all() {
        let reference = trained(&mut engine(&graph, 1, Level::detect(), Rounding::USUAL), 70, 1);
        for threads in [2, 3, 4, 7] {
            let bits = trained(&mut engine(&graph, threads, Level::detect(), Rounding::USUAL), 70, 1);
            assert!(bits == reference, "{name}: {threads} threads");
        }
    }
    for (graph, rounding) in [
        (resnet("1x32x32"), Rounding::USUAL),
        (resnet("1x32x32"), Rounding::TILES),
        (bottlenecks(), Rounding::HIGH),
        (bottlenecks(), Rounding::MEDIUM),
    ] {
        let len = graph.input_shape().len();
        let mut reused = engine(&graph, 1, Level::detect(), rounding);
        let reference = trained(&mut reused, 9, 2);
        for threads in [2, 3, 4, 7] {
            // the number may also change between steps, and what ran before leaves no trace
            reused.set_threads(threads);
            reused.set_params(&initialize(&graph, Init::Xavier, 3)).unwrap();
            reused.set_optimiser_state(None).unwrap();
            reused.infer(Images { data: &images(12 * len), n: 12 }, &[graph.output()]).unwrap();
            assert!(trained(&mut reused, 9, 2) == reference, "{rounding:?}: {threads} threads");
        }
    }
}

/// The unit of tiles is one of the levels: what it computes, vectors compute to the byte.
#[test]
fn levels_of_one_profile_change_no_byte() {
    for (name, graph, rounding) in cases() {
        let mut references = std::collections::HashMap::new();
        for level in Level::ALL.into_iter().filter(|level| level.supported()) {
            // alone in its profile, and slow at the products of tiles
            if level == Level::Portable && rounding.precision != Precision::Highest {
                continue;
            }
            let mut engine = engine(&graph, 2, level, rounding);
            let mut bits = trained(&mut engine, 5, 1);
            let data = images(graph.input_shape().len());
            let logits = engine.infer(Images { data: &data, n: 1 }, &[graph.output()]).unwrap();
            bits.extend(logits[0].data.iter().map(|value| value.to_bits()));
            let reference = references.entry(level.profile()).or_insert_with(|| bits.clone());
            assert!(bits == *reference, "{name}, {rounding:?}: {level}");
        }
    }
}

/// Batches that the engine may plan for latency, where it may take a direct convolution instead of a Winograd algorithm.
const LATENCY: usize = 4;

#[test]
fn an_image_has_the_same_logits_in_any_batch() {
    let mut cases = cases();
    cases.extend(networks::all().into_iter().map(|(name, graph)| (name, graph, Rounding::EXACT)));
    cases.push(("resnet18-d2l", resnet("1x32x32"), Rounding::EXACT));
    for (name, graph, rounding) in &cases {
        let (len, n) = (graph.input_shape().len(), 13);
        let data = images(n * len);
        let mut engine = engine(graph, 2, Level::detect(), *rounding);
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
                let bound = if part.len() <= LATENCY && !rounding.exact { 1e-5 * largest } else { 0.0 };
                for (got, expected) in logits(part.clone()).iter().zip(expected) {
                    let what = format!("{name}, {rounding:?}, images {part:?}");
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
    // a map that is stored as bf16 is rounded once more than one that is finished on the way out
    for (name, graph, rounding) in cases().into_iter().filter(|case| case.2.precision != Precision::Medium) {
        let mut engine = engine(&graph, 2, Level::detect(), rounding);
        trained(&mut engine, 6, 1);
        let nodes: Vec<_> = (0..graph.nodes.len() as u32).map(NodeId).collect();
        // a reference kernel rounds what it finishes once, not after every operation
        let plan = engine.plan(Mode::infer(&[graph.output()]), 1).unwrap().to_string();
        if plan.contains("conv_forward/reference") {
            assert_eq!(name, "strides, kernels, dilation, groups", "a reference kernel is slow");
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
                    "{name}, {rounding:?}: {n} images, {threads} threads"
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
    for rounding in [Rounding::USUAL, Rounding::TILES, Rounding::MEDIUM] {
        let mut used = engine(&graph, 2, Level::detect(), rounding);
        let batch = |n: usize| Images { data: &data[..n * graph.input_shape().len()], n };
        let logits =
            |engine: &mut Engine, n| bits(&engine.infer(batch(n), &[graph.output()]).unwrap()[0].data);
        let fresh = |params: &plusx_model::params::Params, n| {
            let mut engine = engine(&graph, 2, Level::detect(), rounding);
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
