//! Gradient of the filter: dg = G^T \[sum over tiles of (A dy A^T) o (B^T d B)\] G.
//!
//! ```text
//! for chunks of 64 input channels:
//!     for groups of tiles (a chain each):
//!         V = B^T d B of the chunk; D = A dy A^T of the piece's blocks of filters
//!         for each of the N x N points, for tiles of MR channels by NR blocks: acc = 0
//!             for the group's tiles: acc[m] += broadcast(V[tile][m]) * D[tile][..]
//!             dU += acc
//!     dg = G^T dU G
//! ```
//! 1. dU of a chunk is N x N x 64 values for each filter: 0.6 MB for four blocks at F(4,3). It is read and written once per
//!    group. V and D of a group are 0.3 MB each.
//! 2. G^T is applied once per piece (a segment of images). What is added over segments has nine taps, not 36 points.
//! 3. Where there are several chunks, the first keeps D of all groups for the others, unless that is more than [`KEPT`]. With
//!    512 channels the gradient, with batch norm on load, is then transformed once instead of eight times.

use std::ops::Range;

use super::points::{F33, F43, FilterGradient, WinogradPoints};
use super::sizes::PassSizes;
use super::tiles::{GroupBlocks, MapTiles, TileScratch};
use super::tiling::{Algorithm, CHAIN};
use super::transform::{self, Square, step};
use crate::LANES;
use crate::conv::args::ConvBackwardWeightsArgs;
use crate::conv::geometry::weight_segment;
use crate::conv::layout::panel_offset;
use crate::shape::ConvShape;
use crate::simd::{Isa, Kernel, Outer};

/// Backward-weights with register tiles of at most `MR` input channels by `NR` vectors of filters.
pub(crate) struct WinogradBackwardWeightsKernel<'a, const MR: usize, const NR: usize>(
    pub(crate) ConvBackwardWeightsArgs<'a>,
);

/// Values of D that are kept for the next chunk of channels at most: 0.75 MB.
const KEPT: usize = 192 * 1024;

/// How the scratch of a piece is divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct GradientSizes {
    pass: PassSizes,
    blocks: usize,
    /// Distance between points of V, of D (all blocks), and of dU (one block of filters).
    v_step: usize,
    d_step: usize,
    u_step: usize,
    /// Groups whose D is kept for the next chunk of channels; none, if each is done with before the next.
    kept: usize,
}

impl GradientSizes {
    pub(super) fn new(shape: &ConvShape, blocks: usize) -> Self {
        let pass = PassSizes::forward(shape);
        let pass = PassSizes { tiling: pass.tiling.of_chains(weight_segment(shape)), ..pass };
        let (tiles, chunk) = (pass.tiling.group_tiles(), CHAIN.min(pass.channel_blocks() * LANES));
        let d_step = step(tiles * blocks * LANES);
        let mut sizes =
            Self { pass, blocks, v_step: step(tiles * chunk), d_step, u_step: chunk * LANES, kept: 0 };
        let groups = pass.tiling.groups(weight_segment(shape));
        if pass.channel_blocks() * LANES > CHAIN && groups * sizes.points() * d_step <= KEPT {
            sizes.kept = groups;
        }
        sizes
    }

    fn points(&self) -> usize {
        self.pass.algorithm.n() * self.pass.algorithm.n()
    }

    /// Of a chunk of channels, or of the piece's filters.
    fn window_len(&self) -> usize {
        MapTiles::window_len(&self.pass.tiling, self.blocks.max(CHAIN / LANES))
    }

    pub(super) fn scratch_len(&self) -> usize {
        let u = self.blocks * self.u_step;
        self.window_len() + self.points() * (self.v_step + self.kept.max(1) * self.d_step + u)
    }
}

impl<const MR: usize, const NR: usize> Kernel for WinogradBackwardWeightsKernel<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let sizes = GradientSizes::new(args.shape, args.blocks.len());
        assert!(args.scratch.len() >= sizes.scratch_len(), "scratch");
        match sizes.pass.algorithm {
            Algorithm::F43 => run::<I, F43, MR, NR, 6, 4>(isa, &sizes, &mut args),
            Algorithm::F33 => run::<I, F33, MR, NR, 5, 3>(isa, &sizes, &mut args),
        }
    }
}

/// Places in the scratch.
#[derive(Clone, Copy)]
struct GradientScratch {
    window: *mut f32,
    v: *mut f32,
    d: *mut f32,
    /// `[block of filters][point][channel][16]`.
    u: *mut f32,
}

#[inline(always)]
fn run<I: Isa, P: WinogradPoints<N, M>, const MR: usize, const NR: usize, const N: usize, const M: usize>(
    isa: I,
    sizes: &GradientSizes,
    args: &mut ConvBackwardWeightsArgs<'_>,
) {
    let (pass, points) = (&sizes.pass, N * N);
    let window = args.scratch.as_mut_ptr();
    // SAFETY: the scratch was found to be as long as the sum of these.
    let scratch = unsafe {
        let v = window.add(sizes.window_len());
        let d = v.add(points * sizes.v_step);
        GradientScratch { window, v, d, u: d.add(sizes.kept.max(1) * points * sizes.d_step) }
    };
    let all = pass.channel_blocks();
    // a piece of more than a segment is no plan's, but has a result
    let keeps = pass.tiling.groups(args.images) <= sizes.kept;
    for first in (0..all).step_by(CHAIN / LANES) {
        let count = (CHAIN / LANES).min(all - first);
        let mut index = 0;
        while let Some(group) = pass.tiling.group(index, args.images, &(0..pass.tiling.tiles[0])) {
            let tiles = pass.tiling.count(&group);
            let x = MapTiles { map: pass.map, pitch: pass.pitch, tiling: &pass.tiling };
            let dy = MapTiles { pitch: args.shape.k_pitch(), ..x };
            // SAFETY: the maps were checked, the scratch has room for a group, and for D of as many as are kept.
            unsafe {
                let window = scratch.window;
                let to = TileScratch { window, matrices: scratch.v, step: sizes.v_step };
                let read = GroupBlocks { group: &group, blocks: first..first + count };
                x.input::<I, _, P, N, M>(isa, &args.src, &read, to);
                let own = if keeps { index * points * sizes.d_step } else { 0 };
                let scratch = GradientScratch { d: scratch.d.add(own), ..scratch };
                if first == 0 || !keeps {
                    let to = TileScratch { window, matrices: scratch.d, step: sizes.d_step };
                    let read = GroupBlocks { group: &group, blocks: args.blocks.clone() };
                    dy.gradient::<I, _, P, N, M>(isa, &args.grad, &read, to);
                }
                for point in 0..points {
                    let step = PointStep { point, blocks: count, tiles, add: index > 0 };
                    accumulate::<I, MR, NR>(isa, sizes, &scratch, step);
                }
            }
            index += 1;
        }
        finish::<I, P, N, M>(isa, sizes, args, &scratch, first..first + count);
    }
}

/// One point of one group.
struct PointStep {
    point: usize,
    /// Blocks of channels.
    blocks: usize,
    /// Tiles of the group.
    tiles: usize,
    /// Whether to add to what earlier groups made.
    add: bool,
}

/// Adds the products of one point of one group.
///
/// # Safety
/// The scratch must hold the group.
#[inline(always)]
unsafe fn accumulate<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    sizes: &GradientSizes,
    scratch: &GradientScratch,
    step: PointStep,
) {
    let PointStep { point, blocks, tiles, add } = step;
    let u_block = sizes.points() * sizes.u_step;
    let mut block = 0;
    while block < sizes.blocks {
        let width = if sizes.blocks - block >= NR { NR } else { 1 };
        for channels in 0..blocks {
            // SAFETY: promised by the caller.
            unsafe {
                let chain = PointChain {
                    v: scratch.v.add(point * sizes.v_step + channels * tiles * LANES),
                    d: scratch.d.add(point * sizes.d_step + block * tiles * LANES),
                    d_block: tiles * LANES,
                    tiles,
                    u: scratch.u.add(block * u_block + point * sizes.u_step + channels * LANES * LANES),
                    u_block,
                    add,
                };
                if width == NR {
                    chain.run::<I, MR, NR>(isa);
                } else {
                    chain.run::<I, MR, 1>(isa);
                }
            }
        }
        block += width;
    }
}

/// Sixteen channels and some blocks of filters of one point.
struct PointChain {
    v: *const f32,
    d: *const f32,
    /// Distance between blocks of filters of D.
    d_block: usize,
    tiles: usize,
    u: *mut f32,
    /// Distance between blocks of filters of dU.
    u_block: usize,
    /// Whether to add to what is there.
    add: bool,
}

impl PointChain {
    /// # Safety
    /// The matrices must have `tiles` rows, `NR` blocks of filters must exist.
    #[inline(always)]
    unsafe fn run<I: Isa, const MR: usize, const NR: usize>(&self, isa: I) {
        let rows = LANES.div_ceil(LANES.div_ceil(MR));
        let mut row = 0;
        while row < LANES {
            let count = rows.min(LANES - row);
            // SAFETY: promised by the caller.
            unsafe {
                match count {
                    1 => self.rows::<I, 1, NR>(isa, row),
                    2 => self.rows::<I, 2, NR>(isa, row),
                    3 => self.rows::<I, 3, NR>(isa, row),
                    4 => self.rows::<I, 4, NR>(isa, row),
                    5 => self.rows::<I, 5, NR>(isa, row),
                    _ => self.rows::<I, 6, NR>(isa, row),
                }
            }
            row += count;
        }
    }

    /// # Safety
    /// As [`PointChain::run`]; `MR` channels from `row` on exist.
    #[inline(always)]
    unsafe fn rows<I: Isa, const MR: usize, const NR: usize>(&self, isa: I, row: usize) {
        let mut acc = [[isa.zero(); NR]; MR];
        let mut rows = [self.v; MR];
        let mut m = 0;
        while m < MR {
            rows[m] = self.v.wrapping_add(row + m);
            m += 1;
        }
        let outer = Outer {
            rows,
            row_step: LANES as isize,
            panel: self.d,
            panel_step: self.d_block,
            next: 0,
            count: self.tiles,
        };
        // SAFETY: promised by the caller.
        unsafe {
            isa.outer::<MR, NR>(&mut acc, &outer);
            let mut m = 0;
            while m < MR {
                let mut n = 0;
                while n < NR {
                    let to = self.u.add(n * self.u_block + (row + m) * LANES);
                    let value = if self.add { isa.add(isa.load(to), acc[m][n]) } else { acc[m][n] };
                    isa.store(to, value);
                    n += 1;
                }
                m += 1;
            }
        }
    }
}

/// The packed gradient of some blocks of channels, from dU.
#[inline(always)]
fn finish<I: Isa, P: WinogradPoints<N, M>, const N: usize, const M: usize>(
    isa: I,
    sizes: &GradientSizes,
    args: &mut ConvBackwardWeightsArgs<'_>,
    scratch: &GradientScratch,
    blocks: Range<usize>,
) {
    let c = args.shape.c;
    let len = args.dst.len() / sizes.blocks;
    for (block, panel) in args.dst.chunks_exact_mut(len).enumerate() {
        for channel in blocks.start * LANES..c.min(blocks.end * LANES) {
            let to = panel_offset(9, c, 0, channel);
            let tap = panel_offset(9, c, 1, channel) - to;
            assert!(to + 8 * tap + LANES <= panel.len(), "nine taps of a channel");
            // SAFETY: dU holds every channel of the chunk; the taps were just found to be inside the panel.
            unsafe {
                let at = block * N * N * sizes.u_step + (channel - blocks.start * LANES) * LANES;
                let from = Square::points::<N>(scratch.u.add(at).cast_const(), sizes.u_step);
                let to = Square::points::<3>(panel.as_mut_ptr().add(to), tap);
                transform::square::<I, FilterGradient<P, N, M>, N, 3>(isa, from, to);
            }
        }
    }
}
