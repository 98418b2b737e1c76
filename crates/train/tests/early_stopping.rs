//! A run that stops early, and what an epoch is made of.

mod fake;
mod stripes;

use std::fs;
use std::path::Path;

use fake::{Fake, Trouble};
use plusx_train::{
    Event, LastBatchScale, Outcome, Overrides, Sampler, SaveEvery, Silent, Stop, TrainOptions, open,
    resume_on, run_on,
};
use stripes::dataset;

/// Nothing is learnt: the first epoch stays the best.
fn idle(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: stripes::SIDE,
        epochs: 9,
        batch_size: 8,
        lr: 0.0,
        patience: Some(2),
        output: output.into(),
        name: Some("run".into()),
        save_every: SaveEvery::Epoch,
        ..TrainOptions::default()
    }
}

fn last(run: &Path) -> Vec<u8> {
    fs::read(run.join("weights/last.safetensors")).unwrap()
}

/// Epochs that ended, and warnings.
fn told(events: &[Event]) -> (Vec<u32>, Vec<String>) {
    let epochs = events.iter().filter_map(|event| match event {
        Event::Epoch(report) => Some(report.epoch),
        _ => None,
    });
    let warnings = events.iter().filter_map(|event| match event {
        Event::Warning { message } => Some(message.clone()),
        _ => None,
    });
    (epochs.collect(), warnings.collect())
}

fn whole(options: &TrainOptions) -> (Vec<u32>, Vec<String>) {
    let mut events = Vec::new();
    let mut keep = |event: &Event| events.push(event.clone());
    let outcome = run_on(&mut Fake::new(), options, dataset(50, 30), &Stop::new(), &mut keep).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    told(&events)
}

fn go_on(
    run: Option<&Path>,
    output: &Path,
    overrides: &Overrides,
) -> (Vec<u32>, Vec<String>, Option<String>) {
    let mut events = Vec::new();
    let mut keep = |event: &Event| events.push(event.clone());
    let saved = open(run, output, overrides).unwrap();
    let why = saved.why().map(str::to_owned);
    let outcome = resume_on(&mut Fake::new(), saved, dataset(50, 30), &Stop::new(), &mut keep).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let (epochs, warnings) = told(&events);
    (epochs, warnings, why)
}

#[test]
fn a_run_stops_when_nothing_gets_better_and_goes_on_with_more_patience() {
    let folder = tempfile::tempdir().unwrap();
    let options = idle(&folder.path().join("two"));
    let (epochs, warnings) = whole(&options);
    assert_eq!(epochs, [1, 2, 3]);
    assert!(warnings.len() == 1 && warnings[0].contains("after epoch 3"), "{warnings:?}");
    assert!(
        warnings[0].contains("since epoch 1") && warnings[0].contains("--patience above 2"),
        "{warnings:?}"
    );
    let longer = TrainOptions { patience: Some(4), output: folder.path().join("four"), ..options.clone() };
    assert_eq!(whole(&longer).0, [1, 2, 3, 4, 5]);
    // it is finished, and more epochs alone change nothing
    let run = options.output.join("run");
    let before = last(&run);
    let (epochs, warnings, why) = go_on(None, &options.output, &Overrides::default());
    assert!(epochs.is_empty() && warnings[0].contains("nothing is left to do"), "{warnings:?}");
    assert!(why.unwrap().contains("all there are finished"));
    assert_eq!(last(&run), before);
    let (epochs, ..) =
        go_on(Some(&run), &options.output, &Overrides { patience: Some(4), ..Overrides::default() });
    assert_eq!(epochs, [4, 5]);
    assert_eq!(last(&run), last(&longer.output.join("run")));
}

#[test]
fn small_rises_count_when_they_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let learning =
        TrainOptions { lr: 0.02, epochs: 12, patience: Some(3), ..idle(&folder.path().join("any")) };
    let any = whole(&learning).0.len();
    let much = TrainOptions { min_delta: 0.9, output: folder.path().join("much"), ..learning.clone() };
    // no rise is as large as that
    assert_eq!(whole(&much).0.len(), 4);
    assert!(any > 4, "{any}");
}

#[test]
fn killed_and_resumed_runs_stop_early_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions {
        sampler: Sampler::Balanced,
        last_batch_scale: LastBatchScale::Actual,
        ..idle(&folder.path().join("whole"))
    };
    whole(&options);
    let expected = last(&options.output.join("run"));
    for at in [1, 7, 13, 14, 20] {
        let options = TrainOptions { output: folder.path().join(at.to_string()), ..options.clone() };
        let mut fake = Fake::with(Trouble { fail_at: Some(at), ..Trouble::default() });
        run_on(&mut fake, &options, dataset(50, 30), &Stop::new(), &mut Silent).unwrap_err();
        go_on(None, &options.output, &Overrides::default());
        assert_eq!(last(&options.output.join("run")), expected, "{at}");
    }
}

#[test]
fn the_last_batch_is_divided_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    for (index, scale) in [LastBatchScale::Full, LastBatchScale::Actual].into_iter().enumerate() {
        let output = folder.path().join(index.to_string());
        let options = TrainOptions {
            epochs: 1,
            last_batch_scale: scale,
            decay_weights_only: index == 1,
            ..idle(&output)
        };
        let mut fake = Fake::new();
        run_on(&mut fake, &options, dataset(50, 30), &Stop::new(), &mut Silent).unwrap();
        let (last, others) = fake.updates.split_last().unwrap();
        assert!(others.iter().all(|(update, n)| *n == 8 && update.scale == 0.125));
        assert_eq!((last.1, last.0.scale), (2, if index == 0 { 0.125 } else { 0.5 }));
    }
}
