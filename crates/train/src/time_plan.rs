//! How much of a run fits into a time (`--time`), from what its parts take on this machine. Pure arithmetic: what is measured is
//! measured elsewhere.

use std::time::Duration;

use crate::error::TrainError;
use crate::options::{SchedPer, TimeLimit, TrainOptions};

/// Part of the time that no epoch is planned into: machines are busier at times, and the end of a run is not measured.
const MARGIN: f64 = 0.1;

/// Largest part of a run that may be warm-up. The recipes have a tenth to a twelfth; a run shorter than it was meant to be warms
/// up through a fifth of it at most.
const WARMUP: f32 = 0.2;

/// Seconds that the parts of a run take on this machine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rates {
    /// A training step on a whole batch.
    pub(crate) step: f64,
    /// An image of a test pass.
    pub(crate) test_image: f64,
    /// The rest of an epoch: its first batch, its files.
    pub(crate) epoch: f64,
}

/// An epoch of the run that is planned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EpochWork {
    /// Images learnt from.
    pub(crate) train: usize,
    /// Images looked at in test passes and measurements.
    pub(crate) test: u64,
    /// Images of a step.
    pub(crate) batch: usize,
}

impl EpochWork {
    /// Seconds of it.
    pub(crate) fn seconds(&self, rates: &Rates) -> f64 {
        let steps = self.train as f64 / self.batch.max(1) as f64;
        rates.epoch + rates.step * steps + rates.test_image * self.test as f64
    }
}

/// What fits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Fitting {
    pub(crate) epochs: u32,
    /// Images of the only epoch, where not even a whole one fits.
    pub(crate) images: Option<usize>,
    /// Seconds until the end, counted as the time is.
    pub(crate) expected: f64,
}

/// The most epochs, up to `most`, that end within `limit`, of which `spent` seconds are gone. If not even one does, one epoch of as
/// many whole batches as fit.
///
/// # Errors
/// [`TrainError::TooShort`] if not even a single step does.
pub(crate) fn fitting(
    limit: TimeLimit,
    spent: f64,
    rates: &Rates,
    work: &EpochWork,
    most: u32,
) -> Result<Fitting, TrainError> {
    let left = limit.seconds() as f64 * (1.0 - MARGIN) - spent;
    let epoch = work.seconds(rates);
    let epochs = (left / epoch).min(f64::from(most)).max(0.0) as u32;
    if epochs > 0 {
        return Ok(Fitting { epochs, images: None, expected: spent + f64::from(epochs) * epoch });
    }
    let batch = work.batch.min(work.train);
    let of = |images: usize| EpochWork { train: images, ..*work }.seconds(rates);
    let steps = ((left - of(0)) / (of(batch) - of(0))).max(0.0) as usize;
    let images = (steps * batch).min(work.train);
    if images == 0 {
        return Err(too_short(limit, spent + of(batch)));
    }
    Ok(Fitting { epochs: 1, images: Some(images), expected: spent + of(images) })
}

/// The error of a time in which not even so many seconds fit.
pub(crate) fn too_short(limit: TimeLimit, seconds: f64) -> TrainError {
    let needed = Duration::try_from_secs_f64(seconds / (1.0 - MARGIN)).unwrap_or(Duration::MAX);
    // a second more: no measurement comes out the same twice
    let needed = TimeLimit::at_least(needed.saturating_add(Duration::from_secs(1)));
    TrainError::TooShort { time: limit.to_string(), needed: needed.to_string() }
}

/// The options of a run of that length, and what was changed beside the number of epochs, in sentences.
pub(crate) fn resolved(
    options: TrainOptions,
    fitting: &Fitting,
    images: usize,
) -> (TrainOptions, Vec<String>) {
    let mut changed = Vec::new();
    let cooldown = options.all_epochs() - options.epochs;
    let mut options = TrainOptions { epochs: fitting.epochs, ..options };
    if cooldown > 0 && cooldown < fitting.epochs {
        // the epochs that fit are all of them
        options.epochs = fitting.epochs - cooldown;
    } else if cooldown > 0 {
        options.cooldown_epochs = 0;
        changed.push(format!("there is no room for the {cooldown} epochs of cool-down: --cooldown-epochs 0"));
    }
    if let Some(some) = fitting.images {
        options.train_limit = Some(some);
        changed.push(format!(
            "not even one epoch fits: the run is one epoch of {some} of the {images} images, which the seed draws (--train-limit \
             {some})"
        ));
    }
    let warmup = warmup(&options);
    if warmup < options.warmup_epochs {
        changed.push(format!(
            "the warm-up is {warmup} epochs in place of {}: at most a fifth of the run",
            options.warmup_epochs
        ));
        options.warmup_epochs = warmup;
    }
    (options, changed)
}

/// Epochs of warm-up that suit the length of the run; whole ones where the schedule counts in epochs.
fn warmup(options: &TrainOptions) -> f32 {
    let most = options.epochs as f32 * WARMUP;
    let most = if options.sched_per == SchedPer::Epoch { most.floor() } else { most };
    options.warmup_epochs.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates { step: 0.5, test_image: 0.01, epoch: 2.0 };
    /// 10 steps and 100 test images: 8 seconds an epoch.
    const WORK: EpochWork = EpochWork { train: 320, test: 100, batch: 32 };

    fn limit(seconds: u64) -> TimeLimit {
        TimeLimit::at_least(Duration::from_secs(seconds))
    }

    fn fit(seconds: u64, spent: f64, most: u32) -> Fitting {
        fitting(limit(seconds), spent, &RATES, &WORK, most).unwrap()
    }

    #[test]
    fn as_many_epochs_are_chosen_as_fit_with_a_margin() {
        // 90 seconds less 2 hold 11 epochs of 8
        assert_eq!(fit(100, 2.0, 1_000), Fitting { epochs: 11, images: None, expected: 90.0 });
        assert_eq!(fit(100, 2.5, 1_000).epochs, 10);
        assert_eq!(fit(100, 3.0, 4), Fitting { epochs: 4, images: None, expected: 35.0 });
    }

    #[test]
    fn of_an_epoch_that_does_not_fit_whole_steps_are_left() {
        // 6.3 seconds: 3 for files and test, 6 steps
        assert_eq!(fit(7, 0.0, 1_000), Fitting { epochs: 1, images: Some(192), expected: 6.0 });
        assert_eq!(fit(4, 0.0, 1_000).images, Some(32));
        // an epoch of a single smaller batch is all there is
        let few = EpochWork { train: 5, ..WORK };
        let fitting = fitting(limit(4), 0.0, &RATES, &few, 9).unwrap();
        assert_eq!((fitting.epochs, fitting.images), (1, None));
    }

    #[test]
    fn a_time_without_a_step_is_refused_with_what_would_do() {
        for (seconds, spent) in [(3, 0.0), (1, 0.0), (60, 60.0)] {
            let error = fitting(limit(seconds), spent, &RATES, &WORK, 9).unwrap_err();
            let TrainError::TooShort { needed, .. } = &error else { panic!("{error}") };
            let needed: TimeLimit = needed.parse().unwrap();
            fitting(needed, spent, &RATES, &WORK, 9).unwrap();
            assert!(error.to_string().contains(&format!("--time {needed}")), "{error}");
        }
    }

    #[test]
    fn a_warm_up_is_a_fifth_of_the_run_at_most() {
        let options = |sched_per| TrainOptions { warmup_epochs: 5.0, sched_per, ..TrainOptions::default() };
        let of = |epochs, sched_per| {
            let fitting = Fitting { epochs, images: None, expected: 1.0 };
            let (options, changed) = resolved(options(sched_per), &fitting, 9);
            (options.warmup_epochs, changed.len())
        };
        assert_eq!(of(25, SchedPer::Step), (5.0, 0));
        assert_eq!(of(12, SchedPer::Step), (2.4, 1));
        assert_eq!(of(12, SchedPer::Epoch), (2.0, 1));
        assert_eq!(of(3, SchedPer::Epoch), (0.0, 1));
    }

    #[test]
    fn a_shortened_epoch_is_an_ordinary_one_of_fewer_images() {
        let fitting = Fitting { epochs: 1, images: Some(64), expected: 1.0 };
        let (options, changed) = resolved(TrainOptions::default(), &fitting, 320);
        assert_eq!((options.epochs, options.train_limit), (1, Some(64)));
        assert!(changed[0].contains("64 of the 320"), "{changed:?}");
    }
}
