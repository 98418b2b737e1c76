//! Pooling: the largest value of each window, and the mean of a whole map (that of a window is
//! [`crate::avg_pool`]).
//!
//! **Max forward**: y\[o\] = max over the window's taps inside the map of z\[i\], z = the evaluated source; the first
//! maximum in row-major order wins; NaN counts as larger than everything, so a broken run is seen.
//! **Max backward**: dz\[i\] = sum of dy\[o\] over the windows o, in row-major order, whose winner is i. It is gathered for
//! every input pixel, so each is written once, gated and summed on the way ([`Sink`]).
//! **Saved**: one byte per output value: the winner's position in its window, row-major, taps in the border counted.
//! **Average forward**: y = sum z / pixels, `f32` chains of at most 64 pixels added in `f64`, divided there.
//! **Average backward**: dz\[i\] = dy / pixels, one correctly rounded division per channel.
//! **Numerics**: max is exact in its input; the gathered sum rounds once per window (`f32`).
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`.

use std::ops::Range;

use crate::args::{Sink, Source};
use crate::shape::{MapShape, PoolShape};
use crate::table::table;
use crate::view::RowsMut;
use crate::{Entry, check, pitch};

mod reference;
mod vector;
pub(crate) mod windows;

/// Arguments of [`MaxForward`].
#[derive(Debug)]
pub struct MaxForwardArgs<'a> {
    /// The sizes; every window must touch the map.
    pub shape: &'a PoolShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is pooled.
    pub src: Source<'a>,
    /// Rows of the output to compute: all, or, of a single image, some.
    pub rows: Range<usize>,
    /// `images * rows * ow` rows of all channels.
    pub dst: RowsMut<'a, f32>,
    /// Where the winners go (same rows), if there will be a backward pass.
    pub winner: Option<RowsMut<'a, u8>>,
}

/// Arguments of [`MaxBackward`].
#[derive(Debug)]
pub struct MaxBackwardArgs<'a> {
    /// The sizes.
    pub shape: &'a PoolShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the pool's output.
    pub g: &'a [f32],
    /// The winners of the forward pass.
    pub winner: &'a [u8],
    /// Where the gradient of the pooled value goes: all channels.
    pub sink: Sink<'a>,
}

/// Arguments of [`AvgForward`].
#[derive(Debug)]
pub struct AvgForwardArgs<'a> {
    /// The sizes of the map that is averaged.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is averaged.
    pub src: Source<'a>,
    /// `images` rows of all channels.
    pub dst: RowsMut<'a, f32>,
}

/// Arguments of [`AvgBackward`].
#[derive(Debug)]
pub struct AvgBackwardArgs<'a> {
    /// The sizes of the map that was averaged.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the mean, `[images][pitch]`.
    pub g: &'a [f32],
    /// Where the gradient of the averaged value goes: all channels.
    pub sink: Sink<'a>,
}

/// Largest value of each window.
pub type MaxForward = fn(MaxForwardArgs<'_>);
/// Gradient of the pooled value.
pub type MaxBackward = fn(MaxBackwardArgs<'_>);
/// Mean of each map.
pub type AvgForward = fn(AvgForwardArgs<'_>);
/// Gradient of the averaged value.
pub type AvgBackward = fn(AvgBackwardArgs<'_>);

/// Largest value of each window.
pub static MAX_FORWARD: &[Entry<PoolShape, MaxForward>] =
    table!("max_forward", |_| true, vector::MaxForwardKernel, reference::max_forward);

/// Gradient of the pooled value.
pub static MAX_BACKWARD: &[Entry<PoolShape, MaxBackward>] =
    table!("max_backward", |_| true, vector::MaxBackwardKernel, reference::max_backward);

/// Mean of each map.
pub static AVG_FORWARD: &[Entry<MapShape, AvgForward>] =
    table!("avg_forward", MapShape::whole_vectors, vector::AvgForwardKernel, reference::avg_forward);

/// Gradient of the averaged value.
pub static AVG_BACKWARD: &[Entry<MapShape, AvgBackward>] =
    table!("avg_backward", MapShape::whole_vectors, vector::AvgBackwardKernel, reference::avg_backward);

/// Positions in a window that a winner's byte can name.
const MAX_TAPS: usize = 256;

#[track_caller]
fn check_windows(shape: &PoolShape) {
    let taps = shape.kernel[0] * shape.kernel[1];
    assert!(taps > 0 && taps <= MAX_TAPS, "pooling windows of {:?}: at most {MAX_TAPS} taps", shape.kernel);
    windows::check(shape);
}

impl MaxForwardArgs<'_> {
    #[track_caller]
    fn check(&self) {
        let (shape, pitch) = (self.shape, pitch(self.shape.c));
        check_windows(shape);
        check::source(&self.src, self.images * shape.h * shape.w, pitch);
        let lines = &self.rows;
        assert!(
            lines.start < lines.end && lines.end <= shape.oh && (self.images == 1 || lines.len() == shape.oh),
            "rows {lines:?} of {} of {} images",
            shape.oh,
            self.images
        );
        let rows = self.images * lines.len() * shape.ow;
        assert!(
            self.dst.rows() == rows && self.dst.width() == pitch,
            "destination of {rows} rows, pitch {pitch}"
        );
        if let Some(winner) = &self.winner {
            assert!(
                winner.rows() == rows && winner.width() == pitch,
                "winners of {rows} rows, pitch {pitch}"
            );
        }
    }
}

impl MaxBackwardArgs<'_> {
    #[track_caller]
    fn check(&self) {
        let (shape, pitch) = (self.shape, pitch(self.shape.c));
        check_windows(shape);
        check::map(self.g, self.images * shape.oh * shape.ow, pitch);
        check::map(self.winner, self.images * shape.oh * shape.ow, pitch);
        check::sink(&self.sink, [self.images, shape.h * shape.w], pitch);
    }
}

impl AvgForwardArgs<'_> {
    #[track_caller]
    fn check(&self) {
        let MapShape { pitch, pixels, .. } = *self.shape;
        assert!(pixels > 0, "the mean of an empty map");
        check::source(&self.src, self.images * pixels, pitch);
        let images = self.images;
        assert!(
            self.dst.rows() == images && self.dst.width() == pitch,
            "means of {images} images, pitch {pitch}"
        );
    }
}

impl AvgBackwardArgs<'_> {
    #[track_caller]
    fn check(&self) {
        check::map(self.g, self.images, self.shape.pitch);
        check::sink(&self.sink, [self.images, self.shape.pixels], self.shape.pitch);
    }
}
