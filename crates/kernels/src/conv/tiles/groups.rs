//! How many images, or rows of one, a pass takes at a time. No order of a sum depends on it.

use super::pieces::Pieces;
use super::sizes::TileSizes;
use super::stack::{StackSizes, Way, stacked_images};
use crate::conv::windows::thin;
use crate::shape::ConvShape;

/// Bytes that are loaded at a time, if it can be helped: less than half of a second-level cache of two megabytes, as all processors
/// with tiles have.
const LOAD_BYTES: usize = 768 << 10;

/// A group of images whose maps are stacked, if that is the better way.
pub(super) fn stack_sizes(shape: &ConvShape, way: Way, pieces: Pieces, images: usize) -> Option<StackSizes> {
    if thin(shape) {
        return None;
    }
    let axes = match way {
        Way::Forward => TileSizes::forward(shape, pieces, 2, shape.oh).planes.axes,
        Way::Backward => TileSizes::backward(shape, pieces, 2).planes.axes,
    };
    let classes = match way {
        Way::Forward => 1,
        Way::Backward => shape.stride[0].min(shape.h) * shape.stride[1].min(shape.w),
    };
    let numbers = classes * axes[0].lines * axes[1].lines;
    let images = stacked_images(shape, way, pieces, (images, numbers))?;
    Some(StackSizes { shape: *shape, way, images, pieces })
}

/// Values of scratch for a group of `images` images, stacked or not.
pub(super) fn group_scratch_len(
    shape: &ConvShape,
    way: Way,
    pieces: Pieces,
    [images, rows]: [usize; 2],
) -> usize {
    let planes = match way {
        Way::Forward => TileSizes::forward(shape, pieces, images, rows),
        Way::Backward => TileSizes::backward(shape, pieces, images),
    };
    // the last group may be too small to be stacked
    let len = planes.scratch_len();
    match stack_sizes(shape, way, pieces, images) {
        Some(stack) if images > 1 => len.max(stack.scratch_len(&planes)),
        _ => len,
    }
}

/// Images of a group: as many as fit into [`LOAD_BYTES`], at least one and at most `most`.
fn group(most: usize, bytes: impl Fn(usize) -> usize) -> usize {
    let mut images = most.max(1);
    while images > 1 && bytes(images) > LOAD_BYTES {
        images = images.div_ceil(2);
    }
    images
}

/// Images, and of a single image the rows, that a forward pass takes at a time.
pub(super) fn forward_group(shape: &ConvShape, pieces: Pieces, images: usize, rows: usize) -> [usize; 2] {
    // the taps of thin images are gathered image by image
    let most = if rows < shape.oh || thin(shape) { 1 } else { images };
    if most > 1
        && let Some(stack) = stack_sizes(shape, Way::Forward, pieces, most)
    {
        return [stack.images, rows];
    }
    let images = group(most, |images| TileSizes::forward(shape, pieces, images, rows).bytes());
    if images > 1 {
        return [images, rows];
    }
    // as many as fit, not even parts: of more rows never fewer at a time, so scratch for the largest band does for all
    let (mut fit, mut most) = (1, rows.max(1));
    while fit < most {
        let middle = (fit + most).div_ceil(2);
        match TileSizes::forward(shape, pieces, 1, middle).bytes() <= LOAD_BYTES {
            true => fit = middle,
            false => most = middle - 1,
        }
    }
    [1, fit]
}

/// Images that the gradient of the input takes at a time.
pub(super) fn backward_group(shape: &ConvShape, pieces: Pieces, images: usize) -> usize {
    if let Some(stack) = stack_sizes(shape, Way::Backward, pieces, images) {
        return stack.images;
    }
    group(images, |images| TileSizes::backward(shape, pieces, images).bytes())
}
