//! Layer-wise learning rates: `layer_decay`, as timm's `param_groups_layer_decay`, which follows BEiT (Bao et al. 2021).
//!
//! A layer is a residual unit, what comes before the first of them, or what comes behind the last. Parameters say by their names
//! where they are: `layer2.0.conv1.weight` is part of unit 0 of `layer2`. The names are part of a graph's equality and of every
//! weight file; the scopes that a graph has for display are neither.

use plusx_model::graph::{Graph, ParamSpec, Role};
use plusx_model::update::ParamRule;

use crate::options::{TrainOptions, written};

/// The layer of each parameter of `graph`, counted from 0 at the images, and how many there are.
///
/// * The *stem* is layer 0: everything before the first residual unit.
/// * Each residual unit is a layer, its shortcut included.
/// * A norm behind the last unit belongs to that unit, as in timm's networks with norms before their convolutions.
/// * The rest behind it, the classifier, is the last layer. So is the last matrix of a network without residual units.
pub(crate) fn layers(graph: &Graph) -> (Vec<usize>, usize) {
    let mut units: Vec<&str> = Vec::new();
    for unit in graph.params.iter().filter_map(|spec| unit(&spec.name)) {
        // one that occurs again is the same one
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    let classifier = graph.params.iter().rfind(|spec| spec.role == Role::DenseWeight);
    let classifier = classifier.map(|spec| parent(&spec.name));
    let mut begun = false;
    let layer = |spec: &ParamSpec| {
        let place = unit(&spec.name).and_then(|unit| units.iter().position(|known| *known == unit));
        begun |= place.is_some();
        match place {
            Some(place) => place + 1,
            None if begun && is_of_norm(spec.role) => units.len(),
            None if begun || classifier == Some(parent(&spec.name)) => units.len() + 1,
            None => 0,
        }
    };
    let layers: Vec<usize> = graph.params.iter().map(layer).collect();
    let count = layers.iter().max().map_or(0, |last| last + 1);
    (layers, count)
}

/// The rules of the parameters of `graph` under these options; none where they do not differ in their rates.
///
/// The rate of a parameter is the schedule's times `layer_decay` to the power of the layers behind its own.
pub(crate) fn rules(graph: &Graph, options: &TrainOptions) -> Option<Vec<ParamRule>> {
    let decay = written(options.layer_decay?);
    let (layers, count) = layers(graph);
    // which parameters decay is said by the update, as where layers do not differ
    let update = options.update(0.0, 1.0);
    let rule = |(spec, layer): (&ParamSpec, usize)| ParamRule {
        lr_scale: libm::pow(decay, (count - 1 - layer) as f64),
        decays: update.of_param(0, spec.role).decays,
    };
    Some(graph.params.iter().zip(layers).map(rule).collect())
}

/// What `layer_decay` does, for the plan of a run.
pub(crate) fn words(graph: &Graph, options: &TrainOptions) -> Option<String> {
    let rules = rules(graph, options)?;
    let smallest = rules.iter().map(|rule| rule.lr_scale).fold(f64::INFINITY, f64::min);
    let (_, count) = layers(graph);
    let decay = options.layer_decay?;
    Some(format!("times {decay} for each layer behind it, so {smallest:.3e} times in the first of {count}"))
}

/// The residual unit that a parameter is in: `layer2.0` of `layer2.0.conv1.weight`. A numbered layer of its own, such as
/// `conv1.0.weight`, is none.
fn unit(name: &str) -> Option<&str> {
    let (stage, rest) = name.split_once('.')?;
    let (number, rest) = rest.split_once('.')?;
    let is_unit = number.bytes().all(|byte| byte.is_ascii_digit()) && rest.contains('.');
    is_unit.then(|| &name[..stage.len() + 1 + number.len()])
}

/// The layer that a parameter is of: `fc` of `fc.weight`.
fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(parent, _)| parent)
}

fn is_of_norm(role: Role) -> bool {
    matches!(role, Role::Gamma | Role::Beta | Role::RunningMean | Role::RunningVar)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use plusx_model::shape::ImageShape;
    use plusx_model::trace::{Names, trace};
    use plusx_model::zoo::{self, SPECS, Spec};
    use serde_json::Value;

    use super::*;

    fn graph(spec: &Spec) -> Graph {
        trace(&spec.build(spec.options()), spec.input, &mut Names::new()).unwrap()
    }

    fn options(layer_decay: f32, decay_weights_only: bool) -> TrainOptions {
        TrainOptions { layer_decay: Some(layer_decay), decay_weights_only, ..TrainOptions::default() }
    }

    #[test]
    fn rates_and_decays_are_those_of_timm() {
        let golden: Value = serde_json::from_str(include_str!("../tests/golden/layer_decay.json")).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 4);
        for case in cases {
            let graph = graph(zoo::find(case["model"].as_str().unwrap()).unwrap());
            let rules = rules(&graph, &options(case["layer_decay"].as_f64().unwrap() as f32, true)).unwrap();
            let mut compared = BTreeSet::new();
            for layer in case["layers"].as_array().unwrap() {
                let scale = layer["lr_scale"].as_f64().unwrap();
                for (key, decays) in [("decay", true), ("no_decay", false)] {
                    for name in layer[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
                        let index = graph.params.iter().position(|spec| spec.name == name);
                        let rule = rules[index.unwrap_or_else(|| panic!("{name}"))];
                        assert!((rule.lr_scale / scale - 1.0).abs() < 1e-14, "{name}: {rule:?}, {scale}");
                        assert_eq!(rule.decays, decays, "{name}");
                        compared.insert(name);
                    }
                }
            }
            let learns = graph.params.iter().filter(|spec| spec.role.trainable());
            let alone = learns.filter(|spec| !compared.contains(spec.name.as_str()));
            let alone: Vec<_> = alone.map(|spec| spec.name.as_str()).collect();
            // timm's networks of the second version have no norms in their stems
            let expected: &[&str] = match case["model"].as_str() {
                Some("resnet50v2") => &["bn0.weight", "bn0.bias", "bn1.weight", "bn1.bias"],
                _ => &[],
            };
            assert_eq!(alone, expected, "{}", case["model"]);
        }
    }

    #[test]
    fn every_network_of_the_zoo_has_a_stem_its_units_and_a_classifier() {
        for spec in SPECS {
            let graph = graph(spec);
            let (layers, count) = layers(&graph);
            assert_eq!(count, spec.stages.iter().sum::<usize>() + 2, "{}", spec.name);
            for (param, layer) in graph.params.iter().zip(&layers) {
                let name = param.name.as_str();
                let stem = ["conv1.", "bn1.", "bn0."].iter().any(|stem| name.starts_with(stem));
                assert_eq!(*layer == 0, stem, "{}: {name}", spec.name);
                assert_eq!(*layer == count - 1, name.starts_with("fc."), "{}: {name}", spec.name);
            }
            assert!(
                layers.windows(2).all(|two| two[0] <= two[1]),
                "{}: in the order of the network",
                spec.name
            );
        }
    }

    #[test]
    fn a_network_without_units_has_a_classifier_all_the_same() {
        use plusx_model::containers::Sequential;
        use plusx_model::layers::{BatchNorm, Conv2d, Dense, GlobalAvgPool2d};
        let net = Sequential::new()
            .add(Conv2d::new(4, 3))
            .add(BatchNorm::new())
            .add(Dense::new(5))
            .add(Dense::new(3));
        let graph = trace(&net, ImageShape::new(1, 8, 8), &mut Names::new()).unwrap();
        let of = |graph: &Graph| {
            let (layers, _) = layers(graph);
            graph
                .params
                .iter()
                .zip(layers)
                .filter(|(spec, _)| spec.role.trainable())
                .map(|(_, l)| l)
                .collect()
        };
        let layers: Vec<usize> = of(&graph);
        assert_eq!(layers, [0, 0, 0, 0, 0, 0, 1, 1]);
        let alone = Sequential::new().add(GlobalAvgPool2d::new()).add_named("fc", Dense::new(3));
        let graph = trace(&alone, ImageShape::new(1, 8, 8), &mut Names::new()).unwrap();
        let rules = rules(&graph, &options(0.5, false)).unwrap();
        assert!(rules.iter().all(|rule| rule.lr_scale == 1.0 && rule.decays));
    }

    #[test]
    fn without_the_option_parameters_have_no_rules_of_their_own() {
        let graph = graph(zoo::find("resnet18").unwrap());
        assert_eq!(rules(&graph, &TrainOptions::default()), None);
        assert_eq!(words(&graph, &TrainOptions::default()), None);
        let words = words(&graph, &options(0.75, true)).unwrap();
        assert_eq!(words, "times 0.75 for each layer behind it, so 7.508e-2 times in the first of 10");
    }
}
