//! Which shapes have kernels on tiles.

use super::pieces::Pieces;
use super::sizes::TileSizes;
use crate::conv::windows::thin;
use crate::shape::ConvShape;
use crate::{LANES, pitch};

/// Steps of a sum at most: their table has to stay small beside what they multiply.
const MOST_STEPS: usize = 4096;

/// Whether a shape has kernels on tiles: a committed rule on sizes. It must have one group. Outputs are at least a quarter of what
/// is computed, which a kernel as large as its map does not reach.
pub fn fits(shape: &ConvShape) -> bool {
    // the taps of more channels do not lie side by side in packed filters
    if thin(shape) && shape.c > LANES {
        return false;
    }
    let sizes = TileSizes::forward(shape, Pieces::Two, 2, shape.oh);
    // at least a row is loaded at a time
    let least = TileSizes::forward(shape, Pieces::Two, 1, 1);
    worth_it(shape, &sizes, shape.oh * shape.ow) && counted(&least)
}

/// Whether a shape has a gradient of the input on tiles, see [`fits`].
pub fn fits_backward_data(shape: &ConvShape) -> bool {
    let strided_and_dilated = (0..2).any(|axis| shape.stride[axis] > 1 && shape.dilation[axis] > 1);
    if thin(shape) || strided_and_dilated || shape.c_pitch != pitch(shape.c) {
        return false;
    }
    let sizes = TileSizes::backward(shape, Pieces::Two, 2);
    // of each class
    let classes = shape.stride[0] * shape.stride[1];
    let least = TileSizes::backward(shape, Pieces::Two, 1);
    worth_it(shape, &sizes, (shape.h * shape.w).div_ceil(classes)) && counted(&least)
}

/// Whether the steps can count the bytes of what is loaded.
fn counted(least: &TileSizes) -> bool {
    least.bytes() <= u32::MAX as usize
}

fn worth_it(shape: &ConvShape, sizes: &TileSizes, outputs: usize) -> bool {
    let [rows, columns] = sizes.planes.axes;
    shape.groups == 1 && sizes.steps() <= MOST_STEPS && 4 * outputs >= rows.lines * columns.lines
}
