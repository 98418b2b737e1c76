//! What a pass holds in scratch, and what it does at a time. No order of a sum depends on any of it.

use super::grid::{MadeAxis, Planes, ReadAxis};
use super::pieces::Pieces;
use crate::LANES;
use crate::conv::windows::thin;
use crate::shape::ConvShape;
use crate::simd::pairs::{DEPTH, TILE, TILE_BYTES};
use crate::simd::tiles::ProductStep;

/// Bytes of a place with 32 channels.
pub(super) const PLACE_BYTES: usize = 64;

/// One group of images, or one band of the rows of an image, of a pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TileSizes {
    pub(super) planes: Planes,
    /// Blocks of 32 channels that are read.
    pub(super) blocks: usize,
    /// Taps of the filter.
    pub(super) taps: usize,
    pub(super) pieces: Pieces,
    /// Bytes of a place: 64, and the blocks apart; where taps are gathered, all blocks side by side.
    pub(super) place_bytes: usize,
    /// Bytes from one block to the next.
    pub(super) block_bytes: usize,
    /// Bytes from one piece of the numbers to the next.
    pub(super) piece_bytes: usize,
    /// Values of the window from which taps are gathered.
    pub(super) window: usize,
}

/// The pointers into scratch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scratch {
    /// Twice 32 rows of 32 sums.
    pub(super) sums: *mut f32,
    pub(super) steps: *mut ProductStep,
    /// What is read.
    pub(super) planes: *mut u8,
    /// The window from which taps are gathered.
    pub(super) window: *mut f32,
}

/// Sums of a block of tiles, and of the one before.
const SUMS: usize = 2 * 4 * TILE * TILE;

impl TileSizes {
    /// Forward, `images` images or, of one image, `rows` output rows.
    pub(super) fn forward(shape: &ConvShape, pieces: Pieces, images: usize, rows: usize) -> Self {
        if thin(shape) {
            let axis = |count| ReadAxis { size: count, step: 1, planes: 1, lead: 0, lines: count };
            let planes = Planes { axes: [axis(rows), axis(shape.ow)], images };
            let blocks = (shape.c * shape.kernel[0] * shape.kernel[1]).div_ceil(DEPTH);
            let place = blocks * PLACE_BYTES;
            let [height, width] = crate::conv::windows::source_window(shape, rows);
            let window = height * width * shape.c;
            return Self::new(planes, [blocks, 1], pieces, [place, PLACE_BYTES], window);
        }
        let axes =
            [ReadAxis::forward(shape, 0, rows, images > 1), ReadAxis::forward(shape, 1, shape.ow, true)];
        Self::blocked(Planes { axes, images }, shape.c, shape, pieces)
    }

    /// The gradient of the input of `images` images.
    pub(super) fn backward(shape: &ConvShape, pieces: Pieces, images: usize) -> Self {
        let axes = [ReadAxis::backward(shape, 0, images > 1), ReadAxis::backward(shape, 1, true)];
        Self::blocked(Planes { axes, images }, shape.k, shape, pieces)
    }

    /// As this, with `blocks` blocks of 32 channels.
    pub(super) fn with_blocks(self, blocks: usize) -> Self {
        Self { blocks, piece_bytes: blocks * self.block_bytes, ..self }
    }

    /// Forward, 32 images whose places lie side by side, position by position.
    pub(super) fn stacked(shape: &ConvShape, pieces: Pieces) -> Self {
        let axis = |lines| ReadAxis { size: lines, step: 1, planes: 1, lead: 0, lines };
        let planes = Planes { axes: [axis(shape.h), axis(shape.w)], images: DEPTH };
        Self::blocked(planes, shape.c, shape, pieces)
    }

    fn blocked(planes: Planes, channels: usize, shape: &ConvShape, pieces: Pieces) -> Self {
        let taps = shape.kernel[0] * shape.kernel[1];
        let places = planes.places();
        let blocks = channels.div_ceil(DEPTH);
        Self::new(planes, [blocks, taps], pieces, [PLACE_BYTES, places * PLACE_BYTES], 0)
    }

    fn new(
        planes: Planes,
        [blocks, taps]: [usize; 2],
        pieces: Pieces,
        [place_bytes, block_bytes]: [usize; 2],
        window: usize,
    ) -> Self {
        let places = planes.places();
        let piece_bytes = if place_bytes == PLACE_BYTES && window == 0 {
            blocks * block_bytes
        } else {
            places * place_bytes
        };
        Self { planes, blocks, taps, pieces, place_bytes, block_bytes, piece_bytes, window }
    }

    /// Bytes of what is loaded.
    pub(super) fn bytes(&self) -> usize {
        self.pieces.count() * self.piece_bytes
    }

    /// Steps of a sum at most.
    pub(super) fn steps(&self) -> usize {
        self.taps * self.blocks * self.pieces.products().len()
    }

    /// Values of scratch for the steps.
    fn steps_len(&self) -> usize {
        (self.steps() * size_of::<ProductStep>() / size_of::<f32>()).next_multiple_of(LANES)
    }

    /// Values of scratch.
    pub(super) fn scratch_len(&self) -> usize {
        // once to begin at a whole line
        LANES + SUMS + self.steps_len() + self.window_len() + self.bytes() / size_of::<f32>()
    }

    /// Values of bf16 of a piece of the window, and as many behind them as are copied at a time at most.
    pub(super) fn narrow_window(&self) -> usize {
        (self.window + 2 * DEPTH).next_multiple_of(DEPTH)
    }

    /// Values of the window: as they are, and in pieces.
    fn window_len(&self) -> usize {
        if self.window == 0 {
            return 0;
        }
        self.window.next_multiple_of(LANES) + self.pieces.count() * self.narrow_window() / 2
    }

    /// Cuts scratch up.
    pub(super) fn cut(&self, scratch: &mut [f32]) -> Scratch {
        assert!(scratch.len() >= self.scratch_len(), "scratch");
        let start = scratch.as_mut_ptr();
        let sums = start.wrapping_add(start.align_offset(PLACE_BYTES).min(LANES));
        let steps = sums.wrapping_add(SUMS);
        let window = steps.wrapping_add(self.steps_len());
        let planes = window.wrapping_add(self.window_len());
        Scratch { sums, steps: steps.cast(), planes: planes.cast(), window }
    }

    /// Writes the steps of the sums of `made` outputs: blocks of channels, in each the taps, row by row, and of each tap the products
    /// of pieces. This order is part of every result.
    ///
    /// # Safety
    /// `to` must have room for all steps.
    pub(super) unsafe fn write_steps(
        &self,
        made: &[MadeAxis; 2],
        columns: usize,
        to: *mut ProductStep,
    ) -> usize {
        let (planes, all) = (&self.planes, self.blocks * self.taps);
        let mut count = 0;
        let mut put = |block: usize, place: usize, tap: usize| {
            for [a, b] in self.pieces.products() {
                let step = ProductStep {
                    a: (a * self.piece_bytes + block * self.block_bytes + place * self.place_bytes) as u32,
                    b: ((b * all + block * self.taps + tap) * TILE_BYTES) as u32,
                };
                // SAFETY: promised by the caller.
                unsafe { to.add(count).write(step) };
                count += 1;
            }
        };
        for block in 0..self.blocks {
            if self.window > 0 {
                put(block, 0, 0);
                continue;
            }
            for row in 0..made[0].taps {
                let row = made[0].tap(&planes.axes[0], row);
                for column in 0..made[1].taps {
                    let column = made[1].tap(&planes.axes[1], column);
                    put(block, planes.place([row, column]), row.tap * columns + column.tap);
                }
            }
        }
        count
    }
}
