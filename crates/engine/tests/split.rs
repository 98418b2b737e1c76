//! A network cut in two: head and tail together are the whole, in inference and in training.

mod interpreter;

use interpreter::networks;
use plusx_engine::{Engine, EngineOptions, Mode};
use plusx_model::ModelError;
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::{Graph, NodeId, ParamId};
use plusx_model::init::{Init, initialize};
use plusx_model::learning::Learning;
use plusx_model::params::Params;
use plusx_model::targets::Targets;
use plusx_model::update::Update;

/// The parameters of `part`, by name out of those of the whole.
fn of_part(whole: &Params, part: &Graph) -> Params {
    let mut params = Params::zeros(part);
    for (index, spec) in part.params.iter().enumerate() {
        params.set(ParamId(index as u32), whole.get(whole.find(&spec.name).unwrap())).unwrap();
    }
    params
}

fn engine(graph: &Graph, params: &Params) -> Engine {
    let mut engine =
        Engine::new(graph.clone(), EngineOptions { threads: 2, ..EngineOptions::default() }).unwrap();
    engine.set_params(params).unwrap();
    engine
}

#[test]
fn head_and_tail_are_the_whole() {
    let (mut cuts, mut exact, n) = (0, 0, 6);
    for (name, graph) in networks::all() {
        let data: Vec<f32> = (0..n * graph.input_shape().len()).map(|i| (i % 23) as f32 / 23.0).collect();
        let images = Images { data: &data, n };
        let params = initialize(&graph, Init::Xavier, 3);
        let mut whole = engine(&graph, &params);
        for node in (1..graph.nodes.len() as u32 - 1).map(NodeId) {
            let Ok(split) = graph.split_at(node) else { continue };
            let what = format!("{name} behind {}", graph.node(node).label);
            split.head.check().unwrap();
            split.tail.check().unwrap();
            assert_eq!(split.tail.input_shape(), graph.node(node).shape, "{what}");
            if split.tail.params.is_empty() {
                continue;
            }
            cuts += 1;
            let (head, tail) = (of_part(&params, &split.head), of_part(&params, &split.tail));
            let value = engine(&split.head, &head).infer(images, &[split.head.output()]).unwrap().remove(0);
            let features = Images { data: &value.data, n };
            let mut after = engine(&split.tail, &tail);
            let logits = after.infer(features, &[split.tail.output()]).unwrap().remove(0);
            let wanted = whole.infer(images, &[graph.output()]).unwrap().remove(0);
            let error = |ours: &[f32], theirs: &[f32]| {
                let largest = theirs.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
                ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / largest).fold(0.0f32, f32::max)
            };
            // a tail may read few channels unpadded, as images are read, and then adds them up in another order
            assert!(error(&logits.data, &wanted.data) <= 2e-6, "{what}");
            // a reference kernel rounds a batch norm that it reads through in its own way
            let plan = after.plan(Mode::infer(&[split.tail.output()]), n).unwrap().to_string();
            if graph.node(node).shape.c > 16 && !plan.contains("/reference") {
                exact += 1;
                assert_eq!(logits.data, wanted.data, "{what}");
            }
            // training the tail on kept values is training the whole with a head that does not learn
            let mut frozen = engine(&graph, &params);
            let is_head = |name: &str| split.head.params.iter().any(|spec| spec.name == name);
            let learning = Learning::everything(&graph).without(&graph, |spec| is_head(&spec.name));
            frozen.set_learning(&learning).unwrap();
            // an engine of the whole that starts behind the node is one of the tail
            let mut behind = engine(&graph, &params);
            behind.set_learning(&learning).unwrap();
            behind.start_behind(Some(node)).unwrap();
            assert_eq!(behind.infer(features, &[graph.output()]).unwrap().remove(0), logits, "{what}");
            let update = Update::sgd(0.05, n).momentum(0.9);
            let targets = Targets::Classes(&[0, 1, 2, 3, 0, 1]);
            for _ in 0..2 {
                after.train_step(features, targets, &StepOptions::update(&update)).unwrap();
                behind.train_step(features, targets, &StepOptions::update(&update)).unwrap();
                frozen.train_step(images, targets, &StepOptions::update(&update)).unwrap();
            }
            assert_eq!(of_part(&behind.params(), &split.tail), after.params(), "{what}");
            assert_eq!(of_part(&behind.params(), &split.head), head, "{what}");
            assert!(behind.infer(images, &[NodeId(0)]).is_err(), "{what}");
            behind.start_behind(None).unwrap();
            assert_eq!(behind.infer(images, &[node]).unwrap().remove(0), value, "{what}");
            let (ours, theirs) = (after.params(), of_part(&frozen.params(), &split.tail));
            assert!(
                error(ours.values(), theirs.values()) <= 1e-5,
                "{what}: {}",
                error(ours.values(), theirs.values())
            );
        }
    }
    assert!(cuts > 30 && exact > 5, "{cuts} cuts, {exact} to the byte");
}

#[test]
fn the_last_node_before_what_learns_is_found() {
    let network = |name: &str| networks::all().into_iter().find(|(found, _)| *found == name).unwrap().1;
    let graph = network("two residuals");
    assert_eq!(graph.last_before(&Learning::everything(&graph)), None);
    let last = &graph.params.last().unwrap().name.rsplit_once('.').unwrap().0;
    let head = Learning::everything(&graph).without(&graph, |spec| !spec.name.starts_with(last));
    let node = graph.last_before(&head).unwrap();
    let split = graph.split_at(node).unwrap();
    assert!(split.tail.params.iter().all(|spec| spec.name.starts_with(last)));
    assert!(graph.rest_behind(NodeId(node.0 + 1)).is_err() || node.0 + 1 == graph.output().0);
}

#[test]
fn cuts_that_leave_something_over_are_refused() {
    let (_, graph) = networks::all().into_iter().find(|(name, _)| *name == "two residuals").unwrap();
    let mut problems = Vec::new();
    for node in (0..graph.nodes.len() as u32 + 1).map(NodeId) {
        if let Err(ModelError::Cut { problem, .. }) = graph.split_at(node) {
            problems.push(problem);
        }
    }
    assert!(problems.iter().any(|problem| problem.contains("also reads")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("no node")), "{problems:?}");
}
