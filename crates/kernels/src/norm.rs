//! Batch normalisation (Ioffe & Szegedy 2015): statistics, and the per-channel numbers that turn the normalisation
//! and its gradient into affine maps applied where the values are consumed.
//!
//! **Forward**: y = gamma (x - mean) istd + beta, istd = 1 / sqrt(var + epsilon), over the N = n h w values of a channel.
//! With K the running mean before the step, s1 = sum (x - K), s2 = sum (x - K)^2: mean = K + s1 / N,
//! var = s2 / N - (s1 / N)^2, scale = gamma istd, shift = beta - mean scale, and y = x scale + shift.
//! **Backward**: S1 = sum dy, S2 = sum dy (x - K); dbeta = S1; dgamma = istd (S2 - (mean - K) S1);
//! dx = a dy + b x + c with a = gamma istd, b = -gamma istd^2 dgamma / N, c = -a S1 / N - b mean.
//! **Saved**: x (the convolution's output), mean, istd. Neither the normalised value nor dx is ever stored.
//! **Numerics**: sums in `f32` chains of at most 64 pixels flushed to `f64`, shifted by K against cancellation. Everything per
//! channel is `f64`, rounded to `f32` once.
//! **Kernels**: statistics `avx512`, `avx2` (pitch a multiple of 16), `portable`, `reference`; the per-channel parts are plain
//! `f64` loops, equal on every level.

mod channel;
mod stats;

pub use crate::sum::reduce_sums;
pub use channel::{
    FinalizeArgs, FinalizeBackwardArgs, InferenceAffineArgs, Running, finalize, finalize_backward,
    inference_affine,
};
pub use stats::{STATS, Stats, StatsArgs};
