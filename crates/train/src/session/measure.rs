//! Measurements inside an epoch, for curves finer than epochs: `measure_every`, written to `points.csv`.
//!
//! A measurement changes nothing of the training and has no part in the checkpoint. The step says where one is due. The file
//! says whether it is there already. So a process killed around a measurement makes it again, equal.

use plusx_model::executor::Executor;

use super::Session;
use crate::error::TrainError;
use crate::evaluate::EvalReport;

impl<E: Executor> Session<'_, E> {
    /// Whether a measurement belongs after the step that is done, and is not there yet. The end of an epoch has its own.
    pub(super) fn point_is_due(&self) -> bool {
        let done = self.state.epoch_step;
        let due = |every| done > 0 && done.is_multiple_of(every);
        self.job.options.measure_every.is_some_and(due) && self.points.last_step() < self.state.step
    }

    /// Makes it; false if a signal came.
    pub(super) fn measure(&mut self) -> Result<bool, TrainError> {
        let Some(report) = self.test(self.job.measured.clone())? else { return Ok(false) };
        self.mark(&report)?;
        Ok(true)
    }

    /// Writes down what a test pass found after the step that is done.
    pub(super) fn mark(&mut self, report: &EvalReport) -> Result<(), TrainError> {
        if self.job.options.measure_every.is_none() {
            return Ok(());
        }
        self.see_to_folder()?;
        self.points.push(&self.state, report);
        self.points.write().map_err(|error| self.keeping(error))
    }
}
