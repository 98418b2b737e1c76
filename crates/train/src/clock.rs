//! How long the epoch under way has taken, over all interruptions. The times have a file of their own (`clock.json`), because a
//! checkpoint's bytes must not depend on them.
//!
//! The file is written before the checkpoint that it belongs to. It also holds the times of the checkpoint before that.
//! Whichever checkpoint is on the disk when the run is resumed, its times are there.

use std::fs;
use std::time::Instant;

use plusx_formats::{FormatError, atomic};
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::results::EpochRow;
use crate::state::State;

/// Seconds, as they are kept.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Times {
    /// Steps of the run when the times were taken.
    step: u64,
    /// Epochs done by then.
    epochs: u32,
    /// Of the epoch so far.
    epoch: f64,
    /// Of the epoch, spent in steps.
    steps: f64,
    /// Images learnt from in those steps, which are not all of the epoch's where times were lost.
    images: u64,
    /// Of the epoch, spent waiting for images.
    wait: f64,
    /// Of all finished epochs.
    before: f64,
    /// The `time` in seconds that was over when they were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<u64>,
}

/// Counts while the run goes on.
#[derive(Debug)]
pub(crate) struct Clock {
    times: Times,
    /// Those of the last checkpoint that is known to be on the disk.
    confirmed: Option<Times>,
    /// When `times.epoch` was last brought up to date.
    ticked: Instant,
}

impl Clock {
    /// Goes on from the times kept with the checkpoint of `state`; without them, from the finished epochs' rows.
    pub(crate) fn open(folder: &Folder, state: &State, rows: &[EpochRow]) -> Self {
        let kept = fs::read(folder.clock()).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let kept: Vec<Times> = kept.unwrap_or_default();
        // of equals the later: no step lies between them, but some time may
        let at = |times: &&Times| (times.step, times.epochs) == (state.step, state.epoch) && state.step > 0;
        let confirmed = kept.iter().rfind(at).copied();
        let times = confirmed.unwrap_or_else(|| {
            let finished = rows.iter().filter(|row| row.epoch <= state.epoch);
            Times { before: finished.map(|row| row.time).sum(), ..Times::default() }
        });
        Self { times, confirmed, ticked: Instant::now() }
    }

    /// Brings the epoch's time up to date.
    pub(crate) fn tick(&mut self) {
        let now = Instant::now();
        self.times.epoch += (now - self.ticked).as_secs_f64();
        self.ticked = now;
    }

    /// A step on so many images has taken so many seconds, of which so many were spent waiting for them.
    pub(crate) fn step(&mut self, images: usize, seconds: f64, wait: f64) {
        self.times.images += images as u64;
        self.times.steps += seconds;
        self.times.wait += wait;
    }

    /// The next epoch begins.
    pub(crate) fn end_epoch(&mut self) {
        self.times = Times { before: self.total(), over: self.times.over, ..Times::default() };
    }

    /// Counts what came before the first step, too.
    pub(crate) fn add(&mut self, seconds: f64) {
        self.times.before += seconds;
    }

    /// The run's time is over, which was so many seconds.
    pub(crate) fn run_out(&mut self, limit: u64) {
        self.times.over = Some(limit);
    }

    /// The time that was over already.
    pub(crate) fn over(&self) -> Option<u64> {
        self.times.over
    }

    /// Seconds of the epoch so far.
    pub(crate) fn epoch(&self) -> f64 {
        self.times.epoch
    }

    /// Images per second in the steps of the epoch whose times are known.
    pub(crate) fn images_per_second(&self) -> f64 {
        self.times.images as f64 / self.times.steps.max(1e-9)
    }

    /// Seconds of the epoch spent waiting for images.
    pub(crate) fn wait(&self) -> f64 {
        self.times.wait
    }

    /// Seconds of the run so far.
    pub(crate) fn total(&self) -> f64 {
        self.times.before + self.times.epoch
    }

    /// Keeps the times beside the checkpoint that is about to be written.
    pub(crate) fn save(&mut self, folder: &Folder, state: &State) -> Result<(), FormatError> {
        self.tick();
        (self.times.step, self.times.epochs) = (state.step, state.epoch);
        let both: Vec<Times> = self.confirmed.into_iter().chain([self.times]).collect();
        let text =
            serde_json::to_vec(&both).map_err(|error| FormatError::Encode { reason: error.to_string() })?;
        atomic::write(&folder.clock(), &text)
    }

    /// The checkpoint is on the disk.
    pub(crate) fn confirm(&mut self) {
        self.confirmed = Some(self.times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::TrainOptions;

    fn at(epoch: u32, step: u64) -> State {
        State { epoch, step, ..State::default() }
    }

    #[test]
    fn times_follow_the_checkpoint_that_is_on_the_disk() {
        let output = tempfile::tempdir().unwrap();
        let options = TrainOptions { output: output.path().into(), ..TrainOptions::default() };
        let folder = Folder::create(&options).unwrap();
        let open = |state: &State| Clock::open(&folder, state, &[]);
        let mut clock = open(&State::default());
        clock.step(80, 4.0, 1.0);
        clock.save(&folder, &at(0, 10)).unwrap();
        clock.confirm();
        clock.step(80, 2.0, 1.0);
        // this save and the next fail after the clock's own file was written
        clock.save(&folder, &at(0, 20)).unwrap();
        for _ in 0..2 {
            let mut resumed = open(&at(0, 10));
            assert_eq!((resumed.images_per_second(), resumed.wait()), (20.0, 1.0));
            assert!(resumed.epoch() > 0.0);
            resumed.step(100, 1.0, 0.0);
            assert_eq!(resumed.images_per_second(), 36.0);
            resumed.save(&folder, &at(0, 30)).unwrap();
        }
        assert_eq!(open(&at(0, 30)).images_per_second(), 36.0);
        // the last step of an epoch and its end are two checkpoints of one step
        let mut clock = open(&at(0, 30));
        clock.confirm();
        clock.end_epoch();
        clock.save(&folder, &at(1, 30)).unwrap();
        assert_eq!(open(&at(0, 30)).images_per_second(), 36.0);
        assert_eq!(open(&at(1, 30)).images_per_second(), 0.0);
        assert!(open(&at(1, 30)).total() > 0.0);
        // without times there is no speed, rather than a wrong one
        assert_eq!(open(&at(0, 7)).images_per_second(), 0.0);
    }
}
