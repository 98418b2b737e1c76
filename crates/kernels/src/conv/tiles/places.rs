//! Where a sweep reads its outputs' places, and what it asks for ahead.

use super::sizes::PLACE_BYTES;
use crate::simd::Isa;
use crate::simd::pairs::TILE;

/// The work of a task is done in this many parts, in turns with that of the task before: the unit multiplies while vectors finish.
pub(super) const PARTS: usize = 4;

/// Where the places of outputs lie, by their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct TilePlaces {
    /// Number 0.
    pub(super) data: *const u8,
    /// Bytes from one to the next.
    pub(super) bytes: usize,
    /// From this number on they lie elsewhere, `tail` on.
    pub(super) tail_from: usize,
    pub(super) tail: *const u8,
}

impl TilePlaces {
    /// All of them together.
    pub(super) fn whole(data: *const u8, bytes: usize) -> Self {
        Self { data, bytes, tail_from: usize::MAX, tail: std::ptr::null() }
    }

    pub(super) fn at(&self, number: usize) -> *const u8 {
        match number < self.tail_from {
            true => self.data.wrapping_add(number * self.bytes),
            false => self.tail.wrapping_add((number - self.tail_from) * self.bytes),
        }
    }
}

/// What a sweep asks for while it multiplies: lines that are read soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadAhead {
    /// The first one, and behind the last.
    next: *const u8,
    end: *const u8,
    /// How many in each part of a task.
    lines: usize,
}

impl ReadAhead {
    /// Nothing.
    pub(super) const NONE: Self = Self { next: std::ptr::null(), end: std::ptr::null(), lines: 0 };

    /// `count` pixels of `bytes` bytes from `data` on, one behind the other, of outputs with `pairs` times two blocks of filters.
    pub(super) fn pixels(data: *const u8, bytes: usize, count: usize, pairs: usize) -> Self {
        // those of the first tasks are needed at once
        let next = data.wrapping_add(2 * 2 * TILE * bytes);
        let lines = (2 * TILE * bytes / PLACE_BYTES).div_ceil(pairs * PARTS);
        Self { next, end: data.wrapping_add(count * bytes), lines }
    }

    #[inline(always)]
    pub(super) fn bring<I: Isa>(&mut self, isa: I) {
        for _ in 0..self.lines {
            if self.next >= self.end {
                return;
            }
            isa.prefetch_far(self.next);
            self.next = self.next.wrapping_add(PLACE_BYTES);
        }
    }
}
