//! Batches made ahead of the engine.

use crate::{DataError, Split};
use std::sync::Arc;
use std::time::Duration;

/// Which samples, in which order and batches, at which size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchPlan {
    /// Indices into the split, one per sample of the epoch.
    pub order: Vec<u32>,
    /// Samples per batch; the last batch may be smaller.
    pub batch_size: usize,
    /// First batch to make (a resumed epoch starts here).
    pub first: usize,
    /// Rows and columns to resize to.
    pub resize: [usize; 2],
}

/// One batch, ready for the engine.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// Values in [0, 1], `[n][h][w][c]`.
    pub images: Vec<f32>,
    /// Class indices.
    pub labels: Vec<u32>,
    /// Number of samples.
    pub n: usize,
}

/// Makes batches on its own thread, a few ahead.
#[derive(Debug)]
pub struct Loader {}

impl Loader {
    /// Starts the thread.
    pub fn new(split: Arc<Split>, plan: BatchPlan) -> Self {
        todo!("{split:?} {plan:?}")
    }

    /// The next batch; `None` after the last one, or after an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<Batch, DataError>> {
        todo!()
    }

    /// Gives the buffers of a used batch back, to be filled again.
    pub fn recycle(&mut self, batch: Batch) {
        todo!("{batch:?}")
    }

    /// Time the caller has spent in [`Loader::next`] waiting for the thread, so far.
    pub fn waited(&self) -> Duration {
        todo!()
    }
}
