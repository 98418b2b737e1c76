//! Training driven from outside: the caller's own pictures, a callback after each step, cancellation between two.

use std::ops::ControlFlow;

use plusx_model::executor::StepResult;
use plusx_model::update::Update;

use crate::{Error, Model, Tensor};

/// What one step found, before its update.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Counted from 1.
    pub number: usize,
    /// Mean cross-entropy of its images, in nats.
    pub loss: f64,
    /// Images whose class had the largest logit.
    pub correct: usize,
    /// Images.
    pub images: usize,
    /// Loss and prediction of every image.
    pub result: &'a StepResult,
}

/// How [`Model::train`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trained {
    /// Steps done.
    pub steps: usize,
    /// Whether the callback ended it; else there were no more batches.
    pub cancelled: bool,
}

impl Model {
    /// Trains on `batches`, images with one class index each: one [`Model::train_step`] with `update` for each, until
    /// there are no more or `after` breaks off.
    ///
    /// `after` is called on this thread after each update. To cancel from another thread, let it look at a flag that the
    /// other sets: the step in progress is finished, and the parameters are those after it, so a later call goes on from
    /// there. [`Model::set_threads`] changes how many threads compute; it changes no byte.
    ///
    /// # Errors
    /// Those of [`Model::train_step`], for the first batch that has one; [`Error::Diverged`] after a step whose loss is not
    /// a finite number: its update has spoilt the parameters, unlike every other error here.
    pub fn train(
        &mut self,
        batches: impl IntoIterator<Item = (Tensor, Vec<u32>)>,
        update: &Update<'_>,
        mut after: impl FnMut(&Step<'_>) -> ControlFlow<()>,
    ) -> Result<Trained, Error> {
        let mut steps = 0;
        for (x, labels) in batches {
            let result = self.train_step(&x, &labels, Some(update))?;
            steps += 1;
            let images = labels.len();
            let loss = result.losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / images as f64;
            if !loss.is_finite() {
                return Err(Error::Diverged { step: steps });
            }
            let correct =
                result.predictions.iter().zip(&labels).filter(|(class, label)| class == label).count();
            let step = Step { number: steps, loss, correct, images, result: &result };
            if after(&step).is_break() {
                return Ok(Trained { steps, cancelled: true });
            }
        }
        Ok(Trained { steps, cancelled: false })
    }
}
