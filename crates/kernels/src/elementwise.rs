//! Elementwise steps. One stores a value that is normally computed where it is consumed. The other gates and sums a gradient
//! where no convolution does it on the way out.
//!
//! **Forward** ([`EVALUATE`]): z = \[relu\](affine(x) \[+ affine(u)\]), affine(x) = x * scale + shift per channel.
//! **Backward** ([`SINK`]): dz = \[z > 0\] (g + what `dst` held); S1 = sum dz; S2 = sum dz (y - shift).
//! **Saved**: nothing of its own; the gate is z itself or the sign of the affine value recomputed from y.
//! **Numerics**: every operation of [`MapSource`](crate::args::MapSource) rounds once; the affine is one fused multiply-add on levels that have it.
//! Sums follow [`Sums`](crate::args::Sums).
//! **Kernels**: `avx512`, `avx2` (pitch a multiple of 16), `portable`, `reference`.

mod evaluate;
mod reference;
mod sink;

pub use evaluate::{EVALUATE, Evaluate, EvaluateArgs};
pub(crate) use reference::{SinkWriter, evaluate, open, term};
pub use sink::{SINK, SinkArgs, SinkOf};
