//! How a map is cut into tiles, and tiles into groups that are computed together.
//!
//! Two rules here are committed, because every byte depends on them: which algorithm a shape gets, and which tiles make one
//! chain of a filter's gradient. The rest is traversal.

use std::ops::Range;

use crate::LANES;
use crate::conv::windows::thin;
use crate::shape::ConvShape;

/// Tiles in a group at most. With 64 channels, 36 tiles are 332 KB of transformed source, which stays in a second-level
/// cache of half a megabyte beside the products of one block; filters are read once per group from further away.
const TILES: usize = 36;

/// Channels whose products are added in one `f32` chain; the chains are added in order.
pub(crate) const CHAIN: usize = 64;

/// An algorithm computes `m` by `m` outputs from `n` by `n` inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    /// F(4x4, 3x3).
    F43,
    /// F(3x3, 3x3).
    F33,
}

impl Algorithm {
    /// Outputs of a tile along one axis.
    pub(crate) const fn m(self) -> usize {
        match self {
            Self::F43 => 4,
            Self::F33 => 3,
        }
    }

    /// Inputs of a tile along one axis: products are `n * n`.
    pub(crate) const fn n(self) -> usize {
        self.m() + 2
    }

    fn products(self, oh: usize, ow: usize) -> usize {
        oh.div_ceil(self.m()) * ow.div_ceil(self.m()) * self.n() * self.n()
    }
}

/// The algorithm of a convolution's shape, if one is worth it: 3x3 taps at stride 1, whole vectors of channels on both
/// sides, and at most two thirds of the direct method's products (a 2x2 map has none to save).
///
/// Gradients use the same one: it is symmetric in input and output if the padding is 1.
pub(crate) fn algorithm(shape: &ConvShape) -> Option<Algorithm> {
    let plain = shape.kernel == [3; 2] && shape.stride == [1; 2] && shape.dilation == [1; 2];
    let same = shape.padding == [1; 2] && [shape.oh, shape.ow] == [shape.h, shape.w];
    if !plain || !same || shape.groups != 1 || thin(shape) {
        return None;
    }
    if shape.c < LANES || shape.k < LANES {
        return None;
    }
    let [f43, f33] = [Algorithm::F43, Algorithm::F33].map(|a| (a.products(shape.oh, shape.ow), a));
    let (products, best) = if f33.0 < f43.0 { f33 } else { f43 };
    (3 * products * shape.k * shape.c <= 2 * shape.macs_inside()).then_some(best)
}

/// The tiles of one map, and how many of them, of how many maps, make a group: whole maps, or some rows of tiles of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tiling {
    /// Outputs of a tile along one axis.
    pub(crate) m: usize,
    /// Rows and columns of tiles of a map.
    pub(crate) tiles: [usize; 2],
    /// Maps of a group.
    pub(crate) images: usize,
    /// Rows of tiles of a group.
    pub(crate) rows: usize,
}

/// Some tiles: those of some rows of some maps, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TileGroup {
    /// The maps.
    pub(crate) images: Range<usize>,
    /// Rows of tiles.
    pub(crate) rows: Range<usize>,
}

impl Tiling {
    /// Of a map of `size` rows and columns.
    pub(crate) fn new(algorithm: Algorithm, size: [usize; 2]) -> Self {
        let m = algorithm.m();
        let tiles = size.map(|size| size.div_ceil(m));
        let all = tiles[0] * tiles[1];
        if all <= TILES {
            return Self { m, tiles, images: TILES / all, rows: tiles[0] };
        }
        let bands = all.div_ceil(TILES).min(tiles[0]);
        Self { m, tiles, images: 1, rows: tiles[0].div_ceil(bands) }
    }

    /// For the gradient of the filters, where a group is a chain: whole groups make a segment of `segment` images, none is
    /// left with a few tiles.
    pub(crate) fn of_chains(self, segment: usize) -> Self {
        let images = 1 << self.images.clamp(1, segment.max(1)).ilog2();
        Self { images, ..self }
    }

    /// Tiles of a full group.
    pub(crate) fn group_tiles(&self) -> usize {
        self.images * self.rows * self.tiles[1]
    }

    /// Groups of `images` maps.
    pub(crate) fn groups(&self, images: usize) -> usize {
        images.div_ceil(self.images) * self.tiles[0].div_ceil(self.rows)
    }

    /// Group number `index` of rows `rows` of tiles of `images` maps.
    #[inline(always)]
    pub(crate) fn group(&self, index: usize, images: usize, rows: &Range<usize>) -> Option<TileGroup> {
        let bands = (rows.end - rows.start).div_ceil(self.rows);
        let first = index / bands * self.images;
        if first >= images {
            return None;
        }
        let row = rows.start + index % bands * self.rows;
        Some(TileGroup {
            images: first..images.min(first + self.images),
            rows: row..rows.end.min(row + self.rows),
        })
    }

    /// Tiles of `group`.
    pub(crate) fn count(&self, group: &TileGroup) -> usize {
        group.images.len() * group.rows.len() * self.tiles[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_all_tiles() {
        for size in [[3, 3], [6, 6], [7, 7], [12, 12], [24, 24], [28, 28], [56, 56], [5, 100], [300, 2]] {
            for algorithm in [Algorithm::F43, Algorithm::F33] {
                let tiling = Tiling::new(algorithm, size);
                for images in [1, 2, 37, 64] {
                    let groups: Vec<TileGroup> =
                        (0..).map_while(|index| tiling.group(index, images, &(0..tiling.tiles[0]))).collect();
                    let all: usize = groups.iter().map(|group| tiling.count(group)).sum();
                    assert_eq!(all, images * tiling.tiles[0] * tiling.tiles[1], "{tiling:?}");
                    assert_eq!(groups.len(), tiling.groups(images), "{tiling:?}");
                    assert!(groups.iter().all(|group| tiling.count(group) <= tiling.group_tiles()));
                }
            }
        }
    }
}
