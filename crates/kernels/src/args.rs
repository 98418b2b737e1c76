//! What kernels read and where they write: a value that is computed where it is consumed, and a gradient that is gated and
//! summed where it is produced.
//!
//! Maps are stored as `f32` or as bf16 ([`crate::maps`]); everything per channel is `f32`.
//! All slices start at the first image of the piece and are full maps, `[images][rows][columns][pitch]`, unless a field says
//! otherwise. Per-channel slices hold all channels (`pitch` values), not only those of the piece.

use crate::maps::{MapRef, MapRowsMut};
use crate::rows::RowsMut;

/// One stored map, perhaps seen through a batch norm: `data * scale + shift` (one fused multiply-add on FMA levels).
#[derive(Clone, Copy, Debug)]
pub struct MapTerm<'a> {
    /// The stored map.
    pub data: MapRef<'a>,
    /// Per-channel scale and shift, `pitch(c)` long; the tails are 0.
    pub affine: Option<Affine<'a>>,
}

/// Per-channel `x * scale + shift`.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Multiplies.
    pub scale: &'a [f32],
    /// Is added.
    pub shift: &'a [f32],
}

/// What is applied to a value on its way in or out of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FusedActivation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`. NaN stays NaN: a broken run must be seen.
    Relu,
}

/// A value computed where it is consumed: `[relu](main [+ add])`.
/// Order of operations: `t = main.affine(main.data)`; `t = t + add.affine(add.data)`; `t = max(t, 0)`.
#[derive(Clone, Copy, Debug)]
pub struct MapSource<'a> {
    /// The first term.
    pub main: MapTerm<'a>,
    /// The second term of a residual join.
    pub add: Option<MapTerm<'a>>,
    /// Is applied last.
    pub activation: FusedActivation,
}

impl<'a> MapSource<'a> {
    /// The stored map `data` as it is.
    pub fn plain(data: impl Into<MapRef<'a>>) -> Self {
        let data = data.into();
        Self { main: MapTerm { data, affine: None }, add: None, activation: FusedActivation::None }
    }

    /// Whether some map is bf16.
    #[inline(always)]
    pub(crate) fn half(&self) -> bool {
        self.main.data.half() || self.add.as_ref().is_some_and(|add| add.data.half())
    }

    /// Whether it is a stored map as it is, so that its bytes can be copied.
    pub(crate) fn is_plain(&self) -> bool {
        self.main.affine.is_none() && self.add.is_none() && self.activation == FusedActivation::None
    }
}

/// What happens to a value `v` of a convolution on its way out: `[relu](affine(v) [+ add])`, the operations of a [`MapSource`]
/// whose main term it is, rounded in the same way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// A batch norm whose statistics are known before.
    pub affine: Option<Affine<'a>>,
    /// The second term of a residual join: a map as large as the output.
    pub add: Option<MapTerm<'a>>,
    /// Is applied last.
    pub activation: FusedActivation,
}

/// A gradient at the output of a convolution, read through the batch norm behind it.
#[derive(Clone, Copy, Debug)]
pub struct Grad<'a> {
    /// Gradient at the batch norm's output (already gated by the ReLU), or at the convolution's if there is none.
    pub g: MapRef<'a>,
    /// The batch norm: dy = a g + b y + c, per channel (Ioffe & Szegedy 2015, section 3, in affine form).
    /// Computed as `fma(a, g, fma(b, y, c))`.
    pub norm: Option<GradNorm<'a>>,
}

impl Grad<'_> {
    /// Whether some map is bf16.
    #[inline(always)]
    pub(crate) fn half(&self) -> bool {
        self.g.half() || self.norm.as_ref().is_some_and(|norm| norm.y.half())
    }
}

/// See [`Grad::norm`].
#[derive(Clone, Copy, Debug)]
pub struct GradNorm<'a> {
    /// The convolution's stored output.
    pub y: MapRef<'a>,
    /// Multiplies the gradient.
    pub a: &'a [f32],
    /// Multiplies `y`.
    pub b: &'a [f32],
    /// Is added.
    pub c: &'a [f32],
}

/// Where the ReLU behind a value was open; decides which gradients pass.
#[derive(Clone, Copy, Debug)]
pub enum Gate<'a> {
    /// Everything passes.
    Open,
    /// Passes where the stored value is above 0.
    Stored(MapRef<'a>),
    /// Passes where `y * scale + shift > 0` (computed as in [`MapSource`]).
    Affine {
        /// The stored map.
        y: MapRef<'a>,
        /// The batch norm's scale and shift.
        affine: Affine<'a>,
    },
}

/// Per-image sums over pixels, for the batch norm that will need them:
/// row 0 of each image is the sum of `v`, row 1 the sum of `v * (ref - shift)`,
/// with `ref` = `v` itself (and `v` = value - shift) in the forward pass, the stored `y` in the backward pass.
///
/// Order of every sum: pixels in row-major order, `f32` chains of at most [`SUM_RUN`] pixels (pixel index a multiple
/// of it starts a new one), each added to an `f64` for the image. No thread or tile size can change it.
#[derive(Debug)]
pub struct Sums<'a> {
    /// Per-channel shift against cancellation (the running mean), `pitch` long.
    pub shift: &'a [f32],
    /// `2 * images` rows; columns are the piece's channels only.
    pub out: RowsMut<'a, f64>,
}

/// Pixels in one `f32` chain of [`Sums`]: short enough that the error of a chain stays below 64 half-ulps.
pub const SUM_RUN: usize = 64;

/// Where a gradient goes. The last contribution to a value is gated and summed on the way out:
/// `v = contribution (+ what dst holds)`; `v = gate ? v : 0`; store; sum `v`, as stored, and `v * (y - shift)`.
#[derive(Debug)]
pub struct Sink<'a> {
    /// The gradient map; columns are the piece's channels only.
    pub dst: MapRowsMut<'a>,
    /// Whether `dst` holds an earlier contribution to add to.
    pub accumulate: bool,
    /// The ReLU behind the value.
    pub gate: Gate<'a>,
    /// Sums for the batch norm behind the ReLU: `y` is that batch norm's input.
    pub sums: Option<(MapRef<'a>, Sums<'a>)>,
}

impl Sink<'_> {
    /// Whether some map is bf16.
    #[inline(always)]
    pub(crate) fn half(&self) -> bool {
        let gate = match &self.gate {
            Gate::Open => false,
            Gate::Stored(z) => z.half(),
            Gate::Affine { y, .. } => y.half(),
        };
        self.dst.half() || gate || self.sums.as_ref().is_some_and(|(y, _)| y.half())
    }
}
