//! Small maps of many images, stacked: 16 neighbouring outputs are one pixel of 16 images.
//!
//! Where a map is hardly larger than a filter, numbers that stand for no output are as many as outputs (`grid.rs`). Stacked maps have
//! no border: each pixel has its own list of steps, without the taps that lie outside of the map. A tap outside adds zeros, so
//! no sum depends on it, except for the sign of a sum that is zero.

use super::load::{self, LoadedPart};
use super::pieces::Pieces;
use super::sizes::{PLACE_BYTES, Scratch, TileSizes};
use crate::conv::load::Computed;
use crate::shape::ConvShape;
use crate::simd::Isa;
use crate::simd::pairs::{DEPTH, TILE, TILE_BYTES};
use crate::simd::tiles::ProductStep;

/// Bytes of a stack at most, and what one of 16 images may have.
const STACK_BYTES: usize = 1 << 20;

/// Which way a stack is passed: what reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// From input to output.
    Forward,
    /// The gradient of the input.
    Backward,
}

impl Way {
    /// Channels and pixels of what is read, and of what is made.
    fn maps(self, shape: &ConvShape) -> [(usize, [usize; 2]); 2] {
        let maps = [(shape.c, [shape.h, shape.w]), (shape.k, [shape.oh, shape.ow])];
        match self {
            Self::Forward => maps,
            Self::Backward => [maps[1], maps[0]],
        }
    }

    /// The line that tap `tap` of an axis reads for line `line`.
    fn source(self, shape: &ConvShape, axis: usize, line: usize, tap: usize) -> Option<usize> {
        let (stride, padding) = (shape.stride[axis], shape.padding[axis]);
        let tap = tap * shape.dilation[axis];
        let (line, end) = match self {
            Self::Forward => ((line * stride + tap).checked_sub(padding)?, [shape.h, shape.w][axis]),
            Self::Backward => {
                let line = (line + padding).checked_sub(tap)?;
                if !line.is_multiple_of(stride) {
                    return None;
                }
                (line / stride, [shape.oh, shape.ow][axis])
            }
        };
        (line < end).then_some(line)
    }
}

/// Images of a pass that are stacked at a time, if stacked maps are the better way: a committed rule on sizes. `numbers` is how many
/// numbers each image takes otherwise.
pub(super) fn stacked_images(
    shape: &ConvShape,
    way: Way,
    pieces: Pieces,
    (images, numbers): (usize, usize),
) -> Option<usize> {
    let [(channels, [height, width]), (_, made)] = way.maps(shape);
    let bytes = pieces.count() * height * width * channels.div_ceil(DEPTH) * PLACE_BYTES;
    let most = STACK_BYTES / bytes / TILE * TILE;
    let images = images.min(most);
    let whole = images.next_multiple_of(TILE);
    // stacked places come from the second-level cache for each tap: that has to be made up for
    (images > 0 && 8 * whole * made[0] * made[1] <= 5 * images * numbers).then_some(images)
}

/// The images of a stack, and its steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack<'a> {
    pub(super) images: usize,
    /// With those that fill the last tile.
    pub(super) padded: usize,
    /// Where the steps of each pixel begin, and where the last ones end.
    starts: &'a [u32],
}

/// Sizes of a stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct StackSizes {
    pub(super) shape: ConvShape,
    pub(super) way: Way,
    pub(super) images: usize,
    pub(super) pieces: Pieces,
}

impl StackSizes {
    fn padded(&self) -> usize {
        self.images.next_multiple_of(TILE)
    }

    /// Steps of all pixels at most.
    fn steps(&self) -> usize {
        let [(channels, _), (_, [height, width])] = self.way.maps(&self.shape);
        let taps = self.shape.kernel[0] * self.shape.kernel[1];
        height * width * channels.div_ceil(DEPTH) * taps * self.pieces.products().len()
    }

    /// Values for the steps of all pixels, and where each pixel's begin.
    fn steps_len(&self) -> usize {
        let [_, (_, [height, width])] = self.way.maps(&self.shape);
        self.steps() * size_of::<ProductStep>() / size_of::<f32>() + height * width + 1
    }

    /// Values of scratch. `planes` are the sizes of the same images in planes.
    pub(super) fn scratch_len(&self, planes: &TileSizes) -> usize {
        self.tiles(planes).scratch_len() + self.steps_len()
    }

    /// Writes the steps of all pixels, in the order of [`TileSizes::write_steps`]. They lie behind what is loaded.
    ///
    /// # Safety
    /// Scratch must have [`StackSizes::scratch_len`] values.
    pub(super) unsafe fn write_steps<'a>(
        &self,
        sizes: &TileSizes,
        scratch: &Scratch,
    ) -> (Stack<'a>, &'a [ProductStep]) {
        let to = scratch.planes.wrapping_add(sizes.bytes()).cast::<ProductStep>();
        let [(_, [_, columns]), (_, [made_rows, made_columns])] = self.way.maps(&self.shape);
        let [taps, all] = [sizes.taps, sizes.blocks * sizes.taps];
        let starts = to.wrapping_add(self.steps()).cast::<u32>();
        let mut count = 0;
        for pixel in 0..made_rows * made_columns {
            // SAFETY: promised by the caller.
            unsafe { starts.add(pixel).write(count as u32) };
            let [y, x] = [pixel / made_columns, pixel % made_columns];
            for block in 0..sizes.blocks {
                for tap in 0..taps {
                    let [row, column] = [tap / self.shape.kernel[1], tap % self.shape.kernel[1]];
                    let Some(row) = self.way.source(&self.shape, 0, y, row) else { continue };
                    let Some(column) = self.way.source(&self.shape, 1, x, column) else { continue };
                    let place = block * sizes.block_bytes + (row * columns + column) * sizes.place_bytes;
                    for [a, b] in self.pieces.products() {
                        let step = ProductStep {
                            a: (a * sizes.piece_bytes + place) as u32,
                            b: ((b * all + block * taps + tap) * TILE_BYTES) as u32,
                        };
                        // SAFETY: promised by the caller.
                        unsafe { to.add(count).write(step) };
                        count += 1;
                    }
                }
            }
        }
        // SAFETY: promised by the caller; both were just written.
        unsafe {
            starts.add(made_rows * made_columns).write(count as u32);
            let starts = std::slice::from_raw_parts(starts, made_rows * made_columns + 1);
            let stack = Stack { images: self.images, padded: self.padded(), starts };
            (stack, std::slice::from_raw_parts(to, count))
        }
    }

    /// Loads the images from `image` on.
    ///
    /// # Safety
    /// The maps must hold them, `to` must have room for `sizes`.
    #[inline(always)]
    pub(super) unsafe fn load<I: Isa, C: Computed>(
        &self,
        isa: I,
        values: &C,
        part: &LoadedPart,
        (sizes, to): (&TileSizes, *mut u8),
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            // images lie side by side, pixels apart
            let sizes = TileSizes { place_bytes: PLACE_BYTES, ..*sizes };
            load::stacked(isa, values, (part, [self.images, self.padded()]), &sizes, to);
        }
    }

    /// How it lies in scratch.
    pub(super) fn tiles(&self, planes: &TileSizes) -> TileSizes {
        let [(channels, [height, width]), _] = self.way.maps(&self.shape);
        let blocks = channels.div_ceil(DEPTH);
        let place_bytes = self.padded() * PLACE_BYTES;
        let block_bytes = height * width * place_bytes;
        TileSizes { blocks, place_bytes, block_bytes, piece_bytes: blocks * block_bytes, ..*planes }
    }
}

impl Stack<'_> {
    /// The steps of pixel `pixel`, of those of all pixels.
    #[inline(always)]
    pub(super) fn steps<'s>(&self, all: &'s [ProductStep], pixel: usize) -> &'s [ProductStep] {
        &all[self.starts[pixel] as usize..self.starts[pixel + 1] as usize]
    }
}
