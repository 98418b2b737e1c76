//! Several batches that are one step: the numbers of one large batch, the rest of an epoch, and resuming to the byte.

mod cut;
mod fake;
mod stripes;

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cut::{TRAIN, cut_short};
use fake::{Fake, Trouble};
use plusx_data::{DataError, Dataset, InMemory, Pixels, Samples};
use plusx_engine::{Engine, EngineOptions};
use plusx_model::containers::Sequential;
use plusx_model::executor::Executor;
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_train::{
    Event, LastBatchScale, Outcome, Overrides, Silent, Stop, TrainError, TrainOptions, open, resume_on,
    run_on,
};
use stripes::{CLASSES, SIDE, dataset};

/// 50 images in batches of 8, three of them a step: steps of 24, 24 and 2 images.
fn options(output: &Path) -> TrainOptions {
    TrainOptions { grad_accum_steps: 3, ..cut::options(output) }
}

fn done(outcome: Result<Outcome, TrainError>) {
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
}

/// The scales of the updates of the first epoch.
fn scales(options: &TrainOptions, data: Dataset) -> Vec<f64> {
    let mut fake = Fake::new();
    let options = TrainOptions { epochs: 1, ..options.clone() };
    done(run_on(&mut fake, &options, data, &Stop::new(), &mut Silent));
    fake.updates.iter().map(|(update, _)| update.scale).collect()
}

#[test]
fn the_rest_of_an_epoch_is_a_smaller_step() {
    let folder = tempfile::tempdir().unwrap();
    let full = options(&folder.path().join("full"));
    assert_eq!(scales(&full, dataset(TRAIN, 30)), [1.0 / 24.0; 3]);
    let actual = TrainOptions {
        last_batch_scale: LastBatchScale::Actual,
        output: folder.path().join("actual"),
        ..full
    };
    assert_eq!(scales(&actual, dataset(TRAIN, 30)), [1.0 / 24.0, 1.0 / 24.0, 1.0 / 2.0]);
    // more batches than an epoch has
    let all = TrainOptions { grad_accum_steps: u32::MAX, output: folder.path().join("all"), ..actual };
    assert_eq!(scales(&all, dataset(TRAIN, 30)), [1.0 / 50.0]);
}

#[test]
fn steps_are_updates_wherever_they_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { measure_every: Some(2), max_steps: Some(5), ..options(folder.path()) };
    let mut steps = Vec::new();
    let mut listen = |event: &Event| {
        if let Event::Step(step) = event {
            steps.push((step.epoch, step.step, step.steps));
        }
    };
    done(run_on(&mut Fake::new(), &options, dataset(TRAIN, 30), &Stop::new(), &mut listen));
    assert_eq!(steps, [(1, 1, 3), (1, 2, 3), (1, 3, 3), (2, 1, 3), (2, 2, 3)]);
    let points = fs::read_to_string(folder.path().join("run/points.csv")).unwrap();
    let told: Vec<Vec<&str>> = points.lines().skip(1).map(|line| line.split(',').take(3).collect()).collect();
    // 48 images after the second step of an epoch, and its last two
    assert_eq!(told, [["1", "2", "48"], ["1", "3", "2"], ["2", "5", "48"]]);
}

#[test]
fn the_plan_counts_updates_and_the_memory_of_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |batch_size, grad_accum_steps| {
        let options = TrainOptions {
            model: "resnet20".into(),
            input: None,
            batch_size,
            grad_accum_steps,
            ..cut::options(folder.path())
        };
        plusx_train::plan(&TrainOptions { resize: 16, ..options }, &dataset(TRAIN, 30)).unwrap()
    };
    let (small, summed, large) = (plan(8, 1), plan(8, 3), plan(24, 1));
    assert_eq!((summed.steps_per_epoch, summed.batch_size, summed.grad_accum_steps), (3, 8, 3));
    assert_eq!(large.steps_per_epoch, summed.steps_per_epoch);
    // the gradients of the batches before, and a batch that waits
    let more = 4 * (summed.parameters + 8 * 16 * 16);
    let told = summed.memory_bytes - small.memory_bytes;
    assert!((more..more + more / 4).contains(&told), "{told} {more}");
    assert!(summed.memory_bytes < large.memory_bytes);
}

/// The parameters of the real engine after an epoch of two steps of 24 images.
fn trained(folder: &Path, norms: bool, [batch_size, batches]: [u32; 2]) -> Vec<f32> {
    let mut net = Sequential::new().add_named("conv1", Conv2d::new(6, 3).padding(1));
    if norms {
        net = net.add_named("bn1", BatchNorm::new());
    }
    let net = net
        .add_named("relu", Activation::Relu)
        .add_named("avgpool", GlobalAvgPool2d::new())
        .add_named("fc", Dense::new(CLASSES));
    let graph = trace(&net, ImageShape::new(1, SIDE, SIDE), &mut Names::new()).unwrap();
    let mut engine = Engine::new(graph, EngineOptions::default()).unwrap();
    let options = TrainOptions {
        epochs: 1,
        batch_size: batch_size as usize,
        grad_accum_steps: batches,
        weight_decay: 1e-3,
        clip_grad: Some(0.5),
        name: None,
        ..cut::options(folder)
    };
    done(run_on(&mut engine, &options, dataset(48, 30), &Stop::new(), &mut Silent));
    engine.params().values().to_vec()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn without_batch_norms_the_numbers_are_those_of_one_large_batch() {
    let folder = tempfile::tempdir().unwrap();
    let large = trained(folder.path(), false, [24, 1]);
    for batches in [2, 3, 8] {
        let summed = trained(folder.path(), false, [24 / batches, batches]);
        let far = farthest(&summed, &large);
        assert!(far < 1e-6, "{batches} batches: {far}");
        // it is learnt from all of them
        assert!(farthest(&summed, &trained(folder.path(), false, [24 / batches, 1])) > 1e-3);
    }
}

#[test]
fn batch_norms_see_each_batch_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [large, summed] = [[24, 1], [8, 3]].map(|shape| trained(folder.path(), true, shape));
    let far = farthest(&summed, &large);
    assert!((1e-4..1.0).contains(&far), "{far}");
}

/// Everything that a run leaves but its times.
fn ending(run: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = ["last", "best"]
        .map(|name| fs::read(run.join(format!("weights/{name}.safetensors"))).unwrap())
        .into();
    let results = fs::read_to_string(run.join("results.csv")).unwrap();
    let row = |line: &str| {
        let columns = line.split(',').enumerate().filter(|(index, _)| ![3, 10, 11].contains(index));
        columns.map(|(_, text)| text.to_owned()).collect::<Vec<_>>().join(",").into_bytes()
    };
    files.extend(results.lines().map(row));
    files
}

fn go_on(run: &Path) -> Vec<Vec<u8>> {
    let saved = open(Some(run), Path::new("nowhere"), &Overrides::default()).unwrap();
    done(resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut Silent));
    ending(run)
}

#[test]
fn stopped_between_steps_or_killed_between_batches_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let averaged = |output: &Path| TrainOptions {
        model_ema_decay: Some(0.7),
        save_every: "1steps".parse().unwrap(),
        ..options(output)
    };
    let whole = averaged(&folder.path().join("whole"));
    done(run_on(&mut Fake::new(), &whole, dataset(TRAIN, 30), &Stop::new(), &mut Silent));
    let expected = ending(&whole.output.join("run"));
    // odd: the executor fails at this batch, of 7 in an epoch; even: a signal after this step, of 3
    for at in [1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 17, 19] {
        let output = folder.path().join(at.to_string());
        cut_short(&averaged(&output), at);
        assert!(go_on(&output.join("run")) == expected, "{at}");
    }
}

#[test]
fn another_number_of_batches_is_not_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    cut_short(&options(folder.path()), 2);
    let run = folder.path().join("run");
    let other = Overrides { grad_accum_steps: Some(2), ..Overrides::default() };
    let error = open(Some(&run), folder.path(), &other).unwrap_err().to_string();
    assert!(error.contains("--grad-accum-steps 2: the run was started with 3"), "{error}");
    // nor behind the program's back
    let args = run.join("args.yaml");
    let text = fs::read_to_string(&args).unwrap();
    fs::write(&args, text.replace("grad_accum_steps: 3", "grad_accum_steps: 2")).unwrap();
    let saved = open(Some(&run), folder.path(), &Overrides::default()).unwrap();
    let error = resume_on(&mut Fake::new(), saved, dataset(TRAIN, 30), &Stop::new(), &mut Silent);
    assert!(error.unwrap_err().to_string().contains("belongs to another run"));
}

#[test]
fn a_loss_that_is_no_number_in_any_batch_ends_the_run_and_names_the_step() {
    for batch in [3, 4, 5] {
        let folder = tempfile::tempdir().unwrap();
        let mut fake = Fake::with(Trouble { nan_at: Some(batch), ..Trouble::default() });
        let error = run_on(&mut fake, &options(folder.path()), dataset(TRAIN, 30), &Stop::new(), &mut Silent);
        let Err(TrainError::NotFinite { what: "the loss", epoch: 1, step: 2, .. }) = error else {
            panic!("{batch}: {error:?}")
        };
        assert!(!folder.path().join("run/weights/last.safetensors").exists());
    }
}

#[test]
fn no_batches_are_refused() {
    let none = Overrides { grad_accum_steps: Some(0), ..Overrides::default() };
    assert_eq!(none.resolve().unwrap_err().to_string(), "--grad-accum-steps 0: at least 1");
}

/// Stripes of which some cannot be read.
#[derive(Debug)]
struct Torn {
    whole: InMemory,
    torn: Vec<usize>,
}

impl Samples for Torn {
    fn labels(&self) -> &[u32] {
        self.whole.labels()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.whole.name(index)
    }

    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        match self.torn.contains(&index) {
            true => Err(DataError::Picture { path: index.to_string().into(), reason: "torn".into() }),
            false => self.whole.read(index, buffer),
        }
    }

    fn channels(&self) -> usize {
        self.whole.channels()
    }

    fn shape(&self) -> Option<ImageShape> {
        None
    }

    fn bytes(&self) -> usize {
        self.whole.bytes()
    }

    fn pictures_sha256(&self) -> String {
        self.whole.pictures_sha256()
    }
}

#[test]
fn a_step_learns_from_the_pictures_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions { last_batch_scale: LastBatchScale::Actual, ..options(folder.path()) };
    let order = plusx_model::random::shuffle(TRAIN, options.seed, 0);
    let places = |range: std::ops::Range<usize>| order[range].iter().map(|index| *index as usize);
    // the last batch of the first step, and the whole of the second but for a picture in its middle
    let torn: Vec<usize> = places(16..24).chain(places(24..35)).chain(places(36..48)).collect();
    let data = |torn: Vec<usize>| {
        let whole = stripes::images(TRAIN, 1);
        Dataset { train: Arc::new(Torn { whole, torn }), ..dataset(TRAIN, 30) }
    };
    assert_eq!(scales(&options, data(torn)), [1.0 / 16.0, 1.0, 1.0 / 2.0]);
    // a step without a picture leaves the parameters, and counts
    let none = places(24..48).collect();
    let output = folder.path().join("none");
    assert_eq!(
        scales(&TrainOptions { output: output.clone(), ..options }, data(none)),
        [1.0 / 24.0, 1.0 / 2.0]
    );
    let results = fs::read_to_string(output.join("run/results.csv")).unwrap();
    assert!(results.lines().nth(1).unwrap().starts_with("1,3,stripes,"), "{results}");
}
