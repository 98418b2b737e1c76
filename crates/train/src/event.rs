//! What a run tells while it goes on. Nothing in this crate prints: an observer does.

mod parts;

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::position::RunPosition;
use crate::stop::Signal;

pub use parts::{FeatureReport, RangePoint};

/// Hears what happens. Called from the thread that trains, between two steps: be quick.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: &Event);
}

/// An observer that hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _event: &Event) {}
}

impl<F: FnMut(&Event)> Observer for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}

/// What happened. Serialises as one flat object with the field `event`.
#[allow(clippy::large_enum_variant)] // the plan is told once a run, and never kept in a list
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// First of all: what is about to be done.
    Plan(PlanReport),
    /// How long the rest of the run takes, in seconds; after the plan's guess, measured on the first three steps.
    Estimate {
        /// Seconds to the end of the run.
        seconds: f64,
    },
    /// The first step is about to begin.
    Started(Started),
    /// A step is done.
    Step(StepEvent),
    /// What a frozen part of the network gives for the pictures is being computed, to be kept.
    KeepingFeatures {
        /// Views of pictures done.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// It is kept.
    FeaturesKept(FeatureReport),
    /// From here on everything learns.
    Unfrozen {
        /// The epoch that begins, counted from 1.
        epoch: u32,
    },
    /// Some of the test images have been classified.
    Evaluating {
        /// Epoch, counted from 1.
        epoch: u32,
        /// Images done.
        done: usize,
        /// Images in all.
        total: usize,
    },
    /// An epoch and its test pass are done.
    Epoch(EpochReport),
    /// A checkpoint is safely on disk.
    Saved {
        /// The file.
        path: PathBuf,
        /// Why now.
        reason: SaveReason,
    },
    /// Something a reader should know, in words; the run goes on.
    Warning {
        /// The words.
        message: String,
    },
    /// The run is done.
    Finished(RunReport),
    /// First of all in a comparison: what is about to be done.
    Comparison(ComparePlan),
    /// The next run of a comparison begins or goes on; its own events follow.
    Run(CompareRun),
    /// It is done, and the comparison's files show it.
    RunDone(CompareRunDone),
    /// A step of a range test of the learning rate is done.
    Range(RangePoint),
}

/// Whether a step is one batch, as it goes without saying.
fn is_one(batches: &u32) -> bool {
    *batches == 1
}

/// What is about to be done.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PlanReport {
    /// Name of the network.
    pub model: String,
    /// Shape of one input image, `1x96x96`.
    pub input: String,
    /// Trained values.
    pub parameters: u64,
    /// Multiply-adds of one forward pass of one image.
    pub macs: u64,
    /// What was done to the weights the run starts from, in sentences; none if they are drawn by the seed or the run goes
    /// on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<String>,
    /// What is done to the images, in words, if it is not the chapter's way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<String>,
    /// Name of the data set.
    pub data: String,
    /// Where it was read from.
    pub data_source: String,
    /// Training images used.
    pub train_images: usize,
    /// Images that each epoch is measured on.
    pub test_images: usize,
    /// What these are: `test` or `validation`.
    pub held_out: String,
    /// Epochs.
    pub epochs: u32,
    /// Steps per epoch.
    pub steps_per_epoch: u64,
    /// How the learning rate goes, in words; nothing if it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// What does not learn, and what is kept of it, in words; nothing if everything learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// How it differs from layer to layer, in words; nothing if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_decay: Option<String>,
    /// Images per batch.
    pub batch_size: usize,
    /// Batches per step.
    #[serde(skip_serializing_if = "is_one")]
    pub grad_accum_steps: u32,
    /// Worker threads.
    pub threads: usize,
    /// Instruction-set level.
    pub isa: String,
    /// How products are computed, where that is not `highest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// What would be faster on this machine, in a sentence for people.
    #[serde(skip)]
    pub hint: Option<String>,
    /// Bytes the run takes at its fullest, beside the program itself: the engine's buffers, the parameters and their
    /// copies, the batches and the data.
    pub memory_bytes: u64,
    /// Guess for the whole run before anything was measured, in seconds.
    pub estimate_seconds: f64,
    /// With `--time`: what was measured, and what follows for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeReport>,
    /// Options that can be meant but hardly are, and what they do, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How a run was fitted into a time.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TimeReport {
    /// The time, in seconds.
    pub limit: u64,
    /// Training images a second, as measured; before the start of a run a guess.
    pub img_per_s: f64,
    /// Whether it was measured.
    pub measured: bool,
    /// Seconds at which the run will end, counted as the time is, if the machine stays as fast.
    pub expected: f64,
    /// What was changed beside the number of epochs, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// What a comparison is about to do.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ComparePlan {
    /// One run of each network.
    pub models: Vec<PlanReport>,
    /// Runs of each.
    pub seeds: u32,
    /// Steps between two points of a curve.
    pub measure_every: u64,
    /// Test images that a point inside an epoch looks at.
    pub measure_images: u64,
    /// Guess for all runs before anything was measured, in seconds.
    pub estimate_seconds: f64,
}

/// The first step is about to begin.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Started {
    /// d2l's name of the device: `cpu(0)`.
    pub context: String,
    /// The run folder.
    pub run: PathBuf,
    /// Where a resumed run takes up.
    pub resumed: Option<RunPosition>,
}

/// A step is done. Loss and accuracy are running means over the epoch so far, as in d2l.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StepEvent {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Epochs of the run.
    pub epochs: u32,
    /// Steps of the epoch done.
    pub step: u64,
    /// Steps of the epoch.
    pub steps: u64,
    /// Running mean loss.
    pub loss: f64,
    /// Running accuracy, 0 to 1.
    pub accuracy: f64,
    /// Images per second over the last steps.
    pub img_per_s: f64,
    /// Seconds to the end of the run.
    pub eta: f64,
    /// Seconds this step waited for its images.
    pub data_wait: f64,
}

/// An epoch and its test pass are done.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EpochReport {
    /// Counted from 1.
    pub epoch: u32,
    /// Steps of the run so far.
    pub step: u64,
    /// Running mean loss over the epoch.
    pub loss: f64,
    /// Running accuracy over the epoch, 0 to 1.
    pub train_acc: f64,
    /// What the images are called that it was measured on: `test` or `val`.
    pub held_out: &'static str,
    /// Accuracy on the images held out, 0 to 1.
    pub test_acc: f64,
    /// Mean loss on the images held out.
    pub test_loss: f64,
    /// Share of the images held out whose class is among the five largest logits, 0 to 1.
    pub test_top5: f64,
    /// Seconds of the epoch, the test pass included, as d2l counts.
    pub seconds: f64,
    /// Training images per second, the test pass not included.
    pub img_per_s: f64,
    /// Seconds spent waiting for images.
    pub data_wait: f64,
    /// Whether this is the best epoch so far.
    pub best: bool,
}

impl EpochReport {
    /// The chapter's own line, without the line break. Where images were held out to choose by, `val` stands for `test`.
    pub fn line(&self) -> String {
        format!(
            "epoch {}, loss {:.4}, train acc {:.3}, {} acc {:.3}, time {:.1} sec",
            self.epoch, self.loss, self.train_acc, self.held_out, self.test_acc, self.seconds
        )
    }
}

/// Why a checkpoint was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveReason {
    /// The end of an epoch.
    Epoch,
    /// The best test accuracy so far.
    Best,
    /// `--save-every`.
    Interval,
    /// A signal.
    Signal,
    /// `--max-steps`.
    MaxSteps,
    /// `--time` is over.
    Time,
}

/// Where the results are.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunReport {
    /// The run folder.
    pub run: PathBuf,
    /// Name of the data set trained on.
    pub data: String,
    /// The final state; resumes.
    pub last: PathBuf,
    /// The weights of the best epoch, if an epoch ended.
    pub best: Option<PathBuf>,
    /// What the images are called that it was measured on: `test` or `val`.
    pub held_out: &'static str,
    /// The best accuracy on the images held out, if they were ever looked at.
    pub best_acc: Option<BestAccuracy>,
    /// SHA-256 of the file `last`, in hexadecimal.
    pub weights_sha256: String,
    /// Seconds spent training, over all resumptions.
    pub seconds: f64,
    /// Whether it ended before its epochs because the time of `--time` was over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub out_of_time: bool,
}

/// The best test accuracy of a run. Serialises as `[accuracy, epoch]`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BestAccuracy {
    /// Share of the test images that were classified rightly, 0 to 1.
    pub accuracy: f64,
    /// Its epoch, counted from 1.
    pub epoch: u32,
}

impl Serialize for BestAccuracy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.accuracy, self.epoch).serialize(serializer)
    }
}

/// One of the runs of a comparison.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CompareRun {
    /// Name of the network.
    pub model: String,
    /// Seed of this run.
    pub seed: u32,
    /// Which of the runs it is, counted from 1.
    pub number: usize,
    /// Runs in all.
    pub runs: usize,
    /// Its folder.
    pub run: PathBuf,
}

/// What one of the runs of a comparison gave.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CompareRunDone {
    /// Name of the network.
    pub model: String,
    /// Seed of this run.
    pub seed: u32,
    /// Training error of its last point, 0 to 1.
    pub train_error: f64,
    /// Test error at its end, 0 to 1.
    pub test_error: f64,
    /// Training images that its error is of.
    pub train_images: u64,
    /// Test images likewise.
    pub test_images: u64,
    /// Seconds to the end of the comparison, from the runs made so far.
    pub seconds_left: f64,
}

/// How a run ended.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// All epochs, or `max_steps`, are done.
    Done(RunReport),
    /// A signal came; the state is saved.
    Interrupted {
        /// Which one; its exit code is [`Signal::exit_code`].
        signal: Signal,
        /// The run folder: `plusx train --resume RUN` continues.
        run: PathBuf,
        /// How far it has come.
        at: RunPosition,
    },
    /// A signal came before the run had a folder, while its speed was measured: nothing was written.
    NotBegun {
        /// Which one.
        signal: Signal,
    },
}
