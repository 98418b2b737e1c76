//! Gradient of the filters on tiles: w\[k\]\[c\]\[r\] is the sum over outputs of what tap r reads of channel c times the output's gradient
//! of filter k. So outputs are what is summed over. The map is turned round on its way into scratch, channels to rows; the gradient
//! becomes pairs of outputs.
//!
//! ```text
//! for parts of the outputs (some images, or some rows of one):
//!     load the gradient of the piece's filters, as pairs of outputs
//!     for some channels:
//!         load and turn them
//!         for two blocks of filters, two of channels, each tap: add sums over the part's outputs
//! ```
//!
//! Outputs are numbered as in the forward pass (`grid.rs`); numbers that stand for none have a gradient of zero.

use std::ops::Range;

use super::filters::Reduction;
use super::gather;
use super::grid::MadeAxis;
use super::load::{self, LoadedPart};
use super::pieces::Pieces;
use super::rules::fits;
use super::sizes::PLACE_BYTES;
use super::turned::{WeightScratch, pair, turn, write_steps};
use super::weight_sizes::{WeightSizes, weight_part};
use crate::LANES;
use crate::conv::args::ConvBackwardWeightsArgs;
use crate::conv::layout::packed_block_len;
use crate::conv::windows::thin;
use crate::shape::ConvShape;
use crate::simd::pairs::{DEPTH, TILE, TILE_BYTES};
use crate::simd::tiles::{ProductStep, TileProducts, TileUnit};
use crate::simd::{Isa, Kernel};

/// Steps whose tiles are read for every tap: 32 KiB of a first-level cache.
const NEAR_STEPS: usize = 8;

/// Gradient of the filters with products of a [`TileUnit`].
pub(crate) struct TileBackwardWeightsKernel<'a, U> {
    pub(crate) args: ConvBackwardWeightsArgs<'a>,
    pub(crate) pieces: Pieces,
    pub(crate) unit: std::marker::PhantomData<U>,
}

impl<U: TileUnit> Kernel for TileBackwardWeightsKernel<'_, U> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { mut args, pieces, .. } = self;
        args.check();
        let shape = *args.shape;
        assert!(fits(&shape), "a shape that has no tiles");
        let unit = U::enter();
        let [group, band] = weight_part(&shape);
        let mut add = false;
        for image in (0..args.images).step_by(group) {
            let images = group.min(args.images - image);
            for first in (0..shape.oh).step_by(band) {
                let rows = band.min(shape.oh - first);
                let sizes = WeightSizes::new(&shape, pieces, args.blocks.len(), [images, rows]);
                let part = SummedPart { image, first, rows, add };
                // SAFETY: `check` established the maps; `sum` checks the scratch.
                unsafe { sum(isa, &unit, &mut args, &sizes, &part) };
                add = true;
            }
        }
    }
}

/// Outputs that are summed.
#[derive(Clone, Copy, Debug)]
struct SummedPart {
    image: usize,
    first: usize,
    rows: usize,
    /// Whether there are sums already.
    add: bool,
}

/// Adds the sums of a part to the gradient.
///
/// # Safety
/// The maps must have been checked.
#[inline(always)]
unsafe fn sum<I: Isa, U: TileUnit>(
    isa: I,
    unit: &U,
    args: &mut ConvBackwardWeightsArgs<'_>,
    sizes: &WeightSizes,
    part: &SummedPart,
) {
    assert!(args.scratch.len() >= sizes.scratch_len(), "scratch");
    let shape = *args.shape;
    let pieces = sizes.source.pieces;
    let planes = sizes.source.cut(args.scratch);
    let behind = sizes.source.scratch_len_with(&sizes.grad);
    let rest = args.scratch[behind..].as_mut_ptr();
    let turned: *mut u8 = rest.wrapping_add(rest.align_offset(PLACE_BYTES).min(LANES)).cast();
    let pairs = turned.wrapping_add(pieces.count() * sizes.turned_piece);
    let steps = pairs.wrapping_add(pieces.count() * sizes.pairs_piece).cast();
    let scratch = WeightScratch { planes, turned, pairs };
    // SAFETY: promised by the caller; scratch was cut by its sizes.
    unsafe {
        let count = write_steps(sizes, steps);
        let steps = std::slice::from_raw_parts(steps, count);
        for block in (0..sizes.filters).step_by(2) {
            let loaded = LoadedPart {
                image: part.image,
                row: part.first,
                size: [shape.oh, shape.ow],
                end: part.first + part.rows,
                channel: (args.blocks.start + block) * LANES,
                pitch: shape.k_pitch(),
            };
            load::planes(isa, &args.grad, &loaded, &sizes.grad, planes.planes);
            pair(isa, sizes, &scratch, block);
        }
        let reduction = Reduction::forward(&shape);
        let blocks = reduction.channels().div_ceil(DEPTH);
        for chunk in (0..blocks).step_by(sizes.chunk) {
            let some = sizes.chunk.min(blocks - chunk);
            if thin(&shape) {
                let at = [part.image, part.first, part.rows];
                gather::taps(isa, &args.src, &shape, at, (&sizes.source, &planes));
                for block in 0..some {
                    turn(isa, sizes, &scratch, block * PLACE_BYTES, block);
                }
            } else {
                for block in 0..some {
                    let loaded = LoadedPart {
                        image: part.image,
                        row: part.first * shape.stride[0],
                        size: [shape.h, shape.w],
                        end: shape.h,
                        channel: (chunk + block) * DEPTH,
                        pitch: shape.c_pitch,
                    };
                    load::planes(isa, &args.src, &loaded, &sizes.source, planes.planes);
                    turn(isa, sizes, &scratch, 0, block);
                }
            }
            let channels = chunk * DEPTH..reduction.channels().min((chunk + some) * DEPTH);
            multiply(isa, unit, args, sizes, &scratch, &channels, part, steps);
        }
    }
}

/// Adds the products of turned channels with all pairs.
///
/// # Safety
/// Scratch must be that of `sizes`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "what one part of the outputs is summed with")]
unsafe fn multiply<I: Isa, U: TileUnit>(
    isa: I,
    unit: &U,
    args: &mut ConvBackwardWeightsArgs<'_>,
    sizes: &WeightSizes,
    scratch: &WeightScratch,
    channels: &Range<usize>,
    part: &SummedPart,
    steps: &[ProductStep],
) {
    let block = GradientBlock::new(args, (sizes, scratch), channels, part, steps);
    let mut filter = 0;
    // SAFETY: promised by the caller.
    unsafe {
        while filter < sizes.filters {
            let two = filter + 1 < sizes.filters;
            let mut channel = channels.start;
            while channel < channels.end {
                match (channel + 2 * TILE <= channels.end, two) {
                    (true, true) => block.taps::<I, U, 2, 2>(isa, unit, channel, filter),
                    (true, false) => block.taps::<I, U, 2, 1>(isa, unit, channel, filter),
                    (false, true) => block.taps::<I, U, 1, 2>(isa, unit, channel, filter),
                    (false, false) => block.taps::<I, U, 1, 1>(isa, unit, channel, filter),
                }
                channel += if channel + 2 * TILE <= channels.end { 2 * TILE } else { TILE };
            }
            filter += 2;
        }
    }
}

/// What products of one part are made of.
#[derive(Debug)]
struct GradientBlock<'a> {
    sizes: &'a WeightSizes,
    scratch: &'a WeightScratch,
    reduction: Reduction,
    /// Both axes of the outputs, with their taps.
    made: [MadeAxis; 2],
    /// Columns of the filter.
    columns: usize,
    /// First of the turned channels, and behind the last.
    channels: Range<usize>,
    dst: *mut f32,
    /// Values of a block of filters.
    block_len: usize,
    add: bool,
    steps: &'a [ProductStep],
}

impl<'a> GradientBlock<'a> {
    fn new(
        args: &mut ConvBackwardWeightsArgs<'_>,
        (sizes, scratch): (&'a WeightSizes, &'a WeightScratch),
        channels: &Range<usize>,
        part: &SummedPart,
        steps: &'a [ProductStep],
    ) -> Self {
        let (shape, axes) = (args.shape, &sizes.source.planes.axes);
        let made = if thin(shape) {
            // the taps are rows
            let one = ConvShape { kernel: [1; 2], stride: [1; 2], padding: [0; 2], ..*shape };
            [MadeAxis::forward(&one, 0, &axes[0], part.rows), MadeAxis::forward(&one, 1, &axes[1], shape.ow)]
        } else {
            [
                MadeAxis::forward(shape, 0, &axes[0], part.rows),
                MadeAxis::forward(shape, 1, &axes[1], shape.ow),
            ]
        };
        Self {
            sizes,
            scratch,
            reduction: Reduction::forward(shape),
            made,
            columns: made[1].taps,
            channels: channels.clone(),
            dst: args.dst.as_mut_ptr(),
            block_len: packed_block_len(shape),
            add: part.add,
            steps,
        }
    }

    /// `M` blocks of channels and `N` of filters, every tap. Some outputs at a time, which stay in the first-level cache for all taps;
    /// the sums wait in the gradient meanwhile.
    ///
    /// # Safety
    /// They must be turned and paired.
    #[inline(always)]
    unsafe fn taps<I: Isa, U: TileUnit, const M: usize, const N: usize>(
        &self,
        isa: I,
        unit: &U,
        channel: usize,
        filter: usize,
    ) {
        let mut add = self.add;
        // one tap reads all outputs once anyway
        let some = if self.made.map(|axis| axis.taps) == [1, 1] { self.steps.len() } else { NEAR_STEPS };
        for steps in self.steps.chunks(some) {
            for row in 0..self.made[0].taps {
                for column in 0..self.made[1].taps {
                    // SAFETY: promised by the caller.
                    unsafe {
                        self.tap::<I, U, M, N>(isa, unit, [channel, filter, row, column], (add, steps))
                    };
                }
            }
            add = true;
        }
    }

    /// # Safety
    /// As [`GradientBlock::taps`].
    #[inline(always)]
    unsafe fn tap<I: Isa, U: TileUnit, const M: usize, const N: usize>(
        &self,
        isa: I,
        unit: &U,
        [channel, filter, row, column]: [usize; 4],
        (add, steps): (bool, &[ProductStep]),
    ) {
        let Self { sizes, scratch, .. } = self;
        let rows = scratch.turned.wrapping_add((channel - self.channels.start) * sizes.row);
        let pairs = scratch.pairs.wrapping_add(filter * sizes.links * TILE_BYTES).cast_const();
        let axes = &sizes.source.planes.axes;
        let at = [self.made[0].tap(&axes[0], row), self.made[1].tap(&axes[1], column)];
        let place = rows.wrapping_add(sizes.source.planes.place(at) * 2).cast_const();
        let (mut a, mut b) = ([place.cast(); M], [pairs.cast(); N]);
        let mut c = [[self.dst; N]; M];
        for m in 0..M {
            a[m] = place.wrapping_add(m * TILE * sizes.row).cast();
            let offset = self.reduction.offset(row * self.columns + column, channel + m * TILE);
            for n in 0..N {
                b[n] = pairs.wrapping_add(n * sizes.links * TILE_BYTES).cast();
                c[m][n] = self.dst.wrapping_add((filter + n) * self.block_len + offset);
            }
        }
        let c_row = TILE * size_of::<f32>();
        let products = TileProducts { a, a_row: sizes.row, b, c, c_row, add, steps };
        // SAFETY: promised by the caller; tiles that are not whole go by way of scratch.
        unsafe {
            // the last channels may be fewer than a tile has rows
            if channel + M * TILE <= self.channels.end {
                unit.products(isa, &products);
            } else {
                self.by_way_of_sums(isa, unit, products, self.channels.end - channel);
            }
        }
    }

    /// The first `rows` rows of sums of one block of channels.
    ///
    /// # Safety
    /// As [`GradientBlock::taps`].
    #[inline(always)]
    unsafe fn by_way_of_sums<I: Isa, U: TileUnit, const M: usize, const N: usize>(
        &self,
        isa: I,
        unit: &U,
        products: TileProducts<'_, M, N>,
        rows: usize,
    ) {
        let to = products.c;
        let mut sums = [[self.scratch.planes.sums; N]; M];
        // SAFETY: promised by the caller; sums have room for four tiles.
        unsafe {
            for m in 0..M {
                for n in 0..N {
                    sums[m][n] = self.scratch.planes.sums.add((m * N + n) * TILE * TILE);
                    let rows = rows.saturating_sub(m * TILE).min(TILE);
                    sums[m][n].copy_from_nonoverlapping(to[m][n], rows * TILE);
                }
            }
            unit.products(isa, &TileProducts { c: sums, ..products });
            for m in 0..M {
                for n in 0..N {
                    let rows = rows.saturating_sub(m * TILE).min(TILE);
                    to[m][n].copy_from_nonoverlapping(sums[m][n], rows * TILE);
                }
            }
        }
    }
}
