//! The order in which a sweep makes outputs, as numbers, and where each lies.

use super::grid::{MadeAxis, Planes};
use super::stack::Stack;
use crate::simd::pairs::TILE;
use crate::simd::tiles::ProductStep;

/// What the numbers of a sweep stand for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Numbers<'a> {
    /// Outputs numbered as the places of planes are.
    Planes {
        planes: &'a Planes,
        /// Which outputs.
        made: [MadeAxis; 2],
        /// Rows and columns of the map.
        size: [usize; 2],
        /// First image, and first row.
        first: [usize; 2],
    },
    /// Outputs numbered pixel by pixel, in each the images.
    Stack {
        stack: &'a Stack<'a>,
        /// Pixels of the map.
        pixels: usize,
        /// First image.
        first: usize,
    },
}

/// An output by its number.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Cursor {
    image: usize,
    /// Of a stack the pixel.
    row: usize,
    column: usize,
}

/// Outputs side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputRun {
    /// How many numbers.
    pub(super) numbers: usize,
    /// How many of them, at the start, stand for an output.
    pub(super) outputs: usize,
    /// The pixel of the first one.
    pub(super) pixel: usize,
}

impl Numbers<'_> {
    /// One more than the highest number of an output.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Planes { planes, made, .. } => planes.numbers(made),
            Self::Stack { stack, pixels, .. } => pixels * stack.padded,
        }
    }

    /// Whether neighbours are images.
    pub(super) fn are_stacked(&self) -> bool {
        matches!(self, Self::Stack { .. })
    }

    /// Of `left` numbers from `cursor` on, at most 32, those whose places lie side by side.
    #[inline(always)]
    pub(super) fn together(&self, left: usize, cursor: &Cursor) -> usize {
        match self {
            Self::Planes { .. } => (2 * TILE).min(left),
            Self::Stack { stack, .. } => (2 * TILE).min(stack.padded - cursor.image),
        }
    }

    /// How far behind the first place those of output `number` lie, as a number.
    #[inline(always)]
    pub(super) fn place(&self, number: usize, cursor: &Cursor) -> usize {
        match self {
            Self::Planes { .. } => number,
            Self::Stack { .. } => cursor.image,
        }
    }

    /// What is summed for the output at `cursor`.
    #[inline(always)]
    pub(super) fn steps<'s>(&self, all: &'s [ProductStep], cursor: &Cursor) -> &'s [ProductStep] {
        match self {
            Self::Planes { .. } => all,
            Self::Stack { stack, .. } => stack.steps(all, cursor.row),
        }
    }

    /// Pixels from one output of a run to the next.
    #[inline(always)]
    pub(super) fn step(&self) -> usize {
        match self {
            Self::Planes { made, .. } => made[1].step,
            Self::Stack { pixels, .. } => *pixels,
        }
    }

    /// Moves `cursor` on.
    #[inline(always)]
    pub(super) fn advance(&self, cursor: &mut Cursor, numbers: usize) {
        match self {
            Self::Planes { planes, .. } => {
                let [rows, columns] = planes.axes;
                cursor.column += numbers;
                while cursor.column >= columns.lines {
                    cursor.column -= columns.lines;
                    cursor.row += 1;
                    if cursor.row == rows.lines {
                        (cursor.image, cursor.row) = (cursor.image + 1, 0);
                    }
                }
            }
            Self::Stack { stack, .. } => {
                cursor.image += numbers;
                if cursor.image >= stack.padded {
                    (cursor.image, cursor.row) = (0, cursor.row + 1);
                }
            }
        }
    }

    /// The numbers from `cursor` on, at most `most`, whose outputs are as far from each other.
    #[inline(always)]
    pub(super) fn run(&self, cursor: &Cursor, most: usize) -> OutputRun {
        match self {
            Self::Planes { planes, made, size, first } => {
                let numbers = (planes.axes[1].lines - cursor.column).min(most);
                let inside = cursor.row < made[0].count && cursor.column < made[1].count;
                let outputs = if inside { numbers.min(made[1].count - cursor.column) } else { 0 };
                let line = (first[0] + cursor.image) * size[0] + first[1];
                let line = (line + made[0].first + cursor.row * made[0].step) * size[1];
                let pixel = line + made[1].first + cursor.column * made[1].step;
                OutputRun { numbers, outputs, pixel }
            }
            Self::Stack { stack, pixels, first } => {
                let numbers = (stack.padded - cursor.image).min(most);
                let outputs = stack.images.saturating_sub(cursor.image).min(numbers);
                OutputRun { numbers, outputs, pixel: (first + cursor.image) * pixels + cursor.row }
            }
        }
    }
}
