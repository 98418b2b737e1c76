//! Gradient of the input: dx\[i\]\[c\] = sum over taps r and channels k of dy\[(i + padding - r dilation) / stride\]\[k\] w\[k\]\[c\]\[r\],
//! where the division leaves no remainder (Dumoulin & Visin 2016, "A guide to convolution arithmetic", section 4).
//!
//! The register tile is that of the forward pass, on filters transposed by [`super::pack_backward`]. A stride splits the
//! input into parity classes, each with its own subset of taps. So no inserted zero is ever multiplied (a 3x3 filter at
//! stride 2 has classes of 1, 2, 2 and 4 taps). Batch norm's backward is applied on load. The ReLU gate and the sums for
//! the batch norm behind it follow when the block of channels is complete and still in cache.

use std::ops::Range;

use super::args::ConvBackwardDataArgs;
use super::geometry::{self, backward_data_loaded, backward_data_together, group_images, image_major};
use super::layout::filters_of_channel;
use super::load::{self, Blocked, LoadWindow};
use super::matrix;
use super::micro::TapWalk;
use super::passes::{backward_data_blocks, finish_images};
use super::positions::{BlockMethod, Positions, RegisterTiles};
use super::units::{PiecePart, Units};
use super::windows::{backward_border, backward_window};
use crate::LANES;
use crate::shape::ConvShape;
use crate::simd::{Isa, Kernel};

/// Backward-data with register tiles of `MR` positions by `NR` vectors.
pub(crate) struct DirectBackwardDataKernel<'a, const MR: usize, const NR: usize>(
    pub(crate) ConvBackwardDataArgs<'a>,
);

impl<const MR: usize, const NR: usize> Kernel for DirectBackwardDataKernel<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check_direct();
        assert!(geometry::fits_backward_data(args.shape), "a shape of the reference");
        let shape = *args.shape;
        if geometry::fits_matrix_backward_data(&shape) {
            return matrix::backward_data::<I, RegisterTiles<MR, NR>>(isa, &mut args);
        }
        let (pixels, units) = (shape.h * shape.w, Units::backward(&shape));
        let by_images = image_major(pixels, false, args.images);
        let group = if by_images {
            group_images(pixels, backward_data_loaded(&shape))
        } else {
            backward_data_together(&shape)
        };
        for first in (0..args.images).step_by(group) {
            let images = first..args.images.min(first + group);
            let mut start = args.blocks.start;
            while start < args.blocks.end {
                let part = units.part(start, args.blocks.end);
                if by_images {
                    by_image::<I, RegisterTiles<MR, NR>>(isa, &mut args, &images, &part);
                } else {
                    by_pixel::<I, RegisterTiles<MR, NR>>(isa, &mut args, &images, &part);
                }
                start = part.outputs.end;
            }
            finish_images(isa, &mut args, &images);
        }
    }
}

/// Positions of one axis that share a set of taps.
#[derive(Clone, Copy, Debug)]
struct ParityClass {
    /// First position, and how many (a stride apart).
    first: usize,
    count: usize,
    /// First tap and how many (a stride apart).
    tap: usize,
    taps: usize,
    /// Output index that the first position's first tap reads; later taps read earlier ones. May be negative.
    output: isize,
}

/// The class of the positions congruent to `remainder`.
#[inline(always)]
fn class(shape: &ConvShape, axis: usize, remainder: usize) -> ParityClass {
    let size = if axis == 0 { shape.h } else { shape.w };
    let stride = shape.stride[axis];
    let at = remainder + shape.padding[axis];
    let tap = at % stride;
    ParityClass {
        first: remainder,
        count: (size - remainder).div_ceil(stride),
        tap,
        taps: shape.kernel[axis].saturating_sub(tap).div_ceil(stride),
        output: (at / stride) as isize,
    }
}

/// Large maps: one image at a time, or a few smaller ones, class by class, over the gradient with its zero border.
#[inline(always)]
pub(super) fn by_pixel<I: Isa, M: BlockMethod>(
    isa: I,
    args: &mut ConvBackwardDataArgs<'_>,
    images: &Range<usize>,
    part: &PiecePart,
) {
    let shape = *args.shape;
    let (first, images) = (images.start, images.len());
    let (top, left) = (backward_border(&shape, 0)[0], backward_border(&shape, 1)[0]);
    let size = backward_window(&shape);
    // one pointer for those who write and those who read
    let scratch = args.scratch.as_mut_ptr();
    let image_step = size[0] * size[1] * LANES;
    let block_step = images * image_step;
    for image in 0..images {
        let window = LoadWindow {
            image: (first + image) * shape.oh * shape.ow * shape.k_pitch(),
            pitch: shape.k_pitch(),
            map: [shape.oh, shape.ow],
            first: [-(top as isize), -(left as isize)],
            size,
            step: [1; 2],
        };
        // SAFETY: `check` established that the gradient and scratch hold the windows.
        unsafe {
            let dst = Blocked { data: scratch.add(image * image_step), block_step };
            load::blocked(isa, &args.grad, &window, &part.inputs, dst);
        }
    }
    let blocks = backward_data_blocks(args, Blocked { data: scratch, block_step }, part);
    let mut block = 0;
    while block < blocks.count() {
        for row in 0..shape.stride[0].min(shape.h) {
            for column in 0..shape.stride[1].min(shape.w) {
                let classes = [class(&shape, 0, row), class(&shape, 1, column)];
                let [rows, columns] = classes;
                let positions = Positions {
                    first_column: 0,
                    count: images * rows.count * columns.count,
                    columns: columns.count,
                    rows: rows.count,
                    a: [0, image_step, size[1] * LANES, LANES],
                    d: [
                        (first * shape.h + rows.first) * shape.w + columns.first,
                        shape.h * shape.w,
                        shape.stride[0] * shape.w,
                        shape.stride[1],
                    ],
                };
                let start = (rows.output + top as isize) * size[1] as isize + columns.output + left as isize;
                let walk = walk(&shape, &classes, start * LANES as isize, size[1], block_step);
                // SAFETY: `check` established sizes; positions and walk stay inside the loaded window by construction.
                unsafe { M::run(isa, &blocks, &positions, &walk, block) };
            }
        }
        block += M::width(&blocks, block);
    }
}

/// Small maps: groups of images, one position at a time, only taps whose output exists.
#[inline(always)]
fn by_image<I: Isa, M: BlockMethod>(
    isa: I,
    args: &mut ConvBackwardDataArgs<'_>,
    images: &Range<usize>,
    part: &PiecePart,
) {
    let shape = *args.shape;
    let (first, images) = (images.start, images.len());
    let map = shape.oh * shape.ow;
    // one pointer for those who write and those who read
    let scratch = args.scratch.as_mut_ptr();
    let block_step = images * map * LANES;
    for image in 0..images {
        let window = LoadWindow {
            image: (first + image) * map * shape.k_pitch(),
            pitch: shape.k_pitch(),
            map: [shape.oh, shape.ow],
            first: [0, 0],
            size: [shape.oh, shape.ow],
            step: [1; 2],
        };
        // SAFETY: `check` established that the gradient and scratch hold the group.
        unsafe {
            let dst = Blocked { data: scratch.add(image * map * LANES), block_step };
            load::blocked(isa, &args.grad, &window, &part.inputs, dst);
        }
    }
    let blocks = backward_data_blocks(args, Blocked { data: scratch, block_step }, part);
    let mut block = 0;
    while block < blocks.count() {
        for position in 0..shape.h * shape.w {
            let at = [position / shape.w, position % shape.w];
            let classes = [inside(&shape, 0, at[0]), inside(&shape, 1, at[1])];
            let start = classes[0].output * shape.ow as isize + classes[1].output;
            let walk = walk(&shape, &classes, start * LANES as isize, shape.ow, block_step);
            let positions = Positions {
                first_column: 0,
                count: images,
                columns: 1,
                rows: Positions::ENDLESS,
                a: [0, 0, map * LANES, 0],
                d: [first * shape.h * shape.w + position, 0, shape.h * shape.w, 0],
            };
            // SAFETY: `check` established sizes; positions and walk stay inside the loaded maps by construction.
            unsafe { M::run(isa, &blocks, &positions, &walk, block) };
        }
        block += M::width(&blocks, block);
    }
}

/// The taps of one position whose output exists.
#[inline(always)]
fn inside(shape: &ConvShape, axis: usize, position: usize) -> ParityClass {
    let output = if axis == 0 { shape.oh } else { shape.ow } as isize;
    // With a stride the dilation is 1 (see `fits_backward_data`).
    let step = shape.dilation[axis] as isize;
    let mut class = class(shape, axis, position % shape.stride[axis]);
    class.output += (position / shape.stride[axis]) as isize;
    // Too far: the first taps fall behind the last output; each later tap reads `step` outputs earlier.
    let over = (class.output - (output - 1)).max(0);
    let skip = (over.unsigned_abs().div_ceil(step.unsigned_abs())).min(class.taps);
    class.output -= skip as isize * step;
    class.tap += skip * shape.stride[axis];
    class.taps -= skip;
    let room = if class.output < 0 { 0 } else { (class.output / step) as usize + 1 };
    class.taps = class.taps.min(room);
    class
}

#[inline(always)]
fn walk(
    shape: &ConvShape,
    classes: &[ParityClass; 2],
    a_start: isize,
    columns: usize,
    block_step: usize,
) -> TapWalk {
    let filters = filters_of_channel(shape);
    let blocks = filters.div_ceil(LANES);
    TapWalk {
        blocks,
        full: LANES,
        last: filters - (blocks - 1) * LANES,
        taps: [classes[0].taps, classes[1].taps],
        a_start,
        a_step: [
            block_step as isize,
            -((shape.dilation[0] * columns * LANES) as isize),
            -((shape.dilation[1] * LANES) as isize),
        ],
        b_first: [classes[0].tap, classes[1].tap],
        b_step: shape.stride,
        b_columns: shape.kernel[1],
        b_block: shape.kernel[0] * shape.kernel[1] * LANES * LANES,
    }
}
