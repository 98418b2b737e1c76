//! Groups of 1, 2, 4 or 8 channels, several in a block of sixteen (ResNeXt, Xie et al. 2017, has groups of 4 and 8).
//!
//! An output lane needs the few inputs of its own group, which are lanes of the same block. For each of these inputs,
//! number j, the lanes of the source are permuted until every lane holds input j of its group. One multiply-add then
//! computes all groups of the block:
//!
//! ```text
//! for tiles of 4 to 8 outputs of a row:
//!     for tap row, input j of a group:
//!         w[s] = panel[tap row, s][j]                            # 16 lanes, for the tap columns s
//!         for source columns under the tile:
//!             p = permute(source[column], j)                     # lane l: lane l / group * group + j
//!             for tap columns s that meet an output o: acc[o] += p * w[s]
//! ```
//! A permuted column serves up to three outputs, so that a multiply-add costs half a permutation (two thirds at stride 2).
//! Kernels of other widths, with other strides or with dilation permute for every multiply-add, in tiles of up to 4. The
//! panels of `layout.rs` have the layout that this needs: `[tap][input of the group][16 filters]`. The gradient of the
//! input is the same walk over transposed panels.
//!
//! **Numerics**: one chain per output over (tap row, input, tap column), in the order of source columns.
//!
//! Registers: 8 accumulators, 3 panel vectors, a source and an order are 13 of AVX2's 16. AVX2 computes the two halves of a
//! block one after the other.

use self::orders::{orders_of, register_of};
use super::args::{ConvBackwardDataArgs, ConvForwardArgs};
use super::finish::{OutputLine, OutputPixels};
use super::micro::TapWalk;
use super::passes::{finish_images, kept, sum_stored};
use super::positions::{BlockMethod, Blocks, Positions};
use super::units::Units;
use super::{backward_data, forward, geometry};
use crate::LANES;
use crate::simd::{Isa, Kernel};

mod orders;
mod weights;

pub(super) use weights::NarrowBackwardWeightsKernel;

/// Forward.
pub(crate) struct NarrowForwardKernel<'a>(pub(crate) ConvForwardArgs<'a>);

impl Kernel for NarrowForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        assert!(geometry::fits_narrow(args.shape), "a shape of another kernel");
        let src = kept(isa, &mut args);
        let (units, mut start) = (Units::forward(args.shape), args.blocks.start);
        while start < args.blocks.end {
            let part = units.part(start, args.blocks.end);
            forward::by_pixel::<I, Permuted<true>>(isa, &mut args, &src, &part);
            start = part.outputs.end;
        }
        sum_stored(isa, &mut args);
    }
}

/// Gradient of the input.
pub(crate) struct NarrowBackwardDataKernel<'a>(pub(crate) ConvBackwardDataArgs<'a>);

impl Kernel for NarrowBackwardDataKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check_direct();
        assert!(geometry::fits_narrow_backward_data(args.shape), "a shape of another kernel");
        let units = Units::backward(args.shape);
        for image in 0..args.images {
            let mut start = args.blocks.start;
            while start < args.blocks.end {
                let part = units.part(start, args.blocks.end);
                backward_data::by_pixel::<I, Permuted<false>>(isa, &mut args, &(image..image + 1), &part);
                start = part.outputs.end;
            }
            finish_images(isa, &mut args, &(image..image + 1));
        }
    }
}

/// See the head of this file. `STRIDED`: whether sources may be a stride apart; those of the gradient of the input are not.
struct Permuted<const STRIDED: bool>;

impl<const STRIDED: bool> BlockMethod for Permuted<STRIDED> {
    #[inline(always)]
    fn width(_: &Blocks<'_>, _: usize) -> usize {
        1
    }

    #[inline(always)]
    unsafe fn run<I: Isa>(isa: I, blocks: &Blocks<'_>, positions: &Positions, walk: &TapWalk, block: usize) {
        let taps = Taps::new(walk);
        let three = taps.count[1] == 3 && taps.src_step[1] == LANES && positions.columns >= TILE / 2;
        // SAFETY: promised by the caller.
        unsafe {
            match positions.a[3] {
                step if three && step == LANES => rows::<I, 1>(isa, blocks, positions, &taps, block),
                step if three && step == 2 * LANES && STRIDED => {
                    rows::<I, 2>(isa, blocks, positions, &taps, block);
                }
                _ => rows::<I, 0>(isa, blocks, positions, &taps, block),
            }
        }
    }
}

/// A [`TapWalk`] over one block of a narrow group, in the order of source rows and columns.
#[derive(Clone, Copy, Debug)]
struct Taps {
    /// Channels of a group.
    group: usize,
    /// Tap rows and columns.
    count: [usize; 2],
    /// Source: to the first tap, and the step per tap row and column.
    src_start: isize,
    src_step: [usize; 2],
    /// Panel, likewise.
    panel_start: usize,
    panel_step: [isize; 2],
}

impl Taps {
    #[inline(always)]
    fn new(walk: &TapWalk) -> Self {
        let tap = walk.last * LANES;
        let columns = [walk.b_columns, 1];
        let mut taps = Self {
            group: walk.last,
            count: walk.taps,
            src_start: walk.a_start,
            src_step: [0; 2],
            panel_start: 0,
            panel_step: [0; 2],
        };
        for axis in 0..2 {
            let (step, last) = (walk.a_step[axis + 1], walk.taps[axis].saturating_sub(1));
            let mut first = walk.b_first[axis];
            let mut panel_step = (walk.b_step[axis] * columns[axis] * tap) as isize;
            // the gradient of the input reads earlier rows for later taps: turned round
            if step < 0 {
                taps.src_start += last as isize * step;
                first += last * walk.b_step[axis];
                panel_step = -panel_step;
            }
            taps.src_step[axis] = step.unsigned_abs();
            taps.panel_start += first * columns[axis] * tap;
            taps.panel_step[axis] = panel_step;
        }
        taps
    }
}

/// Outputs of a tile at most: as many as hide the latency of a multiply-add, 4 cycles on two ports.
const TILE: usize = 8;

/// The same, if every multiply-add waits for a permutation: then there are half as many.
const SINGLE_TILE: usize = 4;

/// All rows of one block. `S`: the stride, if there are three neighbouring tap columns (and columns for half a tile at
/// least), else 0.
///
/// # Safety
/// As [`BlockMethod::run`].
#[inline(always)]
unsafe fn rows<I: Isa, const S: usize>(
    isa: I,
    blocks: &Blocks<'_>,
    positions: &Positions,
    taps: &Taps,
    block: usize,
) {
    let columns = positions.columns;
    // tiles of nearly equal size: a small one would wait for its own results
    let tiles = columns.div_ceil(if S == 0 { SINGLE_TILE } else { TILE });
    for row in 0..positions.count / columns {
        for tile in 0..tiles {
            let [first, end] = [tile * columns / tiles, (tile + 1) * columns / tiles];
            let at = TileOrigin { block, row, column: first };
            // SAFETY: promised by the caller.
            unsafe {
                if S == 0 {
                    match end - first {
                        1 => outputs::<I, 0, 1>(isa, blocks, positions, taps, at),
                        2 => outputs::<I, 0, 2>(isa, blocks, positions, taps, at),
                        3 => outputs::<I, 0, 3>(isa, blocks, positions, taps, at),
                        _ => outputs::<I, 0, SINGLE_TILE>(isa, blocks, positions, taps, at),
                    }
                } else {
                    match end - first {
                        4 => outputs::<I, S, 4>(isa, blocks, positions, taps, at),
                        5 => outputs::<I, S, 5>(isa, blocks, positions, taps, at),
                        6 => outputs::<I, S, 6>(isa, blocks, positions, taps, at),
                        7 => outputs::<I, S, 7>(isa, blocks, positions, taps, at),
                        _ => outputs::<I, S, TILE>(isa, blocks, positions, taps, at),
                    }
                }
            }
        }
    }
}

/// Where a tile is.
#[derive(Clone, Copy, Debug)]
struct TileOrigin {
    block: usize,
    row: usize,
    column: usize,
}

/// `M` neighbouring outputs.
///
/// # Safety
/// As [`BlockMethod::run`]; they exist.
#[inline(always)]
unsafe fn outputs<I: Isa, const S: usize, const M: usize>(
    isa: I,
    blocks: &Blocks<'_>,
    positions: &Positions,
    taps: &Taps,
    at: TileOrigin,
) {
    let source = positions.a[0] + at.row * positions.a[2] + at.column * positions.a[3];
    let first = blocks.source(at.block).wrapping_add(source).wrapping_offset(taps.src_start);
    let src = SourceRow { first, step: positions.a[3] };
    // without taps (a strided gradient has such positions) the first may lie behind the panel: nothing is read then
    let panel = blocks.panels.as_ptr().wrapping_add(at.block * blocks.block_len + taps.panel_start);
    let pixel = positions.d[0] + at.row * positions.d[2] + at.column * positions.d[3];
    let mut lane = 0;
    while lane < LANES {
        // SAFETY: promised by the caller.
        unsafe {
            let acc = tile::<I, S, M>(isa, src, panel, taps, lane);
            let channel = at.block * LANES + lane;
            let mut pixels = [pixel * blocks.pitch; M];
            for m in 0..M {
                pixels[m] += m * positions.d[3] * blocks.pitch;
            }
            let pixels = OutputPixels { starts: pixels, count: M };
            let acc = blocks.finish.line(isa, acc, pixels, channel);
            OutputLine { map: blocks.dst, channel, accumulate: blocks.accumulate }.store(isa, acc, pixels);
        }
        lane += I::WIDTH;
    }
}

/// The sources of neighbouring outputs.
#[derive(Clone, Copy, Debug)]
struct SourceRow {
    /// That of the first output.
    first: *const f32,
    /// From one to the next.
    step: usize,
}

/// The tap columns of one tap row and input.
#[derive(Clone, Copy, Debug)]
struct TapPanel {
    /// The first.
    first: *const f32,
    /// From one to the next.
    step: isize,
}

impl TapPanel {
    /// The register of tap column `column`.
    ///
    /// # Safety
    /// It must be readable.
    #[inline(always)]
    unsafe fn load<I: Isa>(&self, isa: I, column: usize) -> I::R {
        // SAFETY: promised by the caller.
        unsafe { isa.register_load(self.first.offset(column as isize * self.step)) }
    }
}

/// Accumulates a tile: `M` outputs, the register at `lane` of the block.
///
/// # Safety
/// Every offset that the taps produce must be readable from `src` and `panel`.
#[inline(always)]
unsafe fn tile<I: Isa, const S: usize, const M: usize>(
    isa: I,
    src: SourceRow,
    panel: *const f32,
    taps: &Taps,
    lane: usize,
) -> [I::R; M] {
    let mut acc = [isa.register_splat(0.0); M];
    let orders = orders_of(taps.group);
    for row in 0..taps.count[0] {
        for (j, order) in orders.iter().enumerate() {
            let order = isa.register_order(order);
            let first =
                src.first.wrapping_add(row * taps.src_step[0] + register_of::<I>(lane, taps.group, j));
            let panel = TapPanel {
                first: panel
                    .wrapping_offset(row as isize * taps.panel_step[0])
                    .wrapping_add(j * LANES + lane),
                step: taps.panel_step[1],
            };
            // SAFETY: promised by the caller.
            unsafe {
                if S > 0 {
                    three::<I, S, M>(isa, &mut acc, first, order, panel);
                    continue;
                }
                for column in 0..taps.count[1] {
                    let w = panel.load(isa, column);
                    for m in 0..M {
                        let x = isa.register_load(first.add(m * src.step + column * taps.src_step[1]));
                        acc[m] = isa.register_mul_add(isa.register_permute(x, order), w, acc[m]);
                    }
                }
            }
        }
    }
    acc
}

/// Three neighbouring tap columns of one tap row and input, for `M` outputs `S` columns apart, one or two.
///
/// # Safety
/// The source columns and the taps must be readable.
#[inline(always)]
unsafe fn three<I: Isa, const S: usize, const M: usize>(
    isa: I,
    acc: &mut [I::R; M],
    src: *const f32,
    order: I::Order,
    panel: TapPanel,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut w = [isa.register_splat(0.0); 3];
        for s in 0..3 {
            w[s] = panel.load(isa, s);
        }
        // written out for each stride: a loop with a test for both is not unrolled, and its accumulators would be in memory
        if S == 1 {
            for column in 0..M + 2 {
                let x = isa.register_permute(isa.register_load(src.add(column * LANES)), order);
                for s in 0..3 {
                    if column >= s && column - s < M {
                        acc[column - s] = isa.register_mul_add(x, w[s], acc[column - s]);
                    }
                }
            }
            return;
        }
        for m in 0..=M {
            let x = isa.register_permute(isa.register_load(src.add(2 * m * LANES)), order);
            if m > 0 {
                acc[m - 1] = isa.register_mul_add(x, w[2], acc[m - 1]);
            }
            if m < M {
                acc[m] = isa.register_mul_add(x, w[0], acc[m]);
                let x = isa.register_permute(isa.register_load(src.add((2 * m + 1) * LANES)), order);
                acc[m] = isa.register_mul_add(x, w[1], acc[m]);
            }
        }
    }
}
