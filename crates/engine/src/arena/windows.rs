//! One mutable slice cut into windows, each for one taker.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use plusx_kernels::bf16::Bf16;
use plusx_kernels::maps::MapRowsMut;
use plusx_kernels::rows::RowsMut;

/// Rows and columns of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WindowSize {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// A mutable slice of rows cut into a grid of windows; each can be taken once, by any thread.
#[derive(Debug)]
pub(crate) struct DisjointWindows<'a, T> {
    ptr: *mut T,
    rows: usize,
    pitch: usize,
    /// Of all but the last windows, which may be smaller.
    window: WindowSize,
    taken: &'a [AtomicU64],
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: the windows are parts of an exclusively borrowed slice, and the `taken` bits give each to one thread only.
unsafe impl<T: Send> Send for DisjointWindows<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for DisjointWindows<'_, T> {}

impl WindowSize {
    /// Words of bits, one bit for each window of a map of `rows` rows of `pitch` values.
    pub(super) fn marks(self, rows: usize, pitch: usize) -> usize {
        (rows.div_ceil(self.rows) * pitch.div_ceil(self.columns)).div_ceil(64)
    }
}

impl<'a, T> DisjointWindows<'a, T> {
    /// Rows of `pitch` values in windows of size `window`, none of them taken; `taken` has [`WindowSize::marks`] words.
    pub(super) fn new(
        data: &'a mut [T],
        pitch: usize,
        window: WindowSize,
        taken: &'a mut [AtomicU64],
    ) -> Self {
        taken.iter_mut().for_each(|word| *word.get_mut() = 0);
        let rows = data.len() / pitch;
        Self { ptr: data.as_mut_ptr(), rows, pitch, window, taken, life: PhantomData }
    }

    /// The window in row `row` and column `column` of the grid.
    ///
    /// # Panics
    /// If there is none, or it was taken before.
    pub(crate) fn take(&self, row: usize, column: usize) -> RowsMut<'a, T> {
        self.take_rows(row..row + 1, column)
    }

    /// The windows in rows `rows` of column `column`, as one.
    ///
    /// # Panics
    /// If there is none, or one of them was taken before.
    pub(crate) fn take_rows(&self, rows: Range<usize>, column: usize) -> RowsMut<'a, T> {
        let columns = self.pitch.div_ceil(self.window.columns);
        let (top, left) = (rows.start * self.window.rows, column * self.window.columns);
        let bottom = self.rows.min(rows.end * self.window.rows);
        assert!(top < bottom && left < self.pitch, "windows {rows:?}, {column} of {} rows", self.rows);
        for row in rows {
            let index = row * columns + column;
            let bit = 1 << (index % 64);
            let before = self.taken[index / 64].fetch_or(bit, Ordering::Relaxed);
            assert!(before & bit == 0, "window {row}, {column} was taken already");
        }
        let (rows, width) = (bottom - top, self.window.columns.min(self.pitch - left));
        // SAFETY: the windows lie inside the slice borrowed exclusively for 'a, windows of a grid do not overlap, and
        // the bits just set were clear, so these are given out for the first and only time.
        unsafe { RowsMut::from_raw(self.ptr.add(top * self.pitch + left), rows, width, self.pitch) }
    }

    /// Like [`DisjointWindows::take`], for windows whose values follow one another: whole rows, or parts of a single row.
    ///
    /// # Panics
    /// If there is no such window, it was taken before, or its rows do not touch.
    pub(crate) fn take_slice(&self, row: usize, column: usize) -> &'a mut [T] {
        let mut window = self.take(row, column);
        assert!(window.rows() == 1 || window.width() == self.pitch, "rows of a window do not touch");
        let len = window.rows() * window.width();
        // SAFETY: the window's values are contiguous and, as `take` made sure, exclusively ours for 'a.
        unsafe { std::slice::from_raw_parts_mut(window.as_mut_ptr(), len) }
    }
}

/// Windows of a map, of the type that its values are stored as.
#[derive(Debug)]
pub(crate) enum MapWindows<'a> {
    F32(DisjointWindows<'a, f32>),
    Bf16(DisjointWindows<'a, Bf16>),
}

impl<'a> MapWindows<'a> {
    /// See [`DisjointWindows::take`].
    pub(crate) fn take(&self, row: usize, column: usize) -> MapRowsMut<'a> {
        self.take_rows(row..row + 1, column)
    }

    /// See [`DisjointWindows::take_rows`].
    pub(crate) fn take_rows(&self, rows: Range<usize>, column: usize) -> MapRowsMut<'a> {
        match self {
            Self::F32(windows) => windows.take_rows(rows, column).into(),
            Self::Bf16(windows) => windows.take_rows(rows, column).into(),
        }
    }
}
