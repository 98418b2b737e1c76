//! Forward, and the gradient of the input: which is the same with other filters.
//!
//! ```text
//! for groups of tiles:
//!     for chunks of channels:
//!         for block of 16 channels: load its inputs (batch norm, ReLU, join applied), transform each tile     -> V
//!         for sets of blocks of filters:
//!             for each of the N x N points: M += V U                                              (a matrix product)
//!             last chunk: transform each tile back, add the bias, store
//! per image and block: statistics, or gate and sums, of what was stored
//! ```
//! 1. V of one chunk stays in the second-level cache while the filters U go by; U is read once per group.
//! 2. Inside a set, V of one point stays in the first-level cache.
//! 3. With several chunks the products of all blocks wait in M for the last one.
//!
//! The gradient of the input is the correlation of the output's gradient with the filters turned by half a turn, their
//! channels exchanged ([`super::TRANSFORM_BACKWARD`]); at padding 1 the border is the same. The adjoint form
//! (A dy A^T, then B and an overlapping addition) needs 80 + 156 operations a tile and channel instead of 144 + 120, and
//! a second pass over what it scatters; its one gain, sharing A dy A^T with the gradient of the filters, would cost
//! storing that map, 2.25 times dy.

use std::ops::Range;

use super::gemm::Product;
use super::points::{F33, F43, Output, WinogradPoints};
use super::sizes::PassSizes;
use super::tiles::MapTiles;
use super::tiling::{Algorithm, TileGroup};
use super::transform::{self, Square, TileOutput};
use crate::LANES;
use crate::conv::args::{ConvBackwardDataArgs, ConvForwardArgs};
use crate::conv::finish::Finishing;
use crate::conv::load::Computed;
use crate::conv::passes::{finish_images, kept, sum_stored};
use crate::simd::{Isa, Kernel};

/// Forward with register tiles of `MR` tiles by `NR` vectors of filters.
pub(crate) struct WinogradForwardKernel<'a, const MR: usize, const NR: usize>(pub(crate) ConvForwardArgs<'a>);

/// Gradient of the input, likewise.
pub(crate) struct WinogradBackwardDataKernel<'a, const MR: usize, const NR: usize>(
    pub(crate) ConvBackwardDataArgs<'a>,
);

impl<const MR: usize, const NR: usize> Kernel for WinogradForwardKernel<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check_maps();
        let src = kept(isa, &mut args);
        let pass = PassSizes::forward(args.shape);
        let job = WinogradPass {
            pass,
            images: args.images,
            first_block: args.blocks.start,
            blocks: args.blocks.len(),
            u: args.weights,
            finish: Finishing::new(args.bias, &args.finish, args.blocks.start * LANES),
            rows: tile_rows(&pass, &args.rows),
            // pixels are those of whole images
            dst: args.dst.as_mut_ptr().wrapping_sub(args.rows.start * args.shape.ow * args.dst.pitch()),
            pitch: args.dst.pitch(),
            accumulate: false,
        };
        job.run::<I, _, MR, NR>(isa, &src, args.scratch);
        sum_stored(isa, &mut args);
    }
}

impl<const MR: usize, const NR: usize> Kernel for WinogradBackwardDataKernel<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let pass = PassSizes::backward(args.shape);
        let job = WinogradPass {
            pass,
            images: args.images,
            first_block: args.blocks.start,
            blocks: args.blocks.len(),
            u: args.weights,
            finish: Finishing::default(),
            rows: (0, pass.tiling.tiles[0]),
            dst: args.sink.dst.as_mut_ptr(),
            pitch: args.sink.dst.pitch(),
            accumulate: args.sink.accumulate,
        };
        job.run::<I, _, MR, NR>(isa, &args.grad, args.scratch);
        let images = args.images;
        finish_images(isa, &mut args, (0, images));
    }
}

/// The rows of tiles that output rows `rows` are.
fn tile_rows(pass: &PassSizes, rows: &Range<usize>) -> (usize, usize) {
    let m = pass.tiling.m;
    assert!(rows.start.is_multiple_of(m) && (rows.end.is_multiple_of(m) || rows.end == pass.map[0]), "rows");
    (rows.start / m, rows.end.div_ceil(m))
}

/// One piece of work. Maps and destination must have been checked.
struct WinogradPass<'a> {
    pass: PassSizes,
    images: usize,
    /// Blocks of filters.
    first_block: usize,
    blocks: usize,
    /// All transformed filters.
    u: &'a [f32],
    finish: Finishing,
    /// Rows of tiles.
    rows: (usize, usize),
    /// First pixel, first channel of the piece.
    dst: *mut f32,
    pitch: usize,
    accumulate: bool,
}

impl WinogradPass<'_> {
    #[inline(always)]
    fn run<I: Isa, C: Computed, const MR: usize, const NR: usize>(
        self,
        isa: I,
        src: &C,
        scratch: &mut [f32],
    ) {
        assert_eq!(self.u.len(), self.pass.filters_len(), "transformed filters");
        assert!(scratch.len() >= self.pass.scratch_len(self.blocks), "scratch");
        match self.pass.algorithm {
            Algorithm::F43 => self.groups::<I, C, F43, MR, NR, 6, 4>(isa, src, scratch),
            Algorithm::F33 => self.groups::<I, C, F33, MR, NR, 5, 3>(isa, src, scratch),
        }
    }

    #[inline(always)]
    fn groups<
        I: Isa,
        C: Computed,
        P: WinogradPoints<N, M>,
        const MR: usize,
        const NR: usize,
        const N: usize,
        const M: usize,
    >(
        &self,
        isa: I,
        src: &C,
        scratch: &mut [f32],
    ) {
        let pass = &self.pass;
        let (window, rest) = scratch.split_at_mut(pass.window_len());
        let (v, m) = rest.split_at_mut(pass.v_len());
        let (chunk, all) = (pass.chunk, pass.channel_blocks());
        let mut index = 0;
        while let Some(group) = pass.tiling.group(index, self.images, self.rows) {
            let tiles = pass.tiling.count(&group);
            let mut first = 0;
            while first < all {
                let chunk = (first, chunk.min(all - first));
                let v = Transformed { data: v.as_mut_ptr(), step: pass.v_step, tiles };
                // SAFETY: `run` established the sizes of scratch, the maker of the job those of the maps.
                unsafe { self.load::<I, C, P, N, M>(isa, src, (&group, chunk), (window.as_mut_ptr(), &v)) };
                let last = chunk.0 + chunk.1 == all;
                let mut block = 0;
                while block < self.blocks {
                    let set = pass.set.min(self.blocks - block);
                    // with one chunk the products of a set are done with before the next needs the room
                    let at = if chunk.1 == all { 0 } else { block };
                    let m = Transformed { data: m[at * pass.m_len..].as_mut_ptr(), step: pass.m_step, tiles };
                    // SAFETY: as above.
                    unsafe {
                        let ahead = if last { self.outputs(&group, (block, set)) } else { Ahead::default() };
                        self.multiply::<I, MR, NR>(isa, (&v, &m, &ahead), chunk, (block, set));
                        if last {
                            self.store::<I, P, N, M>(isa, &m, &group, (block, set));
                        }
                    }
                    block += set;
                }
                first += chunk.1;
            }
            index += 1;
        }
    }

    /// V of the blocks of channels `first..first + count`.
    ///
    /// # Safety
    /// The maps must hold the group, `window` and `v` have room for it.
    #[inline(always)]
    unsafe fn load<I: Isa, C: Computed, P: WinogradPoints<N, M>, const N: usize, const M: usize>(
        &self,
        isa: I,
        src: &C,
        (group, (first, count)): (&TileGroup, (usize, usize)),
        (window, v): (*mut f32, &Transformed),
    ) {
        let tiles = MapTiles { map: self.pass.map, pitch: self.pass.pitch, tiling: &self.pass.tiling };
        // SAFETY: promised by the caller.
        unsafe {
            let to = (window, (v.data, v.step));
            tiles.input::<I, C, P, N, M>(isa, src, (group, (first, count)), to);
        }
    }

    /// Adds the products of the channels `first..first + count` to those of the set of blocks.
    ///
    /// # Safety
    /// `v` must hold the channels, `m` have room for the set.
    #[inline(always)]
    unsafe fn multiply<I: Isa, const MR: usize, const NR: usize>(
        &self,
        isa: I,
        (v, m, ahead): (&Transformed, &Transformed, &Ahead),
        (first, count): (usize, usize),
        (block, set): (usize, usize),
    ) {
        let points = self.pass.algorithm.n() * self.pass.algorithm.n();
        for point in 0..points {
            ahead.bring(isa, (point, points));
            let mut n = 0;
            while n < set {
                let width = if set - n >= NR { NR } else { 1 };
                // what comes next: more of this point, else the first of the next; the last one asks for itself
                let next = match (n + width < set, point + 1 < points) {
                    (true, _) => (point, n + width),
                    (false, true) => (point + 1, 0),
                    (false, false) => (point, n),
                };
                // SAFETY: promised by the caller.
                unsafe {
                    if width == NR {
                        self.product::<I, MR, NR>(isa, (v, m), (first, count), (block, [(point, n), next]));
                    } else {
                        self.product::<I, MR, 1>(isa, (v, m), (first, count), (block, [(point, n), next]));
                    }
                }
                n += width;
            }
        }
    }

    /// The product of `NR` blocks from `block + now.1` on at point `now.0`; `next` is the one after it.
    ///
    /// # Safety
    /// As [`WinogradPass::multiply`].
    #[inline(always)]
    unsafe fn product<I: Isa, const MR: usize, const NR: usize>(
        &self,
        isa: I,
        (v, m): (&Transformed, &Transformed),
        (first, count): (usize, usize),
        (block, [now, next]): (usize, [(usize, usize); 2]),
    ) {
        let points = self.pass.algorithm.n() * self.pass.algorithm.n();
        let matrix = self.pass.channel_blocks() * LANES * LANES;
        let panel = |(point, n): (usize, usize)| {
            let at = (self.first_block + block + n) * points + point;
            self.u[at * matrix + first * LANES * LANES..].as_ptr()
        };
        let (u, ahead) = (panel(now), panel(next));
        // SAFETY: promised by the caller; the filters were found to be whole.
        unsafe {
            let to = m.data.add(now.0 * m.step + now.1 * self.pass.m_len);
            let product = Product::<NR> {
                v: v.data.add(now.0 * v.step).cast_const(),
                tiles: v.tiles,
                blocks: count,
                u,
                u_step: points * matrix,
                m: to,
                m_step: self.pass.m_len,
                next: ahead,
                add: first > 0,
            };
            product.run::<I, MR>(isa);
        }
    }

    /// Where [`WinogradPass::store`] will write.
    fn outputs(&self, group: &TileGroup, (block, set): (usize, usize)) -> Ahead {
        let [height, width] = self.pass.map;
        let m = self.pass.tiling.m;
        let row = |row: usize| height.min(row * m);
        let pixel = (group.first * height + row(group.rows.0)) * width;
        let rows = (group.images - 1) * height + row(group.rows.1) - row(group.rows.0);
        let at = pixel * self.pitch + block * LANES;
        let added = self.finish.added().map_or(std::ptr::null(), |map| map.wrapping_add(at));
        let first = [self.dst.wrapping_add(at).cast_const(), added];
        Ahead { first, pixels: rows * width, pitch: self.pitch, blocks: set }
    }

    /// The outputs of a set of blocks.
    ///
    /// # Safety
    /// `m` must hold the set's products, the destination the group's maps.
    #[inline(always)]
    unsafe fn store<I: Isa, P: WinogradPoints<N, M>, const N: usize, const M: usize>(
        &self,
        isa: I,
        m: &Transformed,
        group: &TileGroup,
        (block, set): (usize, usize),
    ) {
        let [height, width] = self.pass.map;
        let columns = self.pass.tiling.tiles[1];
        let mut tile = 0;
        for image in group.first..group.first + group.images {
            for row in group.rows.0..group.rows.1 {
                for column in 0..columns {
                    let pixel = (image * height + row * M) * width + column * M;
                    for n in block..block + set {
                        // SAFETY: promised by the caller.
                        unsafe {
                            let out = TileOutput {
                                dst: self.dst,
                                at: [pixel * self.pitch, n * LANES],
                                step: [width * self.pitch, self.pitch],
                                size: [M.min(height - row * M), M.min(width - column * M)],
                                finish: &self.finish,
                                accumulate: self.accumulate,
                            };
                            let from = m.data.add((n - block) * self.pass.m_len + tile * LANES);
                            let from = Square::points::<N>(from.cast_const(), m.step);
                            transform::output::<I, Output<P, N, M>, N, M>(isa, from, &out);
                        }
                    }
                    tile += 1;
                }
            }
        }
    }
}

/// Memory that will be written, and what will be added: whatever the caches do not hold is brought near while products are
/// computed.
struct Ahead {
    first: [*const f32; 2],
    pixels: usize,
    pitch: usize,
    blocks: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { first: [std::ptr::null(); 2], pixels: 0, pitch: 0, blocks: 0 }
    }
}

impl Ahead {
    /// Asks for part `part.0` of `part.1`.
    #[inline(always)]
    fn bring<I: Isa>(&self, isa: I, (part, parts): (usize, usize)) {
        for pixel in part * self.pixels / parts..(part + 1) * self.pixels / parts {
            for block in 0..self.blocks {
                let at = pixel * self.pitch + block * LANES;
                isa.prefetch(self.first[0].wrapping_add(at));
                if !self.first[1].is_null() {
                    isa.prefetch(self.first[1].wrapping_add(at));
                }
            }
        }
    }
}

/// Matrices of points, `step` values apart, of `tiles` tiles.
struct Transformed {
    data: *mut f32,
    step: usize,
    tiles: usize,
}
