//! The first values of [`Init::Kaiming`] against their formulas, and which norms begin at 0.

use plusx_model::graph::{Graph, ParamId, Role};
use plusx_model::init::{Init, initialize, zero_last_gammas};
use plusx_model::params::Params;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

fn graph(name: &str) -> Graph {
    let spec = zoo::find(name).unwrap();
    trace(&spec.build(ZooOptions { classes: 10 }), spec.input, &mut Names::new()).unwrap()
}

/// Of values whose mean should be 0: the mean, and the variance around 0.
fn moments(values: &[f32]) -> [f64; 2] {
    let n = values.len() as f64;
    let sum = |power: i32| values.iter().map(|value| f64::from(*value).powi(power)).sum::<f64>();
    [sum(1) / n, sum(2) / n]
}

#[test]
fn kaiming_values_have_the_means_and_variances_of_their_formulas() {
    // groups, bottlenecks and a classifier
    for name in ["resnet18", "resnext50_32x4d", "resnet20"] {
        let graph = graph(name);
        let params = initialize(&graph, Init::Kaiming, 42);
        for (spec, values) in params.iter() {
            let fan_in: usize = spec.dims.iter().skip(1).product();
            let pixels: usize = spec.dims.iter().skip(2).product();
            // the fourth moment over the square of the second: 3 of a normal, 9/5 of a uniform distribution
            let (variance, kurtosis) = match spec.role {
                Role::ConvWeight => (2.0 / (spec.dims[0] * pixels) as f64, 3.0),
                Role::DenseWeight => (1.0 / (3 * fan_in) as f64, 1.8),
                _ => continue,
            };
            let [mean, second] = moments(values);
            let n = values.len() as f64;
            let errors =
                [mean / (variance / n).sqrt(), (second / variance - 1.0) / ((kurtosis - 1.0) / n).sqrt()];
            // about as far as one of the hundred numbers here comes
            assert!(errors.iter().all(|error| error.abs() < 4.5), "{name} {}: {errors:?}", spec.name);
            if spec.role == Role::DenseWeight {
                let bound = (1.0 / fan_in as f64).sqrt() as f32;
                assert!(values.iter().all(|value| (-bound..=bound).contains(value)));
            }
        }
    }
}

#[test]
fn a_bias_is_bounded_by_what_lies_behind_one_output_of_its_layer() {
    let graph = graph("resnet18");
    let params = initialize(&graph, Init::Kaiming, 42);
    let (_, bias) = params.iter().find(|(spec, _)| spec.role == Role::Bias).unwrap();
    // the classifier reads 512 values
    let bound = 1.0 / 512f32.sqrt();
    let most = bias.iter().fold(0f32, |most, value| most.max(value.abs()));
    assert!(most <= bound && most > bound / 2.0, "{most} {bound}");
}

#[test]
fn normal_values_are_pinned() {
    let params = initialize(&graph("resnet18"), Init::Kaiming, 42);
    let first = &params.get(ParamId(0))[..4];
    // conv1's 64 filters of 7x7: a deviation of sqrt(2 / 3136)
    assert_eq!(first, PINNED);
}

/// By an independent implementation: `tools/philox.py` and Python's `math.log`.
const PINNED: [f32; 4] = [-0.007_192_249, -0.007_044_777, 0.013_603_766, 0.024_876_64];

#[test]
fn only_the_last_norm_of_each_path_begins_at_zero() {
    for (name, expected) in [
        ("resnet18", vec!["layer1.0.bn2.weight", "layer4.1.bn2.weight"]),
        ("resnet50", vec!["layer1.0.bn3.weight", "layer4.2.bn3.weight"]),
        ("resnet20", vec!["layer1.0.bn2.weight", "layer3.2.bn2.weight"]),
        // nothing goes around their paths, or no norm ends them
        ("plain20", vec![]),
        ("resnet18v2", vec![]),
    ] {
        let graph = graph(name);
        let mut params = initialize(&graph, Init::Kaiming, 1);
        let before: Params = params.clone();
        zero_last_gammas(&graph, &mut params);
        let changed: Vec<&str> = params
            .iter()
            .zip(before.iter())
            .filter(|((_, now), (_, before))| now != before)
            .map(|((spec, now), _)| {
                assert!(now.iter().all(|value| *value == 0.0));
                spec.name.as_str()
            })
            .collect();
        let ends: Vec<&str> = changed.first().into_iter().chain(changed.last()).copied().collect();
        assert_eq!(ends, expected, "{name}: {changed:?}");
        let paths = zoo::find(name).unwrap().stages.iter().sum::<usize>();
        assert!(changed.is_empty() || changed.len() == paths, "{name}: {changed:?}");
    }
}
