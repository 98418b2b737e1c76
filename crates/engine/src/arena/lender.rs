//! The arena and the hold that one step has on it.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use super::memory::{ALIGN, AlignedBytes, Plain};
use super::windows::{DisjointWindows, WindowSize};

/// Memory that is lent step by step. The lists that this takes stay with it, so that lending allocates nothing once they
/// are long enough.
#[derive(Debug)]
pub(crate) struct Arena {
    block: AlignedBytes,
    /// What the present step holds.
    lent: Vec<Lent>,
    /// For the windows of the present step, a bit each.
    marks: Vec<AtomicU64>,
}

/// Bytes that are lent.
#[derive(Debug)]
struct Lent {
    bytes: Range<usize>,
    mutable: bool,
}

impl Arena {
    /// Without memory.
    pub(crate) const fn empty() -> Self {
        Self { block: AlignedBytes::empty(), lent: Vec::new(), marks: Vec::new() }
    }

    /// Makes room for `len` bytes; whether the memory was there. What was in it is lost if there was too little.
    pub(crate) fn reserve(&mut self, len: usize) -> bool {
        if self.block.len < len {
            // give the old one back first
            self.block = AlignedBytes::empty();
            match AlignedBytes::new(len) {
                Some(block) => self.block = block,
                None => return false,
            }
        }
        true
    }

    /// Bytes.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.block.len
    }

    /// Borrows everything for one step, whose windows take `marks` words of bits.
    pub(crate) fn lend(&mut self, marks: usize) -> Lender<'_> {
        self.lent.clear();
        if self.marks.len() < marks {
            self.marks.resize_with(marks, AtomicU64::default);
        }
        let (ptr, len) = (self.block.ptr, self.block.len);
        Lender { ptr, len, lent: &mut self.lent, marks: &mut self.marks, life: PhantomData }
    }
}

/// One step's exclusive hold on an arena: hands out slices that live as long as the hold, and panics rather than
/// hand out a byte mutably that is lent already.
#[derive(Debug)]
pub(crate) struct Lender<'a> {
    ptr: *mut u8,
    len: usize,
    lent: &'a mut Vec<Lent>,
    /// Those that no windows have yet.
    marks: &'a mut [AtomicU64],
    life: PhantomData<&'a mut [u8]>,
}

impl<'a> Lender<'a> {
    fn take(&mut self, bytes: Range<usize>, mutable: bool) -> *mut u8 {
        assert!(bytes.start <= bytes.end && bytes.end <= self.len, "bytes {bytes:?} of {}", self.len);
        assert!(bytes.start.is_multiple_of(ALIGN), "bytes {bytes:?} do not start on a cache line");
        for other in self.lent.iter() {
            let apart = other.bytes.end <= bytes.start || bytes.end <= other.bytes.start;
            let shared = !mutable && !other.mutable;
            assert!(apart || shared, "bytes {bytes:?} are lent already, as {:?}", other.bytes);
        }
        // SAFETY: the range lies inside the block.
        let ptr = unsafe { self.ptr.add(bytes.start) };
        self.lent.push(Lent { bytes, mutable });
        ptr
    }

    /// `len` values from byte `offset` on, to read.
    ///
    /// # Panics
    /// If they do not lie inside the block, or some are lent for writing.
    pub(crate) fn read<T: Plain>(&mut self, offset: usize, len: usize) -> &'a [T] {
        let ptr = self.take(offset..offset + len * size_of::<T>(), false);
        // SAFETY: inside the block, aligned (`Plain`, `take`), initialised (blocks start zeroed), and `take` saw that
        // nobody holds any of it mutably for 'a.
        unsafe { std::slice::from_raw_parts(ptr.cast(), len) }
    }

    /// `len` values from byte `offset` on, to write.
    ///
    /// # Panics
    /// If they do not lie inside the block, or some are lent.
    pub(crate) fn write<T: Plain>(&mut self, offset: usize, len: usize) -> &'a mut [T] {
        let ptr = self.take(offset..offset + len * size_of::<T>(), true);
        // SAFETY: as in `read`, and `take` saw that nobody holds any of it at all for 'a.
        unsafe { std::slice::from_raw_parts_mut(ptr.cast(), len) }
    }

    /// Rows of `pitch` values, which need not be the arena's, in windows of size `window`.
    ///
    /// # Panics
    /// If `data` is not whole rows, a window is empty, or the step did not ask for enough marks.
    pub(crate) fn windows<'b, T>(
        &mut self,
        data: &'b mut [T],
        pitch: usize,
        window: WindowSize,
    ) -> DisjointWindows<'b, T>
    where
        'a: 'b,
    {
        assert!(pitch > 0 && data.len().is_multiple_of(pitch), "{} values in rows of {pitch}", data.len());
        assert!(window.rows > 0 && window.columns > 0, "an empty window");
        let words = window.marks(data.len() / pitch, pitch);
        let marks = std::mem::take(&mut self.marks);
        assert!(words <= marks.len(), "{words} words of marks are wanted, {} are left", marks.len());
        let (taken, left) = marks.split_at_mut(words);
        self.marks = left;
        DisjointWindows::new(data, pitch, window, taken)
    }

    /// A plain slice in windows of `len` values; the last may be shorter. Panics as [`Lender::windows`] does.
    pub(crate) fn chunks<'b, T>(&mut self, data: &'b mut [T], len: usize) -> DisjointWindows<'b, T>
    where
        'a: 'b,
    {
        let pitch = data.len().max(1);
        self.windows(data, pitch, WindowSize { rows: 1, columns: len })
    }
}
