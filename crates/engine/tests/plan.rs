//! Plans as data: equal for equal inputs, small enough, readable; and errors instead of panics.

mod interpreter;

use interpreter::networks;
use plusx_engine::{Engine, EngineError, EngineOptions, Level, Mode};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::{Graph, NodeId};
use plusx_model::init::{Init, initialize};
use plusx_model::learning::Learning;
use plusx_model::params::Params;
use plusx_model::targets::{Loss, Targets};
use plusx_model::trace::{Names, trace};
use plusx_model::update::{OptimiserState, ParamRule, ParamRules, Rule, Update};
use plusx_model::zoo::{self, ZooOptions};

fn resnet() -> Graph {
    let block = zoo::build("resnet18-d2l", ZooOptions { classes: 10 }).unwrap();
    trace(block.as_ref(), "1x96x96".parse().unwrap(), &mut Names::new()).unwrap()
}

fn engine(graph: Graph, threads: usize) -> Engine {
    Engine::new(graph, EngineOptions { threads, level: Level::detect(), ..EngineOptions::default() }).unwrap()
}

#[test]
fn equal_inputs_give_equal_plans() {
    for (name, graph) in networks::all() {
        let output = graph.output();
        for mode in [Mode::train(), Mode::infer(&[output]), Mode::forward_training(&[output])] {
            let mut first = engine(graph.clone(), 1);
            let mut second = engine(graph.clone(), 3);
            assert_eq!(first.plan(&mode, 8).unwrap(), second.plan(&mode, 8).unwrap(), "{name}");
            assert_ne!(first.plan(&mode, 8).unwrap(), second.plan(&mode, 9).unwrap(), "{name}");
        }
    }
}

#[test]
fn the_chapters_run_fits() {
    let mut engine = engine(resnet(), 1);
    let train = engine.plan(Mode::train(), 256).unwrap();
    assert!(train.memory_bytes() < 1_100_000_000, "{} bytes", train.memory_bytes());
    // Every multiply-accumulate inside the map forward, and twice backward except for the images' own gradient. Taps
    // inside along one axis: 3 n - 2 of a 3-tap filter over n pixels, 3 n - 1 at stride 2 to n outputs; the stem's 7 taps
    // miss 3 + 1 at the start and 2 at the end of 48 outputs.
    let stem = 64 * 330 * 330;
    let same = 4 * 64 * 64 * 70 * 70 + 3 * (128 * 128 * 34 * 34 + 256 * 256 * 16 * 16 + 512 * 512 * 7 * 7);
    let strided = 64 * 128 * 35 * 35 + 128 * 256 * 17 * 17 + 256 * 512 * 8 * 8;
    let shortcuts = 64 * 128 * 12 * 12 + 128 * 256 * 6 * 6 + 256 * 512 * 3 * 3;
    let all = stem + same + strided + shortcuts + 512 * 10;
    assert_eq!(train.flops(), 2 * 256 * (3 * all - stem));
    let (bytes, text) = (train.memory_bytes(), train.to_string());
    assert!(text.contains("conv0 forward") && text.contains("conv_backward_weights/"), "{text}");
    assert!(text.contains("winograd_forward/") && text.contains("conv1.transformed"), "{text}");
    assert!(text.lines().count() < 500);
    let infer = engine.plan(Mode::infer(&[NodeId(0)]), 256).unwrap();
    assert!(infer.memory_bytes() < 100_000_000);
    let output = engine.graph().output();
    assert!(engine.plan(Mode::infer(&[output]), 256).unwrap().memory_bytes() < bytes / 2);
}

#[test]
fn a_residual_block_moves_no_map_without_need() {
    // no step but convolutions, poolings, per-channel numbers, loss and update: everything else is fused
    let mut engine = engine(resnet(), 1);
    let text = engine.plan(Mode::train(), 64).unwrap().to_string();
    for (kernel, most) in [("evaluate/", 1), ("stats/", 0), ("sink/", 1)] {
        let count = text.lines().filter(|line| line.contains(kernel)).count();
        assert!(count <= most, "{count} steps of {kernel}:\n{text}");
    }
}

#[test]
fn mistakes_are_errors_and_leave_the_engine_usable() {
    let mut engine = engine(networks::all().remove(0).1, 2);
    let graph = engine.graph().clone();
    engine.set_params(&initialize(&graph, Init::default(), 0)).unwrap();
    let data = vec![0.5; 2 * graph.input_shape().len()];
    let good = Images { data: &data, n: 2 };
    let check = |engine: &mut Engine, result: Result<(), EngineError>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        engine.train_step(good, Targets::Classes(&[0, 1]), &StepOptions::default()).unwrap();
    };
    for n in [0, 1, 3, usize::MAX] {
        let result = engine.train_step(
            Images { data: &data, n },
            Targets::Classes(&vec![0; n.min(3)]),
            &StepOptions::default(),
        );
        check(&mut engine, result.map(drop), &["images of 2x3x3", "36 values"]);
    }
    let result = engine.train_step(good, Targets::Classes(&[0]), &StepOptions::default());
    check(&mut engine, result.map(drop), &["2 images", "1 labels"]);
    let result = engine.train_step(good, Targets::Classes(&[0, 4]), &StepOptions::default());
    check(&mut engine, result.map(drop), &["label 4", "image 1", "dense0"]);
    let soft = [0.25; 8];
    for (targets, loss, words) in [
        (Targets::Soft(&soft[..7]), Loss::default(), ["7 soft targets", "pass 4 for each"]),
        (
            Targets::Soft(&[0.0, 0.0, 0.0, 0.0, 0.0, -0.5, 0.0, 0.0]),
            Loss::default(),
            ["image 1", "class 1 is -0.5"],
        ),
        (Targets::Soft(&soft), Loss { smoothing: f32::NAN, class_weights: None }, ["NaN", "0 and 1"]),
        (
            Targets::Soft(&soft),
            Loss { smoothing: 0.0, class_weights: Some(&[1.0]) },
            ["1 class weights", "4 classes"],
        ),
        (
            Targets::Classes(&[0, 1]),
            Loss { smoothing: 0.0, class_weights: Some(&[1.0, f32::INFINITY, 1.0, 1.0]) },
            ["inf among them", "at least 0"],
        ),
    ] {
        let options = StepOptions { loss, ..StepOptions::default() };
        let result = engine.train_step(good, targets, &options);
        check(&mut engine, result.map(drop), &words);
    }
    let (labels, rules) = ([0, 1], [ParamRule { lr_scale: 1.0, decays: true }]);
    let adamw = Update::adamw(0.1, 2);
    for (update, words) in [
        (Update { lr: f64::NAN, ..adamw }, ["lr is NaN", "finite"]),
        (
            Update { rule: Rule::AdamW { beta1: 1.0, beta2: 0.9, eps: 1e-8 }, ..adamw },
            ["beta1 is 1", "below 1"],
        ),
        (Update { rule: Rule::AdamW { beta1: 0.9, beta2: 0.9, eps: 0.0 }, ..adamw }, ["eps is 0", "above 0"]),
        (Update { max_norm: Some(-1.0), ..adamw }, ["max_norm is -1", "at least 0"]),
        (Update { params: ParamRules::Each(&rules), ..adamw }, ["rules for 1 ", "each of the network's 2"]),
    ] {
        let result = engine.train_step(good, Targets::Classes(&labels), &StepOptions::update(&update));
        check(&mut engine, result.map(drop), &words);
    }
    let result = engine.set_learning(&Learning::of(vec![true]));
    check(&mut engine, result, &["speaks of 1 parameters", "each of the network's 2"]);
    let result = engine.infer(good, &[NodeId(9)]);
    check(&mut engine, result.map(drop), &["node 9"]);
    let result = engine.plan(Mode::train(), 0).map(drop);
    check(&mut engine, result, &["at least one image"]);
    let result = engine.plan(Mode::train(), usize::MAX / 2).map(drop);
    check(&mut engine, result, &["smaller batch"]);
    let other = Params::zeros(&resnet());
    let result = engine.set_params(&other);
    check(&mut engine, result, &["not those of this network"]);
    let result = engine.set_optimiser_state(Some(&OptimiserState::Sgd { velocity: other }));
    check(&mut engine, result, &["not those of this network"]);
}

#[test]
fn networks_that_cannot_be_trained_say_so() {
    let mut map = networks::all().remove(1).1;
    map.output = Some(NodeId(1));
    let mut engine = engine(map.clone(), 1);
    let data = vec![0.0; map.input_shape().len()];
    let batch = Images { data: &data, n: 1 };
    let error = engine.train_step(batch, Targets::Classes(&[0]), &StepOptions::default()).unwrap_err();
    assert!(error.to_string().contains("conv0: training needs an output of one row"), "{error}");
    assert_eq!(engine.infer(batch, &[NodeId(1)]).unwrap()[0].shape, map.node(NodeId(1)).shape);

    map.output = Some(NodeId(77));
    assert!(Engine::new(map.clone(), EngineOptions::default()).is_err());
    map.output = None;
    map.params[0].dims[0] += 1;
    assert!(Engine::new(map, EngineOptions::default()).is_err());
    if !Level::Avx512.supported() {
        let options = EngineOptions { level: Level::Avx512, ..EngineOptions::default() };
        let error = Engine::new(resnet(), options).unwrap_err();
        assert!(error.to_string().contains("cannot run avx512"), "{error}");
    }
}

#[test]
fn a_profile_names_every_step() {
    let graph = networks::all().remove(2).1;
    let options = EngineOptions { threads: 2, profile: true, ..EngineOptions::default() };
    let mut engine = Engine::new(graph.clone(), options).unwrap();
    engine.set_params(&initialize(&graph, Init::default(), 0)).unwrap();
    let data = vec![0.5; 2 * graph.input_shape().len()];
    for _ in 0..3 {
        let batch = Images { data: &data, n: 2 };
        engine.train_step(batch, Targets::Classes(&[0, 1]), &StepOptions::default()).unwrap();
    }
    let rows = engine.profile();
    assert_eq!(rows.len(), engine.plan(Mode::train(), 2).unwrap().len());
    let flops: u64 = rows.iter().map(|row| row.direct_flops).sum();
    assert_eq!(flops, 3 * engine.plan(Mode::train(), 2).unwrap().flops());
    assert!(rows.iter().all(|row| row.flops <= row.direct_flops));
    assert!(rows.iter().all(|row| row.calls == 3 && row.seconds > 0.0 && !row.kernel.is_empty()));
    engine.reset_profile();
    assert!(engine.profile().is_empty());
}
