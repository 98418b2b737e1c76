//! Gradient of the filters on tiles: w\[k\]\[c\]\[r\] is the sum over outputs of what tap r reads of channel c times the output's gradient
//! of filter k. So outputs are what is summed over. The map is turned round on its way into scratch, channels to rows; the gradient
//! becomes pairs of outputs.
//!
//! ```text
//! for parts of the outputs (some images, or some rows of one):
//!     load the gradient of the piece's filters, as pairs of outputs
//!     for some channels:
//!         load and turn them
//!         for two blocks of filters, two of channels, each tap: add sums over the part's outputs, and ask for the next part's lines
//! ```
//!
//! Outputs are numbered as in the forward pass (`grid.rs`); numbers that stand for none have a gradient of zero. Of small maps that would
//! be too many. Their images are stacked, if there are enough: a step is 32 images at one output, and a tap has the steps of those
//! outputs for which it reads the map.

use std::ops::Range;

use super::ahead::{Ahead, SummedPart};
use super::filters::Reduction;
use super::gather;
use super::grid::MadeAxis;
use super::load::{self, LoadedPart};
use super::pieces::Pieces;
use super::rules::fits;
use super::sizes::PLACE_BYTES;
use super::turned::{WeightScratch, pair, turn, write_numbers, write_steps};
use super::weight_sizes::{WeightSizes, stacks, weight_part};
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

/// Steps between which lines of the next part are asked for.
const AHEAD_STEPS: usize = 4;

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
        let stacked = stacks(&shape, args.images);
        let [group, band] = weight_part(&shape, stacked);
        let all = args.images;
        let mut parts = (0..all).step_by(group).flat_map(|image| {
            let images = group.min(all - image);
            let bands = (0..shape.oh).step_by(band);
            bands.map(move |first| SummedPart { image, images, first, rows: band.min(shape.oh - first) })
        });
        let (mut next, mut add) = (parts.next(), false);
        while let Some(part) = next {
            next = parts.next();
            let sizes =
                WeightSizes::new(&shape, pieces, args.blocks.len(), ([part.images, part.rows], stacked));
            let ahead = next.map(|next| Ahead::new(&args, &next)).unwrap_or_default();
            // SAFETY: `check` established the maps; `sum` checks the scratch.
            unsafe { sum(isa, &unit, &mut args, &sizes, (&part, ahead, add)) };
            add = true;
        }
    }
}

/// Adds the sums of a part to the gradient, or if there is none yet writes them.
///
/// # Safety
/// The maps must have been checked.
#[inline(always)]
unsafe fn sum<I: Isa, U: TileUnit>(
    isa: I,
    unit: &U,
    args: &mut ConvBackwardWeightsArgs<'_>,
    sizes: &WeightSizes,
    (part, ahead, add): (&SummedPart, Ahead, bool),
) {
    assert!(args.scratch.len() >= sizes.scratch_len(), "scratch");
    let shape = *args.shape;
    let pieces = sizes.source.pieces;
    let planes = sizes.source.cut(args.scratch);
    let rest = args.scratch[sizes.source.scratch_len()..].as_mut_ptr();
    let turned: *mut u8 = rest.wrapping_add(rest.align_offset(PLACE_BYTES).min(LANES)).cast();
    let pairs = turned.wrapping_add(pieces.count() * sizes.turned_piece);
    let steps: *mut ProductStep = pairs.wrapping_add(pieces.count() * sizes.pairs_piece).cast();
    let numbers: *mut u32 = steps.wrapping_add(sizes.steps()).cast();
    let ends = numbers.wrapping_add(sizes.links * DEPTH);
    let scratch = WeightScratch { planes, turned, pairs };
    // SAFETY: promised by the caller; scratch was cut by its sizes.
    unsafe {
        write_steps(&shape, sizes, steps, ends);
        let ends = std::slice::from_raw_parts(ends, sizes.lists());
        let steps = std::slice::from_raw_parts(steps, ends[ends.len() - 1] as usize);
        write_numbers(&shape, sizes, [part.images, part.rows], numbers);
        let numbers = std::slice::from_raw_parts(numbers, sizes.links * DEPTH);
        let pitch = shape.k_pitch();
        let first = (part.image * shape.oh + part.first) * shape.ow * pitch;
        pair(isa, &args.grad, (sizes, numbers), &scratch, [first, pitch, args.blocks.start * LANES]);
        let reduction = Reduction::forward(&shape);
        let blocks = reduction.channels().div_ceil(DEPTH);
        let mut block = GradientBlock::new(args, (sizes, &scratch), part, (steps, ends), (ahead, add));
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
                    if sizes.stacked {
                        let images = (&loaded, [part.images, DEPTH]);
                        load::stacked(isa, &args.src, images, &sizes.source, planes.planes);
                    } else {
                        load::planes(isa, &args.src, &loaded, &sizes.source, planes.planes);
                    }
                    turn(isa, sizes, &scratch, 0, block);
                }
            }
            block.channels = chunk * DEPTH..reduction.channels().min((chunk + some) * DEPTH);
            block.multiply(isa, unit);
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
    /// Where the steps of each tap end; one for all taps if they have the same.
    ends: &'a [u32],
    /// What is asked for meanwhile, and how many lines with some steps.
    ahead: Ahead,
    lines: usize,
}

impl<'a> GradientBlock<'a> {
    fn new(
        args: &mut ConvBackwardWeightsArgs<'_>,
        (sizes, scratch): (&'a WeightSizes, &'a WeightScratch),
        part: &SummedPart,
        (steps, ends): (&'a [ProductStep], &'a [u32]),
        (ahead, add): (Ahead, bool),
    ) -> Self {
        let (shape, axes) = (args.shape, &sizes.source.planes.axes);
        // the taps of thin images are rows
        let one = ConvShape { kernel: [1; 2], stride: [1; 2], padding: [0; 2], ..*shape };
        let made = if thin(shape) { &one } else { shape };
        let made =
            [MadeAxis::forward(made, 0, &axes[0], part.rows), MadeAxis::forward(made, 1, &axes[1], shape.ow)];
        let reduction = Reduction::forward(shape);
        let taps = if sizes.stacked { 1 } else { made[0].taps * made[1].taps };
        let blocks = sizes.filters.div_ceil(2) * reduction.channels().div_ceil(DEPTH);
        let runs = blocks * taps * steps.len().div_ceil(AHEAD_STEPS);
        Self {
            sizes,
            scratch,
            reduction,
            made,
            columns: made[1].taps,
            channels: 0..0,
            dst: args.dst.as_mut_ptr(),
            block_len: packed_block_len(shape),
            add,
            steps,
            ends,
            lines: ahead.lines().div_ceil(runs.max(1)),
            ahead,
        }
    }

    /// Adds the products of turned channels with all pairs.
    ///
    /// # Safety
    /// They must be turned and paired.
    #[inline(always)]
    unsafe fn multiply<I: Isa, U: TileUnit>(&mut self, isa: I, unit: &U) {
        let (filters, channels) = (self.sizes.filters, self.channels.clone());
        for filter in (0..filters).step_by(2) {
            let two = filter + 1 < filters;
            let mut channel = channels.start;
            while channel < channels.end {
                // SAFETY: promised by the caller.
                unsafe {
                    match (channel + 2 * TILE <= channels.end, two) {
                        (true, true) => self.taps::<I, U, 2, 2>(isa, unit, channel, filter),
                        (true, false) => self.taps::<I, U, 2, 1>(isa, unit, channel, filter),
                        (false, true) => self.taps::<I, U, 1, 2>(isa, unit, channel, filter),
                        (false, false) => self.taps::<I, U, 1, 1>(isa, unit, channel, filter),
                    }
                }
                channel += if channel + 2 * TILE <= channels.end { 2 * TILE } else { TILE };
            }
        }
    }

    /// `M` blocks of channels and `N` of filters, every tap. Where the taps have the same steps, some outputs at a time, which stay in
    /// the first-level cache for all taps; the sums wait in the gradient meanwhile.
    ///
    /// # Safety
    /// They must be turned and paired.
    #[inline(always)]
    unsafe fn taps<I: Isa, U: TileUnit, const M: usize, const N: usize>(
        &mut self,
        isa: I,
        unit: &U,
        channel: usize,
        filter: usize,
    ) {
        let [rows, columns] = self.made.map(|axis| axis.taps);
        let (steps, mut add) = (self.steps, self.add);
        if self.sizes.stacked {
            let mut start = 0;
            for tap in 0..rows * columns {
                let at = [channel, filter, tap / columns, tap % columns];
                let end = self.ends[tap] as usize;
                // SAFETY: promised by the caller.
                unsafe { self.tap::<I, U, M, N>(isa, unit, at, (add, &steps[start..end])) };
                start = end;
            }
            return;
        }
        // one tap reads all outputs once anyway
        let some = if [rows, columns] == [1, 1] { steps.len() } else { NEAR_STEPS };
        for steps in steps.chunks(some) {
            for tap in 0..rows * columns {
                let at = [channel, filter, tap / columns, tap % columns];
                // SAFETY: promised by the caller.
                unsafe { self.tap::<I, U, M, N>(isa, unit, at, (add, steps)) };
            }
            add = true;
        }
    }

    /// # Safety
    /// As [`GradientBlock::taps`].
    #[inline(always)]
    unsafe fn tap<I: Isa, U: TileUnit, const M: usize, const N: usize>(
        &mut self,
        isa: I,
        unit: &U,
        [channel, filter, row, column]: [usize; 4],
        (add, steps): (bool, &[ProductStep]),
    ) {
        let Self { sizes, scratch, .. } = *self;
        let rows = scratch.turned.wrapping_add((channel - self.channels.start) * sizes.row);
        let pairs = scratch.pairs.wrapping_add(filter * sizes.links * TILE_BYTES).cast_const();
        let axes = &sizes.source.planes.axes;
        let at = [self.made[0].tap(&axes[0], row), self.made[1].tap(&axes[1], column)];
        // stacked, the steps say it
        let first = if sizes.stacked { 0 } else { sizes.source.planes.place(at) * 2 };
        let place = rows.wrapping_add(first).cast_const();
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
                self.run(isa, unit, &products);
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
        &mut self,
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
            self.run(isa, unit, &TileProducts { c: sums, ..products });
            for m in 0..M {
                for n in 0..N {
                    let rows = rows.saturating_sub(m * TILE).min(TILE);
                    to[m][n].copy_from_nonoverlapping(sums[m][n], rows * TILE);
                }
            }
        }
    }

    /// Products, and what is asked for meanwhile.
    ///
    /// # Safety
    /// As [`GradientBlock::taps`].
    #[inline(always)]
    unsafe fn run<I: Isa, U: TileUnit, const M: usize, const N: usize>(
        &mut self,
        isa: I,
        unit: &U,
        products: &TileProducts<'_, M, N>,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            unit.begin(isa, products);
            // the next tap's sums follow these
            let runs = products.steps.len().div_ceil(AHEAD_STEPS).max(1);
            let rows = if self.made.map(|axis| axis.taps) == [1, 1] { 0 } else { TILE.div_ceil(runs) };
            for (run, steps) in products.steps.chunks(AHEAD_STEPS).enumerate() {
                unit.multiply(isa, &TileProducts { steps, ..*products });
                for row in run * rows..(run + 1) * rows {
                    for m in 0..M {
                        for n in 0..N {
                            isa.prefetch(products.c[m][n].wrapping_add((TILE + row) * TILE));
                        }
                    }
                }
                self.ahead.bring(isa, self.lines);
            }
            unit.end(isa, products);
        }
    }
}
