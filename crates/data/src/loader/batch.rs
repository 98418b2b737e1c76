//! What is asked of a loader, and what it gives.

use crate::{Augment, LeftOut};
use plusx_model::preprocess::Preprocess;

/// Which samples, in which order and batches, prepared how.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchPlan {
    /// Indices into the split, one per image of the epoch.
    pub order: Vec<u32>,
    /// Images per batch, not zero; the last batch may be smaller.
    pub batch_size: usize,
    /// First batch to make, counted from 0 (a resumed epoch starts here).
    pub first: usize,
    /// What is done to each image; grey ones may fill several channels, coloured ones may become grey.
    pub preprocess: Preprocess,
    /// What is done to it at random before; `None`: nothing.
    pub augment: Option<AugmentPlan>,
    /// Threads that make a batch, not zero.
    pub threads: usize,
}

/// What is done at random to the images of an epoch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AugmentPlan {
    /// What.
    pub augment: Augment,
    /// Seed of the run.
    pub seed: u32,
    /// The epoch, counted from 0.
    pub epoch: u32,
}

/// One batch, ready for the engine.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Batch {
    /// Prepared values, `[n][h][w][c]`.
    pub images: Vec<f32>,
    /// Class indices.
    pub labels: Vec<u32>,
    /// Which pictures of the split these are.
    pub indices: Vec<u32>,
    /// Number of images. Less than was asked for if some cannot be read; it may be 0.
    pub n: usize,
    /// Pictures that cannot be read, in the order in which they were asked for.
    pub left_out: Vec<LeftOut>,
}
