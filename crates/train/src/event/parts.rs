//! What is told of parts that not every run has: values that are kept, a range test.

use std::path::PathBuf;

use serde::Serialize;

/// What a frozen part of the network gives for the pictures is kept.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FeatureReport {
    /// The file.
    pub path: PathBuf,
    /// Views of pictures in it.
    pub rows: usize,
    /// Whether an earlier run had made it.
    pub found: bool,
    /// Seconds that it took.
    pub seconds: f64,
}

/// A step of a range test.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct RangePoint {
    /// Counted from 1.
    pub step: u64,
    /// Its learning rate.
    pub lr: f64,
    /// Mean loss of its images, before it changed the network; `null` in JSON if it is no finite number.
    pub loss: f64,
    /// The losses so far, smoothed.
    pub smoothed: f64,
}
