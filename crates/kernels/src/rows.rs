//! A mutable window of rows at a pitch, so that threads can own disjoint column ranges of one buffer.

use std::marker::PhantomData;

/// `rows` rows of `width` values, `pitch` apart.
#[derive(Debug)]
pub struct RowsMut<'a, T = f32> {
    ptr: *mut T,
    rows: usize,
    width: usize,
    pitch: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: a `RowsMut` is an exclusive borrow of its rows, as `&mut [T]` is.
unsafe impl<T: Send> Send for RowsMut<'_, T> {}

impl<'a, T> RowsMut<'a, T> {
    /// Columns `start..start + width` of a buffer of rows `pitch` long.
    ///
    /// # Panics
    /// If the columns do not lie inside a row or the buffer is not whole rows.
    pub fn new(data: &'a mut [T], pitch: usize, start: usize, width: usize) -> Self {
        let fits = pitch > 0 && start <= pitch && width <= pitch - start;
        assert!(fits && data.len().is_multiple_of(pitch), "rows do not fit");
        let rows = data.len() / pitch;
        if rows == 0 {
            // SAFETY: there is nothing to be valid.
            return unsafe { Self::from_raw(data.as_mut_ptr(), 0, width, pitch) };
        }
        // SAFETY: the columns lie inside every row of the exclusively borrowed slice.
        unsafe { Self::from_raw(data.as_mut_ptr().add(start), rows, width, pitch) }
    }

    /// From a pointer to the first value of the first row.
    ///
    /// # Safety
    /// For the lifetime `'a` the `width` values of each of the `rows` rows must be valid for reads and writes, and
    /// nothing else may access them; values between the rows may be accessed by others.
    pub unsafe fn from_raw(ptr: *mut T, rows: usize, width: usize, pitch: usize) -> Self {
        Self { ptr, rows, width, pitch, life: PhantomData }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Distance between rows.
    pub fn pitch(&self) -> usize {
        self.pitch
    }

    /// Row `index`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&mut self, index: usize) -> &mut [T] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: `from_raw` promises that the row is valid and ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(index * self.pitch), self.width) }
    }

    /// Pointer to the first value; rows follow at the pitch.
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr
    }

    /// The same window for a shorter time.
    pub fn reborrow(&mut self) -> RowsMut<'_, T> {
        RowsMut { ptr: self.ptr, rows: self.rows, width: self.width, pitch: self.pitch, life: PhantomData }
    }
}
