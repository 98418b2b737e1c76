//! What a run draws into its folder. A picture that cannot be drawn is a warning and no reason to stop.

use plusx_data::Batch;
use plusx_model::executor::Executor;

use super::Session;
use crate::error::TrainError;
use crate::event::Event;
use crate::{curves, first_batch};

impl<E: Executor> Session<'_, E> {
    /// Draws the curves anew.
    pub(super) fn draw(&mut self) {
        self.warn(curves::draw(&self.job.folder, &self.job.options, self.job.held_out, self.results.rows()));
    }

    /// Draws the first batch of the run, if there is something to be seen: whether files hold what was meant, and what
    /// augmentation makes of it. Images in memory, all of one size, are a data set that is known.
    pub(super) fn show(&mut self, batch: &Batch, augmented: bool) -> Result<(), TrainError> {
        if !augmented && self.job.train.shape().is_some() {
            return Ok(());
        }
        let pictures = self.pictures_of(batch)?;
        self.warn(first_batch::draw(
            &self.job.folder,
            pictures.as_ref().unwrap_or(batch),
            &self.job.header.model,
        ));
        Ok(())
    }

    fn warn(&mut self, drawn: Result<(), String>) {
        if let Err(message) = drawn {
            self.tell(&Event::Warning { message });
        }
    }
}
