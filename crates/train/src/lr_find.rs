//! The range test of the learning rate (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3), as fastai's
//! `lr_find` makes it.
//!
//! ```text
//! for i in 0..100:
//!     lr = 1e-7 (10 / 1e-7)^(i / 100)
//!     loss of a batch, then a step at this rate
//!     smoothed = bias-corrected moving average of the losses, beta 0.98
//!     stop if smoothed > 4 times the smallest so far
//! suggest from points 10 to 5 before the end (valley)
//! ```
//!
//! The steps are those of a run: its batches, losses and update. Its schedule, its length and its average of the weights have no part
//! in them. Nothing of the network is kept.

mod chart;
mod valley;

use std::fs;
use std::path::PathBuf;

use plusx_data::Dataset;
use plusx_formats::atomic;
use plusx_model::executor::Executor;
use plusx_model::params::Params;
use serde::Serialize;

use crate::error::TrainError;
use crate::event::{Event, Observer, RangePoint};
use crate::folder::{self, Folder};
use crate::network::{check, prepare};
use crate::options::{CacheFeatures, TrainOptions};
use crate::pretrained;
use crate::schedule::Rising;
use crate::session::Session;
use crate::session::range::Judged;
use crate::start::{begin, job};
use crate::state::State;
use crate::stop::{Signal, Stop};

use valley::rounded;
pub use valley::{Valley, valley};

/// fastai's defaults.
const RATES: Rising = Rising { from: 1e-7, to: 10.0, steps: 100 };
const BETA: f64 = 0.98;
/// The smoothed loss may grow to so many times its smallest value.
const DIVERGED: f64 = 4.0;
/// Points at the beginning and the end that no suggestion looks at: the average has to settle, and the last ones diverge.
const SKIPPED: (usize, usize) = (10, 5);

/// Why a range test ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeEnd {
    /// All steps are made.
    Steps,
    /// The loss grew beyond four times its smallest value, or was no finite number.
    Diverged,
}

/// What a range test found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RangeReport {
    /// The learning rate that is suggested; none if the loss did not fall.
    pub suggestion: Option<f64>,
    /// The same with two digits, as one would give it.
    pub lr: Option<f64>,
    /// Why the test ended.
    pub end: RangeEnd,
    /// Steps that have a loss.
    pub steps: usize,
    /// The smallest smoothed loss.
    pub best_loss: f64,
    /// Images of a step, and the momentum that the suggestion is for.
    pub batch_size: usize,
    /// See [`TrainOptions::momentum`].
    pub momentum: f32,
    /// The table of all steps.
    pub csv: PathBuf,
    /// The picture of the loss against the rate.
    pub png: PathBuf,
}

/// How a range test ended.
#[derive(Clone, PartialEq, Debug)]
pub enum RangeOutcome {
    /// Its files are there.
    Done(Box<RangeReport>),
    /// A signal came; nothing is kept.
    Interrupted(Signal),
}

/// Makes the range test of the run that [`run`](crate::run) would make, and writes `lr-find.csv`, `lr-find.svg` and `lr-find.png`
/// into a folder of its own below [`output`](TrainOptions::output), called [`name`](TrainOptions::name) or `exp`, `exp2`, …
/// `observer` hears an [`Event::Range`](crate::Event::Range) for each step. The same options give the same bytes, whatever the threads.
///
/// # Errors
/// Those of [`run`](crate::run) before its first step, and of its files. A loss that is no finite number is none: it ends the test.
pub fn lr_find(
    options: &TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<RangeOutcome, TrainError> {
    let mut engine = prepare(options, &dataset)?;
    let params = pretrained::start(engine.graph(), options)?.map(|adopted| adopted.params);
    test(&mut engine, options, Beginning { dataset, params }, stop, observer)
}

/// As [`lr_find`], with whatever `executor` runs.
///
/// # Errors
/// Those of [`lr_find`].
pub fn lr_find_on<E: Executor>(
    executor: &mut E,
    options: &TrainOptions,
    dataset: Dataset,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<RangeOutcome, TrainError> {
    options.check()?;
    check(executor.graph(), options, &dataset)?;
    let params = pretrained::start(executor.graph(), options)?.map(|adopted| adopted.params);
    test(executor, options, Beginning { dataset, params }, stop, observer)
}

/// What the test begins with.
struct Beginning {
    dataset: Dataset,
    /// Parameters of a file; none: drawn by the seed.
    params: Option<Params>,
}

fn test<E: Executor>(
    executor: &mut E,
    options: &TrainOptions,
    beginning: Beginning,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<RangeOutcome, TrainError> {
    let Beginning { dataset, params } = beginning;
    let mut options = TrainOptions {
        model_ema_decay: None,
        max_steps: None,
        measure_every: None,
        time: None,
        // a hundred steps see few pictures: nothing is worth keeping
        unfreeze_after: None,
        cache_features: CacheFeatures::Off,
        feature_views: None,
        ..options.clone()
    };
    options.forget_weights();
    let made = folder::make(&options.output, options.name.as_deref(), options.exist_ok)?;
    let new = NewFolder(made.is_new.then(|| made.path.clone()));
    let folder = Folder::lock(made.path)?;
    begin(executor, &options, params)?;
    let fingerprint = dataset.fingerprint();
    let job = job(executor, options, dataset, &fingerprint, folder)?;
    let mut curve = Curve::default();
    let session = Session::new(&job, executor, stop, observer, State::default())?;
    let mut judge = |step, loss| curve.judge(step, loss);
    match session.range(RATES, &mut judge) {
        Ok(None) => {}
        Ok(Some(signal)) => return Ok(RangeOutcome::Interrupted(signal)),
        Err(error) => {
            if matches!(error, TrainError::Unfit { .. }) {
                // it names the list of bad pictures in there
                new.keep();
            }
            return Err(error);
        }
    }
    let report = curve.report(&job.folder, &job.options);
    atomic::write(&report.csv, curve.table().as_bytes())?;
    // a picture that cannot be drawn is no reason to lose the numbers
    if let Err(message) = chart::draw(&job.folder, &job.options, &curve.points, report.suggestion) {
        observer.event(&Event::Warning { message });
    }
    new.keep();
    Ok(RangeOutcome::Done(Box::new(report)))
}

/// A folder that was made for the test, and goes if the test does not come to its end.
struct NewFolder(Option<PathBuf>);

impl NewFolder {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // what cannot be deleted cannot be helped
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// The losses so far.
#[derive(Debug, Default)]
struct Curve {
    points: Vec<RangePoint>,
    /// The moving average before its correction, and how many losses it has.
    average: f64,
    count: u32,
    best: f64,
    diverged: bool,
}

impl Curve {
    /// Takes a loss, which is the last if it is no finite number or the smoothed one has grown too far.
    fn judge(&mut self, step: u64, loss: f64) -> Judged {
        self.count += 1;
        self.average = BETA * self.average + (1.0 - BETA) * loss;
        let smoothed = self.average / (1.0 - libm::pow(BETA, f64::from(self.count)));
        let point = RangePoint { step: step + 1, lr: RATES.lr(step), loss, smoothed };
        if smoothed.is_finite() {
            self.best = if self.points.is_empty() { smoothed } else { self.best.min(smoothed) };
            self.points.push(point);
        }
        self.diverged = !smoothed.is_finite() || smoothed > DIVERGED * self.best;
        Judged { point, goes_on: !self.diverged }
    }

    /// The rate that the valley suggests, if there is one.
    fn suggestion(&self) -> Option<f64> {
        let (first, last) = SKIPPED;
        let points = self.points.get(first..self.points.len().checked_sub(last)?)?;
        let losses: Vec<f64> = points.iter().map(|point| point.smoothed).collect();
        valley(&losses).map(|valley| points[valley.index].lr)
    }

    fn report(&self, folder: &Folder, options: &TrainOptions) -> RangeReport {
        let suggestion = self.suggestion();
        RangeReport {
            suggestion,
            lr: suggestion.map(rounded),
            end: if self.diverged { RangeEnd::Diverged } else { RangeEnd::Steps },
            steps: self.points.len(),
            best_loss: self.best,
            batch_size: options.images_per_step(),
            momentum: options.momentum,
            csv: folder.file("lr-find.csv"),
            png: folder.file("lr-find.png"),
        }
    }

    fn table(&self) -> String {
        let row = |point: &RangePoint| {
            format!("{},{:e},{:.6},{:.6}\n", point.step, point.lr, point.loss, point.smoothed)
        };
        let rows = self.points.iter().map(row);
        std::iter::once("step,lr,loss,smoothed_loss\n".to_owned()).chain(rows).collect()
    }
}

#[cfg(test)]
mod tests;
