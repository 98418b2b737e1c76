//! How long the epoch under way has taken, over all interruptions. Kept in a file of its own (`clock.json`), because a
//! checkpoint's bytes must not depend on the time.

use std::fs;
use std::time::Instant;

use plusx_formats::{FormatError, atomic};
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::results::Row;
use crate::state::State;

/// Seconds, as they are kept.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Times {
    /// Steps of the run when the times were taken.
    step: u64,
    /// Of the epoch so far.
    epoch: f64,
    /// Of the epoch, spent in steps.
    steps: f64,
    /// Of the epoch, spent waiting for images.
    wait: f64,
    /// Of all finished epochs.
    before: f64,
}

/// Counts while the run goes on.
#[derive(Debug)]
pub(crate) struct Clock {
    times: Times,
    /// When `times.epoch` was last brought up to date.
    ticked: Instant,
}

impl Clock {
    /// Goes on from the times kept with the checkpoint of `state`; without them, from the finished epochs' rows.
    pub(crate) fn open(folder: &Folder, state: &State, rows: &[Row]) -> Self {
        let kept = fs::read(folder.clock()).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let kept = kept.filter(|times: &Times| times.step == state.step && state.step > 0);
        let times = kept.unwrap_or_else(|| {
            let finished = rows.iter().filter(|row| row.epoch <= state.epoch);
            Times { before: finished.map(|row| row.time).sum(), ..Times::default() }
        });
        Self { times, ticked: Instant::now() }
    }

    /// Brings the epoch's time up to date.
    pub(crate) fn tick(&mut self) {
        let now = Instant::now();
        self.times.epoch += (now - self.ticked).as_secs_f64();
        self.ticked = now;
    }

    /// A step has taken so many seconds, of which so many for its images.
    pub(crate) fn step(&mut self, seconds: f64, wait: f64) {
        self.times.steps += seconds;
        self.times.wait += wait;
    }

    /// The next epoch begins.
    pub(crate) fn end_epoch(&mut self) {
        self.times = Times { before: self.total(), ..Times::default() };
    }

    /// Seconds of the epoch so far.
    pub(crate) fn epoch(&self) -> f64 {
        self.times.epoch
    }

    /// Seconds of the epoch spent in steps.
    pub(crate) fn steps(&self) -> f64 {
        self.times.steps
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
        self.times.step = state.step;
        let text = serde_json::to_vec(&self.times)
            .map_err(|error| FormatError::Encode { reason: error.to_string() })?;
        atomic::write(&folder.clock(), &text)
    }
}
