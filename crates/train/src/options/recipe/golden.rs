//! The recipes that bear another program's name against what the program itself gave: `tools/golden_recipes.py`.

use super::*;
use crate::options::{Overrides, TrainOptions};
use crate::schedule::Schedule;
use plusx_model::graph::{Graph, Role};
use plusx_model::trace::{Names, trace};
use plusx_model::update::Rule;
use plusx_model::zoo;
use serde_json::Value as Json;

fn golden() -> Vec<(TrainOptions, Json)> {
    let golden: Json = serde_json::from_str(include_str!("../../../tests/golden/recipes.json")).unwrap();
    let found = golden["recipes"].as_array().unwrap().iter().map(|theirs| {
        let recipe = theirs["recipe"].as_str().unwrap().parse().unwrap();
        (Overrides { recipe: Some(recipe), ..Overrides::default() }.resolve().unwrap(), theirs.clone())
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), 3);
    found
}

/// The network of the golden data.
fn resnet18() -> Graph {
    let spec = zoo::find("resnet18").unwrap();
    trace(&spec.build(spec.options()), spec.input, &mut Names::new()).unwrap()
}

fn names(value: &Json) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn every_step_has_the_rate_that_the_program_gives_it() {
    for (options, theirs) in golden() {
        let rates: Vec<f64> =
            theirs["rates"].as_array().unwrap().iter().map(|rate| rate.as_f64().unwrap()).collect();
        assert_eq!(rates.len(), options.all_epochs() as usize, "{}", options.recipe);
        let schedule = Schedule::of(&options, 3);
        for (epoch, expected) in rates.iter().enumerate() {
            for step in 0..3 {
                let lr = schedule.lr(3 * epoch as u64 + step, None);
                assert!(
                    (lr - expected).abs() <= 1e-12 * expected.abs(),
                    "{} {epoch}: {lr} {expected}",
                    options.recipe
                );
            }
        }
    }
}

#[test]
fn the_parameters_that_decay_are_the_programs() {
    let graph = resnet18();
    for (options, theirs) in golden() {
        let update = options.update(0.1, 1.0);
        let split = |decays: bool| {
            let params = graph.params.iter().enumerate().filter(|(_, spec)| spec.role.trainable());
            let mut names: Vec<&str> = params
                .filter(|(index, spec)| update.of_param(*index, spec.role).decays == decays)
                .map(|(_, spec)| spec.name.as_str())
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(split(true), names(&theirs["decays"]), "{}", options.recipe);
        assert_eq!(split(false), names(&theirs["stays"]), "{}", options.recipe);
    }
}

#[test]
fn the_update_rule_has_the_programs_numbers() {
    for (options, theirs) in golden() {
        let update = options.update(0.1, 1.0);
        let Rule::Sgd { momentum, nesterov } = update.rule else { panic!("{:?}", update.rule) };
        let theirs = &theirs["optimiser"];
        assert!((momentum - theirs["momentum"].as_f64().unwrap()).abs() < 1e-7);
        assert_eq!(Some(nesterov), theirs["nesterov"].as_bool(), "{}", options.recipe);
        let decay = theirs["weight_decay"].as_f64().unwrap();
        assert!((update.weight_decay - decay).abs() < 1e-6 * decay, "{}", options.recipe);
    }
}

#[test]
fn networks_begin_as_the_program_begins_them() {
    let graph = resnet18();
    for (options, theirs) in golden() {
        let params = options.first_values(&graph);
        let is_zero = |values: &[f32]| values.iter().all(|value| *value == 0.0);
        let zeros = params
            .iter()
            .filter(|(spec, values)| spec.role.trainable() && spec.role != Role::Beta && is_zero(values));
        let mut zeros: Vec<&str> = zeros.map(|(spec, _)| spec.name.as_str()).collect();
        zeros.sort_unstable();
        assert_eq!(zeros, names(&theirs["zeros"]), "{}", options.recipe);
        for (name, expected) in theirs["deviations"].as_object().unwrap() {
            let (_, values) = params.iter().find(|(spec, _)| spec.name == *name).unwrap();
            let n = values.len() as f64;
            let deviation = (values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / n).sqrt();
            // both are draws: 5 times the standard error of a deviation over another
            let (ratio, most) = (deviation / expected.as_f64().unwrap(), 5.0 / n.sqrt());
            assert!((ratio - 1.0).abs() < most, "{} {name}: {ratio}", options.recipe);
        }
    }
}

#[test]
fn averages_and_evaluation_have_the_programs_numbers() {
    for (options, theirs) in golden() {
        match (options.average_decay(), theirs["ema"].as_f64()) {
            // an `f32` near 1 has 2^-24 left
            (Some(own), Some(theirs)) => assert!((own - theirs).abs() < 6e-8, "{own} {theirs}"),
            (own, theirs) => assert_eq!(own, theirs),
        }
        if let Some(part) = theirs["crop_pct"].as_f64() {
            assert_eq!(options.crop_pct.map(|own| own.to_string()), Some(part.to_string()));
        }
        let record = options.record(options.input_shape(3));
        record.check().unwrap();
        // torchvision: 256 of 224, and 232 of 224 for pictures of 176; timm: floor(224 / 0.95)
        let shorter = match options.recipe {
            Recipe::Tv => 256,
            Recipe::Tv2 => 182,
            _ => 235,
        };
        assert_eq!(record.resize, plusx_model::preprocess::Resize::Shorter(shorter), "{}", options.recipe);
    }
}
