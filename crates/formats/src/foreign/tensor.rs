//! A tensor of a weight file, with its name.

/// A named tensor.
#[derive(Clone, PartialEq, Debug)]
pub struct NamedTensor {
    /// Its name, without what [`ForeignWeights::section`](super::ForeignWeights::section) and [`ForeignWeights::prefix`](super::ForeignWeights::prefix) say.
    pub name: String,
    /// Dimensions, outermost first.
    pub dims: Vec<usize>,
    /// The values, row-major; 16-bit and 64-bit numbers are converted.
    pub values: Vec<f32>,
}
