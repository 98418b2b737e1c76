//! Checkpoints of a run under way, and what is done when one of its files cannot be written.
//!
//! The weights come first. A file beside them that cannot be written, such as a row of the table, does not end the run before its
//! weights are saved. A run folder that somebody has removed is made again for them.

use std::time::Instant;

use plusx_model::executor::Executor;

use super::Session;
use crate::checkpoint::{self, Refusal};
use crate::error::{Checkpoint, Kept, TrainError};
use crate::event::{Event, SaveReason};
use crate::options::SaveEvery;

impl<E: Executor> Session<'_, E> {
    /// Whether it is time for a save between epochs.
    pub(super) fn due(&self) -> bool {
        match self.job.options.save_every {
            SaveEvery::Epoch => false,
            SaveEvery::Time(time) => self.saved.elapsed() >= time,
            SaveEvery::Steps(steps) => self.state.step.is_multiple_of(steps),
        }
    }

    /// Writes the checkpoint.
    pub(super) fn save(&mut self, reason: SaveReason) -> Result<(), TrainError> {
        let begun = Instant::now();
        self.see_to_folder()?;
        let times = self.clock.save(&self.job.folder, &self.state);
        self.write_last()?;
        match times {
            Ok(()) => self.clock.confirm(),
            Err(error) => {
                let message = format!("{error}: a resumed run will not know how long the epoch has taken");
                self.tell(&Event::Warning { message });
            }
        }
        self.deadline.save(begun.elapsed());
        self.saved = Instant::now();
        self.tell(&Event::Saved { path: self.job.folder.last(), reason });
        Ok(())
    }

    fn write_last(&mut self) -> Result<(), TrainError> {
        let saved = self.job.header.save_last(&self.job.folder.last(), self.executor, &self.state);
        saved.map_err(|refusal| self.refused(refusal))?;
        self.kept = Some(self.state.position());
        Ok(())
    }

    /// Makes the run's folder again if somebody has removed it while the run went on: hours of training belong there.
    pub(super) fn see_to_folder(&mut self) -> Result<(), TrainError> {
        let folder = &self.job.folder;
        if folder.is_there() {
            return Ok(());
        }
        self.kept = None;
        let made = folder.make_again(&self.job.options).and_then(|()| self.results.write());
        made.map_err(|error| self.keeping(error))?;
        let message = format!("{} had been removed; it is made again", self.job.folder.path().display());
        self.tell(&Event::Warning { message });
        Ok(())
    }

    /// After a file of the epoch's end could not be written: saves the steps of the epoch, if the checkpoint can be, so
    /// that a resumed run has only the test pass to repeat. The first failure is told, whatever becomes of this.
    pub(super) fn rescue(&mut self, error: TrainError) -> TrainError {
        let TrainError::Save { source, .. } = error else { return error };
        let _ = self.write_last();
        self.keeping(TrainError::Format(source))
    }

    /// The last checkpoint on disk.
    pub(super) fn kept(&self) -> Kept {
        let path = self.job.folder.last();
        Kept(self.kept.filter(|_| path.is_file()).map(|at| Box::new(Checkpoint { path, at })))
    }

    pub(super) fn refused(&self, refusal: Refusal) -> TrainError {
        match refusal {
            Refusal::NotFinite => self.not_finite("a weight", self.last_step()),
            Refusal::Format(source) => self.keeping(TrainError::Format(source)),
        }
    }

    /// Adds where the last good checkpoint is to a failed write.
    pub(crate) fn keeping(&self, error: TrainError) -> TrainError {
        let source = match error {
            TrainError::Format(source) => source,
            error => return error,
        };
        let needed = checkpoint::bytes(
            self.executor.graph(),
            self.job.options.remembered(),
            usize::from(self.job.options.model_ema_decay.is_some()),
        );
        TrainError::Save { source, needed, kept: self.kept() }
    }
}
