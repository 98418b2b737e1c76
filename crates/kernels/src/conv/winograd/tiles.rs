//! From a map to transformed tiles: each block of channels is loaded once, with its zero border, then tile by tile.

use super::points::{Gradient, Input, Points, Transform};
use super::tiling::{Group, Tiling};
use super::transform::{self, Square};
use crate::LANES;
use crate::conv::load::{self, Computed, Window};
use crate::simd::Isa;

/// The tiles of a map.
pub(super) struct Tiles<'a> {
    /// Rows and columns.
    pub(super) map: [usize; 2],
    /// Distance between pixels.
    pub(super) pitch: usize,
    pub(super) tiling: &'a Tiling,
}

impl Tiles<'_> {
    /// B^T d B of a group's tiles: block `block` of the channels, to the matrices `dst.1.0`, which are `dst.1.1` values
    /// apart; `dst.0` is room for [`Tiling::window_len`] values.
    ///
    /// # Safety
    /// The map must hold the group and the block, the matrices have room for the tiles.
    #[inline(always)]
    pub(super) unsafe fn input<I: Isa, C: Computed, P: Points<N, M>, const N: usize, const M: usize>(
        &self,
        isa: I,
        src: &C,
        tiles: (&Group, usize),
        dst: (*mut f32, (*mut f32, usize)),
    ) {
        // SAFETY: promised by the caller.
        unsafe { self.load::<I, C, Input<P, N, M>, N, N>(isa, src, tiles, dst) };
    }

    /// A dy A^T of a group's tiles; else as [`Tiles::input`].
    ///
    /// # Safety
    /// As [`Tiles::input`].
    #[inline(always)]
    pub(super) unsafe fn gradient<I: Isa, C: Computed, P: Points<N, M>, const N: usize, const M: usize>(
        &self,
        isa: I,
        src: &C,
        tiles: (&Group, usize),
        dst: (*mut f32, (*mut f32, usize)),
    ) {
        // SAFETY: promised by the caller.
        unsafe { self.load::<I, C, Gradient<P, N, M>, M, N>(isa, src, tiles, dst) };
    }

    /// Tiles of `SIZE` by `SIZE` values around outputs, transformed to `N` by `N`.
    ///
    /// # Safety
    /// As [`Tiles::input`].
    #[inline(always)]
    unsafe fn load<I: Isa, C: Computed, T: Transform<SIZE, N>, const SIZE: usize, const N: usize>(
        &self,
        isa: I,
        src: &C,
        (group, block): (&Group, usize),
        (window, (dst, step)): (*mut f32, (*mut f32, usize)),
    ) {
        let (m, rows, columns) = (self.tiling.m, group.rows.1 - group.rows.0, self.tiling.tiles[1]);
        // values that a tile reads beyond its outputs on each side
        let border = (SIZE - m) / 2;
        let size = [rows * m + 2 * border, columns * m + 2 * border];
        let first = [(group.rows.0 * m) as isize - border as isize, -(border as isize)];
        let mut tile = 0;
        for image in group.first..group.first + group.images {
            let place = self.window(image, first, size);
            // SAFETY: promised by the caller.
            unsafe {
                load::blocked(isa, src, &place, (block, block + 1), (window, 0));
                for row in 0..rows {
                    for column in 0..columns {
                        let from = Square {
                            first: window.add((row * m * size[1] + column * m) * LANES).cast_const(),
                            step: [(size[1] * LANES) as isize, LANES as isize],
                        };
                        let to = Square::points::<N>(dst.add(tile * LANES), step);
                        transform::square::<I, T, SIZE, N>(isa, from, to);
                        tile += 1;
                    }
                }
            }
        }
    }

    /// A rectangle of one image, which may reach over the map's edge.
    #[inline(always)]
    fn window(&self, image: usize, first: [isize; 2], size: [usize; 2]) -> Window {
        let image = image * self.map[0] * self.map[1] * self.pitch;
        Window { image, pitch: self.pitch, map: self.map, first, size }
    }
}
