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
use super::sizes::{PLACE_BYTES, PassSizes, Scratch};
use super::{Pieces, fits};
use crate::LANES;
use crate::conv::args::ConvBackwardWeightsArgs;
use crate::conv::layout::packed_block_len;
use crate::conv::windows::thin;
use crate::shape::ConvShape;
use crate::simd::tiles::{DEPTH, TILE, TILE_BYTES, TileProducts, TileStep, TileUnit};
use crate::simd::{Isa, Kernel};

/// Outputs, with the numbers that stand for none, that are summed at a time: about 32 steps, so that adding to the gradient costs
/// little. Changing it changes every byte.
const NUMBERS: usize = 1024;

/// Bytes of turned channels at a time.
const TURNED_BYTES: usize = 256 << 10;

/// Steps whose tiles are read for every tap: 32 KiB of a first-level cache.
const NEAR_STEPS: usize = 8;

/// Gradient of the filters with products of a [`TileUnit`].
pub(crate) struct TileBackwardWeightsKernel<'a, U> {
    pub(crate) args: ConvBackwardWeightsArgs<'a>,
    pub(crate) pieces: Pieces,
    pub(crate) unit: std::marker::PhantomData<U>,
}

/// The outputs that are summed at a time: images, or rows of one image. It fixes the order of sums.
pub(super) fn part(shape: &ConvShape) -> [usize; 2] {
    let columns = PassSizes::forward(shape, Pieces::One, 1, shape.oh).planes.axes[1].lines;
    let image = PassSizes::forward(shape, Pieces::One, 2, shape.oh).planes.axes[0].lines * columns;
    // the taps of thin images are gathered image by image
    if image >= NUMBERS || thin(shape) {
        return [1, (NUMBERS / columns).clamp(1, shape.oh)];
    }
    [NUMBERS / image, shape.oh]
}

/// Sizes in scratch, of one part.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightSizes {
    /// What is read, a block of 32 channels of it unless taps are gathered.
    source: PassSizes,
    /// The gradient of 32 filters.
    grad: PassSizes,
    /// Steps over the part's outputs, each 32.
    links: usize,
    /// Bytes of a turned channel.
    row: usize,
    /// Blocks of 32 channels that are turned at a time.
    chunk: usize,
    /// Blocks of 16 filters.
    filters: usize,
    /// Bytes from one piece to the next of what is turned, and of pairs of the gradient.
    turned_piece: usize,
    pairs_piece: usize,
}

impl WeightSizes {
    pub(super) fn new(shape: &ConvShape, pieces: Pieces, filters: usize, [images, rows]: [usize; 2]) -> Self {
        let forward = PassSizes::forward(shape, pieces, images, rows);
        let source = if thin(shape) { forward } else { forward.with_blocks(1) };
        let grad = forward.of_outputs(shape);
        let made = [
            MadeAxis::forward(shape, 0, &forward.planes.axes[0], rows),
            MadeAxis::forward(shape, 1, &forward.planes.axes[1], shape.ow),
        ];
        let links = forward.planes.numbers(&made).div_ceil(DEPTH);
        // an odd number of cache lines: neighbouring rows are then in different sets
        let row = (source.planes.places() * 2) | PLACE_BYTES;
        let block = row * DEPTH * pieces.count();
        let chunk =
            if thin(shape) { forward.blocks } else { (TURNED_BYTES / block).clamp(1, forward.blocks) };
        Self {
            source,
            grad,
            links,
            row,
            chunk,
            filters,
            turned_piece: chunk * DEPTH * row,
            pairs_piece: filters.next_multiple_of(2) * links * TILE_BYTES,
        }
    }

    /// Values of scratch: what planes take, and behind them what is turned and paired.
    pub(super) fn scratch_len(&self) -> usize {
        let planes = self.source.scratch_len_with(&self.grad);
        let pieces = self.source.pieces;
        let steps = self.links * pieces.products().len() * size_of::<TileStep>();
        let bytes = pieces.count() * (self.turned_piece + self.pairs_piece) + steps;
        planes + LANES + bytes.div_ceil(size_of::<f32>())
    }
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
        let [group, band] = part(&shape);
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

/// The pointers into scratch.
#[derive(Clone, Copy, Debug)]
struct WeightScratch {
    planes: Scratch,
    turned: *mut u8,
    pairs: *mut u8,
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
                gather::taps(isa, &args.src, &shape, at, &sizes.source, &planes);
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

/// The steps over the part's outputs, the same for every tap: 32 outputs, and of these the products of pieces.
///
/// # Safety
/// `to` must have room for them.
unsafe fn write_steps(sizes: &WeightSizes, to: *mut TileStep) -> usize {
    let mut count = 0;
    for link in 0..sizes.links {
        for [a, b] in sizes.source.pieces.products() {
            let step = TileStep {
                a: (a * sizes.turned_piece + link * PLACE_BYTES) as u32,
                b: (b * sizes.pairs_piece + link * TILE_BYTES) as u32,
            };
            // SAFETY: promised by the caller.
            unsafe { to.add(count).write(step) };
            count += 1;
        }
    }
    count
}

/// The loaded gradient of blocks `block` and `block + 1` of filters, as pairs of outputs.
///
/// # Safety
/// Scratch must be that of `sizes`.
#[inline(always)]
unsafe fn pair<I: Isa>(isa: I, sizes: &WeightSizes, scratch: &WeightScratch, block: usize) {
    for piece in 0..sizes.source.pieces.count() {
        // SAFETY: promised by the caller; behind the last place lie as many zeros as a step reads.
        unsafe {
            let from = scratch.planes.planes.add(piece * sizes.grad.piece_bytes);
            let to = scratch.pairs.add(piece * sizes.pairs_piece + block * sizes.links * TILE_BYTES);
            for index in 0..sizes.links * TILE {
                let a = from.add(2 * index * PLACE_BYTES);
                let first = to.add(index * PLACE_BYTES);
                let second = first.add(sizes.links * TILE_BYTES);
                isa.interleave(a.cast(), a.add(PLACE_BYTES).cast(), first.cast(), second.cast());
            }
        }
    }
}

/// Turns the loaded places of 32 channels, at byte `at` of each, round: to rows of one channel.
///
/// # Safety
/// Scratch must be that of `sizes`.
#[inline(always)]
unsafe fn turn<I: Isa>(isa: I, sizes: &WeightSizes, scratch: &WeightScratch, at: usize, block: usize) {
    let place = sizes.source.place_bytes;
    // what is turned at a time
    let pairs = scratch.planes.sums.cast::<u8>();
    for piece in 0..sizes.source.pieces.count() {
        // SAFETY: promised by the caller; sums have room for two tiles, and places come in 32.
        unsafe {
            let from = scratch.planes.planes.add(piece * sizes.source.piece_bytes + at);
            let to = scratch.turned.add(piece * sizes.turned_piece + block * DEPTH * sizes.row);
            for first in (0..sizes.source.planes.places()).step_by(DEPTH) {
                for index in 0..TILE {
                    let a = from.add((first + 2 * index) * place);
                    let pair = pairs.add(index * PLACE_BYTES);
                    isa.interleave(a.cast(), a.add(place).cast(), pair.cast(), pair.add(TILE_BYTES).cast());
                }
                for half in 0..2 {
                    let to = to.add(half * TILE * sizes.row + first * 2);
                    isa.transpose_pairs(pairs.add(half * TILE_BYTES).cast(), to.cast(), sizes.row);
                }
            }
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
    steps: &[TileStep],
) {
    let block = GradientBlock::new(args, sizes, scratch, channels, part, steps);
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
    steps: &'a [TileStep],
}

impl<'a> GradientBlock<'a> {
    fn new(
        args: &mut ConvBackwardWeightsArgs<'_>,
        sizes: &'a WeightSizes,
        scratch: &'a WeightScratch,
        channels: &Range<usize>,
        part: &SummedPart,
        steps: &'a [TileStep],
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
                        self.tap::<I, U, M, N>(isa, unit, [channel, filter], [row, column], add, steps)
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
        [channel, filter]: [usize; 2],
        [row, column]: [usize; 2],
        add: bool,
        steps: &[TileStep],
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
