//! What a frozen part of a network gives for each picture, kept on disk: the rest is then trained in seconds.
//!
//! The file is one of safetensors, so that others can read it: `train` is \[views\]\[pictures\]\[h\]\[w\]\[c\], `validation`
//! \[pictures\]\[h\]\[w\]\[c\]. Its name and its header hold the identity of what it was made from: the frozen part with its
//! parameters and arithmetic, the pictures in their order, how they are prepared and changed. Another run on the same ground
//! finds it again. A hash over all rows proves that it is whole.

mod batches;
mod file;
mod plan;

pub(crate) use batches::{Batches, KeptBatches};
pub(crate) use file::{FeatureFile, FeaturePart, Unfinished, hex};
pub(crate) use plan::{FORMAT, FeaturePlan};
