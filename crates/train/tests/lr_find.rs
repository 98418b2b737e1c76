//! The range test of the learning rate on a small network and a small data set.

mod fake;
mod stripes;

use std::fs;
use std::path::Path;

use fake::{Fake, Trouble};
use plusx_data::Dataset;
use plusx_train::{
    Event, RangeEnd, RangeOutcome, RangeReport, Signal, Stop, TrainError, TrainOptions, lr_find_on,
};
use stripes::dataset;

fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: stripes::SIDE,
        batch_size: 8,
        momentum: 0.9,
        output: output.into(),
        ..TrainOptions::default()
    }
}

fn found(fake: &mut Fake, options: &TrainOptions, data: Dataset) -> (RangeReport, u64) {
    let mut steps = 0;
    let mut watch = |event: &Event| steps += u64::from(matches!(event, Event::Range(_)));
    match lr_find_on(fake, options, data, &Stop::new(), &mut watch).unwrap() {
        RangeOutcome::Done(report) => (*report, steps),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_range_test_suggests_a_rate_and_writes_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let (report, steps) = found(&mut Fake::new(), &options(folder.path()), dataset(50, 30));
    assert_eq!(steps, report.steps as u64);
    let suggestion = report.suggestion.unwrap();
    assert!((1e-4..1.0).contains(&suggestion), "{suggestion}");
    assert!((report.lr.unwrap() / suggestion - 1.0).abs() < 0.05);
    let table = fs::read_to_string(folder.path().join("exp/lr-find.csv")).unwrap();
    assert_eq!(table.lines().count(), report.steps + 1);
    assert!(table.starts_with("step,lr,loss,smoothed_loss\n1,1e-7,"), "{table}");
    assert!(fs::read(&report.png).unwrap().starts_with(b"\x89PNG"));
    for name in ["args.yaml", "weights", "results.csv"] {
        assert!(!folder.path().join("exp").join(name).exists(), "{name}");
    }
}

#[test]
fn the_steps_have_the_rates_of_the_table_and_the_options_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new();
    let options = TrainOptions { weight_decay: 0.001, warmup_epochs: 3.0, lr: 7.0, ..options(folder.path()) };
    let (report, _) = found(&mut fake, &options, dataset(50, 30));
    let table = fs::read_to_string(&report.csv).unwrap();
    let rates = table.lines().skip(1).map(|row| row.split(',').nth(1).unwrap().parse::<f64>().unwrap());
    for ((update, n), rate) in fake.updates.iter().zip(rates) {
        assert!((update.lr / rate - 1.0).abs() < 1e-6);
        assert!((update.weight_decay - 0.001).abs() < 1e-9 && [8, 2].contains(n));
    }
}

#[test]
fn the_same_options_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let files = |name: &str, threads| {
        let options =
            TrainOptions { threads: Some(threads), name: Some(name.into()), ..options(folder.path()) };
        found(&mut Fake::new(), &options, dataset(50, 30));
        ["csv", "svg", "png"]
            .map(|end| fs::read(folder.path().join(name).join(format!("lr-find.{end}"))).unwrap())
    };
    assert!(files("a", 1) == files("b", 3));
}

#[test]
fn a_loss_that_blows_up_ends_the_test_without_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::with(Trouble { nan_at: Some(60), ..Trouble::default() });
    let (report, _) = found(&mut fake, &options(folder.path()), dataset(50, 30));
    assert_eq!((report.end, report.steps), (RangeEnd::Diverged, 60));
    // before there is anything to look at
    let mut fake = Fake::with(Trouble { nan_at: Some(3), ..Trouble::default() });
    let (report, _) = found(&mut fake, &options(folder.path()), dataset(50, 30));
    assert_eq!((report.suggestion, report.steps), (None, 3));
    let mut fake = Fake::with(Trouble { nan_at: Some(0), ..Trouble::default() });
    let (report, _) = found(&mut fake, &options(folder.path()), dataset(50, 30));
    assert_eq!((report.suggestion, report.steps), (None, 0));
}

#[test]
fn data_of_one_picture_do() {
    let folder = tempfile::tempdir().unwrap();
    let (report, steps) = found(&mut Fake::new(), &options(folder.path()), dataset(1, 1));
    assert!(steps > 50 && report.steps > 50);
}

#[test]
fn what_does_not_come_to_its_end_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (stop, mut steps) = (Stop::new(), 0);
    let mut interrupt = |event: &Event| {
        steps += u32::from(matches!(event, Event::Range(_)));
        if steps == 5 {
            stop.request(Signal::Interrupt);
        }
    };
    let outcome =
        lr_find_on(&mut Fake::new(), &options(folder.path()), dataset(50, 30), &stop, &mut interrupt);
    assert_eq!(outcome.unwrap(), RangeOutcome::Interrupted(Signal::Interrupt));
    let mut fake = Fake::with(Trouble { fail_at: Some(9), ..Trouble::default() });
    let (options, silent) = (options(folder.path()), &mut |_: &Event| {});
    let error = lr_find_on(&mut fake, &options, dataset(50, 30), &Stop::new(), silent).unwrap_err();
    assert!(matches!(error, TrainError::Executor(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // a folder that was there stays, with what is in it
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/notes"), "text").unwrap();
    let options = TrainOptions { name: Some("mine".into()), exist_ok: true, ..options };
    let mut fake = Fake::with(Trouble { fail_at: Some(9), ..Trouble::default() });
    lr_find_on(&mut fake, &options, dataset(50, 30), &Stop::new(), silent).unwrap_err();
    assert!(folder.path().join("mine/notes").exists());
}
