//! Epochs of whole batches, and epochs of cool-down: how many steps there are, and that a stopped run goes on with them.

mod cut;
mod fake;
mod stripes;

use std::fs;
use std::path::Path;

use cut::{TRAIN, cut_short};
use fake::Fake;
use plusx_train::{
    Event, Outcome, Overrides, Sched, Silent, Stop, TrainError, TrainOptions, open, resume_on, run_on,
};
use stripes::dataset;

/// Of 50 images in batches of 8.
const WHOLE: usize = 6;

fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        epochs: 2,
        drop_last: true,
        sched: Sched::Tanh,
        cooldown_epochs: 1,
        min_lr: Some(0.001),
        ..cut::options(output)
    }
}

fn last(run: &Path) -> Vec<u8> {
    fs::read(run.join("weights/last.safetensors")).unwrap()
}

/// Images and learning rate of each step.
fn whole(options: &TrainOptions) -> Vec<(usize, f32)> {
    let mut fake = Fake::new();
    let outcome = run_on(&mut fake, options, dataset(TRAIN, 30), &Stop::new(), &mut Silent).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    fake.updates.iter().map(|(update, n)| (*n, update.lr as f32)).collect()
}

fn go_on(run: &Path, overrides: &Overrides) {
    let saved = open(Some(run), Path::new("nowhere"), overrides).unwrap();
    let outcome = resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut Silent).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

#[test]
fn all_batches_are_whole_and_the_last_epochs_are_at_the_smallest_rate() {
    let folder = tempfile::tempdir().unwrap();
    let steps = whole(&options(folder.path()));
    assert_eq!(steps.len(), 3 * WHOLE);
    assert!(steps.iter().all(|(images, _)| *images == 8), "{steps:?}");
    let (learnt, cool) = steps.split_at(2 * WHOLE);
    assert!(learnt.iter().all(|(_, lr)| *lr > 0.001) && cool.iter().all(|(_, lr)| *lr == 0.001), "{steps:?}");
}

#[test]
fn steps_are_told_of_the_images_that_are_learnt_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let mut keep = |event: &Event| {
        if let Event::Step(step) = event {
            told.push((step.epochs, step.steps));
        }
    };
    let options = options(folder.path());
    run_on(&mut Fake::new(), &options, dataset(TRAIN, 30), &Stop::new(), &mut keep).unwrap();
    assert_eq!(told, vec![(3, WHOLE as u64); 3 * WHOLE]);
}

#[test]
fn stopped_or_killed_at_any_step_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    whole(&options);
    let expected = last(&folder.path().join("run"));
    for at in 1..3 * WHOLE as u64 {
        let output = folder.path().join(at.to_string());
        cut_short(&TrainOptions { output: output.clone(), ..options.clone() }, at);
        go_on(&output.join("run"), &Overrides::default());
        assert!(last(&output.join("run")) == expected, "{at}");
    }
}

#[test]
fn the_newest_run_that_has_only_its_cool_down_left_is_not_finished() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    cut_short(&options, 2 * WHOLE as u64 + 1);
    let saved = open(None, folder.path(), &Overrides::default()).unwrap();
    assert!(saved.path().ends_with("run"), "{:?}", saved.path());
}

#[test]
fn fewer_images_than_a_batch_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let error = run_on(&mut Fake::new(), &options, dataset(7, 30), &Stop::new(), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::Unfit { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("only 7 training images, fewer than --batch-size 8"), "{error}");
    let kept = TrainOptions { drop_last: false, ..options };
    run_on(&mut Fake::new(), &kept, dataset(7, 30), &Stop::new(), &mut Silent).unwrap();
}
