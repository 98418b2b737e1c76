//! Batches of an epoch or of a test pass: of pictures, or of what is kept of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plusx_data::{Batch, Loader, Samples};

use super::file::{FeatureFile, FeaturePart};
use crate::error::TrainError;

/// Where batches come from.
pub(crate) enum Batches {
    /// Pictures.
    Pictures(Loader),
    /// Values that are kept.
    Kept(KeptBatches),
}

impl Batches {
    /// The next batch; `None` after the last.
    pub(crate) fn next(&mut self) -> Option<Result<Batch, TrainError>> {
        match self {
            Batches::Pictures(loader) => loader.next().map(|batch| batch.map_err(TrainError::from)),
            Batches::Kept(kept) => kept.next(),
        }
    }

    /// Gives the buffers of a used batch back.
    pub(crate) fn recycle(&mut self, batch: Batch) {
        match self {
            Batches::Pictures(loader) => loader.recycle(batch),
            Batches::Kept(kept) => kept.used = batch,
        }
    }

    /// Time spent waiting for batches so far.
    pub(crate) fn waited(&self) -> Duration {
        match self {
            Batches::Pictures(loader) => loader.waited(),
            Batches::Kept(kept) => kept.waited,
        }
    }
}

/// Batches of kept values.
pub(crate) struct KeptBatches {
    file: Arc<FeatureFile>,
    part: FeaturePart,
    split: Arc<dyn Samples>,
    /// Pictures of the split, and their rows in the part.
    order: Vec<(u32, usize)>,
    batch_size: usize,
    /// The next batch.
    at: usize,
    used: Batch,
    waited: Duration,
}

impl KeptBatches {
    /// Of the pictures `order` of `split`, each with its row, from batch `first` on.
    pub(crate) fn new(
        file: &Arc<FeatureFile>,
        part: FeaturePart,
        split: &Arc<dyn Samples>,
        order: Vec<(u32, usize)>,
        [batch_size, first]: [usize; 2],
    ) -> Self {
        let (file, split) = (Arc::clone(file), Arc::clone(split));
        let (used, waited) = (Batch::default(), Duration::ZERO);
        Self { file, part, split, order, batch_size, at: first, used, waited }
    }

    fn next(&mut self) -> Option<Result<Batch, TrainError>> {
        let pictures = self.order.chunks(self.batch_size).nth(self.at)?;
        self.at += 1;
        let started = Instant::now();
        let batch = fill(&self.file, self.part, &*self.split, pictures, std::mem::take(&mut self.used));
        self.waited += started.elapsed();
        Some(batch)
    }
}

fn fill(
    file: &FeatureFile,
    part: FeaturePart,
    split: &dyn Samples,
    pictures: &[(u32, usize)],
    mut batch: Batch,
) -> Result<Batch, TrainError> {
    let Batch { images, labels, indices, left_out, n } = &mut batch;
    images.clear();
    labels.clear();
    indices.clear();
    left_out.clear();
    for (picture, row) in pictures {
        let start = images.len();
        file.read(part, *row, images)?;
        if images[start].is_nan() {
            images.truncate(start);
            // read again, only to say why it cannot be
            match split.read(*picture as usize, &mut Vec::new()) {
                Ok(_) => {
                    let reason = format!("its values in {} are no numbers", file.plan.path.display());
                    left_out.push(left_out_of(split, *picture, reason));
                }
                Err(error) => left_out.push(left_out_of(split, *picture, error.to_string())),
            }
        } else {
            labels.push(split.labels()[*picture as usize]);
            indices.push(*picture);
        }
    }
    *n = labels.len();
    Ok(batch)
}

fn left_out_of(split: &dyn Samples, picture: u32, reason: String) -> plusx_data::LeftOut {
    plusx_data::LeftOut { path: split.name(picture as usize).into_owned(), reason }
}
