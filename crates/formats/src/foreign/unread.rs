//! A tensor of a PyTorch file before its numbers are read, and what its name is made of.

use super::numbers::FloatType;
use super::storage::View;

/// A tensor whose numbers have not been read.
#[derive(Debug)]
pub(super) struct UnreadTensor {
    /// Its key.
    pub(super) name: String,
    /// Dimensions, outermost first.
    pub(super) dims: Vec<usize>,
    /// What it holds.
    pub(super) content: TensorContent,
}

/// What a tensor holds.
#[derive(Debug)]
pub(super) enum TensorContent {
    /// Floating-point numbers, somewhere in the file.
    Floats(FloatType, View),
    /// The same number everywhere: what a module computes with where it has no tensor.
    Filled(f32),
    /// Something that is no parameter, or of which none can be made: `int64`, "a sparse tensor".
    Other(String),
}

/// A path of keys and the last of them.
pub(super) fn joined(path: &[String], name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (false, true) => path.join("."),
        (false, false) => format!("{}.{name}", path.join(".")),
    }
}
