//! Ways in: a new run, a resumed one, or only the plan.

use std::path::Path;
use std::time::Instant;

use plusx_data::{Dataset, Fingerprint};
use plusx_formats::{ModelFile, atomic};
use plusx_model::executor::Executor;
use plusx_model::params::Params;
use serde_json::json;

use crate::checkpoint::{CheckpointHeader, Restored};
use crate::error::TrainError;
use crate::event::{Event, Observer, Outcome, PlanReport};
use crate::folder::{Folder, SavedRun};
use crate::freezing::{Freezing, thaw};
use crate::job::{Job, images, measured, samples};
use crate::left_out::write_split;
use crate::load::{Machine, processor};
use crate::network::{check, prepare};
use crate::options::{Overrides, TrainOptions};
use crate::outlook::{check_steps, report};
use crate::pretrained;
use crate::schedule::extended;
use crate::session::Session;
use crate::state::{Identity, State, Training};
use crate::stop::Stop;

/// Trains a network of the zoo in a new run folder. Weights that the options hold
/// ([`Pretrained::weights`](crate::Pretrained::weights)) are let go once the run has begun with them.
///
/// # Errors
/// Anything in [`TrainError`]; whatever was saved before the error stays.
pub(crate) fn run(
    options: TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let mut engine = prepare(&options, &dataset)?;
    let adopted = pretrained::start(engine.graph(), &options)?;
    observer.event(&Event::Plan(report(&options, &dataset, &mut engine, adopted.as_ref())?));
    let start = Start { dataset, params: adopted.map(|adopted| adopted.params), since: None };
    launch(&mut engine, options, start, stop, observer)
}

/// Finds and locks a run to continue: `run` is its folder, or its name under `output`; none means the newest run
/// under `output` that has something left to do ([`SavedRun::why`] says which and why). `overrides` is what the command line
/// says: only what cannot change the result may differ.
///
/// # Errors
/// [`TrainError::NoRun`], [`TrainError::Locked`], [`TrainError::ResumeChanged`], or the file that is broken.
pub fn open(run: Option<&Path>, output: &Path, overrides: &Overrides) -> Result<SavedRun, TrainError> {
    SavedRun::open(run, output, overrides)
}

/// Continues a run of a network of the zoo. `dataset` is the one called `saved.options().data`.
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
    observer.event(&Event::Plan(report(&saved.options, &dataset, &mut engine, None)?));
    resume_on(&mut engine, saved, dataset, stop, observer)
}

/// What [`run`] would do, without doing it.
///
/// # Errors
/// Those of [`run`] before its first step.
pub(crate) fn plan(options: &TrainOptions, dataset: &Dataset) -> Result<PlanReport, TrainError> {
    let mut engine = prepare(options, dataset)?;
    let adopted = pretrained::start(engine.graph(), options)?;
    report(options, dataset, &mut engine, adopted.as_ref())
}

/// Trains whatever `executor` runs (a block of your own, say) in a new run folder. Its graph takes the data set's
/// images at `options.resize` or as `options.input`; `options.model` is only a name here. Parameters start from
/// `options.seed`, or from `options.pretrained`, which must then fit a network of the zoo called `options.model`.
///
/// # Errors
/// Those of [`run`].
pub(crate) fn run_on<E: Executor>(
    executor: &mut E,
    options: &TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    options.check()?;
    check(executor.graph(), options, &dataset)?;
    check_steps(options, &dataset)?;
    let params = pretrained::start(executor.graph(), options)?.map(|adopted| adopted.params);
    launch(executor, options.clone(), Start { dataset, params, since: None }, stop, observer)
}

/// What a new run begins with.
pub(crate) struct Start {
    pub(crate) dataset: Dataset,
    /// Parameters of a file; none: drawn by the seed.
    pub(crate) params: Option<Params>,
    /// When its time began; none: with its first step.
    pub(crate) since: Option<Instant>,
}

/// Trains on what was checked.
pub(crate) fn launch<E: Executor>(
    executor: &mut E,
    mut options: TrainOptions,
    start: Start,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let Start { dataset, params, since } = start;
    options.forget_weights();
    let folder = Folder::create(&options)?;
    let options = folder.naming(options);
    if params.is_none() {
        folder.write_options(&options)?;
    }
    // hashing the images takes about as long as drawing the parameters
    let (begun, fingerprint) = meanwhile(|| begin(executor, &options, params), || dataset.fingerprint());
    begun?;
    warn(&folder, &dataset, &fingerprint, observer);
    write_split(folder.path(), &dataset)?;
    let job = job(executor, options, dataset, &fingerprint, folder)?;
    if job.options.pretrained.is_some() {
        // the seed gives the same beginning again, a file may be gone: there is no run to resume before it is kept
        job.header.save_last(&job.folder.last(), executor, &State::default()).map_err(TrainError::from)?;
        job.folder.write_options(&job.options)?;
    }
    let session = Session::new(&job, executor, stop, observer, State::default())?;
    let session = since.into_iter().fold(session, Session::since);
    write_environment(&job).map_err(|error| session.keeping(error))?;
    session.run()
}

/// Continues what [`run_on`](crate::run_on) began, with an executor of the same graph.
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
    let SavedRun { options, folder, saved, .. } = saved;
    check(executor.graph(), &options, &dataset)?;
    check_steps(&options, &dataset)?;
    let fingerprint = dataset.fingerprint();
    warn(&folder, &dataset, &fingerprint, observer);
    let job = job(executor, options, dataset, &fingerprint, folder)?;
    thaw(executor)?;
    let last = job.folder.last();
    let state = if last.exists() {
        let Restored { state, warning } = job.header.restore(&last, executor)?;
        if let Some(message) = warning {
            observer.event(&Event::Warning { message });
        }
        state
    } else if job.options.pretrained.is_some() {
        let last = last.display();
        let reason =
            format!("{last} is gone, and with it the weights that the run started from; start a new run");
        return Err(TrainError::bad_run(job.folder.path(), reason));
    } else {
        // it stopped before its first save, or the file is gone: the seed gives the same beginning again
        if job.folder.best().exists() {
            let message =
                format!("{} is not there; the run begins again, from its first step", last.display());
            observer.event(&Event::Warning { message });
        }
        begin(executor, &job.options, None)?;
        State::default()
    };
    if let Some(message) = extended(&saved, &job.options, job.steps(), state.step) {
        observer.event(&Event::Warning { message });
    }
    let session = Session::new(&job, executor, stop, observer, state)?;
    session.refuse_spent(saved.time)?;
    // only now is it known that they belong to this run
    let written = job.folder.write_options(&job.options).and_then(|()| write_environment(&job));
    written.map_err(|error| session.keeping(error))?;
    session.run()
}

/// Initial parameters, drawn by the seed unless there are some; no velocity.
pub(crate) fn begin<E: Executor>(
    executor: &mut E,
    options: &TrainOptions,
    params: Option<Params>,
) -> Result<(), TrainError> {
    let params = params.unwrap_or_else(|| options.first_values(executor.graph()));
    thaw(executor)?;
    executor.set_params(&params).map_err(TrainError::executor)?;
    executor.set_average(None).map_err(TrainError::executor)?;
    executor.set_optimiser_state(None).map_err(TrainError::executor)
}

/// Says what a user should know before the first step.
fn warn(folder: &Folder, dataset: &Dataset, fingerprint: &Fingerprint, observer: &mut dyn Observer) {
    let unguarded = folder.unguarded().map(str::to_owned);
    let origin = dataset.check_origin(fingerprint).err();
    let origin = origin.map(|error| format!("{error}; the run learns from it all the same"));
    for message in unguarded.into_iter().chain(origin) {
        observer.event(&Event::Warning { message });
    }
}

/// Both results; `there` runs on another thread if the system gives one.
fn meanwhile<A, B: Send>(here: impl FnOnce() -> A, there: impl Fn() -> B + Sync) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, &there);
        let a = here();
        let b = thread.ok().and_then(|thread| thread.join().ok());
        (a, b.unwrap_or_else(&there))
    })
}

pub(crate) fn job<E: Executor>(
    executor: &E,
    options: TrainOptions,
    dataset: Dataset,
    fingerprint: &Fingerprint,
    folder: Folder,
) -> Result<Job, TrainError> {
    let graph = executor.graph();
    let freezing = Freezing::of(&options, graph, images(&options, &dataset))?;
    let costs = freezing.as_ref().map_or([3.0; 2], |freezing| freezing.costs(freezing.tail(graph)));
    let samples = samples(&*dataset.train, &options);
    let model = ModelFile {
        architecture: options.model.clone(),
        classes: dataset.classes,
        preprocess: options.record(executor.graph().input_shape()),
        metrics: Default::default(),
        training: None,
    };
    let training = Training {
        version: env!("CARGO_PKG_VERSION").into(),
        arithmetic: executor.arithmetic().into(),
        identity: Identity::of(&options, fingerprint.sha256(), samples.len()),
        state: State::default(),
    };
    let header = CheckpointHeader { model, training, data_source: dataset.source };
    let measured = measured(&*dataset.val, &options);
    let threads = Machine::of(&options).threads();
    let Dataset { train, val, held_out, left_out, .. } = dataset;
    Ok(Job {
        options,
        threads,
        train,
        val,
        held_out,
        left_out,
        measured,
        samples,
        header,
        folder,
        freezing,
        costs,
    })
}

/// `env.json`: the machine and the data of the last start. Of these only the arithmetic and the hash enter a
/// checkpoint.
fn write_environment(job: &Job) -> Result<(), TrainError> {
    let (machine, training) = (Machine::of(&job.options), &job.header.training);
    let environment = json!({
        "plusx": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": processor(),
        "threads": machine.threads(),
        "isa": machine.level().name(),
        "arithmetic": training.arithmetic,
        "data": job.options.data,
        "data_source": job.header.data_source,
        "data_sha256": training.identity.data_sha256,
        "pretrained": job.options.pretrained,
    });
    Ok(atomic::write(&job.folder.file("env.json"), format!("{environment:#}\n").as_bytes())?)
}
