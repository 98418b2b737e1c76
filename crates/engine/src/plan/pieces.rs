//! How a step is cut into pieces: a grid of images by blocks of channels (or by chunks of one long slice).

use std::ops::Range;

/// Pieces a step should have at least, where its sizes allow: one for every [`ENOUGH_IMAGES`] images of the batch, so that
/// the larger batches of larger machines keep many cores busy, within limits. More pieces cost: each loads and transforms its
/// source for itself.
const ENOUGH: [usize; 2] = [4, 64];
/// See [`ENOUGH`].
const ENOUGH_IMAGES: usize = 4;

/// Blocks of the widest register tile.
const TILE_BLOCKS: usize = 4;

/// Values in one piece of an elementwise step: some tens of microseconds of memory traffic.
const PIECE_VALUES: usize = 1 << 16;

/// A grid of pieces; results never depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pieces {
    /// How many images, and how many of them a piece has.
    images: [usize; 2],
    /// How many blocks, and how many of them a piece has.
    blocks: [usize; 2],
    /// Whether `images` are rows of the output of a single image.
    bands: bool,
}

/// One piece: its images and blocks, and where it is in the grid.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) images: Range<usize>,
    /// Rows of the output, if the step is cut into bands.
    pub(crate) rows: Option<Range<usize>>,
    pub(crate) blocks: Range<usize>,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Pieces {
    /// Everything in one piece.
    pub(crate) fn single() -> Self {
        Self { images: [1, 1], blocks: [1, 1], bands: false }
    }

    /// Images only, so many that a piece has about [`PIECE_VALUES`] values, or fewer for enough pieces.
    pub(crate) fn by_values(images: usize, values_per_image: usize) -> Self {
        let step = (PIECE_VALUES / values_per_image.max(1)).clamp(1, (images / ENOUGH[1]).max(1));
        Self { images: [images, step], blocks: [1, 1], bands: false }
    }

    /// Chunks of one slice.
    pub(crate) fn chunks(count: usize) -> Self {
        Self { images: [1, 1], blocks: [count, 1], bands: false }
    }

    /// Pieces of `step` images, and of as many blocks as leaves enough pieces: all, else quads, pairs, singles.
    pub(crate) fn grid(images: usize, step: usize, blocks: usize) -> Self {
        Self::widest(images, step, blocks, &[blocks, 4, 2, 1])
    }

    /// Segments of images, and at most four blocks: a filter's gradient of more would not stay in the cache.
    pub(crate) fn segments(images: usize, segment: usize, blocks: usize) -> Self {
        Self::widest(images, segment, blocks, &[4, 2, 1])
    }

    /// Pieces of `step` images and of at most `widest` blocks.
    pub(crate) fn at_most(images: usize, step: usize, (blocks, widest): (usize, usize)) -> Self {
        Self::widest(images, step, blocks, &[widest.min(blocks), 4, 2, 1])
    }

    /// Bands of `step` of the `rows` rows of a single image, at most `widest` blocks.
    pub(crate) fn bands(rows: usize, step: usize, blocks: (usize, usize)) -> Self {
        // of one image, however many rows it has
        let bands = rows.div_ceil(step.max(1));
        let pieces = Self::at_most(bands, 1, blocks);
        Self { images: [rows, step], bands: true, ..pieces }
    }

    /// Whether a piece is a band of rows.
    pub(crate) fn is_bands(&self) -> bool {
        self.bands
    }

    /// The widest of `widths` blocks, widest first, that gives enough pieces; where none does, and for few images, whole
    /// register tiles (four blocks) matter more than many pieces.
    fn widest(images: usize, step: usize, blocks: usize, widths: &[usize]) -> Self {
        let step = step.clamp(1, images.max(1));
        let rows = images.div_ceil(step);
        let pieces = |width: usize| rows * blocks.div_ceil(width);
        let least = (images / ENOUGH_IMAGES).clamp(ENOUGH[0], ENOUGH[1]);
        let fitting = || widths.iter().copied().filter(|width| *width <= blocks);
        let enough = fitting().filter(|width| *width >= TILE_BLOCKS).find(|width| pieces(*width) >= least);
        let narrow =
            || fitting().filter(|width| *width <= TILE_BLOCKS).find(|width| pieces(*width) >= ENOUGH[0]);
        let width = enough.or_else(narrow).unwrap_or(1);
        Self { images: [images, step], blocks: [blocks, width], bands: false }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows() * self.columns()
    }

    fn rows(&self) -> usize {
        self.images[0].div_ceil(self.images[1])
    }

    /// Images in a (full) piece.
    pub(crate) fn image_step(&self) -> usize {
        self.images[1]
    }

    /// Blocks in a (full) piece.
    pub(crate) fn block_step(&self) -> usize {
        self.blocks[1]
    }

    /// Pieces beside each other: 1 if the step is not cut by blocks.
    pub(crate) fn columns(&self) -> usize {
        self.blocks[0].div_ceil(self.blocks[1])
    }

    /// Piece `index`. Those of the same blocks follow each other: threads then share one part of the filters.
    pub(crate) fn get(&self, index: usize) -> Piece {
        let (row, column) = (index % self.rows(), index / self.rows());
        let part = |[count, step]: [usize; 2], at: usize| at * step..count.min((at + 1) * step);
        let (blocks, part) = (part(self.blocks, column), part(self.images, row));
        let (images, rows) = if self.bands { (0..1, Some(part)) } else { (part, None) };
        Piece { images, rows, blocks, row, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_grid() {
        for (images, step, blocks) in [(1, 8, 32), (256, 4, 4), (5, 2, 3), (64, 64, 2), (7, 64, 1)] {
            let pieces = Pieces::grid(images, step, blocks);
            let mut seen = vec![0; images * blocks];
            for index in 0..pieces.count() {
                let piece = pieces.get(index);
                for image in piece.images {
                    for block in piece.blocks.clone() {
                        seen[image * blocks + block] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|count| *count == 1), "{pieces:?}");
        }
        assert_eq!(Pieces::grid(1, 8, 32).count(), 8);
        assert_eq!(Pieces::segments(256, 4, 4).count(), 64);
        assert_eq!(Pieces::segments(32, 64, 32).count(), 8);
        assert_eq!(Pieces::by_values(256, 147_456).count(), 256);
        assert_eq!(Pieces::single().count(), 1);
    }
}
