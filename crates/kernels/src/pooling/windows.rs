//! Which pixels a window holds, which windows hold a pixel, along one axis; and the walk over the pixels of a gradient that
//! comes through windows.

use crate::args::{SUM_RUN, Sink};
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, clear_sums};
use crate::pitch;
use crate::shape::PoolShape;
use crate::simd::Isa;

/// The taps `first..end` of a window that lie inside the map; `origin` is the window's start plus the padding.
#[inline(always)]
pub(crate) fn inside(origin: usize, padding: usize, kernel: usize, size: usize) -> (usize, usize) {
    (padding.saturating_sub(origin), kernel.min(size + padding - origin))
}

/// The windows that hold one pixel: `first..end`, and the pixel's position in the first.
#[derive(Clone, Copy)]
pub(crate) struct Windows {
    pub(crate) first: usize,
    pub(crate) end: usize,
    pub(crate) position: usize,
}

impl Windows {
    /// None at all, to start from.
    pub(crate) const NONE: Self = Self { first: 0, end: 0, position: 0 };

    /// Those of row (`axis` 0) or column (`axis` 1) `pixel`.
    #[inline(always)]
    pub(crate) fn of(pixel: usize, shape: &PoolShape, axis: usize) -> Self {
        let outputs = [shape.oh, shape.ow][axis];
        let [kernel, stride] = [shape.kernel[axis], shape.stride[axis]];
        let padded = pixel + shape.padding[axis];
        let first = (padded + 1).saturating_sub(kernel).div_ceil(stride);
        let end = outputs.min(padded / stride + 1);
        // a stride larger than the kernel leaves pixels that no window holds
        if first < end { Self { first, end, position: padded - first * stride } } else { Self::NONE }
    }
}

/// How the gradient at a pool's output reaches a pixel of its input.
pub(crate) trait Gather {
    /// Sixteen channels from `channel` on of one pixel of image `image`, through the vertical and horizontal windows that
    /// hold it.
    ///
    /// # Safety
    /// The windows must be those of a pixel of the pool, the image and sixteen channels from `channel` on must exist. Without `HALF` the
    /// map must be `f32`.
    unsafe fn gather<I: Isa, const HALF: bool>(&self, isa: I, at: [usize; 2], windows: &[Windows; 2])
    -> I::V;
}

/// Writes the gradient of every input pixel to `sink`. The windows of the pixels of a run are found once, not once per
/// block of channels: divisions cost as much as the sums.
///
/// # Safety
/// `sink` and what `gather` reads must be maps of `images` images of the pool; without `HALF` all must be `f32`.
#[inline(always)]
pub(crate) unsafe fn spread<I: Isa, G: Gather, const HALF: bool>(
    isa: I,
    gather: &G,
    shape: &PoolShape,
    images: usize,
    sink: &mut Sink<'_>,
) {
    let (pitch, pixels) = (pitch(shape.c), shape.h * shape.w);
    let mut windows = [[Windows::NONE; 2]; SUM_RUN];
    for image in 0..images {
        clear_sums(sink, image);
        let mut pieces = RunBlocks::new(pixels, pitch);
        while let Some(RunBlock { start, end, channel }) = pieces.next() {
            if channel == 0 {
                for pixel in start..end {
                    let [y, x] = [pixel / shape.w, pixel % shape.w];
                    windows[pixel - start] = [Windows::of(y, shape, 0), Windows::of(x, shape, 1)];
                }
            }
            // SAFETY: promised by the caller; `channel + 16 <= pitch`.
            unsafe {
                let mut lanes = SinkLanes::<I, HALF>::new(isa, sink, [channel, channel]);
                for pixel in start..end {
                    let sum = gather.gather::<I, HALF>(isa, [image, channel], &windows[pixel - start]);
                    lanes.put([image * pixels + pixel, pitch], Some(sum));
                }
                lanes.finish(sink, [image, channel]);
            }
        }
    }
}

/// Panics unless every window touches the map.
#[track_caller]
pub(crate) fn check(shape: &PoolShape) {
    for (axis, (size, outputs)) in [(shape.h, shape.oh), (shape.w, shape.ow)].into_iter().enumerate() {
        let [kernel, stride, padding] = [shape.kernel[axis], shape.stride[axis], shape.padding[axis]];
        let touches = padding < kernel && (outputs == 0 || (outputs - 1) * stride < size + padding);
        assert!(stride > 0 && touches, "a window of {shape:?} lies outside the map");
    }
}
