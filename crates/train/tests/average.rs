//! The average of the weights in a run: its values, what is measured and kept of it, and that a stopped run goes on with it.

mod cut;
mod fake;
mod stripes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cut::{TRAIN, cut_short};
use fake::Fake;
use plusx_formats::safetensors;
use plusx_model::executor::Executor;
use plusx_model::params::Params;
use plusx_train::{
    Event, Outcome, Overrides, Silent, Stop, TrainError, TrainOptions, open, resume_on, run_on,
};
use stripes::dataset;

const DECAY: f32 = 0.7;

fn options(output: &Path) -> TrainOptions {
    TrainOptions { model_ema_decay: Some(DECAY), ..cut::options(output) }
}

fn done(outcome: Result<Outcome, TrainError>) {
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
}

/// The weight files and the measurements, without the times.
#[derive(PartialEq, Debug)]
struct Ending {
    files: BTreeMap<&'static str, Vec<u8>>,
    rows: Vec<Vec<String>>,
}

fn ending(run: &Path) -> Ending {
    let file = |name| (name, fs::read(run.join("weights").join(name)).unwrap());
    let results = fs::read_to_string(run.join("results.csv")).unwrap();
    // without the times
    let columns = |line: &str| {
        let columns = line.split(',').enumerate().take(10);
        columns.filter(|(index, _)| *index != 3).map(|(_, text)| text.to_owned()).collect()
    };
    Ending {
        files: ["last.safetensors", "best.safetensors"].into_iter().map(file).collect(),
        rows: results.lines().map(columns).collect(),
    }
}

fn params(fake: &Fake, run: &Path, name: &str) -> Params {
    safetensors::read(&run.join("weights").join(name)).unwrap().params(fake.graph()).unwrap()
}

#[test]
fn the_average_is_measured_and_kept_and_the_network_learns_on_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let plain = TrainOptions { model_ema_decay: None, epochs: 1, ..options(&folder.path().join("plain")) };
    // the network after each step of the first epoch
    let mut after = Vec::new();
    for steps in 1..=7 {
        let options = TrainOptions {
            max_steps: Some(steps),
            output: plain.output.join(steps.to_string()),
            ..plain.clone()
        };
        let mut fake = Fake::new();
        done(run_on(&mut fake, &options, dataset(TRAIN, 30), &Stop::new(), &mut Silent));
        after.push(fake.params());
    }
    let mut expected: Vec<f64> = after[0].values().iter().map(|value| f64::from(*value)).collect();
    for params in &after[1..] {
        for (average, now) in expected.iter_mut().zip(params.values()) {
            *average = 0.7 * *average + 0.3 * f64::from(*now);
        }
    }
    let averaged = TrainOptions { epochs: 1, ..options(&folder.path().join("averaged")) };
    let mut told = None;
    let mut listen = |event: &Event| {
        if let Event::Epoch(report) = event {
            told = Some(report.clone());
        }
    };
    let mut fake = Fake::new();
    done(run_on(&mut fake, &averaged, dataset(TRAIN, 30), &Stop::new(), &mut listen));
    let run = averaged.output.join("run");
    // the network itself is that of a run without an average, also after it was measured
    assert_eq!(fake.params(), after[6]);
    assert_eq!(params(&fake, &run, "last.safetensors"), after[6]);
    let best = params(&fake, &run, "best.safetensors");
    assert_eq!(Some(&best), fake.average().as_ref());
    for (found, wanted) in best.values().iter().zip(&expected) {
        assert!((f64::from(*found) - wanted).abs() <= 1e-6 * wanted.abs().max(1.0), "{found} {wanted}");
    }
    // what was told of the training is the network's, of the images held out the average's
    let told = told.unwrap();
    let mut plain_told = None;
    let mut listen = |event: &Event| {
        if let Event::Epoch(report) = event {
            plain_told = Some(report.clone());
        }
    };
    done(run_on(&mut Fake::new(), &plain, dataset(TRAIN, 30), &Stop::new(), &mut listen));
    let plain_told = plain_told.unwrap();
    assert_eq!((told.loss, told.train_acc), (plain_told.loss, plain_told.train_acc));
    assert_ne!(told.test_loss, plain_told.test_loss);
    let best_file = safetensors::read(&run.join("weights/best.safetensors")).unwrap();
    assert_eq!(best_file.meta.metrics["loss"].as_f64(), Some(told.test_loss));
}

#[test]
fn stopped_or_killed_at_any_step_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = options(&folder.path().join("whole"));
    done(run_on(&mut Fake::new(), &whole, dataset(TRAIN, 30), &Stop::new(), &mut Silent));
    let expected = ending(&whole.output.join("run"));
    // around the epochs' ends, and inside
    for at in [1, 2, 6, 7, 8, 13, 14, 19] {
        let options = options(&folder.path().join(at.to_string()));
        let run = options.output.join("run");
        cut_short(&options, at);
        let saved = open(Some(&run), Path::new("nowhere"), &Overrides::default()).unwrap();
        done(resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut Silent));
        assert_eq!(ending(&run), expected, "at {at}");
    }
}

#[test]
fn a_run_keeps_its_decay() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { epochs: 1, ..options(folder.path()) };
    done(run_on(&mut Fake::new(), &options, dataset(TRAIN, 30), &Stop::new(), &mut Silent));
    let other = Overrides { model_ema_decay: Some(0.8), ..Overrides::default() };
    let error = open(Some(&folder.path().join("run")), folder.path(), &other).unwrap_err().to_string();
    assert!(error.contains("--model-ema-decay 0.8: the run was started with 0.7"), "{error}");
    for decay in [0.0, 1.0, -0.1, f32::NAN] {
        let error = TrainOptions { model_ema_decay: Some(decay), ..options.clone() }.check().unwrap_err();
        assert!(error.to_string().contains("--model-ema-decay"), "{error}");
    }
}
