//! Where a training stands: all that a checkpoint needs besides the tensors. It holds no times and no paths. So a run that was
//! interrupted ends with the same bytes as one that was not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evaluate::EvalReport;
use crate::options::{Recipe, TrainOptions};
use crate::pictures::Pictures;
use crate::position::RunPosition;
use crate::results::Results;
use crate::schedule::Plateau;

/// The best epoch so far.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Best {
    /// Counted from 1.
    pub(crate) epoch: u32,
    /// Test accuracy, 0 to 1.
    pub(crate) top1: f64,
    /// Mean loss on the test images.
    pub(crate) loss: f64,
}

impl Best {
    /// Whether `report` is better: higher accuracy, then lower loss; of equals the earlier epoch stays.
    pub(crate) fn beaten_by(&self, report: &EvalReport) -> bool {
        report.top1 > self.top1 || (report.top1 == self.top1 && report.loss < self.loss)
    }

    /// Whether it is better than `before` by more than `min_delta` of accuracy. Where any rise counts, the loss decides between
    /// equals.
    fn is_rise(&self, before: &Best, min_delta: f64) -> bool {
        let rise = self.top1 - before.top1;
        rise > min_delta || (min_delta == 0.0 && rise == 0.0 && self.loss < before.loss)
    }
}

/// Counters and running sums.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Epochs done, their test pass included.
    pub(crate) epoch: u32,
    /// Steps done of the epoch that is under way.
    pub(crate) epoch_step: u64,
    /// Steps done in all.
    pub(crate) step: u64,
    /// Sum of the losses of the epoch's samples so far.
    pub(crate) loss_sum: f64,
    /// How many of them were classified rightly.
    pub(crate) correct: u64,
    /// How many samples the epoch has seen.
    pub(crate) seen: u64,
    /// The best epoch so far.
    pub(crate) best: Option<Best>,
    /// With `patience`: the last epoch that counted as better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) watched: Option<Best>,
    /// What the schedule `plateau` knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plateau: Option<Plateau>,
}

impl State {
    /// How far the run has come.
    pub(crate) fn position(&self) -> RunPosition {
        RunPosition { epoch: self.epoch + 1, steps: self.epoch_step }
    }

    /// Running mean loss of the epoch, per sample as d2l counts.
    pub(crate) fn loss(&self) -> f64 {
        self.loss_sum / self.seen.max(1) as f64
    }

    /// Running accuracy of the epoch, 0 to 1.
    pub(crate) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.seen.max(1) as f64
    }

    /// Whether `max_steps` is reached.
    pub(crate) fn is_enough(&self, options: &TrainOptions) -> bool {
        options.max_steps.is_some_and(|max| self.step >= max)
    }

    /// Whether nothing is left: all epochs, or all of `max_steps` and the test pass after the last of them.
    pub(crate) fn is_done(&self, options: &TrainOptions, results: &Results) -> bool {
        let told = results.rows().last().is_some_and(|row| row.epoch > self.epoch);
        self.epoch >= options.all_epochs()
            || self.has_stalled(options)
            || (self.is_enough(options) && (self.epoch_step == 0 || told))
    }

    /// Whether `patience` is over. A run that was started without it has watched its best epoch.
    pub(crate) fn has_stalled(&self, options: &TrainOptions) -> bool {
        let since = self.watched.or(self.best).map_or(0, |watched| self.epoch.saturating_sub(watched.epoch));
        options.patience.is_some_and(|patience| since >= patience)
    }

    /// Notes for `patience` what the epoch under way has given; before `best` is.
    pub(crate) fn watch(&mut self, options: &TrainOptions, found: Best) {
        if options.patience.is_some() {
            let before = self.watched.or(self.best);
            let is_better = before.is_none_or(|before| found.is_rise(&before, f64::from(options.min_delta)));
            self.watched = if is_better { Some(found) } else { before };
        }
    }

    /// Goes on to the next epoch.
    pub(crate) fn end_epoch(&mut self) {
        let State { epoch, step, best, watched, plateau, .. } = *self;
        *self = State { epoch: epoch + 1, step, best, watched, plateau, ..State::default() };
    }
}

/// What decides the bytes of a run, besides the network: a checkpoint of another identity is not continued.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) recipe: Recipe,
    pub(crate) data: String,
    /// Of the pictures and labels themselves ([`Fingerprint::sha256`](plusx_data::Fingerprint::sha256)): a name and a
    /// folder can come to stand for others. Empty in a checkpoint of a version that did not look at them.
    #[serde(default)]
    pub(crate) data_sha256: String,
    pub(crate) train_images: u64,
    pub(crate) resize: usize,
    // what older versions had no options for is not written unless it was used
    /// Shape of the input in place of the square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preprocess: Option<Pictures>,
    /// SHA-256 of the file the parameters started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pretrained: Option<String>,
    pub(crate) batch_size: usize,
    pub(crate) lr: f32,
    pub(crate) momentum: f32,
    pub(crate) nesterov: bool,
    pub(crate) weight_decay: f32,
    pub(crate) seed: u32,
    /// Further options that were used, by their keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) further: BTreeMap<String, String>,
}

/// Options of the recipe that are said by the fields above, or by the checkpoint's network.
const OWN: [&str; 12] = [
    "recipe",
    "model",
    "resize",
    "input",
    "preprocess",
    "pretrained",
    "batch_size",
    "lr",
    "momentum",
    "nesterov",
    "weight_decay",
    "train_limit",
];

impl Identity {
    pub(crate) fn of(options: &TrainOptions, data_sha256: String, train_images: usize) -> Self {
        Self {
            recipe: options.recipe,
            data: options.data.clone(),
            data_sha256,
            train_images: train_images as u64,
            resize: options.resize,
            input: options.input.map(|input| input.to_string()),
            preprocess: options.preprocess.clone(),
            pretrained: options.pretrained.as_ref().map(|pretrained| pretrained.sha256.clone()),
            batch_size: options.batch_size,
            lr: options.lr,
            momentum: options.momentum,
            nesterov: options.nesterov,
            weight_decay: options.weight_decay,
            seed: options.seed,
            further: options.further(&OWN),
        }
    }
}

/// The `training` entry of a checkpoint.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Training {
    /// Version of this program.
    pub(crate) version: String,
    /// Arithmetic profile: levels of one profile give the same bytes.
    pub(crate) arithmetic: String,
    pub(crate) identity: Identity,
    pub(crate) state: State,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_is_accuracy_then_loss_then_the_earlier() {
        let best = Best { epoch: 1, top1: 0.5, loss: 1.0 };
        let report = |top1, loss| EvalReport { loss, top1, top5: 1.0, n: 10 };
        assert!(best.beaten_by(&report(0.6, 2.0)));
        assert!(best.beaten_by(&report(0.5, 0.9)));
        assert!(!best.beaten_by(&report(0.5, 1.0)));
        assert!(!best.beaten_by(&report(0.4, 0.1)));
    }

    #[test]
    fn sums_keep_their_bits_through_json() {
        let mut state = State { loss_sum: 0.1, ..State::default() };
        for i in 1..2000 {
            state.loss_sum += 1.0 / f64::from(i);
            let text = serde_json::to_value(state).unwrap().to_string();
            let back: State = serde_json::from_str(&text).unwrap();
            assert_eq!(back.loss_sum.to_bits(), state.loss_sum.to_bits());
        }
    }

    #[test]
    fn a_checkpoint_without_a_hash_of_its_data_is_still_read() {
        let identity = Identity::of(&TrainOptions::default(), "abc".into(), 10);
        let mut value = serde_json::to_value(&identity).unwrap();
        value.as_object_mut().unwrap().remove("data_sha256").unwrap();
        let back: Identity = serde_json::from_value(value).unwrap();
        assert_eq!(back, Identity { data_sha256: String::new(), ..identity });
    }
}
