//! Elementwise steps: store a value that is normally computed where it is consumed, and gate and sum a gradient
//! where no convolution does it on the way out.
//!
//! **Forward** ([`EVALUATE`]): z = \[relu\](affine(x) \[+ affine(u)\]), affine(x) = x * scale + shift per channel.
//! **Backward** ([`SINK`]): dz = \[z > 0\] (g + what `dst` held); S1 = sum dz; S2 = sum dz (y - shift).
//! **Saved**: nothing of its own; the gate is z itself or the sign of the affine value recomputed from y.
//! **Numerics**: every operation of [`MapSource`] rounds once; the affine is one fused multiply-add on levels that have it.
//! Sums follow [`Sums`](crate::args::Sums).
//! **Kernels**: `avx512`, `avx2` (pitch a multiple of 16), `portable`, `reference`.

use crate::args::{MapSource, Sink};
use crate::rows::RowsMut;
use crate::shape::MapShape;
use crate::table::table;
use crate::{KernelEntry, check};

mod reference;
mod vector;

pub(crate) use reference::{SinkWriter, evaluate, open, term};

/// Arguments of [`Evaluate`].
#[derive(Debug)]
pub struct EvaluateArgs<'a> {
    /// The sizes.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is computed.
    pub src: MapSource<'a>,
    /// `images * pixels` rows of all channels, tails included. If `shape.pitch` is `c` (the network input), the rows may
    /// also be `pitch(c)` wide: the tails become 0, and the result is a map like every other.
    pub dst: RowsMut<'a, f32>,
}

/// Arguments of [`SinkOf`].
#[derive(Debug)]
pub struct SinkArgs<'a> {
    /// The sizes.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// The contribution; without one, what `dst` holds is gated and summed (`accumulate` must be set).
    pub g: Option<&'a [f32]>,
    /// Where the gradient goes: all channels.
    pub sink: Sink<'a>,
}

/// Stores an evaluated source.
pub type Evaluate = fn(EvaluateArgs<'_>);
/// Passes a gradient into a sink.
pub type SinkOf = fn(SinkArgs<'_>);

/// Stores an evaluated source.
pub static EVALUATE: &[KernelEntry<MapShape, Evaluate>] =
    table!("evaluate", MapShape::whole_vectors, vector::EvaluateKernel, reference::evaluate_map);

/// Passes a gradient into a sink.
pub static SINK: &[KernelEntry<MapShape, SinkOf>] =
    table!("sink", MapShape::whole_vectors, vector::SinkKernel, reference::sink_map);

impl EvaluateArgs<'_> {
    #[track_caller]
    fn check(&self) {
        let (rows, pitch) = (self.images * self.shape.pixels, self.shape.pitch);
        check::source(&self.src, rows, pitch);
        let width = self.dst.width();
        assert!(
            width == pitch || width == crate::pitch(self.shape.c),
            "destination {width} wide for pitch {pitch}"
        );
        assert!(pitch >= self.shape.c && self.dst.rows() == rows, "destination of {rows} rows");
    }
}

impl SinkArgs<'_> {
    #[track_caller]
    fn check(&self) {
        check::sink(&self.sink, [self.images, self.shape.pixels], self.shape.pitch);
        match self.g {
            Some(g) => check::map(g, self.images * self.shape.pixels, self.shape.pitch),
            None => assert!(self.sink.accumulate, "a sink without a contribution must accumulate"),
        }
    }
}
