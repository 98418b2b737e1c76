//! `--smoke`: a run of four steps with everything that a whole run does, made to be thrown away. It answers within a minute what
//! would otherwise come out after an hour: whether the data can be read, the memory and the disk suffice, the files can be
//! written and read again.
//!
//! ```text
//! an epoch of 2 steps, a test pass over 2 batches, best weights, results, checkpoint, curves
//! resume from that checkpoint
//! another epoch of the same kind
//! delete all of it
//! ```

use std::path::Path;

use plusx_data::Dataset;
use plusx_engine::Engine;
use plusx_formats::safetensors;
use plusx_model::executor::Executor;
use serde::Serialize;

use crate::error::TrainError;
use crate::event::{Event, Observer, Outcome, PlanReport, TimeReport};
use crate::folder::SavedRun;
use crate::network::{check, prepare};
use crate::options::{Overrides, SaveEvery, TrainOptions};
use crate::outlook::report;
use crate::pretrained;
use crate::rehearsal::{Listener, Marks, RUN, Rehearsed, ScratchFolder, is_whole};
use crate::run_files::{ARGS, RESULTS};
use crate::start::{Start, launch, resume_on};
use crate::stop::{Signal, Stop};
use crate::timed::{epoch_work, fitted};

/// Steps of an epoch, and batches of a test pass.
const STEPS: usize = 2;
const BATCHES: usize = 2;

/// What a smoke run found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SmokeReport {
    /// The plan of the whole run; with a time as it would be fitted.
    pub plan: PlanReport,
    /// Training steps that were made.
    pub steps: u64,
    /// Seconds of a step.
    pub step_seconds: f64,
    /// Training images a second.
    pub img_per_s: f64,
    /// Seconds of a whole test pass.
    pub test_seconds: f64,
    /// Seconds that an epoch takes besides: its first batch and its files.
    pub epoch_seconds: f64,
    /// Seconds of the whole run.
    pub run_seconds: f64,
}

/// How a smoke run ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Smoke {
    /// Everything works.
    Works(Box<SmokeReport>),
    /// A signal came; what was written is deleted.
    Interrupted(Signal),
}

/// Makes two steps of each of two epochs of the run that [`run`](crate::run) would make, with everything that belongs to it, in a
/// folder of its own below [`output`](TrainOptions::output), and deletes that folder. The name of the run, how often it saves and
/// when it ends have no part in it. The steps have the learning rates that the run would begin with.
///
/// `observer` hears the plan, then what [`run`](crate::run) tells, in which the run has a folder that will be gone.
///
/// # Errors
/// Those of the run.
pub fn smoke(
    options: &TrainOptions,
    dataset: &Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Smoke, TrainError> {
    let mut engine = prepare(options, dataset)?;
    let adopted = pretrained::start(engine.graph(), options)?;
    let plan =
        |options: &TrainOptions, engine: &mut Engine| report(options, dataset, engine, adopted.as_ref());
    if options.time.is_none() {
        observer.event(&Event::Plan(plan(options, &mut engine)?));
    }
    let params = adopted.as_ref().map(|adopted| &adopted.params);
    let run = Rehearsed { options, dataset, params };
    let found = match rehearse(&mut engine, &run, stop, observer)? {
        Ok(found) => found,
        Err(signal) => return Ok(Smoke::Interrupted(signal)),
    };
    let (options, time) = found.whole(options, dataset)?;
    let plan = PlanReport { time, ..plan(&options, &mut engine)? };
    Ok(Smoke::Works(Box::new(found.report(&options, dataset, plan))))
}

/// As [`smoke`], with whatever `executor` runs.
///
/// # Errors
/// Those of [`run_on`](crate::run_on).
pub fn smoke_on<E: Executor>(
    executor: &mut E,
    options: &TrainOptions,
    dataset: &Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Option<Signal>, TrainError> {
    options.check()?;
    check(executor.graph(), options, dataset)?;
    let params = pretrained::start(executor.graph(), options)?.map(|adopted| adopted.params);
    let run = Rehearsed { options, dataset, params: params.as_ref() };
    Ok(rehearse(executor, &run, stop, observer)?.err())
}

/// What was measured.
struct Found {
    marks: Marks,
    /// Steps that were made.
    steps: u64,
    tested: usize,
    test_image: f64,
}

impl Found {
    /// The options of the whole run, fitted into its time if it has one.
    fn whole(
        &self,
        options: &TrainOptions,
        dataset: &Dataset,
    ) -> Result<(TrainOptions, Option<TimeReport>), TrainError> {
        let Some(limit) = options.time else { return Ok((options.clone(), None)) };
        let rates = self.marks.rates(self.tested, self.test_image);
        let (options, time) = fitted(options.clone(), dataset, limit, 0.0, &rates)?;
        Ok((options, Some(time)))
    }

    fn report(&self, options: &TrainOptions, dataset: &Dataset, plan: PlanReport) -> SmokeReport {
        let rates = self.marks.rates(self.tested, self.test_image);
        let work = epoch_work(options, dataset);
        let batch = work.batch.min(work.train);
        let test_seconds = rates.test_image * work.test as f64;
        let epochs = f64::from(options.all_epochs()) * work.seconds(&rates);
        // a run that ends inside an epoch has a test pass and files there, too
        let cut = options.max_steps.map(|max| {
            let ends = max.div_ceil(work.train.div_ceil(work.batch).max(1) as u64) as f64;
            max as f64 * rates.step + ends * (rates.epoch + test_seconds)
        });
        SmokeReport {
            plan,
            steps: self.steps,
            step_seconds: rates.step,
            img_per_s: batch as f64 / rates.step.max(f64::MIN_POSITIVE),
            test_seconds,
            epoch_seconds: rates.epoch,
            run_seconds: cut.map_or(epochs, |cut| cut.min(epochs)),
        }
    }
}

/// The two epochs.
fn rehearse<E: Executor>(
    executor: &mut E,
    run: &Rehearsed,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Result<Found, Signal>, TrainError> {
    let folder = ScratchFolder::make(&run.options.output, "smoke")?;
    epochs(executor, run, &folder, stop, observer).map_err(|error| folder.forget(error))
}

fn epochs<E: Executor>(
    executor: &mut E,
    run: &Rehearsed,
    folder: &ScratchFolder,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Result<Found, Signal>, TrainError> {
    let mut listener = Listener { folder, observer, marks: Marks::new() };
    let dataset = run.few(STEPS, BATCHES);
    let (tested, steps) =
        (dataset.val.len(), dataset.train.len().div_ceil(run.options.images_per_step()) as u64);
    let options = shortened(run, folder.path(), steps);
    let start = Start { dataset: dataset.clone(), params: run.params.cloned(), since: None };
    let first = launch(executor, options, start, stop, &mut listener)?;
    if !is_whole(&first) {
        return Ok(Err(signal(&first)));
    }
    let place = folder.path().join(RUN);
    let further = Overrides { max_steps: Some(2 * steps), ..Overrides::default() };
    let saved = SavedRun::open(Some(&place), folder.path(), &further)?;
    let second = resume_on(executor, saved, dataset, stop, &mut listener)?;
    if !is_whole(&second) {
        return Ok(Err(signal(&second)));
    }
    look(&place)?;
    let marks = listener.marks;
    let test_image = run.test_image(executor, BATCHES)?;
    Ok(stop.requested().map_or(Ok(Found { marks, steps: 2 * steps, tested, test_image }), Err))
}

/// The options of the epochs: those of the run, in which an epoch has a few steps only. Whatever counts in epochs is made as many
/// steps long as it is in the run, so that the first steps have the same learning rates.
fn shortened(run: &Rehearsed, output: &Path, steps: u64) -> TrainOptions {
    let options = run.options;
    let whole = epoch_work(options, run.dataset).train.div_ceil(options.images_per_step()) as f64;
    let longer = whole / steps.max(1) as f64;
    TrainOptions {
        output: output.into(),
        name: Some(RUN.into()),
        exist_ok: false,
        epochs: (f64::from(options.epochs) * longer).ceil().clamp(2.0, f64::from(u32::MAX)) as u32,
        warmup_epochs: (f64::from(options.warmup_epochs) * longer) as f32,
        max_steps: Some(steps),
        train_limit: None,
        // one inside each epoch
        measure_every: options.measure_every.map(|_| 1),
        patience: options.patience.map(|patience| patience.max(2)),
        save_every: SaveEvery::Steps(1),
        time: None,
        // the second epoch is the first in which everything learns
        unfreeze_after: options.unfreeze_after.map(|_| 1),
        ..options.clone()
    }
}

/// Whether the files are there and can be read again.
fn look(run: &Path) -> Result<(), TrainError> {
    safetensors::read(&run.join("weights/best.safetensors"))?;
    for name in [ARGS, RESULTS, "env.json", "curves.svg", "curves.png"] {
        let path = run.join(name);
        std::fs::metadata(&path).map_err(|error| TrainError::io("cannot read", &path, error))?;
    }
    Ok(())
}

fn signal(outcome: &Outcome) -> Signal {
    match outcome {
        Outcome::Interrupted { signal, .. } | Outcome::NotBegun { signal } => *signal,
        Outcome::Done(_) => Signal::Interrupt,
    }
}
