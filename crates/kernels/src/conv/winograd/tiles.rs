//! From a map to transformed tiles: each block of channels is loaded once, with its zero border, then tile by tile.

use super::points::Points;
use super::tiling::{Group, Tiling};
use super::transform;
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
        (group, block): (&Group, usize),
        (window, (dst, step)): (*mut f32, (*mut f32, usize)),
    ) {
        let (rows, columns) = (group.rows.1 - group.rows.0, self.tiling.tiles[1]);
        // a tile reads one row above and below its outputs
        let size = [rows * M + 2, columns * M + 2];
        let mut tile = 0;
        for image in group.first..group.first + group.images {
            let place = self.window(image, [(group.rows.0 * M) as isize - 1, -1], size);
            // SAFETY: promised by the caller.
            unsafe {
                load::blocked(isa, src, &place, (block, block + 1), (window, 0));
                for row in 0..rows {
                    for column in 0..columns {
                        let from = window.add((row * M * size[1] + column * M) * LANES).cast_const();
                        let to = (dst.add(tile * LANES), step);
                        transform::input::<I, P, N, M>(isa, (from, size[1] * LANES), to);
                        tile += 1;
                    }
                }
            }
        }
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
        (group, block): (&Group, usize),
        (window, (dst, step)): (*mut f32, (*mut f32, usize)),
    ) {
        let (rows, columns) = (group.rows.1 - group.rows.0, self.tiling.tiles[1]);
        let size = [rows * M, columns * M];
        let mut tile = 0;
        for image in group.first..group.first + group.images {
            let place = self.window(image, [(group.rows.0 * M) as isize, 0], size);
            // SAFETY: promised by the caller.
            unsafe {
                load::blocked(isa, src, &place, (block, block + 1), (window, 0));
                for row in 0..rows {
                    for column in 0..columns {
                        let from = window.add((row * M * size[1] + column * M) * LANES).cast_const();
                        let to = (dst.add(tile * LANES), step);
                        transform::gradient::<I, P, N, M>(isa, (from, size[1] * LANES), to);
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
