//! The engine against the plain interpreter, on networks of every shape: values, losses, gradients, running
//! statistics, updates.

mod interpreter;

use interpreter::networks;
use interpreter::{Interpreter, Norms, Outcome, numbers};
use plusx_engine::{Engine, EngineOptions, Level, Mode};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::graph::{Graph, NodeId, ParamId, Role};
use plusx_model::params::Params;
use plusx_model::random::{ENGINE_TESTS, Philox, uniform24};
use plusx_model::targets::Targets;
use plusx_model::update::{ParamRules, Rule, Update};

/// Values in [-1, 1).
fn values(len: usize, seed: u32) -> Vec<f32> {
    let random = Philox::new(seed, ENGINE_TESTS);
    (0..len).map(|index| 2.0 * uniform24(random.block([index as u32, 0, 0, 0])[0]) - 1.0).collect()
}

/// Parameters away from every special value: gammas of both signs, means and biases not 0.
fn params(graph: &Graph) -> Params {
    let mut params = Params::zeros(graph);
    for (index, spec) in graph.params.iter().enumerate() {
        let fan: usize = spec.dims.iter().skip(1).product();
        let scale = (3.0 / fan.max(1) as f32).sqrt();
        let fresh = values(spec.len(), 100 + index as u32);
        for (value, fresh) in params.get_mut(ParamId(index as u32)).iter_mut().zip(fresh) {
            *value = match spec.role {
                Role::ConvWeight | Role::DenseWeight => fresh * scale,
                Role::Bias | Role::Beta | Role::RunningMean => 0.3 * fresh,
                Role::Gamma => fresh + 0.5f32.copysign(fresh),
                Role::RunningVar => 1.0 + 0.5 * fresh,
            };
        }
    }
    params
}

fn labels(n: usize, classes: usize) -> Vec<u32> {
    (0..n).map(|image| ((image * 7 + 3) % classes) as u32).collect()
}

fn engine(graph: &Graph, level: Level) -> Engine {
    let options = EngineOptions { threads: 2, level, ..EngineOptions::default() };
    let mut engine = Engine::new(graph.clone(), options).unwrap();
    engine.set_params(&params(graph)).unwrap();
    engine
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.supported())
}

/// Largest difference, and largest size.
fn worst(ours: impl Iterator<Item = f64>, truth: impl Iterator<Item = f64>) -> (f64, f64) {
    ours.zip(truth).fold((0.0, 0.0), |(error, size): (f64, f64), (ours, truth)| {
        // NaN must not pass
        let difference = (ours - truth).abs();
        (if difference.is_nan() { f64::INFINITY } else { error.max(difference) }, size.max(truth.abs()))
    })
}

/// The house's bound: a multiple of the error of a plain `f32` implementation, and a floor of some roundings of the
/// largest value (a batch norm in affine form rounds `x * scale` before the mean is taken off).
fn close(what: &str, ours: &[f32], truth: &[f64], plain: &[f32]) {
    assert_eq!(ours.len(), truth.len(), "{what}");
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let (error, size) = worst(wide(ours).into_iter(), truth.iter().copied());
    let (allowed, _) = worst(wide(plain).into_iter(), truth.iter().copied());
    let bound = 6.0 * allowed + 6e-6 * size + 1e-7;
    assert!(error <= bound, "{what}: error {error:e} over {bound:e} (values up to {size:e})");
}

fn outcomes(
    graph: &Graph,
    (images, labels): (&[f32], Option<&[u32]>),
    norms: Norms,
) -> (Outcome<f64>, Outcome<f32>) {
    let n = images.len() / graph.input_shape().len();
    let params = params(graph);
    let exact = Interpreter { graph, params: numbers::<f64>(&params), n, norms }.run(images, labels);
    let plain = Interpreter { graph, params: numbers::<f32>(&params), n, norms }.run(images, labels);
    (exact, plain)
}

#[test]
fn training_steps_match_the_interpreter() {
    for (name, graph) in networks::all() {
        for n in [3, 67] {
            let images = values(n * graph.input_shape().len(), 1);
            let labels = labels(n, graph.output_shape().c);
            let (exact, plain) = outcomes(&graph, (&images, Some(&labels)), Norms::Batch);
            for level in levels() {
                let mut engine = engine(&graph, level);
                let result = engine
                    .train_step(
                        Images { data: &images, n },
                        Targets::Classes(&labels),
                        &StepOptions::default(),
                    )
                    .unwrap();
                let what = |thing: &str| format!("{name}, batch {n}, {level}: {thing}");
                close(&what("losses"), &result.losses, &exact.losses, &plain.losses);
                let gradients = engine.gradients();
                let after = engine.params();
                for (index, spec) in graph.params.iter().enumerate() {
                    let id = ParamId(index as u32);
                    if spec.role.trainable() {
                        let what = what(&format!("gradient of {}", spec.name));
                        close(&what, gradients.get(id), &exact.gradients[index], &plain.gradients[index]);
                        assert_eq!(after.get(id), params(&graph).get(id), "{}", spec.name);
                    } else {
                        let what = what(&spec.name);
                        close(&what, after.get(id), &exact.running[index], &plain.running[index]);
                    }
                }
            }
        }
    }
}

#[test]
fn every_node_matches_the_interpreter() {
    for (name, graph) in networks::all() {
        let n = 3;
        let images = values(n * graph.input_shape().len(), 2);
        let nodes: Vec<NodeId> = (0..graph.nodes.len()).map(|index| NodeId(index as u32)).collect();
        for norms in [Norms::Batch, Norms::Running] {
            let (exact, plain) = outcomes(&graph, (&images, None), norms);
            for level in levels() {
                let mut engine = engine(&graph, level);
                let batch = Images { data: &images, n };
                let before = engine.params();
                // reference kernels round a view that they compute on load once, not after every operation
                let plan = engine.plan(Mode::infer(&nodes), n).unwrap().to_string();
                let exact_views = !plan.contains("/reference");
                let mut run = |nodes: &[NodeId]| match norms {
                    Norms::Batch => engine.forward_training(batch, nodes).unwrap(),
                    Norms::Running => engine.infer(batch, nodes).unwrap(),
                };
                let together = run(&nodes);
                for (node, value) in nodes.iter().zip(&together) {
                    let what = format!("{name}, {norms:?}, {level}: {}", graph.node(*node).label);
                    assert_eq!((value.n, value.shape), (n, graph.node(*node).shape));
                    close(&what, &value.data, &exact.values[node.index()], &plain.values[node.index()]);
                    // what is asked for beside it changes no byte
                    let alone = &run(&[*node])[0].data;
                    assert!(!exact_views || *alone == value.data, "{what} alone");
                }
                assert_eq!(engine.params(), before, "{name}: running statistics moved");
            }
        }
    }
}

#[test]
fn the_interpreter_matches_finite_differences() {
    // central differences in f64 on a smooth network: the only judge of the interpreter itself
    for (name, graph) in networks::all() {
        let n = 3;
        let images = values(n * graph.input_shape().len(), 1);
        let labels = labels(n, graph.output_shape().c);
        let mut interpreter =
            Interpreter { graph: &graph, params: numbers::<f64>(&params(&graph)), n, norms: Norms::Batch };
        let exact = interpreter.run(&images, Some(&labels));
        for index in 0..graph.params.len() {
            if !graph.params[index].role.trainable() {
                continue;
            }
            let len = graph.params[index].len();
            for at in [0, len / 3, len - 1] {
                let step = 1e-6;
                let mut loss = |change: f64| {
                    interpreter.params[index][at] += change;
                    let loss: f64 = interpreter.run(&images, Some(&labels)).losses.iter().sum();
                    interpreter.params[index][at] -= change;
                    loss
                };
                let slope = (loss(step) - loss(-step)) / (2.0 * step);
                let gradient = exact.gradients[index][at];
                let error = (slope - gradient).abs();
                assert!(
                    error <= 1e-5 * (1.0 + slope.abs()),
                    "{name}, {}[{at}]: {gradient} instead of {slope}",
                    graph.params[index].name
                );
            }
        }
    }
}

#[test]
fn updates_follow_their_formula() {
    let (_, graph) = networks::all().into_iter().find(|(name, _)| *name == "two residuals").unwrap();
    let n = 5;
    let images = values(n * graph.input_shape().len(), 1);
    let labels = labels(n, graph.output_shape().c);
    let batch = Images { data: &images, n };
    for (momentum, nesterov, weight_decay, decay_all) in
        [(0.0, false, 0.0, true), (0.9, false, 0.01, true), (0.9, true, 0.1, false)]
    {
        let params = if decay_all { ParamRules::Alike } else { ParamRules::DecayMatrices };
        let rule = Rule::Sgd { momentum, nesterov };
        let sgd = Update { rule, weight_decay, params, ..Update::sgd(0.1, n) };
        let mut engine = engine(&graph, Level::detect());
        assert!(engine.optimiser_state().is_none());
        let mut w: Vec<Vec<f64>> = numbers(&engine.params());
        let mut v: Vec<Vec<f64>> = w.iter().map(|w| vec![0.0; w.len()]).collect();
        for _ in 0..3 {
            engine.train_step(batch, Targets::Classes(&labels), &StepOptions::update(&sgd)).unwrap();
            let (gradients, after) = (engine.gradients(), engine.params());
            for (index, spec) in graph.params.iter().enumerate() {
                let id = ParamId(index as u32);
                if !spec.role.trainable() {
                    continue;
                }
                let matrix = matches!(spec.role, Role::ConvWeight | Role::DenseWeight);
                let decay = if matrix || decay_all { weight_decay } else { 0.0 };
                for at in 0..spec.len() {
                    let g = sgd.scale * f64::from(gradients.get(id)[at]) + decay * w[index][at];
                    v[index][at] = momentum * v[index][at] + g;
                    let step = if nesterov { g + momentum * v[index][at] } else { v[index][at] };
                    w[index][at] -= sgd.lr * step;
                    let error = (f64::from(after.get(id)[at]) - w[index][at]).abs();
                    assert!(error <= 1e-5, "{}[{at}]: error {error:e}", spec.name);
                }
            }
        }
        let state = engine.optimiser_state();
        assert_eq!(state.is_some(), momentum != 0.0);
        // a resumed run goes on with the same bytes
        let mut resumed = Engine::new(graph.clone(), EngineOptions::default()).unwrap();
        resumed.set_params(&engine.params()).unwrap();
        resumed.set_optimiser_state(state.as_ref()).unwrap();
        for engine in [&mut engine, &mut resumed] {
            engine.train_step(batch, Targets::Classes(&labels), &StepOptions::update(&sgd)).unwrap();
        }
        assert_eq!(engine.params(), resumed.params());
        assert_eq!(engine.optimiser_state(), resumed.optimiser_state());
    }
}
