//! From a map to transformed tiles: one row of tiles at a time is loaded, with its zero border, then transformed tile by
//! tile.
//!
//! All blocks of channels of a row of tiles are loaded together, because its pixels lie side by side in memory. The pixels of
//! one block alone lie in every fourth (eighth, ..) cache line. What the next row reads is asked for while this one is
//! transformed.

use std::ops::Range;

use super::points::{AxisTransform, Gradient, Input, WinogradPoints};
use super::tiling::{TileGroup, Tiling};
use super::transform::{self, Square};
use crate::LANES;
use crate::conv::load::{self, Blocked, Computed, LoadWindow};
use crate::simd::Isa;

/// A group of tiles of some blocks of channels.
pub(super) struct GroupBlocks<'a> {
    pub(super) group: &'a TileGroup,
    pub(super) blocks: Range<usize>,
}

/// Where tiles are transformed.
#[derive(Clone, Copy)]
pub(super) struct TileScratch {
    /// Room for [`MapTiles::window_len`] values.
    pub(super) window: *mut f32,
    /// The matrices of the points.
    pub(super) matrices: *mut f32,
    /// From one matrix to the next.
    pub(super) step: usize,
}

/// The tiles of a map.
pub(super) struct MapTiles<'a> {
    /// Rows and columns.
    pub(super) map: [usize; 2],
    /// Distance between pixels.
    pub(super) pitch: usize,
    pub(super) tiling: &'a Tiling,
}

impl MapTiles<'_> {
    /// Values of scratch that `blocks` blocks of channels take.
    pub(super) fn window_len(tiling: &Tiling, blocks: usize) -> usize {
        (tiling.m + 2) * (tiling.tiles[1] * tiling.m + 2) * LANES * blocks
    }

    /// B^T d B of a group's tiles.
    ///
    /// # Safety
    /// The map must hold the group and the blocks, the matrices have room for the tiles.
    #[inline(always)]
    pub(super) unsafe fn input<
        I: Isa,
        C: Computed,
        P: WinogradPoints<N, M>,
        const N: usize,
        const M: usize,
    >(
        &self,
        isa: I,
        src: &C,
        tiles: &GroupBlocks<'_>,
        dst: TileScratch,
    ) {
        // SAFETY: promised by the caller.
        unsafe { self.load::<I, C, Input<P, N, M>, N, N>(isa, src, tiles, dst) };
    }

    /// A dy A^T of a group's tiles.
    ///
    /// # Safety
    /// As [`MapTiles::input`].
    #[inline(always)]
    pub(super) unsafe fn gradient<
        I: Isa,
        C: Computed,
        P: WinogradPoints<N, M>,
        const N: usize,
        const M: usize,
    >(
        &self,
        isa: I,
        src: &C,
        tiles: &GroupBlocks<'_>,
        dst: TileScratch,
    ) {
        // SAFETY: promised by the caller.
        unsafe { self.load::<I, C, Gradient<P, N, M>, M, N>(isa, src, tiles, dst) };
    }

    /// Tiles of `SIZE` by `SIZE` values around outputs, transformed to `N` by `N`.
    ///
    /// # Safety
    /// As [`MapTiles::input`].
    #[inline(always)]
    unsafe fn load<I: Isa, C: Computed, T: AxisTransform<SIZE, N>, const SIZE: usize, const N: usize>(
        &self,
        isa: I,
        src: &C,
        tiles: &GroupBlocks<'_>,
        dst: TileScratch,
    ) {
        let GroupBlocks { group, blocks } = tiles;
        let TileScratch { window, matrices: dst, step } = dst;
        let (first, count) = (blocks.start, blocks.len());
        let (m, columns, tiles) = (self.tiling.m, self.tiling.tiles[1], self.tiling.count(group));
        // values that a tile reads beyond its outputs on each side
        let border = (SIZE - m) / 2;
        let line = (columns * m + 2 * border) * LANES;
        let mut tile = 0;
        for image in group.images.clone() {
            for row in group.rows.clone() {
                // a row of tiles shares its first lines with the one before
                let old = if row == group.rows.start { 0 } else { SIZE - m };
                // SAFETY: promised by the caller.
                unsafe {
                    for block in 0..count {
                        let to = window.add(block * SIZE * line);
                        to.copy_from_nonoverlapping(to.add(m * line), old * line);
                    }
                    let read = self.window(image, row * m + old, border, [SIZE - old, line / LANES]);
                    let to = Blocked { data: window.add(old * line), block_step: SIZE * line };
                    load::blocked(isa, src, &read, blocks, to);
                    for block in 0..count {
                        let to = dst.add((block * tiles + tile) * LANES);
                        for column in 0..columns {
                            let from = Square {
                                first: window.add(block * SIZE * line + column * m * LANES).cast_const(),
                                step: [line as isize, LANES as isize],
                            };
                            let to = Square::points::<N>(to.add(column * LANES), step);
                            transform::square::<I, T, SIZE, N>(isa, from, to);
                            self.bring::<I, C>(isa, src, [image, row + 1, column, first + block]);
                        }
                    }
                }
                tile += columns;
            }
        }
    }

    /// Asks for one block of channels of the pixels that tile [image, row, column] reads first; of a row behind the map
    /// those of the next image.
    #[inline(always)]
    fn bring<I: Isa, C: Computed>(&self, isa: I, src: &C, [image, row, column, block]: [usize; 4]) {
        let m = self.tiling.m;
        for y in row * m..row * m + m {
            for x in column * m..column * m + m {
                let pixel = (image * self.map[0] + y) * self.map[1] + x;
                src.bring(isa, pixel * self.pitch + block * LANES);
            }
        }
    }

    /// Rows from `row` on, and whole columns, of one image, both moved by the border.
    #[inline(always)]
    fn window(&self, image: usize, row: usize, border: usize, size: [usize; 2]) -> LoadWindow {
        let image = image * self.map[0] * self.map[1] * self.pitch;
        let first = [row as isize - border as isize, -(border as isize)];
        LoadWindow { image, pitch: self.pitch, map: self.map, first, size, step: [1; 2] }
    }
}
