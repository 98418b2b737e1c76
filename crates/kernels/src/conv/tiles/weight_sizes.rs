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

/// Values of scratch that every part of the outputs does with. The last one may have fewer images or rows; it then turns more
/// channels at a time, which may take more.
pub(super) fn weight_scratch_len(shape: &ConvShape, pieces: Pieces, filters: usize) -> usize {
    let [images, rows] = weight_part(shape);
    let parts = (1..=images).map(|images| [images, rows]).chain((1..rows).map(|rows| [1, rows]));
    let lens = parts.map(|part| WeightSizes::new(shape, pieces, filters, part).scratch_len());
    lens.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer whose last band, of 15 rows, turns four blocks of channels at a time where the others turn three.
    #[test]
    fn a_smaller_last_band_may_need_more_scratch_than_the_others() {
        let shape = ConvShape {
            c: 256,
            k: 64,
            h: 51,
            w: 56,
            oh: 51,
            ow: 56,
            kernel: [1; 2],
            stride: [1; 2],
            padding: [0; 2],
            dilation: [1; 2],
            groups: 1,
            c_pitch: 256,
        };
        let [images, band] = weight_part(&shape);
        assert_eq!([images, band, shape.oh % band], [1, 18, 15]);
        let [whole, last] = [band, 15].map(|rows| WeightSizes::new(&shape, Pieces::One, 1, [1, rows]));
        assert_eq!([whole.chunk, last.chunk], [3, 4]);
        let most = weight_scratch_len(&shape, Pieces::One, 1);
        assert!(whole.scratch_len() <= most && last.scratch_len() <= most);
    }
}
