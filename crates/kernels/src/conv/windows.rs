//! What a convolution's shape says of the pixels that are read: unpadded or not, and how large a window with its border is.

use crate::pitch;
use crate::shape::ConvShape;

/// What every kernel relies on: pixels are packed or padded to whole vectors, nothing in between.
#[track_caller]
pub(crate) fn check(shape: &ConvShape) {
    assert!(
        [shape.c, pitch(shape.c)].contains(&shape.c_pitch),
        "pitch {} of {} channels",
        shape.c_pitch,
        shape.c
    );
}

/// Whether the source has unpadded pixels (the network's input).
pub(crate) fn thin(shape: &ConvShape) -> bool {
    shape.c_pitch != pitch(shape.c)
}

/// Rows and columns of the padded source that `rows` output rows read.
pub(crate) fn source_window(shape: &ConvShape, rows: usize) -> [usize; 2] {
    [
        (rows - 1) * shape.stride[0] + (shape.kernel[0] - 1) * shape.dilation[0] + 1,
        (shape.ow - 1) * shape.stride[1] + (shape.kernel[1] - 1) * shape.dilation[1] + 1,
    ]
}

/// Along one axis of the gradient of the input: rows of the output's gradient above and below (or left and right)
/// that lie outside the map but are read.
pub(crate) fn backward_border(shape: &ConvShape, axis: usize) -> [usize; 2] {
    let (input, output) = if axis == 0 { (shape.h, shape.oh) } else { (shape.w, shape.ow) };
    let stride = shape.stride[axis] as isize;
    let (padding, reach) =
        (shape.padding[axis] as isize, ((shape.kernel[axis] - 1) * shape.dilation[axis]) as isize);
    let lowest = (padding - reach).div_euclid(stride);
    let highest = (input as isize - 1 + padding).div_euclid(stride);
    [(-lowest).max(0) as usize, (highest - (output as isize - 1)).max(0) as usize]
}

/// Rows and columns of the gradient of the output with its border.
pub(crate) fn backward_window(shape: &ConvShape) -> [usize; 2] {
    let ([top, bottom], [left, right]) = (backward_border(shape, 0), backward_border(shape, 1));
    [shape.oh + top + bottom, shape.ow + left + right]
}
