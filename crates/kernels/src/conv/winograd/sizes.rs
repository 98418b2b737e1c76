//! What a pass needs: filters, scratch, and how its work is cut so that each part stays in a cache. Only the algorithm
//! changes a result.

use super::tiles::MapTiles;
use super::tiling::{Algorithm, CHAIN, Tiling, algorithm};
use super::transform::step;
use crate::shape::ConvShape;
use crate::{LANES, pitch};

/// Values of the transformed source held at once: 332 KB, what 36 tiles of 64 channels at 36 points take.
const HELD: usize = 84 * 1024;

/// Blocks of filters whose products are computed point by point: the transformed source of a point, 9 KB, is read from
/// the first-level cache for all but the first.
const SET: usize = 4;

/// Blocks of filters whose products wait while further channels are transformed: with 36 tiles 0.5 to 0.7 MB.
const WAITING: usize = 8;

/// Sizes of one pass over a map; input and output are equal in size (padding 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PassSizes {
    pub(super) algorithm: Algorithm,
    pub(super) tiling: Tiling,
    /// Channels that are summed over, and those that come out.
    pub(super) channels: [usize; 2],
    /// Rows and columns.
    pub(super) map: [usize; 2],
    /// Distance between pixels of what is read.
    pub(super) pitch: usize,
    /// Blocks of channels transformed at once.
    pub(super) chunk: usize,
    /// Blocks of filters multiplied at once.
    pub(super) set: usize,
    /// Distance between points of V.
    pub(super) v_step: usize,
    /// Distance between points of M.
    pub(super) m_step: usize,
    /// Distance between blocks of filters of M.
    pub(super) m_len: usize,
}

impl PassSizes {
    pub(super) fn forward(shape: &ConvShape) -> Self {
        Self::new([shape.c, shape.k], [shape.h, shape.w], expected(shape))
    }

    pub(super) fn backward(shape: &ConvShape) -> Self {
        Self::new([shape.k, shape.c], [shape.h, shape.w], expected(shape))
    }

    fn new(channels: [usize; 2], map: [usize; 2], algorithm: Algorithm) -> Self {
        let tiling = Tiling::new(algorithm, map);
        let (tiles, points) = (tiling.group_tiles(), algorithm.n() * algorithm.n());
        let all = channels[0].div_ceil(LANES);
        // whole chains, so that a chunk ends where a chain does
        let chains = (HELD / (points * tiles * CHAIN)).max(1);
        let chunk = (chains * CHAIN / LANES).min(all);
        let (v_step, m_step) = (step(tiles * chunk * LANES), step(tiles * LANES));
        Self {
            algorithm,
            tiling,
            channels,
            map,
            pitch: pitch(channels[0]),
            chunk,
            set: SET,
            v_step,
            m_step,
            m_len: points * m_step,
        }
    }

    fn points(&self) -> usize {
        self.algorithm.n() * self.algorithm.n()
    }

    /// Blocks of the channels that are summed over.
    pub(super) fn channel_blocks(&self) -> usize {
        self.channels[0].div_ceil(LANES)
    }

    /// Values of all transformed filters, `[block][point][channel][16]`.
    pub(super) fn filters_len(&self) -> usize {
        self.channels[1].div_ceil(LANES) * self.filters_block_len()
    }

    /// Values of those of one block.
    pub(super) fn filters_block_len(&self) -> usize {
        self.points() * self.channel_blocks() * LANES * LANES
    }

    /// Blocks of filters that a piece should have: all, or, if their products have to wait for further chunks of
    /// channels, as many as stay in the cache.
    pub(super) fn piece_blocks(&self) -> usize {
        let all = self.channels[1].div_ceil(LANES);
        if self.chunk == self.channel_blocks() { all } else { all.min(WAITING) }
    }

    /// Values of the loaded source of one row of tiles.
    pub(super) fn window_len(&self) -> usize {
        MapTiles::window_len(&self.tiling, self.chunk)
    }

    /// Values of V.
    pub(super) fn v_len(&self) -> usize {
        self.points() * self.v_step
    }

    /// Values of scratch for a piece of `blocks` blocks of filters.
    pub(super) fn scratch_len(&self, blocks: usize) -> usize {
        let held = if self.chunk == self.channel_blocks() { blocks.min(self.set) } else { blocks };
        self.window_len() + self.v_len() + held * self.m_len
    }
}

/// The algorithm of a shape that has one.
///
/// # Panics
/// If it has none: the planner asked for a kernel that does not fit.
fn expected(shape: &ConvShape) -> Algorithm {
    match algorithm(shape) {
        Some(algorithm) => algorithm,
        None => panic!("no Winograd algorithm for {shape:?}"),
    }
}
