//! Transfer learning on the real engine: what is frozen stays, what is kept of it changes no result but by rounding, and a run
//! that was stopped, or lost what it kept, ends with the same bytes.

mod stripes;

use std::fs;
use std::path::{Path, PathBuf};

use plusx_formats::safetensors;
use plusx_model::executor::Executor;
use plusx_model::graph::{Graph, Role};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use plusx_train::{
    Bounds, CacheFeatures, Event, FeatureReport, Freeze, Machine, Outcome, Overrides, SaveEvery, Signal,
    Silent, Stop, TrainOptions, evaluate, open, resume, run,
};
use stripes::{CLASSES, dataset};

/// Pictures to learn from: three batches of 16, the last of 8.
const TRAIN: usize = 40;
const TEST: usize = 20;

fn options(output: &Path) -> TrainOptions {
    TrainOptions {
        model: "resnet20".into(),
        data: "stripes".into(),
        resize: 8,
        freeze: Freeze::Backbone,
        epochs: 3,
        batch_size: 16,
        lr: 0.5,
        momentum: 0.9,
        threads: Some(2),
        save_every: SaveEvery::Steps(1),
        output: output.into(),
        name: Some("run".into()),
        ..TrainOptions::default()
    }
}

/// As [`options`], with pictures that change at random.
fn varied(output: &Path) -> TrainOptions {
    TrainOptions {
        scale: Some(Bounds([0.3, 1.0])),
        hflip: 0.5,
        feature_views: Some(2),
        model_ema_decay: Some(0.9),
        ..options(output)
    }
}

fn graph() -> Graph {
    let block = zoo::build("resnet20", ZooOptions { classes: CLASSES }).unwrap();
    trace(&*block, ImageShape::new(1, 8, 8), &mut Names::new()).unwrap()
}

fn train(options: &TrainOptions) -> Vec<Event> {
    let mut events = Vec::new();
    let mut listen = |event: &Event| events.push(event.clone());
    let outcome = run(options.clone(), dataset(TRAIN, TEST), &Stop::new(), &mut listen);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    events
}

fn go_on(output: &Path) {
    let saved = open(None, output, &Overrides::default()).unwrap();
    let outcome = resume(saved, dataset(TRAIN, TEST), &Stop::new(), &mut Silent);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
}

fn bytes(output: &Path, name: &str) -> Vec<u8> {
    fs::read(output.join("run/weights").join(name)).unwrap()
}

fn params(output: &Path) -> Params {
    let file = output.join("run/weights/last.safetensors");
    safetensors::read(&file).unwrap().params(&graph()).unwrap()
}

fn kept(events: &[Event]) -> Option<&FeatureReport> {
    events.iter().find_map(|event| match event {
        Event::FeaturesKept(report) => Some(report),
        _ => None,
    })
}

/// The parameters that differ between two networks, by name.
fn changed(a: &Params, b: &Params) -> Vec<String> {
    let pairs = a.iter().zip(b.iter());
    pairs.filter(|((_, a), (_, b))| a != b).map(|((spec, _), _)| spec.name.clone()).collect()
}

/// The network that a run begins with.
fn beginning(folder: &Path, options: &TrainOptions) -> Params {
    let output = folder.join("beginning");
    train(&TrainOptions { lr: 0.0, epochs: 1, output: output.clone(), weight_decay: 0.0, ..options.clone() });
    params(&output)
}

#[test]
fn only_what_learns_changes_and_keeping_values_changes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let start = beginning(folder.path(), &options(folder.path()));
    let mut endings = Vec::new();
    for (name, cache_features) in [("on", CacheFeatures::On), ("off", CacheFeatures::Off)] {
        let output = folder.path().join(name);
        let events = train(&TrainOptions { cache_features, ..options(&output) });
        assert_eq!(kept(&events).is_some(), name == "on");
        assert_eq!(changed(&start, &params(&output)), ["fc.weight", "fc.bias"], "{name}");
        endings.push(params(&output));
        // the file answers as the last test pass said, which looked at kept values
        let machine = Machine { threads: Some(1), ..Machine::default() };
        let found =
            evaluate(&output.join("run/weights/last.safetensors"), dataset(TRAIN, TEST), machine).unwrap();
        let last = events.iter().rev().find_map(|event| match event {
            Event::Epoch(epoch) => Some(epoch.clone()),
            _ => None,
        });
        let last = last.unwrap();
        assert!((found.loss - last.test_loss).abs() < 1e-5, "{name}: {} {}", found.loss, last.test_loss);
        assert_eq!(found.top1, last.test_acc, "{name}");
    }
    for (ours, theirs) in endings[0].values().iter().zip(endings[1].values()) {
        assert!((ours - theirs).abs() <= 1e-4 * theirs.abs().max(1.0), "{ours} {theirs}");
    }
}

#[test]
fn frozen_norms_and_stages_stay_and_the_rest_learns() {
    let folder = tempfile::tempdir().unwrap();
    let start = beginning(folder.path(), &options(folder.path()));
    let norms = TrainOptions { freeze: Freeze::Norms, lr: 0.05, ..options(&folder.path().join("bn")) };
    train(&norms);
    let now = params(&norms.output);
    for (spec, values) in start.iter() {
        let is_norm = !matches!(spec.role, Role::ConvWeight | Role::DenseWeight | Role::Bias);
        assert_eq!(now.get(now.find(&spec.name).unwrap()) == values, is_norm, "{}", spec.name);
    }
    let stages = TrainOptions { freeze: Freeze::Stages(3), lr: 0.05, ..options(&folder.path().join("3")) };
    train(&stages);
    let changed = changed(&start, &params(&stages.output));
    assert!(changed.iter().all(|name| name.starts_with("layer3.") || name.starts_with("fc.")), "{changed:?}");
    assert!(changed.iter().any(|name| name.ends_with("running_mean")), "{changed:?}");
}

#[test]
fn another_run_finds_what_was_kept_and_a_damaged_file_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let events = train(&options(folder.path()));
    let first = kept(&events).unwrap().clone();
    assert_eq!((first.found, first.rows), (false, TRAIN + TEST));
    let whole = fs::read(&first.path).unwrap();
    let again = |name: &str| {
        // whatever the size of its batches
        let options = TrainOptions {
            name: Some(name.into()),
            lr: 0.1,
            batch_size: 8 + name.len(),
            ..options(folder.path())
        };
        kept(&train(&options)).unwrap().found
    };
    assert!(again("second"));
    for at in [20, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&first.path, &damaged).unwrap();
        assert!(!again(&format!("damaged {at}")));
        assert!(fs::read(&first.path).unwrap() == whole, "{at}");
    }
    fs::write(&first.path, &whole[..whole.len() - 4]).unwrap();
    assert!(!again("short"));
    // other weights, other pictures, other views: other files
    let seed = TrainOptions { seed: 7, name: Some("seed".into()), ..options(folder.path()) };
    assert_ne!(kept(&train(&seed)).unwrap().path, first.path);
    let views = TrainOptions { name: Some("views".into()), ..varied(folder.path()) };
    let views = train(&views);
    assert_eq!(kept(&views).unwrap().rows, 2 * TRAIN + TEST);
}

#[test]
fn the_file_is_one_that_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let events = train(&varied(folder.path()));
    let bytes = fs::read(&kept(&events).unwrap().path).unwrap();
    let file = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("train").unwrap().shape(), [2, TRAIN, 1, 1, 64]);
    let validation = file.tensor("validation").unwrap();
    assert_eq!(validation.shape(), [TEST, 1, 1, 64]);
    // and the values are those of the network
    let graph = graph();
    let node = graph.nodes.iter().rposition(|node| node.shape == ImageShape::new(64, 1, 1)).unwrap();
    let mut engine = plusx_engine::Engine::new(graph, plusx_engine::EngineOptions::default()).unwrap();
    engine.set_params(&params(folder.path())).unwrap();
    let options = varied(folder.path());
    let record = options.record(ImageShape::new(1, 8, 8));
    let split = dataset(TRAIN, TEST).val;
    let mut data = Vec::new();
    let mut preparer = plusx_pixels::Preparer::new([4, 4, 1], &record).unwrap();
    for index in 0..TEST {
        preparer.append(split.read(index, &mut Vec::new()).unwrap().bytes, &mut data);
    }
    let images = plusx_model::executor::Images { data: &data, n: TEST };
    let wanted = engine.infer(images, &[plusx_model::graph::NodeId(node as u32)]).unwrap().remove(0).data;
    let found: Vec<f32> = validation.data()[..wanted.len() * 4]
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    assert_eq!(found, wanted);
}

/// Stops a run at the event `at` of those that count, counted from 1.
fn stopped(options: &TrainOptions, at: usize, counts: fn(&Event) -> bool) {
    let (stop, mut seen) = (Stop::new(), 0);
    let mut listen = |event: &Event| {
        seen += usize::from(counts(event));
        if seen == at {
            stop.request(Signal::Terminate);
        }
    };
    let outcome = run(options.clone(), dataset(TRAIN, TEST), &stop, &mut listen);
    assert!(matches!(outcome, Ok(Outcome::Interrupted { .. })), "{outcome:?}");
}

#[test]
fn a_run_that_was_stopped_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| TrainOptions {
        unfreeze_after: Some(2),
        lr: 0.05,
        threads: Some(1 + name.len() % 3),
        ..varied(&folder.path().join(name))
    };
    train(&of("whole"));
    for at in 1..9 {
        let options = of(&format!("{at:0at$}"));
        stopped(&options, at, |event| matches!(event, Event::Step(_)));
        let features: Vec<PathBuf> = fs::read_dir(options.output.join("features"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        if at % 2 == 0 {
            // what was kept may be lost
            features.iter().for_each(|file| fs::remove_file(file).unwrap());
        }
        go_on(&options.output);
        for name in ["last.safetensors", "best.safetensors"] {
            let whole = bytes(&folder.path().join("whole"), name);
            assert!(bytes(&options.output, name) == whole, "{name} after step {at}");
        }
    }
}

#[test]
fn what_was_computed_before_a_stop_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| varied(&folder.path().join(name));
    let events = train(&of("whole"));
    let whole = fs::read(&kept(&events).unwrap().path).unwrap();
    for damaged in [false, true] {
        let options = of(if damaged { "damaged" } else { "stopped" });
        // while values are being kept: after the first batch
        stopped(&options, 1, |event| matches!(event, Event::Started(_)));
        let file = options.output.join("features").join(kept(&events).unwrap().path.file_name().unwrap());
        let part = file.with_extension("part");
        let mut begun = fs::read(&part).unwrap();
        assert_eq!(begun.len(), 4096 + 32 * 64 * 4);
        assert!(!file.exists());
        if damaged {
            *begun.last_mut().unwrap() ^= 1;
        }
        // what a power cut left behind the rows that were confirmed is no part of them
        begun.extend([7; 1000]);
        fs::write(&part, &begun).unwrap();
        go_on(&options.output);
        assert!(fs::read(&file).unwrap() == whole, "damaged: {damaged}");
        assert!(!part.exists());
        assert!(
            bytes(&options.output, "last.safetensors")
                == bytes(&folder.path().join("whole"), "last.safetensors")
        );
    }
}

#[test]
fn everything_learns_after_the_epochs_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { unfreeze_after: Some(2), lr: 0.05, ..options(folder.path()) };
    let events = train(&options);
    let at = events.iter().position(|event| matches!(event, Event::Unfrozen { epoch: 3 })).unwrap();
    let epochs = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Epoch(_))).count();
    assert_eq!((epochs(&events[..at]), epochs(&events[at..])), (2, 1));
    let start = beginning(folder.path(), &options);
    let now = params(folder.path());
    assert_eq!(changed(&start, &now).len(), now.iter().count());
}

#[test]
fn senseless_options_are_refused_and_odd_ones_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    for (wrong, word) in [
        (TrainOptions { freeze: Freeze::Stages(9), ..options.clone() }, "--freeze 9"),
        (
            TrainOptions { freeze: Freeze::None, unfreeze_after: Some(1), ..options.clone() },
            "--unfreeze-after 1",
        ),
        (
            TrainOptions { cache_features: CacheFeatures::On, mixup: 0.2, ..options.clone() },
            "--cache-features on",
        ),
        (
            TrainOptions { freeze: Freeze::None, feature_views: Some(2), ..options.clone() },
            "--feature-views 2",
        ),
    ] {
        let error = run(wrong, dataset(TRAIN, TEST), &Stop::new(), &mut Silent).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let odd = TrainOptions { feature_views: Some(3), ..options };
    let plan = plusx_train::plan(&odd, &dataset(TRAIN, TEST)).unwrap();
    assert!(plan.frozen.unwrap().contains("390 parameters learn"));
    for word in ["--freeze backbone", "--feature-views 3"] {
        assert!(plan.notes.iter().any(|note| note.contains(word)), "{:?}", plan.notes);
    }
}
