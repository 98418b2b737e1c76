//! Schedules in a run: the executor gets the rates, the table says them, a resumed run goes on with them.

mod cut;
mod fake;
mod stripes;

use std::fs;
use std::path::Path;

use cut::{TRAIN, cut_short};
use fake::Fake;
use plusx_train::{
    Event, Outcome, Overrides, Sched, SchedPer, Silent, Stop, TrainOptions, open, resume_on, run_on,
};
use stripes::dataset;

const STEPS: u64 = 7;

fn options(output: &Path) -> TrainOptions {
    TrainOptions { epochs: 4, ..cut::options(output) }
}

/// Schedules that differ in what they rest on: the step, the epoch, the length, what was found.
fn schedules(output: &Path) -> Vec<TrainOptions> {
    let cosine = TrainOptions {
        sched: Sched::Cosine,
        warmup_epochs: 1.5,
        min_lr: Some(0.01),
        ..options(&output.join("cosine"))
    };
    let timm = TrainOptions {
        sched_per: SchedPer::Epoch,
        warmup_epochs: 1.0,
        warmup_overlap: true,
        output: output.join("timm"),
        ..cosine.clone()
    };
    let cycle = TrainOptions { sched: Sched::OneCycle, ..options(&output.join("cycle")) };
    // so small a rate that the loss does not fall by the share that counts
    let plateau = TrainOptions {
        sched: Sched::Plateau,
        lr: 1e-5,
        patience_epochs: Some(0),
        decay_rate: Some(0.5),
        ..options(&output.join("plateau"))
    };
    vec![cosine, timm, cycle, plateau]
}

/// The checkpoint, and the column of rates.
#[derive(PartialEq, Debug)]
struct Ending {
    last: Vec<u8>,
    rates: Vec<String>,
}

fn ending(run: &Path) -> Ending {
    let results = fs::read_to_string(run.join("results.csv")).unwrap();
    let rates = results.lines().skip(1).map(|line| line.split(',').nth(9).unwrap().to_owned()).collect();
    Ending { last: fs::read(run.join("weights/last.safetensors")).unwrap(), rates }
}

fn whole(options: &TrainOptions) -> (Ending, Vec<f32>) {
    let mut fake = Fake::new();
    let outcome = run_on(&mut fake, options, dataset(TRAIN, 30), &Stop::new(), &mut Silent).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    (ending(&options.output.join("run")), fake.updates.iter().map(|(update, _)| update.lr as f32).collect())
}

/// How it ended, the rates of the steps, and the warnings.
fn go_on(run: &Path, overrides: &Overrides) -> (Ending, Vec<f32>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut keep = |event: &Event| {
        if let Event::Warning { message } = event {
            warnings.push(message.clone());
        }
    };
    let saved = open(Some(run), Path::new("nowhere"), overrides).unwrap();
    let mut fake = Fake::new();
    let outcome = resume_on(&mut fake, saved, dataset(TRAIN, 30), &Stop::new(), &mut keep).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    (ending(run), fake.updates.iter().map(|(update, _)| update.lr as f32).collect(), warnings)
}

#[test]
fn the_steps_have_the_rates_and_the_table_says_those_of_the_last_steps() {
    let folder = tempfile::tempdir().unwrap();
    for options in schedules(folder.path()) {
        let (ending, rates) = whole(&options);
        assert_eq!(rates.len() as u64, 4 * STEPS);
        let last: Vec<String> = rates.chunks(STEPS as usize).map(|epoch| epoch[6].to_string()).collect();
        assert_eq!(ending.rates, last);
        assert!(last.iter().any(|rate| *rate != last[0]), "{:?}: {last:?}", options.sched);
        let per_epoch = rates.chunks(STEPS as usize).all(|epoch| epoch.iter().all(|rate| *rate == epoch[0]));
        assert_eq!(per_epoch, options.sched_per == SchedPer::Epoch || options.sched == Sched::Plateau);
    }
}

#[test]
fn stopped_or_killed_at_any_step_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    for options in schedules(folder.path()) {
        let (expected, rates) = whole(&options);
        // around the epochs' ends, and inside
        for at in [1, 7, 10, 14, 20] {
            let output = options.output.join(at.to_string());
            let options = TrainOptions { output: output.clone(), ..options.clone() };
            cut_short(&options, at);
            let (ending, rest, warnings) = go_on(&output.join("run"), &Overrides::default());
            assert_eq!(ending, expected, "{:?} at {at}", options.sched);
            assert_eq!(rest, rates[rates.len() - rest.len()..]);
            assert_eq!(warnings, [""; 0]);
        }
    }
}

#[test]
fn more_epochs_stretch_a_schedule_that_has_a_length_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for options in schedules(folder.path()) {
        let before = whole(&options).1;
        let longer = TrainOptions { epochs: 6, output: options.output.join("long"), ..options.clone() };
        let all = whole(&longer).1;
        let more = Overrides { epochs: Some(6), ..Overrides::default() };
        let (_, rest, warnings) = go_on(&options.output.join("run"), &more);
        assert_eq!(rest, all[before.len()..], "{:?}", options.sched);
        let has_length = matches!(options.sched, Sched::Cosine | Sched::OneCycle);
        assert_eq!(warnings.len(), usize::from(has_length), "{warnings:?}");
        if has_length {
            assert!(
                warnings[0].contains("planned for 4 epochs") && warnings[0].contains("one of 6"),
                "{warnings:?}"
            );
        }
        // it is said once
        assert!(!go_on(&options.output.join("run"), &Overrides::default()).2[0].contains("planned"));
    }
}

#[test]
fn another_schedule_is_not_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let options = &schedules(folder.path())[0];
    whole(options);
    let run = options.output.join("run");
    let other = Overrides { min_lr: Some(0.02), ..Overrides::default() };
    let error = open(Some(&run), folder.path(), &other).unwrap_err().to_string();
    assert!(error.contains("--min-lr 0.02: the run was started with 0.01"), "{error}");
    // nor behind the program's back
    let args = run.join("args.yaml");
    let text = fs::read_to_string(&args).unwrap();
    fs::write(&args, text.replace("min_lr: 0.01", "min_lr: 0.02")).unwrap();
    let saved = open(Some(&run), folder.path(), &Overrides::default()).unwrap();
    let error =
        resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut Silent).unwrap_err();
    assert!(error.to_string().contains("another run"), "{error}");
}
