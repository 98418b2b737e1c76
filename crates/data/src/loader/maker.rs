//! How a batch is made: each image in its own place, by whichever thread is free.

use super::batch::{AugmentPlan, Batch, BatchPlan};
use crate::augment::{Augmenter, Draws};
use crate::cache::Cached;
use crate::{DataError, LeftOut, Samples};
use plusx_model::ErrorKind;
use plusx_model::preprocess::Preprocess;
use plusx_pixels::{Preparer, grey};
use std::sync::{Arc, Mutex, PoisonError};

/// Turns pictures of a split into batches.
pub(super) struct Maker {
    split: Arc<dyn Samples>,
    workers: Vec<Worker>,
    /// Values of one prepared image.
    values: usize,
}

/// What one thread needs to make an image.
struct Worker {
    record: Preprocess,
    /// What reading a picture may use.
    buffer: Vec<u8>,
    /// A picture without its colours.
    grey: Vec<u8>,
    /// Prepares pictures of the shape of the last one.
    preparer: Option<([usize; 3], Preparer)>,
    /// Makes images at random instead.
    augmenter: Option<(Augmenter, AugmentPlan)>,
}

/// An image of a batch: where it goes, and which picture it is made of.
struct Slot<'a> {
    place: usize,
    index: u32,
    values: &'a mut [f32],
}

impl Maker {
    pub(super) fn new(split: Arc<dyn Samples>, plan: &BatchPlan) -> Result<Self, DataError> {
        let prepared = split.is_prepared().then(|| Cached::prepared(&plan.preprocess));
        let record = prepared.as_ref().unwrap_or(&plan.preprocess);
        // what cannot be prepared at all is said before anything is read
        let [h, w] = split.shape().map_or([1, 1], |shape| [shape.h, shape.w]);
        Preparer::new([h, w, prepared_channels(split.channels(), record)], record)?;
        let augmenter = match plan.augment {
            Some(plan) => Some((Augmenter::new(plan.augment, record.clone())?, plan)),
            None => None,
        };
        let worker = || Worker {
            record: record.clone(),
            buffer: Vec::new(),
            grey: Vec::new(),
            preparer: None,
            augmenter: augmenter.clone(),
        };
        let workers = (0..plan.threads).map(|_| worker()).collect();
        Ok(Self { split, workers, values: record.input.len() })
    }

    /// Fills the buffers of `batch` with the pictures at `indices`, all of which exist.
    pub(super) fn fill(&mut self, indices: &[u32], mut batch: Batch) -> Result<Batch, DataError> {
        let wanted = self.values * indices.len();
        // exactly as much as the batch needs, where growth by doubling would take up to twice that
        batch.images.reserve_exact(wanted.saturating_sub(batch.images.len()));
        batch.images.resize(wanted, 0.0);
        let places = batch.images.chunks_exact_mut(self.values).zip(indices).enumerate();
        let slots = Mutex::new(places.map(|(place, (values, index))| Slot { place, index: *index, values }));
        let failures = Mutex::new(Vec::new());
        let split = &*self.split;
        let work = |worker: &mut Worker| {
            loop {
                let Some(slot) = slots.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
                let place = slot.place;
                if let Err(error) = worker.make(split, slot) {
                    failures.lock().unwrap_or_else(PoisonError::into_inner).push((place, error));
                }
            }
        };
        std::thread::scope(|scope| {
            let mut workers = self.workers.iter_mut().take(indices.len());
            let first = workers.next();
            for worker in workers {
                // where the system gives no thread, the others do its work
                let _ = std::thread::Builder::new().spawn_scoped(scope, || work(worker));
            }
            first.map(work)
        });
        let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.keep(indices, failures, batch)
    }

    /// The batch without the pictures that cannot be read.
    fn keep(
        &self,
        indices: &[u32],
        mut failures: Vec<(usize, DataError)>,
        mut batch: Batch,
    ) -> Result<Batch, DataError> {
        // threads end in any order; what is said does not
        failures.sort_by_key(|(place, _)| *place);
        if let Some(at) = failures.iter().position(|(_, error)| error.kind() != ErrorKind::BadFile) {
            return Err(failures.swap_remove(at).1);
        }
        batch.indices.clear();
        batch.left_out.clear();
        let mut failures = failures.into_iter().peekable();
        for (place, index) in indices.iter().enumerate() {
            if let Some((_, error)) = failures.next_if(|(failed, _)| *failed == place) {
                let path = self.split.name(*index as usize).into_owned();
                batch.left_out.push(LeftOut { path, reason: error.reason() });
                continue;
            }
            let to = batch.indices.len();
            if to < place {
                let from = place * self.values;
                batch.images.copy_within(from..from + self.values, to * self.values);
            }
            batch.indices.push(*index);
        }
        batch.n = batch.indices.len();
        batch.images.truncate(batch.n * self.values);
        let labels = self.split.labels();
        batch.labels.clear();
        batch.labels.extend(batch.indices.iter().map(|index| labels[*index as usize]));
        Ok(batch)
    }
}

impl Worker {
    fn make(&mut self, split: &dyn Samples, slot: Slot<'_>) -> Result<(), DataError> {
        let picture = split.read(slot.index as usize, &mut self.buffer)?;
        let [h, w, c] = [picture.shape.h, picture.shape.w, prepared_channels(picture.shape.c, &self.record)];
        let mut bytes = picture.bytes;
        if c != picture.shape.c {
            grey(bytes, &mut self.grey);
            bytes = &self.grey;
        }
        let shape = [h, w, c];
        if let Some((augmenter, plan)) = &mut self.augmenter {
            let mut draws = Draws::of_sample(plan.seed, plan.epoch, slot.index);
            return augmenter.fill(bytes, shape, &mut draws, slot.values);
        }
        let preparer = match self.preparer.take() {
            Some((of, preparer)) if of == shape => preparer,
            _ => Preparer::new(shape, &self.record)?,
        };
        let (_, preparer) = self.preparer.insert((shape, preparer));
        preparer.fill(bytes, slot.values);
        Ok(())
    }
}

/// Channels that a picture is prepared with: a network that takes one gets colours as grey.
fn prepared_channels(channels: usize, record: &Preprocess) -> usize {
    if channels == 3 && record.input.c == 1 { 1 } else { channels }
}
