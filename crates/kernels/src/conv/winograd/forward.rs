//! Forward, and the gradient of the input, which is the same pass with other filters.
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
//! channels exchanged ([`super::TRANSFORM_BACKWARD`]). At padding 1 the border is the same.
//!
//! The adjoint form (A dy A^T, then B and an overlapping addition) needs 80 + 156 operations a tile and channel instead of
//! 144 + 120. But it needs a second pass over what it scatters. It could share A dy A^T with the gradient of the filters,
//! which would mean storing that map, 2.25 times dy.

use std::ops::Range;

use super::gemm::Product;
use super::points::{F33, F43, Output, WinogradPoints};
use super::sizes::PassSizes;
use super::tiles::{GroupBlocks, MapTiles, TileScratch};
use super::tiling::{Algorithm, TileGroup};
use super::transform::{self, Square, TileOutput};
use crate::LANES;
use crate::conv::args::{ConvBackwardDataArgs, ConvForwardArgs};
use crate::conv::finish::Finishing;
use crate::conv::load::Computed;
use crate::conv::passes::{finish_images, kept, sum_stored};
use crate::maps::MapPtrMut;
use crate::simd::{Isa, Kernel};

/// Forward with register tiles of `MR` tiles by `NR` vectors of filters.
pub(crate) struct WinogradForwardKernel<'a, const MR: usize, const NR: usize>(pub(crate) ConvForwardArgs<'a>);

/// Gradient of the input, with the same register tiles.
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
        let sizes = PassSizes::forward(args.shape);
        let pass = WinogradPass {
            sizes,
            images: args.images,
            first_block: args.blocks.start,
            blocks: args.blocks.len(),
            u: args.weights,
            finish: Finishing::new(args.bias, &args.finish, args.blocks.start * LANES),
            rows: tile_rows(&sizes, &args.rows),
            // pixels are those of whole images
            dst: args.dst.ptr().offset(-((args.rows.start * args.shape.ow * args.dst.pitch()) as isize)),
            pitch: args.dst.pitch(),
            accumulate: false,
        };
        pass.run::<I, _, MR, NR>(isa, &src, args.scratch);
        sum_stored(isa, &mut args);
    }
}

impl<const MR: usize, const NR: usize> Kernel for WinogradBackwardDataKernel<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let sizes = PassSizes::backward(args.shape);
        let pass = WinogradPass {
            sizes,
            images: args.images,
            first_block: args.blocks.start,
            blocks: args.blocks.len(),
            u: args.weights,
            finish: Finishing::default(),
            rows: 0..sizes.tiling.tiles[0],
            dst: args.sink.dst.ptr(),
            pitch: args.sink.dst.pitch(),
            accumulate: args.sink.accumulate,
        };
        pass.run::<I, _, MR, NR>(isa, &args.grad, args.scratch);
        let images = 0..args.images;
        finish_images(isa, &mut args, &images);
    }
}

/// The rows of tiles that output rows `rows` are.
fn tile_rows(sizes: &PassSizes, rows: &Range<usize>) -> Range<usize> {
    let m = sizes.tiling.m;
    assert!(rows.start.is_multiple_of(m) && (rows.end.is_multiple_of(m) || rows.end == sizes.map[0]), "rows");
    rows.start / m..rows.end.div_ceil(m)
}

/// One piece of work. Maps and destination must have been checked.
struct WinogradPass<'a> {
    sizes: PassSizes,
    images: usize,
    /// Blocks of filters.
    first_block: usize,
    blocks: usize,
    /// All transformed filters.
    u: &'a [f32],
    finish: Finishing,
    /// Rows of tiles.
    rows: Range<usize>,
    /// First pixel, first channel of the piece.
    dst: MapPtrMut,
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
        assert_eq!(self.u.len(), self.sizes.filters_len(), "transformed filters");
        assert!(scratch.len() >= self.sizes.scratch_len(self.blocks), "scratch");
        match self.sizes.algorithm {
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
        let sizes = &self.sizes;
        let (window, rest) = scratch.split_at_mut(sizes.window_len());
        let (v, m) = rest.split_at_mut(sizes.v_len());
        let maps = MapTiles { map: sizes.map, pitch: sizes.pitch, tiling: &sizes.tiling };
        let all = sizes.channel_blocks();
        let mut index = 0;
        while let Some(group) = sizes.tiling.group(index, self.images, &self.rows) {
            let tiles = sizes.tiling.count(&group);
            let mut first = 0;
            while first < all {
                let channels = first..all.min(first + sizes.chunk);
                let v = PointMatrices { data: v.as_mut_ptr(), step: sizes.v_step, tiles };
                // SAFETY: `run` established the sizes of scratch, the maker of the pass those of the maps.
                unsafe {
                    let read = GroupBlocks { group: &group, blocks: channels.clone() };
                    let to = TileScratch { window: window.as_mut_ptr(), matrices: v.data, step: v.step };
                    maps.input::<I, C, P, N, M>(isa, src, &read, to);
                }
                let last = channels.end == all;
                let mut block = 0;
                while block < self.blocks {
                    let set = block..self.blocks.min(block + sizes.set);
                    // with one chunk the products of a set are done with before the next needs the room
                    let at = if channels.len() == all { 0 } else { block };
                    let m =
                        PointMatrices { data: m[at * sizes.m_len..].as_mut_ptr(), step: sizes.m_step, tiles };
                    let products = SetProducts { v: &v, m: &m, channels: channels.clone(), set: set.clone() };
                    // SAFETY: as above.
                    unsafe {
                        let ahead = if last { self.outputs(&group, &set) } else { Ahead::default() };
                        self.multiply::<I, MR, NR>(isa, &products, &ahead);
                        if last {
                            self.store::<I, P, N, M>(isa, &m, &group, &set);
                        }
                    }
                    block = set.end;
                }
                first = channels.end;
            }
            index += 1;
        }
    }

    /// Adds the products of some blocks of channels to those of a set of blocks of filters.
    ///
    /// # Safety
    /// V must hold the channels, M have room for the set.
    #[inline(always)]
    unsafe fn multiply<I: Isa, const MR: usize, const NR: usize>(
        &self,
        isa: I,
        products: &SetProducts<'_>,
        ahead: &Ahead,
    ) {
        let (points, set) = (self.sizes.algorithm.n() * self.sizes.algorithm.n(), products.set.len());
        for point in 0..points {
            ahead.bring(isa, point, points);
            let mut n = 0;
            while n < set {
                let width = if set - n >= NR { NR } else { 1 };
                let here = FiltersAt { point, block: n };
                // what comes next: more of this point, else the first of the next; the last one asks for itself
                let next = match (n + width < set, point + 1 < points) {
                    (true, _) => FiltersAt { point, block: n + width },
                    (false, true) => FiltersAt { point: point + 1, block: 0 },
                    (false, false) => here,
                };
                // SAFETY: promised by the caller.
                unsafe {
                    if width == NR {
                        self.product::<I, MR, NR>(isa, products, here, next);
                    } else {
                        self.product::<I, MR, 1>(isa, products, here, next);
                    }
                }
                n += width;
            }
        }
    }

    /// The product of `NR` blocks from `here` on; the filters at `next` are read after it.
    ///
    /// # Safety
    /// As [`WinogradPass::multiply`].
    #[inline(always)]
    unsafe fn product<I: Isa, const MR: usize, const NR: usize>(
        &self,
        isa: I,
        products: &SetProducts<'_>,
        here: FiltersAt,
        next: FiltersAt,
    ) {
        let SetProducts { v, m, channels, set } = products;
        let points = self.sizes.algorithm.n() * self.sizes.algorithm.n();
        let matrix = self.sizes.channel_blocks() * LANES * LANES;
        let panel = |filters: FiltersAt| {
            let at = (self.first_block + set.start + filters.block) * points + filters.point;
            self.u[at * matrix + channels.start * LANES * LANES..].as_ptr()
        };
        let (u, ahead) = (panel(here), panel(next));
        // SAFETY: promised by the caller; the filters were found to be whole.
        unsafe {
            let to = m.data.add(here.point * m.step + here.block * self.sizes.m_len);
            let product = Product::<NR> {
                v: v.data.add(here.point * v.step).cast_const(),
                tiles: v.tiles,
                blocks: channels.len(),
                u,
                u_step: points * matrix,
                m: to,
                m_step: self.sizes.m_len,
                next: ahead,
                add: channels.start > 0,
            };
            product.run::<I, MR>(isa);
        }
    }

    /// Where [`WinogradPass::store`] will write.
    fn outputs(&self, group: &TileGroup, set: &Range<usize>) -> Ahead {
        let [height, width] = self.sizes.map;
        let m = self.sizes.tiling.m;
        let row = |row: usize| height.min(row * m);
        let pixel = (group.images.start * height + row(group.rows.start)) * width;
        let rows = (group.images.len() - 1) * height + row(group.rows.end) - row(group.rows.start);
        let at = pixel * self.pitch + set.start * LANES;
        let added = self.finish.added().map_or(std::ptr::null(), |map| map.address(at));
        let first = [self.dst.cast_const().address(at), added];
        Ahead { first, pixels: rows * width, pitch: self.pitch, blocks: set.len() }
    }

    /// The outputs of a set of blocks.
    ///
    /// # Safety
    /// `m` must hold the set's products, the destination the group's maps.
    #[inline(always)]
    unsafe fn store<I: Isa, P: WinogradPoints<N, M>, const N: usize, const M: usize>(
        &self,
        isa: I,
        m: &PointMatrices,
        group: &TileGroup,
        set: &Range<usize>,
    ) {
        let [height, width] = self.sizes.map;
        let columns = self.sizes.tiling.tiles[1];
        let mut tile = 0;
        for image in group.images.clone() {
            for row in group.rows.clone() {
                for column in 0..columns {
                    let pixel = (image * height + row * M) * width + column * M;
                    for n in set.clone() {
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
                            let from = m.data.add((n - set.start) * self.sizes.m_len + tile * LANES);
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

/// Memory that will be written, and what will be added. What the caches do not hold of it is brought near while products
/// are computed.
struct Ahead {
    /// First value of what is written, and of what is added.
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
    /// Asks for part `part` of `parts`.
    #[inline(always)]
    fn bring<I: Isa>(&self, isa: I, part: usize, parts: usize) {
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

/// What a set of blocks of filters is multiplied with, and where the products wait.
struct SetProducts<'a> {
    v: &'a PointMatrices,
    m: &'a PointMatrices,
    /// Blocks of channels that are multiplied.
    channels: Range<usize>,
    /// Blocks of filters, counted in the piece.
    set: Range<usize>,
}

/// The filters of one point of one block.
#[derive(Clone, Copy)]
struct FiltersAt {
    point: usize,
    /// Counted in the set.
    block: usize,
}

/// Matrices of points, `step` values apart, of `tiles` tiles.
struct PointMatrices {
    data: *mut f32,
    step: usize,
    tiles: usize,
}
