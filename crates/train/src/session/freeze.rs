//! Epochs in which a part of the network does not learn: what the executor is told, and where batches come from then.

use std::sync::Arc;
use std::time::Instant;

use plusx_data::{Batch, BatchPlan, Loader};
use plusx_model::executor::Executor;

use super::keep::{feature_plan, make, picture_loader};
use super::{Session, TELL_EVERY};
use crate::error::TrainError;
use crate::estimate::Pace;
use crate::event::{Event, FeatureReport};
use crate::features::{Batches, FeatureFile, FeaturePart, KeptBatches};
use crate::freezing::KeptValues;

impl<E: Executor> Session<'_, E> {
    /// Makes the executor learn what learns in the epoch under way; false if a signal came while values were being kept.
    pub(super) fn enter(&mut self) -> Result<bool, TrainError> {
        let job = self.job;
        let Some(freezing) = &job.freezing else { return Ok(true) };
        let on = freezing.is_on(self.state.epoch);
        if self.frozen == Some(on) {
            return Ok(true);
        }
        self.features = None;
        if let Some(values) = freezing.kept.filter(|_| on) {
            let Some(file) = self.keep(values)? else { return Ok(false) };
            self.features = Some(Arc::new(file));
        }
        freezing.enter(self.executor, on)?;
        if self.frozen == Some(true) {
            // images cost more from here on
            self.pace = Pace::default();
            self.tell(&Event::Unfrozen { epoch: self.state.epoch + 1 });
        }
        self.frozen = Some(on);
        Ok(true)
    }

    /// What is kept of the pictures: found beside the run, or made. `None` if a signal came.
    fn keep(&mut self, values: KeptValues) -> Result<Option<FeatureFile>, TrainError> {
        let job = self.job;
        let plan = feature_plan(job, self.executor, values)?;
        let started = Instant::now();
        let found = FeatureFile::open(&plan)?;
        let is_found = found.is_some();
        let file = match found {
            Some(file) => Some(file),
            None => {
                let (stop, observer) = (self.stop, &mut *self.observer);
                let (mut told, total) = (started, plan.rows());
                make(job, self.executor, &plan, &mut |done| {
                    if told.elapsed() >= TELL_EVERY {
                        told = Instant::now();
                        observer.event(&Event::KeepingFeatures { done, total });
                    }
                    stop.requested().is_none()
                })
                .map_err(|error| self.keeping(error))?
            }
        };
        if file.is_some() {
            let seconds = started.elapsed().as_secs_f64();
            let report =
                FeatureReport { path: plan.path.clone(), rows: plan.rows(), found: is_found, seconds };
            self.tell(&Event::FeaturesKept(report));
        }
        Ok(file)
    }

    /// The batches of an epoch: of `plan`, or of what is kept of its pictures.
    pub(super) fn batches_of(&self, plan: BatchPlan) -> Batches {
        let job = self.job;
        let Some(file) = &self.features else {
            return Batches::Pictures(Loader::new(Arc::clone(&job.train), plan));
        };
        let part = FeaturePart::Train(self.state.epoch % file.plan.values.views);
        let row = |picture: u32| (picture, job.samples.partition_point(|sample| *sample < picture));
        let order = plan.order.into_iter().map(row).collect();
        Batches::Kept(KeptBatches::new(file, part, &job.train, order, [plan.batch_size, plan.first]))
    }

    /// The batches of a test pass over some of the images held out.
    pub(super) fn test_batches(&self, order: Vec<u32>) -> Batches {
        let job = self.job;
        let batch_size = job.options.batch_size;
        match &self.features {
            None => {
                let preprocess = job.header.model.preprocess.clone();
                let plan = BatchPlan {
                    order,
                    batch_size,
                    first: 0,
                    preprocess,
                    augment: None,
                    threads: job.threads,
                };
                Batches::Pictures(Loader::new(Arc::clone(&job.val), plan))
            }
            Some(file) => {
                let order = order.into_iter().map(|picture| (picture, picture as usize)).collect();
                Batches::Kept(KeptBatches::new(
                    file,
                    FeaturePart::Validation,
                    &job.val,
                    order,
                    [batch_size, 0],
                ))
            }
        }
    }

    /// The pictures of a batch, where that has what is kept of them.
    pub(super) fn pictures_of(&self, batch: &Batch) -> Result<Option<Batch>, TrainError> {
        if self.features.is_none() {
            return Ok(None);
        }
        let pictures =
            picture_loader(self.job, FeaturePart::Train(self.state.epoch), batch.indices.clone()).next();
        Ok(pictures.transpose()?)
    }
}
