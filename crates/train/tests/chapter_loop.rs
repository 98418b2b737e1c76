//! The loop does what d2l's does: running sums per sample, the full batch size as divisor, one line an epoch.

mod fake;
mod stripes;

use std::fs;
use std::path::Path;

use fake::{Fake, Trouble};
use plusx_data::{Dataset, InMemory};
use plusx_train::{Event, Outcome, SaveEvery, SaveReason, Silent, Stop, TrainError, TrainOptions, run_on};
use stripes::{dataset, images, of};

fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "softmax".into(),
        data: "stripes".into(),
        resize: stripes::SIDE,
        epochs: 4,
        batch_size: 16,
        lr: 1.0,
        output: output.into(),
        ..TrainOptions::default()
    }
}

fn events(fake: &mut Fake, options: &TrainOptions) -> (Result<Outcome, TrainError>, Vec<Event>) {
    let mut events = Vec::new();
    let mut keep = |event: &Event| events.push(event.clone());
    let result = run_on(fake, options, dataset(100, 30), &Stop::new(), &mut keep);
    (result, events)
}

#[test]
fn it_learns_and_tells_so() {
    let folder = tempfile::tempdir().unwrap();
    let (result, events) = events(&mut Fake::new(), &options(folder.path()));
    let Ok(Outcome::Done(report)) = result else { panic!("{result:?}") };
    assert_eq!(report.run, folder.path().join("exp"));
    let epochs: Vec<_> =
        events.iter().filter_map(|event| if let Event::Epoch(e) = event { Some(e) } else { None }).collect();
    assert_eq!(epochs.len(), 4);
    assert!(epochs[3].loss < epochs[0].loss && epochs[3].test_acc > 0.5, "{epochs:?}");
    let line = epochs[0].line();
    let shape: String = line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "epoch 0, loss 0.0000, train acc 0.000, test acc 0.000, time 0.0 sec");
    // the running loss and accuracy of an epoch's last step are the epoch's
    let last = events.iter().rev().find_map(|event| if let Event::Step(s) = event { Some(s) } else { None });
    let last = last.unwrap();
    assert_eq!(
        (last.step, last.steps, last.loss, last.accuracy),
        (7, 7, epochs[3].loss, epochs[3].train_acc)
    );
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Estimate { .. })).count(), 1);
    assert!(matches!(events[0], Event::Started(_)));
    assert!(matches!(events.last(), Some(Event::Finished(_))));
    let best = epochs.iter().map(|epoch| epoch.test_acc).fold(0.0, f64::max);
    assert_eq!(report.best_acc.unwrap().accuracy, best);
    for file in
        ["args.yaml", "env.json", "results.csv", "curves.svg", "curves.png", "weights/best.safetensors"]
    {
        assert!(report.run.join(file).is_file(), "{file}");
    }
    let csv = fs::read_to_string(report.run.join("results.csv")).unwrap();
    assert!(csv.starts_with("epoch,step,data,time,train_loss,train_top1,val_loss,val_top1,val_top5,lr,img_per_s,data_wait\n1,7,stripes,"), "{csv}");
}

#[test]
fn the_smaller_last_batch_is_divided_by_the_full_batch_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::new();
    events(&mut fake, &options(folder.path())).0.unwrap();
    let sizes: Vec<usize> = fake.updates.iter().map(|(_, n)| *n).collect();
    assert_eq!(sizes[..8], [16, 16, 16, 16, 16, 16, 4, 16]);
    assert!(fake.updates.iter().all(|(update, _)| update.scale == 1.0 / 16.0 && update.lr == 1.0));
}

#[test]
fn the_arithmetic_recorded_is_the_executors() {
    let folder = tempfile::tempdir().unwrap();
    events(&mut Fake::new(), &options(folder.path())).0.unwrap();
    let run = folder.path().join("exp");
    let loaded = plusx_formats::safetensors::read(&run.join("weights/last.safetensors")).unwrap();
    assert_eq!(loaded.meta.training.unwrap()["arithmetic"], "plain loops");
    assert!(fs::read_to_string(run.join("env.json")).unwrap().contains("\"plain loops\""));
}

#[test]
fn divergence_stops_the_run_and_keeps_the_last_good_checkpoint() {
    for (trouble, what) in [
        (Trouble { nan_at: Some(9), ..Trouble::default() }, "the loss"),
        // the weights are spoilt before any loss shows it: the save must notice
        (Trouble { spoil_at: Some(9), ..Trouble::default() }, "a weight"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.save_every = SaveEvery::Steps(2);
        let mut fake = Fake::with(trouble);
        let (result, events) = events(&mut fake, &options);
        let Err(TrainError::NotFinite { what: found, epoch: 2, kept, .. }) = result else {
            panic!("{result:?}")
        };
        assert_eq!(found, what);
        let kept = kept.0.unwrap();
        let loaded = plusx_formats::safetensors::read(&kept.path).unwrap();
        let state = &loaded.meta.training.unwrap()["state"];
        assert_eq!(state["step"], 8);
        let saves =
            events.iter().filter(|event| matches!(event, Event::Saved { reason: SaveReason::Interval, .. }));
        assert_eq!(saves.count(), 4);
    }
}

#[test]
fn weights_spoilt_by_the_last_step_of_an_epoch_are_kept_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.save_every = SaveEvery::Epoch;
    // the seventh step is the first epoch's last, and the loss on the test images does not show it
    let mut fake = Fake::with(Trouble { spoil_at: Some(6), ..Trouble::default() });
    let (result, events) = events(&mut fake, &options);
    let Err(TrainError::NotFinite { what, epoch, step, kept }) = result else { panic!("{result:?}") };
    assert_eq!((what, epoch, step, kept.0), ("a weight", 1, 7, None));
    assert!(!folder.path().join("exp/weights/best.safetensors").exists());
    assert!(!events.iter().any(|event| matches!(event, Event::Saved { .. } | Event::Epoch(_))));
}

#[test]
fn a_limited_run_sees_the_same_few_images_in_every_epoch() {
    let seen = |limit| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.train_limit = limit;
        let mut fake = Fake::new();
        let (result, _) = events(&mut fake, &options);
        result.unwrap();
        (
            fake.updates.iter().map(|(_, n)| n).sum::<usize>(),
            fs::read(folder.path().join("exp/weights/last.safetensors")).unwrap(),
        )
    };
    let (images, bytes) = seen(Some(30));
    assert_eq!(images, 4 * 30);
    assert_eq!(bytes, seen(Some(30)).1);
    assert_eq!(seen(Some(1000)), seen(None));
}

#[test]
fn data_that_do_not_fit_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let refused = |change: &dyn Fn([&mut InMemory; 2], &mut Vec<String>)| {
        let (mut train, mut test, mut classes) = (images(20, 1), images(20, 2), dataset(1, 1).classes);
        change([&mut train, &mut test], &mut classes);
        let data = Dataset { classes, ..of(train, test) };
        let result = run_on(&mut Fake::new(), &options, data, &Stop::new(), &mut Silent);
        let error = result.unwrap_err();
        assert!(matches!(error, TrainError::Unfit { .. }), "{error}");
        error.to_string()
    };
    assert!(refused(&|[train, _], _| train.labels[3] = 6).contains("label 6"));
    assert!(refused(&|_, classes| classes.push("more".into())).contains("7 classes"));
    assert!(refused(&|[_, test], _| test.labels.clear()).contains("no test images"));
    assert!(refused(&|[train, _], _| train.images.truncate(9)).contains("pixels"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_network_that_could_not_be_saved_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut fake = Fake::named("velocity", Trouble::default());
    let (result, events) = events(&mut fake, &options(folder.path()));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("velocity.weight") && error.contains("another name"), "{error}");
    assert!(events.is_empty() && fake.updates.is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn other_pictures_under_the_name_of_fashion_mnist_are_told() {
    for (name, told) in [("fashion-mnist", 1), ("stripes", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let mut warnings = Vec::new();
        let mut listen = |event: &Event| {
            if let Event::Warning { message } = event {
                warnings.push(message.clone());
            }
        };
        let data = plusx_data::Dataset { name: name.into(), source: "some/folder".into(), ..dataset(20, 20) };
        run_on(&mut Fake::new(), &options, data, &Stop::new(), &mut listen).unwrap();
        assert_eq!(warnings.len(), told, "{warnings:?}");
        assert!(warnings.iter().all(|text| text.contains("some/folder") && text.contains("authors")));
    }
}

#[test]
fn a_limit_of_steps_beyond_all_counting_is_no_limit() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { max_steps: Some(u64::MAX), ..options(folder.path()) };
    let (result, events) = events(&mut Fake::new(), &options);
    assert!(matches!(result, Ok(Outcome::Done(_))), "{result:?}");
    let eta =
        events.iter().rev().find_map(|event| if let Event::Step(s) = event { Some(s.eta) } else { None });
    assert!(eta.unwrap().is_finite());
    let plan = TrainOptions { model: "resnet18-d2l".into(), resize: 16, ..options };
    assert!(plusx_train::plan(&plan, &dataset(100, 30)).unwrap().estimate_seconds < 60.0);
}

#[test]
fn the_memory_foretold_counts_every_copy_of_the_parameters_once() {
    let options = TrainOptions { batch_size: 1, ..options(Path::new("nowhere")) };
    let mut options = TrainOptions { model: "resnet18-d2l".into(), resize: 16, ..options };
    // one small image: next to the parameters everything else is nothing
    let mut copies = |momentum, model_ema_decay| {
        (options.momentum, options.model_ema_decay) = (momentum, model_ema_decay);
        let plan = plusx_train::plan(&options, &dataset(1, 1)).unwrap();
        plan.memory_bytes as f64 / (4 * plan.parameters) as f64
    };
    // the engine's and their gradients; while saving what is copied out of it
    assert_eq!(copies(0.0, None).floor(), 3.0);
    // and the velocity of all but the gradients
    assert_eq!(copies(0.9, None).floor(), 5.0);
    // and so the average
    assert_eq!(copies(0.9, Some(0.99)).floor(), 7.0);
}
