//! What the gradient of the filters holds in scratch, and what it sums at a time.

use super::grid::MadeAxis;
use super::pieces::Pieces;
use super::sizes::{PLACE_BYTES, TileSizes};
use crate::LANES;
use crate::conv::layout::packed_len;
use crate::conv::limits::LEAST_SEGMENT;
use crate::conv::windows::thin;
use crate::shape::ConvShape;
use crate::simd::pairs::{DEPTH, TILE_BYTES};
use crate::simd::tiles::ProductStep;

/// Outputs, with the numbers that stand for none, that are summed at a time: about 32 steps, so that adding to the gradient costs
/// little. Changing it changes every byte.
const NUMBERS: usize = 1024;

/// Bytes of turned channels at a time.
const TURNED_BYTES: usize = 256 << 10;

/// Pixels of a map at most whose images are stacked: its borders would take more than a third of the products.
const STACKED_PIXELS: usize = 49;

/// Images of a stack at least: others would leave too much of 32 empty.
const STACKED_IMAGES: usize = 24;

/// Whether the images of a segment of `images` are stacked: what is summed over is then 32 images at a position, not 32 positions, and
/// a tap skips the positions that it reads the border for. It fixes the order of sums.
pub(super) fn stacks(shape: &ConvShape, images: usize) -> bool {
    let bordered = shape.kernel != [1; 2] && !thin(shape);
    // what is read is loaded whole, and a stride may read much
    let small = shape.oh * shape.ow <= STACKED_PIXELS && shape.h * shape.w <= 4 * STACKED_PIXELS;
    bordered && small && images >= STACKED_IMAGES
}

/// How many values a segment reads at least for one of the gradient that it writes.
const SHARE: usize = 4;

/// Images in a segment of a gradient of filters on tiles, see [`weight_segment`](crate::conv::weight_segment): fewer where the gradient is
/// small beside the maps, so that a piece of a small batch has all filters; whole stacks of images where they are stacked. A power of
/// two. It fixes the order of sums: changing it changes every byte.
pub fn weight_segment(shape: &ConvShape) -> usize {
    let most = crate::conv::weight_segment(shape);
    if stacks(shape, usize::MAX) {
        // the smaller the maps, the more images are worth a gradient
        let least = if shape.oh * shape.ow <= STACKED_PIXELS / 4 { 2 * DEPTH } else { DEPTH };
        return most.max(least);
    }
    let image = shape.h * shape.w * shape.c_pitch + shape.oh * shape.ow * shape.k_pitch();
    let images = (SHARE * packed_len(shape)).div_ceil(image.max(1)).max(LEAST_SEGMENT);
    images.next_power_of_two().min(most)
}

/// Blocks of filters in a piece of their gradient at most: their pairs of outputs have to stay in the second-level cache.
pub const WEIGHT_BLOCKS: usize = 32;

/// The outputs that are summed at a time: images, or rows of one image. It fixes the order of sums.
pub(super) fn weight_part(shape: &ConvShape, stacked: bool) -> [usize; 2] {
    if stacked {
        return [DEPTH, shape.oh];
    }
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
    /// Whether images are stacked, see [`stacks`].
    pub(super) stacked: bool,
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
    /// Of a part of `images` images, or of `rows` rows of one; if they are `stacked`, of at most 32 images.
    pub(super) fn new(
        shape: &ConvShape,
        pieces: Pieces,
        filters: usize,
        ([images, rows], stacked): ([usize; 2], bool),
    ) -> Self {
        let forward = if stacked {
            TileSizes::stacked(shape, pieces)
        } else {
            TileSizes::forward(shape, pieces, images, rows)
        };
        let source = if thin(shape) { forward } else { forward.with_blocks(1) };
        let made = [
            MadeAxis::forward(shape, 0, &forward.planes.axes[0], rows),
            MadeAxis::forward(shape, 1, &forward.planes.axes[1], shape.ow),
        ];
        let links = if stacked { shape.oh * shape.ow } else { forward.planes.numbers(&made).div_ceil(DEPTH) };
        // an odd number of cache lines: neighbouring rows are then in different sets
        let row = (source.planes.places() * 2) | PLACE_BYTES;
        let block = row * DEPTH * pieces.count();
        let chunk =
            if thin(shape) { forward.blocks } else { (TURNED_BYTES / block).clamp(1, forward.blocks) };
        Self {
            source,
            stacked,
            links,
            row,
            chunk,
            filters,
            turned_piece: chunk * DEPTH * row,
            pairs_piece: filters.next_multiple_of(2) * links * TILE_BYTES,
        }
    }

    /// Steps of all taps at most; where images are not stacked, every tap has the same.
    pub(super) fn steps(&self) -> usize {
        self.lists() * self.links * self.source.pieces.products().len()
    }

    /// Lists of steps: one for each tap where they differ.
    pub(super) fn lists(&self) -> usize {
        if self.stacked { self.source.taps } else { 1 }
    }

    /// Values of scratch: what planes take, and behind them what is turned and paired.
    pub(super) fn scratch_len(&self) -> usize {
        let steps = self.steps() * size_of::<ProductStep>();
        let numbers = (self.links * DEPTH + self.lists()) * size_of::<u32>();
        let bytes = self.source.pieces.count() * (self.turned_piece + self.pairs_piece) + steps + numbers;
        self.source.scratch_len() + LANES + bytes.div_ceil(size_of::<f32>())
    }
}

/// Values of scratch that every part of the outputs does with. The last one may have fewer images or rows; it then turns more
/// channels at a time, which may take more.
pub(super) fn weight_scratch_len(shape: &ConvShape, pieces: Pieces, filters: usize) -> usize {
    let [images, rows] = weight_part(shape, false);
    let parts = (1..=images).map(|images| [images, rows]).chain((1..rows).map(|rows| [1, rows]));
    let stack = stacks(shape, usize::MAX).then_some((weight_part(shape, true), true));
    let parts = parts.map(|part| (part, false)).chain(stack);
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
        let [images, band] = weight_part(&shape, false);
        assert_eq!([images, band, shape.oh % band], [1, 18, 15]);
        let [whole, last] =
            [band, 15].map(|rows| WeightSizes::new(&shape, Pieces::One, 1, ([1, rows], false)));
        assert_eq!([whole.chunk, last.chunk], [3, 4]);
        let most = weight_scratch_len(&shape, Pieces::One, 1);
        assert!(whole.scratch_len() <= most && last.scratch_len() <= most);
    }
}
