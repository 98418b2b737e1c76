//! How a step is cut into pieces: a grid of images by blocks of channels (or by chunks of one long slice).

use std::ops::Range;

/// Images of the batch for which a step should have one piece, where its sizes allow: the larger batches of larger
/// machines then keep many cores busy. More pieces cost, since each loads and transforms its source for itself.
const ENOUGH_IMAGES: usize = 4;
/// The same where each piece loads so much for itself that it should have many blocks.
const ENOUGH_LOADED: usize = 8;
/// Pieces that are too few, however few images there are, are fewer than this.
const ENOUGH_LEAST: usize = 4;
/// Pieces that are enough, however many images there are.
const ENOUGH_MOST: usize = 64;

/// Blocks of the widest register tile.
pub(crate) const TILE_BLOCKS: usize = 4;

/// Blocks that make what a piece loads for them worth it.
const SHARING_BLOCKS: usize = 16;

/// Values in one piece of an elementwise step: some tens of microseconds of memory traffic.
const PIECE_VALUES: usize = 1 << 16;

/// Bands of one image at most, where each loads something for itself or does little.
pub(crate) const MOST_BANDS: usize = 8;

/// A grid of pieces; results never depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PieceGrid {
    /// Images; of a single image that is cut into bands, its rows.
    images: Axis,
    /// Blocks of channels.
    blocks: Axis,
    /// The bands of a single image.
    bands: Option<Bands>,
}

/// One side of a grid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Axis {
    /// How many there are.
    count: usize,
    /// How many of them a piece has; of rows, how many stay together.
    step: usize,
}

impl Axis {
    const ONE: Self = Self { count: 1, step: 1 };

    fn parts(self) -> usize {
        self.count.div_ceil(self.step)
    }

    fn part(self, index: usize) -> Range<usize> {
        index * self.step..self.count.min((index + 1) * self.step)
    }
}

/// Blocks of channels to cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChannelBlocks {
    pub(crate) count: usize,
    /// How many of them a piece has at most.
    pub(crate) widest: usize,
}

impl ChannelBlocks {
    /// All channels as one.
    pub(crate) const ONE: Self = Self { count: 1, widest: 1 };
}

/// Rows of the output of one image, in bands. They differ by one unit at most, and the larger ones come first, so that
/// threads which take one after the other end together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bands {
    rows: usize,
    /// Rows that stay together.
    unit: usize,
    count: usize,
}

impl Bands {
    /// Bands of at most about `most` units of `unit` rows. Their number is even: processors come in even numbers.
    pub(crate) fn new(rows: usize, unit: usize, most: usize) -> Self {
        let units = rows.div_ceil(unit.max(1));
        let count = units.div_ceil(most.max(1));
        let count = if count > 1 { count.next_multiple_of(2).min(units) } else { count };
        Self { rows, unit, count }
    }

    /// Units of band `index`.
    fn units(&self, index: usize) -> Range<usize> {
        let units = self.rows.div_ceil(self.unit);
        let start = |index: usize| index * (units / self.count) + index.min(units % self.count);
        start(index)..start(index + 1)
    }

    /// Rows of band `index`; the first has the most.
    pub(crate) fn rows(&self, index: usize) -> Range<usize> {
        let units = self.units(index);
        units.start * self.unit..self.rows.min(units.end * self.unit)
    }
}

/// One piece: its images and blocks, and where it is in the grid.
#[derive(Clone, Debug)]
pub(crate) struct GridPiece {
    pub(crate) images: Range<usize>,
    /// Rows of the output, if the step is cut into bands.
    pub(crate) rows: Option<Range<usize>>,
    pub(crate) blocks: Range<usize>,
    pub(crate) row: usize,
    pub(crate) column: usize,
    /// Its rows in the grid of windows: one, of bands one for each unit.
    pub(crate) windows: Range<usize>,
}

impl PieceGrid {
    /// Everything in one piece.
    pub(crate) fn single() -> Self {
        Self { images: Axis::ONE, blocks: Axis::ONE, bands: None }
    }

    /// Images only, so many that a piece has about [`PIECE_VALUES`] values, or fewer for enough pieces.
    pub(crate) fn by_values(images: usize, values_per_image: usize) -> Self {
        let step = (PIECE_VALUES / values_per_image.max(1)).clamp(1, (images / ENOUGH_MOST).max(1));
        Self { images: Axis { count: images, step }, blocks: Axis::ONE, bands: None }
    }

    /// Chunks of one slice.
    pub(crate) fn chunks(count: usize) -> Self {
        Self { images: Axis::ONE, blocks: Axis { count, step: 1 }, bands: None }
    }

    /// Pieces of `step` images. They have all blocks, or half of them, and so on, until there are plenty of pieces or a piece
    /// has no more than [`SHARING_BLOCKS`]. They have fewer where there would not be enough pieces.
    pub(crate) fn grid(images: usize, step: usize, blocks: usize) -> Self {
        let rows = images.div_ceil(step.clamp(1, images.max(1)));
        let mut widest = blocks;
        while widest > SHARING_BLOCKS && rows * blocks.div_ceil(widest) < ENOUGH_MOST {
            widest = half(widest);
        }
        Self::widest(images, step, blocks, &halves(widest))
    }

    /// Pieces of `step` images, for kernels whose loading of the source takes as long as many blocks: they have fewer than all
    /// only where there would not be enough pieces.
    pub(crate) fn loaded(images: usize, step: usize, blocks: usize) -> Self {
        Self::widest(images, step, blocks, &halves(blocks))
    }

    /// The same of bands of the rows of a single image.
    pub(crate) fn loaded_bands(bands: Bands, blocks: usize) -> Self {
        Self::loaded(bands.count, 1, blocks).of_rows(bands)
    }

    /// Segments of images, and of at most `widest` blocks.
    pub(crate) fn segments(images: usize, segment: usize, blocks: ChannelBlocks) -> Self {
        Self::widest(images, segment, blocks.count, &doubled(blocks.widest))
    }

    /// The same for kernels whose loading of the source takes as long as many blocks: fewer pieces are enough.
    pub(crate) fn loaded_segments(images: usize, segment: usize, blocks: ChannelBlocks) -> Self {
        let least = (images / ENOUGH_LOADED).clamp(ENOUGH_LEAST, ENOUGH_MOST);
        let widths = doubled(blocks.widest.min(blocks.count.next_power_of_two()));
        let widths: Vec<_> = widths.iter().map(|width| blocks.count.min(*width)).collect();
        Self::widest_of(images, segment, blocks.count, (&widths, least))
    }

    /// Pieces of `step` images and of at most `widest` blocks.
    pub(crate) fn at_most(images: usize, step: usize, blocks: ChannelBlocks) -> Self {
        Self::widest(images, step, blocks.count, &[blocks.widest.min(blocks.count), 4, 2, 1])
    }

    /// Bands of the rows of a single image, at most `widest` blocks.
    pub(crate) fn bands(bands: Bands, blocks: ChannelBlocks) -> Self {
        Self::at_most(bands.count, 1, blocks).of_rows(bands)
    }

    /// A grid of bands, with the rows that they are of.
    fn of_rows(self, bands: Bands) -> Self {
        Self { images: Axis { count: bands.rows, step: bands.unit }, bands: Some(bands), ..self }
    }

    /// Pixels of a map of `rows` by `columns` in an image of a window, or in a row of one of bands.
    pub(crate) fn window_pixels(&self, rows: usize, columns: usize) -> usize {
        if self.bands.is_some() { columns } else { rows * columns }
    }

    /// The first of `widths` blocks, which are in falling order, that gives enough pieces. Where none does, whole register
    /// tiles (four blocks) matter more than many pieces.
    fn widest(images: usize, step: usize, blocks: usize, widths: &[usize]) -> Self {
        let least = (images / ENOUGH_IMAGES).clamp(ENOUGH_LEAST, ENOUGH_MOST);
        Self::widest_of(images, step, blocks, (widths, least))
    }

    /// The same with `least` pieces as enough.
    fn widest_of(images: usize, step: usize, blocks: usize, (widths, least): (&[usize], usize)) -> Self {
        let step = step.clamp(1, images.max(1));
        let rows = images.div_ceil(step);
        let pieces = |width: usize| rows * blocks.div_ceil(width);
        let fitting = || widths.iter().copied().filter(|width| *width <= blocks);
        let enough = fitting().filter(|width| *width >= TILE_BLOCKS).find(|width| pieces(*width) >= least);
        let narrow =
            || fitting().filter(|width| *width <= TILE_BLOCKS).find(|width| pieces(*width) >= ENOUGH_LEAST);
        let width = enough.or_else(narrow).unwrap_or(1);
        let (images, blocks) = (Axis { count: images, step }, Axis { count: blocks, step: width });
        Self { images, blocks, bands: None }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows() * self.columns()
    }

    fn rows(&self) -> usize {
        self.bands.map_or(self.images.parts(), |bands| bands.count)
    }

    /// Windows of a grid that pieces are cut from: a piece is one, a band as many as it has units.
    pub(crate) fn windows(&self) -> usize {
        self.images.parts() * self.columns()
    }

    /// Images in a (full) piece; of bands, rows that stay together.
    pub(crate) fn image_step(&self) -> usize {
        self.images.step
    }

    /// Blocks in a (full) piece.
    pub(crate) fn block_step(&self) -> usize {
        self.blocks.step
    }

    /// Pieces beside each other: 1 if the step is not cut by blocks.
    pub(crate) fn columns(&self) -> usize {
        self.blocks.parts()
    }

    /// Piece `index`. Those of the same blocks follow each other: threads then share one part of the filters.
    pub(crate) fn get(&self, index: usize) -> GridPiece {
        let (row, column) = (index % self.rows(), index / self.rows());
        let blocks = self.blocks.part(column);
        let (windows, images, rows) = match self.bands {
            Some(bands) => (bands.units(row), 0..1, Some(bands.rows(row))),
            None => (row..row + 1, self.images.part(row), None),
        };
        GridPiece { images, rows, blocks, row, column, windows }
    }
}

/// The widths of register tiles, doubled while they are at most `widest`, in falling order.
fn doubled(widest: usize) -> Vec<usize> {
    let mut widths = vec![2, 1];
    let mut width = TILE_BLOCKS;
    while width <= widest {
        widths.insert(0, width);
        width *= 2;
    }
    widths
}

/// Half of a width, in whole register tiles.
fn half(width: usize) -> usize {
    width.div_ceil(2).next_multiple_of(TILE_BLOCKS)
}

/// A width, its half, the half of that and so on to 1.
fn halves(widest: usize) -> Vec<usize> {
    let mut widths = vec![widest];
    while let Some(width) = widths.last().filter(|width| **width > TILE_BLOCKS) {
        widths.push(half(*width));
    }
    widths.extend([2, 1]);
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_grid() {
        for (images, step, blocks) in [(1, 8, 32), (256, 4, 4), (5, 2, 3), (64, 64, 2), (7, 64, 1)] {
            let pieces = PieceGrid::grid(images, step, blocks);
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
        assert_eq!(PieceGrid::grid(1, 8, 32).count(), 4);
        assert_eq!(PieceGrid::grid(32, 3, 128).count(), 88);
        assert_eq!(PieceGrid::grid(32, 1, 64).count(), 64);
        assert_eq!(PieceGrid::grid(256, 1, 64).count(), 256);
        assert_eq!(PieceGrid::segments(256, 4, ChannelBlocks { count: 4, widest: 4 }).count(), 64);
        assert_eq!(PieceGrid::segments(32, 64, ChannelBlocks { count: 32, widest: 16 }).count(), 8);
        assert_eq!(PieceGrid::loaded_segments(256, 8, ChannelBlocks { count: 8, widest: 32 }).columns(), 1);
        assert_eq!(PieceGrid::loaded_segments(16, 4, ChannelBlocks { count: 16, widest: 32 }).count(), 4);
        assert_eq!(PieceGrid::loaded_segments(16, 16, ChannelBlocks { count: 128, widest: 32 }).count(), 4);
        assert_eq!(PieceGrid::by_values(256, 147_456).count(), 256);
        assert_eq!(PieceGrid::single().count(), 1);
        // all blocks where there are pieces enough; a dense layer on a batch that is loaded at once
        assert_eq!(PieceGrid::loaded(32, 2, 128).count(), 16);
        assert_eq!(PieceGrid::loaded(32, 32, 63).count(), 8);
    }

    #[test]
    fn bands_are_even() {
        let rows = |rows, unit, most| {
            let pieces = PieceGrid::bands(Bands::new(rows, unit, most), ChannelBlocks::ONE);
            (0..pieces.count()).map(|index| pieces.get(index).rows.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(rows(14, 4, 4), vec![0..14; 1]);
        assert_eq!(rows(28, 4, 4), [0..16, 16..28]);
        let eight: Vec<_> = [0, 8, 16, 24, 32, 40, 48, 52, 56].windows(2).map(|two| two[0]..two[1]).collect();
        assert_eq!(rows(56, 4, 2), eight);
        // a last row of tiles that is not whole; fewer units than an even number
        assert_eq!(rows(10, 4, 2), [0..8, 8..10]);
        assert_eq!(rows(3, 1, 1), [0..1, 1..2, 2..3]);
    }
}
