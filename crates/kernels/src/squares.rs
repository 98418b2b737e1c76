//! The sum of squares of a run of values, for the norm of a gradient.
//!
//! **Numerics**: `f64`. The square of an `f32` is exact there, so a fused multiply-add and a multiplication with an addition
//! are the same. Value i belongs to chain i modulo [`LANES`]; the chains are added in order at the end. So the bytes are the
//! same on every level.
//! **Kernels**: one plain loop; it reads each gradient once in a step that has made it by thousands of operations.

use crate::LANES;

/// Sum of the squares of `values`.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let mut chains = [0.0f64; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for values in whole {
        for (chain, value) in chains.iter_mut().zip(values) {
            *chain += f64::from(*value) * f64::from(*value);
        }
    }
    for (chain, value) in chains.iter_mut().zip(rest) {
        *chain += f64::from(*value) * f64::from(*value);
    }
    chains.iter().sum()
}
