//! Which pixels a window holds, and which windows hold a pixel, along one axis.

use crate::shape::PoolShape;

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

/// Panics unless every window touches the map.
#[track_caller]
pub(crate) fn check(shape: &PoolShape) {
    for (axis, (size, outputs)) in [(shape.h, shape.oh), (shape.w, shape.ow)].into_iter().enumerate() {
        let [kernel, stride, padding] = [shape.kernel[axis], shape.stride[axis], shape.padding[axis]];
        let touches = padding < kernel && (outputs == 0 || (outputs - 1) * stride < size + padding);
        assert!(stride > 0 && touches, "a window of {shape:?} lies outside the map");
    }
}
