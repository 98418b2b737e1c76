//! A training step: the gradients of its batches, one update at the rate that the schedule has for it, the average of the
//! parameters after it, and what is added to the running sums.
//!
//! No checkpoint lies between the batches of a step: the running statistics of batch norms have moved, and the gradients so far
//! are the executor's alone.

use plusx_data::{Batch, Draws, Mixed};
use plusx_model::executor::{Executor, Images, StepOptions};
use plusx_model::targets::{Loss, Targets};
use plusx_model::update::{ParamRules, Update};

use super::Session;
use crate::error::TrainError;
use crate::event::{Event, StepEvent};
use crate::features::Batches;

/// What the batches of a step have in common.
#[derive(Default)]
struct Gradients {
    /// Images whose gradients are summed so far.
    images: usize,
    /// What the sum of their losses is divided by for the mean.
    divisor: f64,
}

impl<E: Executor> Session<'_, E> {
    /// One step: forward and backward on each of its batches, and one update with the sum of their gradients. How many images it
    /// has learnt from.
    ///
    /// The first batch of the run is drawn, whether its pictures change at random or not, unless `shown` is `None`.
    ///
    /// A batch without a picture that can be read teaches nothing. A step without one counts all the same: the steps of an epoch
    /// stay where they are.
    pub(super) fn step(&mut self, loader: &mut Batches, shown: Option<bool>) -> Result<usize, TrainError> {
        let mut gradients = Gradients::default();
        // the update belongs to the last batch that has a picture, and which that is, is known when the others are there
        let mut waiting: Option<(Batch, Mixed)> = None;
        for number in self.job.batches(self.state.epoch_step) {
            let mut batch = loader.next().ok_or_else(|| self.ended())??;
            self.leave_out(&batch.left_out)?;
            let mixed = self.mix(&mut batch, number);
            if let Some(augmented) = shown.filter(|_| self.state.step == 0 && number == 0) {
                self.show(&batch, augmented)?;
            }
            if batch.n == 0 {
                loader.recycle(batch);
            } else if let Some((batch, mixed)) = waiting.replace((batch, mixed)) {
                self.learn(&batch, mixed, &mut gradients, false)?;
                loader.recycle(batch);
            }
        }
        if let Some((batch, mixed)) = waiting {
            self.learn(&batch, mixed, &mut gradients, true)?;
            loader.recycle(batch);
        }
        self.state.step += 1;
        self.state.epoch_step += 1;
        Ok(gradients.images)
    }

    fn ended(&self) -> TrainError {
        let (step, steps) = (self.state.epoch_step + 1, self.job.steps());
        TrainError::Unfit {
            data: self.job.options.data.clone(),
            reason: format!("the images ended before step {step} of {steps}"),
        }
    }

    /// Adds the gradients of a batch to those of its step; after the `last` batch the parameters move.
    fn learn(
        &mut self,
        batch: &Batch,
        mixed: Mixed,
        gradients: &mut Gradients,
        last: bool,
    ) -> Result<(), TrainError> {
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
        let accumulate = gradients.images > 0;
        gradients.images += batch.n;
        gradients.divisor += loss.divisor(targets, batch.n);
        let usual = self.job.options.update(self.lr(self.state.step), gradients.divisor);
        let params = self.rules.as_deref().map_or(usual.params, ParamRules::Each);
        let update = Update { params, ..usual };
        let images = Images { data: &batch.images, n: batch.n };
        let options = StepOptions { loss, accumulate, update: last.then_some(&update) };
        let result = self.executor.train_step(images, targets, &options);
        let result = result.map_err(TrainError::executor)?;
        if !result.losses.iter().all(|loss| loss.is_finite()) {
            return Err(self.not_finite("the loss", self.state.position().next_step()));
        }
        if let Some(decay) = self.job.options.average_decay().filter(|_| last) {
            self.executor.move_average(decay).map_err(TrainError::executor)?;
        }
        let state = &mut self.state;
        state.loss_sum = result.losses.iter().fold(state.loss_sum, |sum, loss| sum + f64::from(*loss));
        let hits =
            result.predictions.iter().zip(&batch.labels).filter(|(class, label)| class == label).count();
        state.correct += hits as u64;
        state.seen += batch.n as u64;
        Ok(())
    }

    /// Mixes the images of a batch with each other as the options say; how. `number` is that of the batch in its epoch, counted
    /// from 0.
    fn mix(&mut self, batch: &mut Batch, number: u64) -> Mixed {
        let (job, state) = (self.job, &self.state);
        let shape = job.header.model.preprocess.input;
        let mut draws = Draws::of_batch(job.options.seed, state.epoch, number as u32);
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
