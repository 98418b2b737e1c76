//! What the gradient of the filters holds in scratch, and what it sums at a time.

use super::grid::MadeAxis;
use super::pieces::Pieces;
use super::sizes::{PLACE_BYTES, TileSizes};
use crate::LANES;
use crate::conv::windows::thin;
use crate::shape::ConvShape;
use crate::simd::pairs::{DEPTH, TILE_BYTES};
use crate::simd::tiles::ProductStep;

/// Outputs, with the numbers that stand for none, that are summed at a time: about 32 steps, so that adding to the gradient costs
/// little. Changing it changes every byte.
const NUMBERS: usize = 1024;

/// Bytes of turned channels at a time.
const TURNED_BYTES: usize = 256 << 10;

/// The outputs that are summed at a time: images, or rows of one image. It fixes the order of sums.
pub(super) fn weight_part(shape: &ConvShape) -> [usize; 2] {
    let columns = TileSizes::forward(shape, Pieces::One, 1, shape.oh).planes.axes[1].lines;
    let image = TileSizes::forward(shape, Pieces::One, 2, shape.oh).planes.axes[0].lines * columns;
    // the taps of thin images are gathered image by image
    if image >= NUMBERS || thin(shape) {
        return [1, (NUMBERS / columns).clamp(1, shape.oh)];
    }
    [NUMBERS / image, shape.oh]
}

/// Sizes in scratch, of one part.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightSizes {
    /// What is read, a block of 32 channels of it unless taps are gathered.
    pub(super) source: TileSizes,
    /// The gradient of 32 filters.
    pub(super) grad: TileSizes,
    /// Steps over the part's outputs, each 32.
    pub(super) links: usize,
    /// Bytes of a turned channel.
    pub(super) row: usize,
    /// Blocks of 32 channels that are turned at a time.
    pub(super) chunk: usize,
    /// Blocks of 16 filters.
    pub(super) filters: usize,
    /// Bytes from one piece to the next of what is turned, and of pairs of the gradient.
    pub(super) turned_piece: usize,
    pub(super) pairs_piece: usize,
}

impl WeightSizes {
    pub(super) fn new(shape: &ConvShape, pieces: Pieces, filters: usize, [images, rows]: [usize; 2]) -> Self {
        let forward = TileSizes::forward(shape, pieces, images, rows);
        let source = if thin(shape) { forward } else { forward.with_blocks(1) };
        let grad = forward.of_outputs(shape);
        let made = [
            MadeAxis::forward(shape, 0, &forward.planes.axes[0], rows),
            MadeAxis::forward(shape, 1, &forward.planes.axes[1], shape.ow),
        ];
        let links = forward.planes.numbers(&made).div_ceil(DEPTH);
        // an odd number of cache lines: neighbouring rows are then in different sets
        let row = (source.planes.places() * 2) | PLACE_BYTES;
        let block = row * DEPTH * pieces.count();
        let chunk =
            if thin(shape) { forward.blocks } else { (TURNED_BYTES / block).clamp(1, forward.blocks) };
        Self {
            source,
            grad,
            links,
            row,
            chunk,
            filters,
            turned_piece: chunk * DEPTH * row,
            pairs_piece: filters.next_multiple_of(2) * links * TILE_BYTES,
        }
    }

    /// Values of scratch: what planes take, and behind them what is turned and paired.
    pub(super) fn scratch_len(&self) -> usize {
        let planes = self.source.scratch_len_with(&self.grad);
        let pieces = self.source.pieces;
        let steps = self.links * pieces.products().len() * size_of::<ProductStep>();
        let bytes = pieces.count() * (self.turned_piece + self.pairs_piece) + steps;
        planes + LANES + bytes.div_ceil(size_of::<f32>())
    }
}
