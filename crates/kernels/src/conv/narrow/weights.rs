//! Gradient of the filters of narrow groups.
//!
//! ```text
//! for chains' worth of images and bands of output rows:
//!     load source (with its border) and gradient of a few blocks
//!     for block, chain (about 144 outputs), tap row, up to three tap columns s, up to four filters j of a group:
//!         acc = 0
//!         for outputs of the chain: acc[s][j] += source[output, s] * permute(gradient[output], j)
//!         turned[tap][j] += acc
//! turn every group round
//! ```
//! Lanes are input channels here, so the gradient is what is permuted. No tap moves it, and one permutation serves three
//! multiply-adds. Lane c of row j is then the gradient of filter j of c's group. In the end it changes places with lane j of
//! row c (both counted in the group), which gives the layout of the filters. Chains are those of the direct kernel.
//!
//! Registers: 12 accumulators and up to 3 sources; AVX2 multiplies with the source as it reads it.

use std::ops::Range;

use super::orders::{orders_of, register_of};
use crate::LANES;
use crate::conv::args::ConvBackwardWeightsArgs;
use crate::conv::backward_weights::{ChainGroup, load_gradient};
use crate::conv::geometry::{self, weight_band, weight_block, weight_source_len};
use crate::conv::layout::{filter_channels, packed_block_len};
use crate::conv::load::{self, Blocked, LoadWindow};
use crate::conv::units::{PiecePart, Units};
use crate::conv::windows::source_window;
use crate::shape::ConvShape;
use crate::simd::{Isa, Kernel};

/// Gradient of the filters.
pub(crate) struct NarrowBackwardWeightsKernel<'a>(pub(crate) ConvBackwardWeightsArgs<'a>);

impl Kernel for NarrowBackwardWeightsKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check_direct();
        assert!(geometry::fits_narrow(args.shape), "a shape of another kernel");
        let shape = *args.shape;
        let (dst, scratch) = (std::mem::take(&mut args.dst), std::mem::take(&mut args.scratch));
        dst.fill(0.0);
        let (units, len) = (Units::forward(&shape), packed_block_len(&shape));
        let mut start = args.blocks.start;
        while start < args.blocks.end {
            let part = units.part(start, args.blocks.end);
            let dst = &mut dst[(start - args.blocks.start) * len..][..part.outputs.len() * len];
            gradient(isa, &args, &part, &mut *dst, &mut *scratch);
            for panel in dst.chunks_exact_mut(len) {
                turn(&shape, panel);
            }
            start = part.outputs.end;
        }
    }
}

/// Adds the turned gradient of a part's filters to `dst`. The arguments must have been checked.
#[inline(always)]
fn gradient<I: Isa>(
    isa: I,
    args: &ConvBackwardWeightsArgs<'_>,
    part: &PiecePart,
    dst: &mut [f32],
    scratch: &mut [f32],
) {
    let (shape, len) = (args.shape, packed_block_len(args.shape));
    let (chain, band) = (weight_block(shape), weight_band(shape, part.outputs.len()));
    let (x, dy) = scratch.split_at_mut(chain.images * weight_source_len(shape, band));
    for first in (0..args.images).step_by(chain.images) {
        let images = first..args.images.min(first + chain.images);
        for row in (0..shape.oh).step_by(band) {
            let group = ChainGroup { images: images.clone(), rows: row..shape.oh.min(row + band), part };
            let rows = group.rows.len();
            let size = source_window(shape, rows);
            let images = images.len();
            let loaded = LoadedBlocks { shape, images, rows, size, x: x.as_ptr(), dy: dy.as_ptr() };
            // SAFETY: the caller established the sizes of maps and scratch.
            unsafe {
                load_gradient(isa, args, &group, dy.as_mut_ptr());
                load_source(isa, args, &group, size, x.as_mut_ptr());
            }
            for (block, panel) in dst.chunks_exact_mut(len).enumerate() {
                for start in (0..loaded.rows).step_by(chain.rows) {
                    loaded.chain(isa, block, start..loaded.rows.min(start + chain.rows), panel);
                }
            }
        }
    }
}

/// The source under a group's rows, `size` with its border: `[block][image][row][column][16]`.
///
/// # Safety
/// The maps and `dst` must have the sizes that the scratch rule says.
#[inline(always)]
unsafe fn load_source<I: Isa>(
    isa: I,
    args: &ConvBackwardWeightsArgs<'_>,
    group: &ChainGroup<'_>,
    size: [usize; 2],
    dst: *mut f32,
) {
    let (shape, images) = (args.shape, group.images.len());
    let map = size[0] * size[1] * LANES;
    for image in 0..images {
        let window = LoadWindow {
            image: (group.images.start + image) * shape.h * shape.w * shape.c_pitch,
            pitch: shape.c_pitch,
            map: [shape.h, shape.w],
            first: [
                (group.rows.start * shape.stride[0]) as isize - shape.padding[0] as isize,
                -(shape.padding[1] as isize),
            ],
            size,
            step: [1; 2],
        };
        // SAFETY: promised by the caller.
        unsafe {
            let dst = Blocked { data: dst.add(image * map), block_step: images * map };
            load::blocked(isa, &args.src, &window, &group.part.inputs, dst);
        }
    }
}

/// Source and gradient of some output rows of some images.
struct LoadedBlocks<'a> {
    shape: &'a ConvShape,
    images: usize,
    /// Output rows.
    rows: usize,
    /// Rows and columns of the source.
    size: [usize; 2],
    x: *const f32,
    dy: *const f32,
}

impl LoadedBlocks<'_> {
    /// Adds one chain, some output rows of all images, to the panel of a block.
    #[inline(always)]
    fn chain<I: Isa>(&self, isa: I, block: usize, rows: Range<usize>, panel: &mut [f32]) {
        let (shape, group) = (self.shape, filter_channels(self.shape));
        let [tap_rows, tap_columns] = shape.kernel;
        for r in 0..tap_rows {
            let mut s = 0;
            while s < tap_columns {
                let width = (tap_columns - s).min(3);
                for first in (0..group).step_by(4) {
                    let at =
                        WeightTile { block, first_row: rows.start, end_row: rows.end, tap: [r, s], first };
                    match group {
                        1 => self.columns::<I, 1>(isa, at, width, panel),
                        2 => self.columns::<I, 2>(isa, at, width, panel),
                        _ => self.columns::<I, 4>(isa, at, width, panel),
                    }
                }
                s += width;
            }
        }
    }

    /// `width` tap columns by `J` filters.
    #[inline(always)]
    fn columns<I: Isa, const J: usize>(&self, isa: I, at: WeightTile, width: usize, panel: &mut [f32]) {
        let mut lane = 0;
        while lane < LANES {
            match width {
                1 => self.tile::<I, 1, J>(isa, at, lane, panel),
                2 => self.tile::<I, 2, J>(isa, at, lane, panel),
                _ => self.tile::<I, 3, J>(isa, at, lane, panel),
            }
            lane += I::WIDTH;
        }
    }

    /// `T` tap columns by `J` filters, the register at `lane` of the block.
    #[inline(always)]
    fn tile<I: Isa, const T: usize, const J: usize>(
        &self,
        isa: I,
        at: WeightTile,
        lane: usize,
        panel: &mut [f32],
    ) {
        let (shape, group) = (self.shape, filter_channels(self.shape));
        let orders = &orders_of(group)[at.first..at.first + J];
        let from = register_of::<I>(lane, group, at.first);
        let [tap, row_step] = [shape.dilation[1] * LANES, self.size[1] * LANES];
        let pixel = shape.stride[1] * LANES;
        let map = [self.size[0] * row_step, self.rows * shape.ow * LANES];
        let mut acc = [[isa.register_splat(0.0); J]; T];
        for image in 0..self.images {
            for row in at.first_row..at.end_row {
                let y = row * shape.stride[0] + at.tap[0] * shape.dilation[0];
                let x = (at.block * self.images + image) * map[0] + y * row_step + at.tap[1] * tap + lane;
                let dy = (at.block * self.images + image) * map[1] + row * shape.ow * LANES + from;
                let (mut x, mut dy) = (self.x.wrapping_add(x), self.dy.wrapping_add(dy));
                for _ in 0..shape.ow {
                    // SAFETY: the output and its taps lie inside what was loaded.
                    unsafe {
                        let gradient = isa.register_load(dy);
                        for j in 0..J {
                            let order = isa.register_order(&orders[j]);
                            let gradient = isa.register_permute(gradient, order);
                            for t in 0..T {
                                let source = isa.register_load(x.add(t * tap));
                                acc[t][j] = isa.register_mul_add(source, gradient, acc[t][j]);
                            }
                        }
                    }
                    (x, dy) = (x.wrapping_add(pixel), dy.wrapping_add(LANES));
                }
            }
        }
        for t in 0..T {
            for j in 0..J {
                let tap = at.tap[0] * shape.kernel[1] + at.tap[1] + t;
                let to = &mut panel[(tap * group + at.first + j) * LANES + lane..][..I::WIDTH];
                // SAFETY: the slice holds a register.
                unsafe {
                    let sum = isa.register_add(isa.register_load(to.as_ptr()), acc[t][j]);
                    isa.register_store(to.as_mut_ptr(), sum);
                }
            }
        }
    }
}

/// What a tile computes.
#[derive(Clone, Copy, Debug)]
struct WeightTile {
    block: usize,
    /// Output rows.
    first_row: usize,
    end_row: usize,
    /// The first tap.
    tap: [usize; 2],
    /// The first filter of every group.
    first: usize,
}

/// From one row per filter of a group (lanes: input channels) to one per input channel (lanes: filters).
fn turn(shape: &ConvShape, panel: &mut [f32]) {
    let group = filter_channels(shape);
    for rows in panel.chunks_exact_mut(group * LANES) {
        for first in (0..LANES).step_by(group) {
            for a in 0..group {
                for b in 0..a {
                    rows.swap(a * LANES + first + b, b * LANES + first + a);
                }
            }
        }
    }
}
