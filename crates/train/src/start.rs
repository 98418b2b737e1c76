//! Ways in: a new run, a resumed one, or only the plan.

use std::path::Path;
use std::sync::Arc;

use plusx_data::{Dataset, Split};
use plusx_engine::{Engine, Level, Mode};
use plusx_formats::{ModelFile, atomic};
use plusx_model::executor::Executor;
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::preprocess::Preprocess;
use plusx_model::random::shuffle;
use plusx_model::shape::ImageShape;
use plusx_model::summary::Summary;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};
use serde_json::json;

use crate::checkpoint::Header;
use crate::error::TrainError;
use crate::estimate::{self, Work};
use crate::evaluate::check_split;
use crate::event::{Event, Observer, Outcome, PlanReport};
use crate::folder::{Folder, SavedRun};
use crate::job::Job;
use crate::options::{Overrides, TrainOptions};
use crate::predict::Machine;
use crate::session::Session;
use crate::state::{Identity, State, Training};
use crate::stop::Stop;

/// The "epoch" whose shuffle draws the images of `train_limit`: one that no run reaches.
const LIMIT_EPOCH: u32 = u32::MAX;

/// Trains a network of the zoo in a new run folder.
///
/// # Errors
/// Anything in [`TrainError`]; whatever was saved before the error stays.
pub fn run(
    options: &TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let mut engine = prepare(options, &dataset)?;
    observer.event(&Event::Plan(report(options, &dataset, &mut engine)?));
    run_on(&mut engine, options, dataset, stop, observer)
}

/// Finds and locks a run to continue: `run` is its folder, or its name under `output`; none means the newest run
/// under `output`. `overrides` is what the command line says: only what cannot change the result may differ.
///
/// # Errors
/// [`TrainError::NoRun`], [`TrainError::Locked`], [`TrainError::ResumeChanged`], or the file that is broken.
pub fn open(run: Option<&Path>, output: &Path, overrides: &Overrides) -> Result<SavedRun, TrainError> {
    SavedRun::open(run, output, overrides)
}

/// Continues a run of a network of the zoo. `dataset` is the one called `saved.options.data`.
///
/// # Errors
/// Anything in [`TrainError`]; whatever was saved before the error stays.
pub fn resume(
    saved: SavedRun,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let mut engine = prepare(&saved.options, &dataset)?;
    observer.event(&Event::Plan(report(&saved.options, &dataset, &mut engine)?));
    resume_on(&mut engine, saved, dataset, stop, observer)
}

/// What [`run`] would do, without doing it.
///
/// # Errors
/// Those of [`run`] before its first step.
pub fn plan(options: &TrainOptions, dataset: &Dataset) -> Result<PlanReport, TrainError> {
    let mut engine = prepare(options, dataset)?;
    report(options, dataset, &mut engine)
}

/// Trains whatever `executor` runs (a block of your own, say) in a new run folder. Its graph takes the data set's
/// images at `options.resize`; `options.model` is only a name here. Parameters start from `options.seed`.
///
/// # Errors
/// Those of [`run`].
pub fn run_on<E: Executor>(
    executor: &mut E,
    options: &TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    options.check()?;
    check(executor.graph(), options, &dataset)?;
    let mut options = options.clone();
    let folder = Folder::create(&mut options)?;
    begin(executor, &options)?;
    let job = job(executor.graph(), options, dataset, folder)?;
    Session::new(&job, executor, stop, observer, State::default())?.run()
}

/// Continues what [`run_on`] began, with an executor of the same graph.
///
/// # Errors
/// Those of [`resume`].
pub fn resume_on<E: Executor>(
    executor: &mut E,
    saved: SavedRun,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let SavedRun { options, folder } = saved;
    check(executor.graph(), &options, &dataset)?;
    folder.write_options(&options)?;
    let job = job(executor.graph(), options, dataset, folder)?;
    let last = job.folder.last();
    let state = if last.exists() {
        let (state, warning) = job.header.restore(&last, executor)?;
        if let Some(message) = warning {
            observer.event(&Event::Warning { message });
        }
        state
    } else {
        // it stopped before its first save: the seed gives the same beginning again
        begin(executor, &job.options)?;
        State::default()
    };
    Session::new(&job, executor, stop, observer, state)?.run()
}

/// The engine for a network of the zoo.
fn prepare(options: &TrainOptions, dataset: &Dataset) -> Result<Engine, TrainError> {
    options.check()?;
    let block = zoo::build(&options.model, ZooOptions { classes: dataset.classes.len() })?;
    let input = ImageShape::new(dataset.train.shape.c, options.resize, options.resize);
    let graph = trace(&*block, input, &mut Names::new())?;
    check(&graph, options, dataset)?;
    machine(options).engine_for(graph)
}

fn machine(options: &TrainOptions) -> Machine {
    Machine { threads: options.threads, isa: options.isa }
}

/// Initial parameters; no velocity.
fn begin<E: Executor>(executor: &mut E, options: &TrainOptions) -> Result<(), TrainError> {
    let params = initialize(executor.graph(), Init::Xavier, options.seed);
    executor.set_params(&params).map_err(TrainError::executor)?;
    executor.set_velocity(None).map_err(TrainError::executor)
}

/// Refuses data that do not fit the network.
fn check(graph: &Graph, options: &TrainOptions, dataset: &Dataset) -> Result<(), TrainError> {
    let unfit = |reason| Err(TrainError::Unfit { data: dataset.name.clone(), reason });
    let classes = dataset.classes.len();
    check_split(&dataset.name, "training", &dataset.train, classes)?;
    check_split(&dataset.name, "test", &dataset.test, classes)?;
    let side = options.resize;
    for split in [&dataset.train, &dataset.test] {
        let input = ImageShape::new(split.shape.c, side, side);
        if graph.input_shape() != input {
            return unfit(format!("images give {input}, but the network takes {}", graph.input_shape()));
        }
    }
    let logits = graph.output_shape();
    if logits.len() != classes {
        return unfit(format!("{classes} classes, but the network's output is {logits}"));
    }
    Ok(())
}

/// The training images used: all, or a draw that favours no class and no place in the file.
fn samples(split: &Split, options: &TrainOptions) -> Vec<u32> {
    let n = split.len();
    match options.train_limit {
        Some(limit) if limit < n => {
            let mut drawn = shuffle(n, options.seed, LIMIT_EPOCH);
            drawn.truncate(limit);
            drawn.sort_unstable();
            drawn
        }
        _ => (0..n as u32).collect(),
    }
}

fn job(graph: &Graph, options: TrainOptions, dataset: Dataset, folder: Folder) -> Result<Job, TrainError> {
    let samples = samples(&dataset.train, &options);
    let level = machine(&options).level();
    write_environment(&folder, &options, &dataset.source, level)?;
    let model = ModelFile {
        architecture: options.model.clone(),
        classes: dataset.classes,
        preprocess: Preprocess::chapter(graph.input_shape()),
        metrics: Default::default(),
        training: None,
    };
    let training = Training {
        version: env!("CARGO_PKG_VERSION").into(),
        arithmetic: level.profile().into(),
        identity: Identity::of(&options, samples.len()),
        state: State::default(),
    };
    let header = Header { model, training };
    Ok(Job { options, train: Arc::new(dataset.train), test: Arc::new(dataset.test), samples, header, folder })
}

/// `env.json`: the machine of the last start. Nothing in it enters a checkpoint.
fn write_environment(
    folder: &Folder,
    options: &TrainOptions,
    source: &str,
    level: Level,
) -> Result<(), TrainError> {
    let environment = json!({
        "plusx": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": cpu_name(),
        "threads": machine(options).threads(),
        "isa": level.name(),
        "arithmetic": level.profile(),
        "data": options.data,
        "data_source": source,
    });
    Ok(atomic::write(&folder.file("env.json"), format!("{environment:#}\n").as_bytes())?)
}

/// The processor's own name, where the system tells it.
fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

fn report(options: &TrainOptions, dataset: &Dataset, engine: &mut Engine) -> Result<PlanReport, TrainError> {
    let summary = Summary::new(&options.model, engine.graph());
    let samples = samples(&dataset.train, options);
    let machine = machine(options);
    let (threads, level) = (machine.threads(), machine.level());
    let test_images = dataset.test.len();
    let batch = options.batch_size.min(samples.len());
    let arena = engine.plan(Mode::train(), batch).map_err(TrainError::executor)?.memory_bytes();
    let numbers = engine.graph().params.iter().map(|spec| spec.len()).sum::<usize>();
    // parameters, gradients, and a copy of each for saving; the velocity only with momentum
    let copies = if options.momentum > 0.0 { 6 } else { 4 };
    let pixels = dataset.train.images.len() + dataset.test.images.len();
    let memory = arena as u64 + (numbers * copies * size_of::<f32>() + pixels) as u64;
    let epochs = u64::from(options.epochs);
    let mut train = epochs * samples.len() as u64;
    if let Some(max) = options.max_steps {
        train = train.min(max * options.batch_size as u64);
    }
    let passes = train.div_ceil(samples.len() as u64);
    let work = Work { train, test: passes * test_images as u64 };
    Ok(PlanReport {
        model: options.model.clone(),
        input: summary.input.to_string(),
        parameters: summary.total_params,
        macs: summary.total_macs,
        data: options.data.clone(),
        data_source: dataset.source.clone(),
        train_images: samples.len(),
        test_images,
        epochs: options.epochs,
        steps_per_epoch: samples.len().div_ceil(options.batch_size) as u64,
        batch_size: options.batch_size,
        threads,
        isa: level.name().into(),
        memory_bytes: memory,
        estimate_seconds: estimate::guess(work, summary.total_macs, level, threads),
    })
}
