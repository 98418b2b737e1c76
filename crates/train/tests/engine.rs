//! The loop on the real engine: the same bytes for any number of threads and every level of one arithmetic profile,
//! also when these change at a resume; and a trained file answers as its training said.

mod stripes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plusx_data::{Dataset, InMemory};
use plusx_engine::{Engine, EngineOptions, Level, Precision};
use plusx_formats::{ModelFile, safetensors};
use plusx_infer::{Classifier, InferError};
use plusx_model::containers::{Residual, Sequential};
use plusx_model::graph::Graph;
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d};
use plusx_model::params::Params;
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use plusx_train::{
    Event, Machine, Outcome, Overrides, Signal, Silent, Stop, TrainError, TrainOptions, evaluate, open,
    resume_on, run, run_on,
};
use stripes::{CLASSES, SIDE, dataset};

fn graph() -> Graph {
    let net = Sequential::new()
        .add_named("conv1", Conv2d::new(6, 3).padding(1))
        .add_named("bn1", BatchNorm::new())
        .add_named("relu", Activation::Relu)
        .add_named("block", Residual::new(10).use_1x1conv(true).strides(2))
        .add_named("avgpool", GlobalAvgPool2d::new())
        .add_named("fc", Dense::new(CLASSES));
    trace(&net, ImageShape::new(1, SIDE, SIDE), &mut Names::new()).unwrap()
}

fn engine(threads: usize, level: Level) -> Engine {
    Engine::new(graph(), EngineOptions { threads, level, ..EngineOptions::default() }).unwrap()
}

/// Batches larger than a segment of 64 images, and a smaller last one.
fn options(output: &Path, level: Level) -> TrainOptions {
    TrainOptions {
        model: "little".into(),
        data: "stripes".into(),
        resize: SIDE,
        epochs: 2,
        batch_size: 70,
        lr: 0.2,
        momentum: 0.9,
        isa: Some(level),
        output: output.into(),
        name: Some("run".into()),
        ..TrainOptions::default()
    }
}

fn last(output: &Path) -> Vec<u8> {
    fs::read(output.join("run/weights/last.safetensors")).unwrap()
}

#[test]
fn threads_and_levels_leave_the_bytes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut endings: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for level in Level::ALL.into_iter().filter(|level| level.supported()) {
        for threads in [1, 2, 3, 4, 7] {
            let output = folder.path().join(format!("{level}{threads}"));
            let mut engine = engine(threads, level);
            let data = dataset(200, 40);
            run_on(&mut engine, &options(&output, level), data, &Stop::new(), &mut Silent).unwrap();
            let bytes = last(&output);
            let expected = endings.entry(level.profile()).or_insert_with(|| bytes.clone());
            assert!(bytes == *expected, "{level}, {threads} threads");
        }
    }
}

#[test]
fn a_resumed_run_may_change_threads_and_level() {
    let folder = tempfile::tempdir().unwrap();
    let levels: Vec<_> = Level::ALL.into_iter().filter(|level| level.supported()).collect();
    let best = Level::detect();
    // another level of the same arithmetic, if there is one
    let other = levels.into_iter().find(|level| level.profile() == best.profile()).unwrap();
    let averaged = |output: &Path| TrainOptions { model_ema_decay: Some(0.9), ..options(output, best) };
    let whole = folder.path().join("whole");
    run_on(&mut engine(2, best), &averaged(&whole), dataset(200, 40), &Stop::new(), &mut Silent).unwrap();
    for after in 1..6 {
        let output = folder.path().join(after.to_string());
        let (stop, mut steps) = (Stop::new(), 0);
        let mut count = |event: &Event| {
            steps += u32::from(matches!(event, Event::Step(_)));
            if steps == after {
                stop.request(Signal::Terminate);
            }
        };
        let options = averaged(&output);
        let outcome = run_on(&mut engine(1, best), &options, dataset(200, 40), &stop, &mut count).unwrap();
        let Outcome::Interrupted { run, signal, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(signal.exit_code(), 143);
        let saved =
            open(Some(&run), &output, &Overrides { isa: Some(Some(other)), ..Overrides::default() }).unwrap();
        resume_on(&mut engine(3, other), saved, dataset(200, 40), &Stop::new(), &mut Silent).unwrap();
        assert!(last(&output) == last(&whole), "stopped after {after}");
    }
}

#[test]
fn another_arithmetic_is_admitted_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let best = Level::detect();
    if best.profile() == Level::Portable.profile() {
        eprintln!("SKIPPED: this machine has one arithmetic profile only");
        return;
    }
    let options = options(folder.path(), best);
    run_on(&mut engine(1, best), &options, dataset(200, 40), &Stop::new(), &mut Silent).unwrap();
    // what the options say of the level is not asked: the executor knows
    let changes = Overrides { epochs: Some(3), threads: Some(1), ..Overrides::default() };
    let saved = open(None, folder.path(), &changes).unwrap();
    let mut warnings = Vec::new();
    let mut listen = |event: &Event| {
        if let Event::Warning { message } = event {
            warnings.push(message.clone());
        }
    };
    let mut engine = engine(1, Level::Portable);
    resume_on(&mut engine, saved, dataset(200, 40), &Stop::new(), &mut listen).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("bytes will differ"), "{warnings:?}");
}

#[test]
fn another_precision_is_admitted_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let engine = |precision| {
        let options = EngineOptions { threads: 2, precision, ..EngineOptions::default() };
        Engine::new(graph(), options).unwrap()
    };
    let high = TrainOptions { precision: Precision::High, ..options(folder.path(), Level::detect()) };
    run_on(&mut engine(high.precision), &high, dataset(200, 40), &Stop::new(), &mut Silent).unwrap();
    let args = fs::read_to_string(folder.path().join("run/args.yaml")).unwrap();
    assert!(args.contains("\nprecision: high\n"), "{args}");
    let file = safetensors::read(&folder.path().join("run/weights/last.safetensors")).unwrap();
    let training = file.meta.training.unwrap();
    assert!(training["arithmetic"].as_str().unwrap().ends_with("bf16x2"), "{training:?}");
    // it goes on as it began unless another is asked for
    let longer = Overrides { epochs: Some(3), ..Overrides::default() };
    assert_eq!(open(None, folder.path(), &longer).unwrap().options().precision, Precision::High);
    let changes = Overrides { precision: Some(Precision::Highest), ..longer };
    let saved = open(None, folder.path(), &changes).unwrap();
    let precision = saved.options().precision;
    assert_eq!(precision, Precision::Highest);
    let mut warnings = Vec::new();
    let mut listen = |event: &Event| {
        if let Event::Warning { message } = event {
            warnings.push(message.clone());
        }
    };
    resume_on(&mut engine(precision), saved, dataset(200, 40), &Stop::new(), &mut listen).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("bytes will differ"), "{warnings:?}");
}

#[test]
fn a_trained_file_answers_as_its_training_said() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions {
        data: "stripes".into(),
        resize: 16,
        epochs: 1,
        batch_size: 20,
        threads: Some(2),
        output: folder.path().into(),
        ..TrainOptions::default()
    };
    let mut epoch = None;
    let mut listen = |event: &Event| {
        if let Event::Epoch(report) = event {
            epoch = Some(report.clone());
        }
    };
    let outcome = run(options.clone(), dataset(40, 30), &Stop::new(), &mut listen).unwrap();
    let Outcome::Done(report) = outcome else { panic!("{outcome:?}") };
    let epoch = epoch.unwrap();
    let machine = Machine { threads: Some(1), ..Machine::default() };
    // in batches of another size, from either file, on another number of threads
    for file in [&report.last, report.best.as_ref().unwrap()] {
        let found = evaluate(file, dataset(40, 30), machine).unwrap();
        assert_eq!(
            (found.loss, found.top1, found.top5, found.n),
            (epoch.test_loss, epoch.test_acc, epoch.test_top5, 30)
        );
    }
    let net = Classifier::load(&report.last).unwrap();
    assert_eq!(*net.preprocess(), Preprocess::chapter(ImageShape::new(1, 16, 16)));
    let answers = net.predict_prepared(&[0.5; 2 * 16 * 16], 2, 3).unwrap();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].len(), 3);
    assert!(answers[0][0].prob >= answers[0][1].prob && answers[0][0].label.starts_with("stripe "));
    assert!(net.predict_prepared(&[0.5; 7], 1, 3).is_err());
    let error = evaluate(&report.run.join("args.yaml"), dataset(40, 30), machine).unwrap_err().to_string();
    assert!(error.contains("args.yaml"), "{error}");
}

#[test]
fn a_file_does_not_decide_how_much_memory_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.safetensors");
    // a small network on images of which a single one has 268 million values
    let input = ImageShape::new(16, 4096, 4096);
    let block = zoo::build("resnet18-d2l", ZooOptions { classes: CLASSES }).unwrap();
    let params = Params::zeros(&trace(&*block, input, &mut Names::new()).unwrap());
    let meta = ModelFile {
        architecture: "resnet18-d2l".into(),
        classes: dataset(1, 1).classes,
        preprocess: Preprocess::chapter(input),
        metrics: BTreeMap::new(),
        training: None,
    };
    let contents =
        safetensors::Contents { params: &params, optimiser: None, average: None, batches: 0, meta: &meta };
    safetensors::write(&file, &contents).unwrap();
    let split = InMemory { images: vec![0; 16], labels: vec![0], shape: ImageShape::new(16, 1, 1) };
    let data = Dataset::in_memory("deep", dataset(1, 1).classes, split.clone(), split, "made up");
    let machine = Machine { threads: Some(1), ..Machine::default() };
    let error = evaluate(&file, data, machine).unwrap_err();
    assert!(matches!(error, TrainError::TooLarge { .. }), "{error}");
    let other = Classifier::load(&file).unwrap_err();
    assert!(matches!(other, InferError::TooLarge { .. }), "{other}");
    for text in [error.to_string(), other.to_string()] {
        assert!(text.contains("w.safetensors") && text.contains("16x4096x4096"), "{text}");
    }
}
