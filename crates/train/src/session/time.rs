//! What a session makes of the time that a run has.

use std::time::Instant;

use plusx_model::executor::Executor;

use super::Session;
use crate::deadline::Deadline;
use crate::error::TrainError;
use crate::event::Event;
use crate::options::TimeLimit;

impl<E: Executor> Session<'_, E> {
    /// Counts the time from `begun` on, which was before this session.
    pub(crate) fn since(mut self, begun: Instant) -> Self {
        self.clock.add(begun.elapsed().as_secs_f64());
        self
    }

    /// Refuses a time that is given anew and was worked already.
    pub(crate) fn refuse_spent(&self, before: Option<TimeLimit>) -> Result<(), TrainError> {
        match self.job.options.time.filter(|time| Some(*time) != before) {
            Some(time) if self.clock.total() >= time.seconds() as f64 => Err(TrainError::option(
                "time",
                &time.to_string(),
                "the run has worked as long as that already: give more, or leave it out to go on to the end of its epochs",
            )),
            _ => Ok(()),
        }
    }

    /// Sets the end. A resumed run whose time was over, or is all but over, goes on without one.
    pub(super) fn watch_time(&mut self) {
        self.deadline = Deadline::of(&self.job.options, &self.clock);
        let Some(time) = self.job.options.time.filter(|_| self.state.step > 0) else { return };
        if self.deadline.is_none() || !self.deadline.allows_more() {
            self.deadline = Deadline::default();
            self.clock.run_out(time.seconds());
            let message = format!(
                "--time {time} is over: the run goes on to the end of its epochs, however long it takes"
            );
            self.tell(&Event::Warning { message });
        }
    }

    /// The time is over.
    pub(super) fn run_out(&mut self) {
        if let Some(time) = self.job.options.time {
            self.clock.run_out(time.seconds());
        }
        self.deadline.is_over = true;
    }

    /// After an epoch that took so many seconds: whether another ends in time.
    pub(super) fn look_ahead(&mut self, seconds: f64) {
        if !self.done() && !self.deadline.allows(seconds) {
            self.run_out();
        }
    }

    /// Says why the run ends.
    pub(super) fn tell_time(&mut self) {
        let options = &self.job.options;
        let time = options.time.map_or_else(String::new, |time| time.to_string());
        let at = self.state.position();
        let place = if at.steps == 0 {
            format!("after epoch {} of {}", at.epoch.saturating_sub(1), options.all_epochs())
        } else {
            format!("after step {} of epoch {} of {}", at.steps, at.epoch, options.all_epochs())
        };
        let message = format!(
            "the run stops {place}: what comes next would not end within --time {time}. All is saved, and --resume goes on to the end of \
             its epochs"
        );
        self.tell(&Event::Warning { message });
    }
}
