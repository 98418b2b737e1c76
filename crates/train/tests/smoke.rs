//! A run of a few steps that tries everything out and leaves nothing.

mod fake;
mod stripes;

use std::fs;
use std::path::Path;

use fake::{Fake, Trouble};
use plusx_train::{Event, SaveEvery, Signal, Silent, Stop, TrainError, TrainOptions, run_on, smoke_on};
use stripes::dataset;

fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: stripes::SIDE,
        epochs: 3,
        batch_size: 8,
        lr: 0.1,
        momentum: 0.9,
        patience: Some(1),
        measure_every: Some(3),
        output: output.into(),
        save_every: SaveEvery::Epoch,
        ..TrainOptions::default()
    }
}

/// What happened, and how it ended.
fn heard(
    fake: &mut Fake,
    options: &TrainOptions,
    images: usize,
) -> (Vec<Event>, Result<Option<Signal>, TrainError>) {
    let mut events = Vec::new();
    let mut keep = |event: &Event| events.push(event.clone());
    let ended = smoke_on(fake, options, &dataset(images, 30), &Stop::new(), &mut keep);
    (events, ended)
}

#[test]
fn four_steps_are_made_in_two_epochs_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("runs/train");
    let (events, ended) = heard(&mut Fake::new(), &options(&output), 50);
    assert_eq!(ended.unwrap(), None);
    let count = |which: fn(&Event) -> bool| events.iter().filter(|event| which(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Step(_))), 4);
    assert_eq!(count(|event| matches!(event, Event::Epoch(_))), 2);
    assert!(count(|event| matches!(event, Event::Started(started) if started.resumed.is_some())) == 1);
    assert!(!events.iter().any(|event| matches!(event, Event::Warning { .. })), "{events:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_rates_are_those_that_the_run_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    // seven steps an epoch, of which the warm-up has 2.8
    let options =
        TrainOptions { warmup_epochs: 0.4, sched: "cosine".parse().unwrap(), ..options(folder.path()) };
    let rates = |fake: &Fake| fake.updates.iter().take(4).map(|(update, _)| update.lr).collect::<Vec<_>>();
    let (mut short, mut whole) = (Fake::new(), Fake::new());
    heard(&mut short, &options, 50).1.unwrap();
    run_on(&mut whole, &options, dataset(50, 30), &Stop::new(), &mut Silent).unwrap();
    assert_eq!(short.updates.len(), 4);
    for (short, whole) in rates(&short).into_iter().zip(rates(&whole)) {
        assert!((short / whole - 1.0).abs() < 0.05, "{short} {whole}");
    }
}

#[test]
fn runs_that_are_there_stay_and_the_next_has_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { epochs: 1, ..options(folder.path()) };
    for _ in 0..2 {
        run_on(&mut Fake::new(), &options, dataset(50, 30), &Stop::new(), &mut Silent).unwrap();
        heard(&mut Fake::new(), &TrainOptions { name: Some("exp".into()), ..options.clone() }, 50).1.unwrap();
    }
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["exp", "exp2"]);
}

#[test]
fn what_fails_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("runs");
    for at in [0, 3] {
        let mut fake = Fake::with(Trouble { nan_at: Some(at), ..Trouble::default() });
        let error = heard(&mut fake, &options(&output), 50).1.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, TrainError::NotFinite { .. }), "{text}");
        assert!(text.contains("--lr") && !text.contains("smoke"), "{text}");
        assert!(!output.exists());
    }
}

#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("runs");
    for at in [1, 4] {
        let (stop, mut steps) = (Stop::new(), 0);
        let mut interrupt = |event: &Event| {
            steps += u32::from(matches!(event, Event::Step(_)));
            if steps == at {
                stop.request(Signal::Interrupt);
            }
        };
        let ended =
            smoke_on(&mut Fake::new(), &options(&output), &dataset(50, 30), &stop, &mut interrupt).unwrap();
        assert_eq!(ended, Some(Signal::Interrupt));
        assert!(!output.exists());
    }
}

#[test]
fn data_of_one_picture_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("runs");
    let (events, ended) = heard(&mut Fake::new(), &options(&output), 1);
    assert_eq!(ended.unwrap(), None);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Step(_))).count(), 2);
    assert!(!output.exists());
}
