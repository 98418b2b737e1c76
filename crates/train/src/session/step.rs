//! A training step: the update of one batch, at the rate that the schedule has for it, the average of the parameters after it,
//! and what is added to the running sums.

use plusx_data::{Batch, Draws, Mixed};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::targets::{Loss, Targets};

use super::Session;
use crate::error::TrainError;
use crate::event::{Event, StepEvent};

impl<E: Executor> Session<'_, E> {
    /// One step on one batch. One without a picture that can be read teaches nothing, and counts all the same: the steps of an
    /// epoch stay where they are.
    pub(super) fn step(&mut self, batch: &Batch, mixed: Mixed) -> Result<(), TrainError> {
        if batch.n == 0 {
            self.state.step += 1;
            self.state.epoch_step += 1;
            return Ok(());
        }
        let smoothing = self.job.options.smoothing;
        let mut soft = Vec::new();
        let targets = match mixed {
            Mixed::Not => Targets::Classes(&batch.labels),
            // smoothed once, by the loss
            mixed => {
                mixed.targets(&batch.labels, self.job.header.model.classes.len(), 0.0, &mut soft);
                Targets::Soft(&soft)
            }
        };
        let loss = Loss { smoothing, class_weights: self.class_weights.as_deref() };
        let update = self.job.options.update(self.lr(self.state.step), loss.divisor(targets, batch.n));
        let images = Images { data: &batch.images, n: batch.n };
        let result = self.executor.train_step(
            images,
            targets,
            &StepOptions { loss, update: Some(&update), ..StepOptions::default() },
        );
        let result = result.map_err(TrainError::executor)?;
        if !result.losses.iter().all(|loss| loss.is_finite()) {
            return Err(self.not_finite("the loss", self.state.position().next_step()));
        }
        if let Some(decay) = self.job.options.average_decay() {
            self.executor.move_average(decay).map_err(TrainError::executor)?;
        }
        let state = &mut self.state;
        state.loss_sum = result.losses.iter().fold(state.loss_sum, |sum, loss| sum + f64::from(*loss));
        let hits =
            result.predictions.iter().zip(&batch.labels).filter(|(class, label)| class == label).count();
        state.correct += hits as u64;
        state.seen += batch.n as u64;
        state.step += 1;
        state.epoch_step += 1;
        Ok(())
    }

    /// Mixes the images of a batch with each other as the options say; how.
    pub(super) fn mix(&mut self, batch: &mut Batch) -> Mixed {
        let (job, state) = (self.job, &self.state);
        let shape = job.header.model.preprocess.input;
        let mut draws = Draws::of_batch(job.options.seed, state.epoch, state.epoch_step as u32);
        let mixed = job.options.mix().draw([shape.h, shape.w], &mut draws);
        mixed.images(&mut batch.images, [shape.h, shape.w, shape.c], &mut self.scratch);
        mixed
    }

    /// The learning rate of a step, counted from 0.
    pub(super) fn lr(&self, step: u64) -> f32 {
        self.schedule.lr(step, self.state.plateau.as_ref()) as f32
    }

    pub(super) fn tell_step(&mut self, data_wait: f64) {
        let eta = self.pace.seconds(self.job.left(&self.state));
        let event = StepEvent {
            epoch: self.state.epoch + 1,
            epochs: self.job.options.all_epochs(),
            step: self.state.epoch_step,
            steps: self.job.steps(),
            loss: self.state.loss(),
            accuracy: self.state.accuracy(),
            img_per_s: self.pace.images_per_second(),
            eta,
            data_wait,
        };
        self.tell(&Event::Step(event));
        if self.pace.just_trusted() {
            self.tell(&Event::Estimate { seconds: eta });
        }
    }
}
