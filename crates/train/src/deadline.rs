//! The end of a run's time (`--time`). The time is a promise: where the machine turns out slower than it was measured, the run
//! ends before its epochs, with everything saved.
//!
//! * An epoch that would not end in time is not begun. The one before it was then the last, with its test pass and its row.
//! * An epoch that turns out too long is broken off between two steps, with time enough for the save.
//!
//! A resumed run has the time that is left. Once the time was over it goes on without a limit, to the end of its schedule.

use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::options::{TimeLimit, TrainOptions};

/// Part of the time that is kept for the files of the end, in which no step begins.
const RESERVE: f64 = 0.02;

/// When a process that trains has to end.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    /// The time of the run and when it is over; none: it has all the time it wants.
    end: Option<(TimeLimit, Instant)>,
    /// Seconds of the last step and of the last save.
    step: f64,
    save: f64,
    /// Whether the run ends because of it.
    pub(crate) is_over: bool,
}

impl Deadline {
    /// Of a run that has worked for what `clock` says.
    pub(crate) fn of(options: &TrainOptions, clock: &Clock) -> Self {
        let end = options.time.filter(|time| clock.over() != Some(time.seconds())).and_then(|time| {
            let left = (time.seconds() as f64 - clock.total()).max(0.0);
            // beyond what the system can count there is no end
            let left = Duration::try_from_secs_f64(left).ok()?;
            Some((time, Instant::now().checked_add(left)?))
        });
        Self { end, ..Self::default() }
    }

    /// Whether there is none.
    pub(crate) fn is_none(&self) -> bool {
        self.end.is_none()
    }

    /// A step has taken so many seconds.
    pub(crate) fn step(&mut self, seconds: f64) {
        self.step = seconds;
    }

    /// A save has taken so long.
    pub(crate) fn save(&mut self, time: Duration) {
        self.save = time.as_secs_f64();
    }

    /// Whether something that takes so many seconds, and a save after it, ends in time.
    pub(crate) fn allows(&self, seconds: f64) -> bool {
        self.end.is_none_or(|(time, at)| {
            let reserve = (RESERVE * time.seconds() as f64).max(self.save);
            at.saturating_duration_since(Instant::now()).as_secs_f64() > seconds + reserve
        })
    }

    /// Whether one more step ends in time.
    pub(crate) fn allows_step(&self) -> bool {
        self.allows(self.step)
    }

    /// Whether a test pass may go on.
    pub(crate) fn allows_more(&self) -> bool {
        self.allows(0.0)
    }
}
