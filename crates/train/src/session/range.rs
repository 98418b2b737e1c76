//! Steps alone, at a rate that rises from each to the next: a range test. Nothing is measured, saved or drawn.

use plusx_model::executor::Executor;

use super::Session;
use crate::error::TrainError;
use crate::event::{Event, RangePoint};
use crate::schedule::Rising;
use crate::stop::Signal;

/// What a range test makes of a step.
pub(crate) struct Judged {
    /// What is told of it.
    pub(crate) point: RangePoint,
    /// Whether another follows.
    pub(crate) goes_on: bool,
}

impl<E: Executor> Session<'_, E> {
    /// Makes the steps of `rising`, over as many epochs as they need. `judge` gets the step, counted from 0, and
    /// the mean loss of its images before it; that may be no finite number, and is then the last. A step without images that can
    /// be read has no loss. A signal ends it.
    pub(crate) fn range(
        mut self,
        rising: Rising,
        judge: &mut dyn FnMut(u64, f64) -> Judged,
    ) -> Result<Option<Signal>, TrainError> {
        let steps = rising.steps;
        self.schedule = self.schedule.rising(rising);
        while self.state.step < steps {
            if !self.enter()? {
                return Ok(self.stop.requested());
            }
            let (mut loader, of_epoch) = (self.batches(), self.job.steps());
            while self.state.step < steps && self.state.epoch_step < of_epoch {
                if let Some(signal) = self.stop.requested() {
                    return Ok(Some(signal));
                }
                let (step, sum, seen) = (self.state.step, self.state.loss_sum, self.state.seen);
                match self.step(&mut loader, None) {
                    Err(TrainError::NotFinite { .. }) => {
                        let Judged { point, .. } = judge(step, f64::NAN);
                        self.tell(&Event::Range(point));
                        return Ok(None);
                    }
                    other => other?,
                };
                let images = self.state.seen - seen;
                if images > 0 {
                    let Judged { point, goes_on } = judge(step, (self.state.loss_sum - sum) / images as f64);
                    self.tell(&Event::Range(point));
                    if !goes_on {
                        return Ok(None);
                    }
                }
            }
            if self.state.seen == 0 {
                return Err(self.unreadable("training"));
            }
            self.state.end_epoch();
        }
        Ok(None)
    }
}
