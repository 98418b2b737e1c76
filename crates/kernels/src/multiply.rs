//! A map times one number for each of its channels: what squeeze-and-excitation does last (Hu et al. 2018).
//!
//! **Forward**: y\[c, i\] = x\[c, i\] s\[c\], x and s = the evaluated sources, s a map of one pixel.
//! **Backward**: dx\[c, i\] = g\[c, i\] s\[c\]; ds\[c\] = sum over i of g\[c, i\] x\[c, i\]. Each is gated and summed on the
//! way ([`Sink`](crate::args::Sink)).
//! **Saved**: nothing; x and s are evaluated again.
//! **Numerics**: products round once. The sum of ds has `f32` chains of at most 64 pixels ([`SUM_RUN`](crate::args::SUM_RUN)),
//! each step one multiply-add. The chains are added in `f64`, and the result is rounded to `f32` once.
//! **Kernels**: `avx512`, `avx2`, `portable` (pitch a multiple of 16), `reference`.

mod backward;
mod forward;

pub use backward::{
    BACKWARD_MAP, BACKWARD_SCALE, MultiplyBackwardMap, MultiplyBackwardMapArgs, MultiplyBackwardScale,
    MultiplyBackwardScaleArgs,
};
pub use forward::{FORWARD, MultiplyForward, MultiplyForwardArgs};
