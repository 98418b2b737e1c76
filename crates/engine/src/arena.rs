//! Memory: one aligned allocation for all buffers of a plan, lent out to one step at a time, and cut into tiles that
//! the pieces of a step own.
//!
//! Three layers keep the rest of the engine free of `unsafe`:
//! [`AlignedBytes`] owns zeroed, aligned memory; [`Lender`] borrows an [`Arena`], a block with a list of what is lent,
//! exclusively for one step and hands out slices, refusing any that overlap a mutable one; [`DisjointWindows`] cuts one mutable
//! slice into a grid of windows and gives each window to one taker only. A planning mistake is therefore a panic with
//! both ranges in it, never a data race.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicU64, Ordering};

use plusx_kernels::rows::RowsMut;

/// Every buffer starts on a cache line, which is also the widest vector.
pub(crate) const ALIGN: usize = 64;

/// Size of a large page on x86-64 and most aarch64 systems; only advice depends on it.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// Blocks from this size on lie on large pages alone, though a part of the last may be wasted: a thread's scratch, a megabyte
/// that every step goes through in strides of several kilobytes, would take hundreds of small ones.
#[cfg(target_os = "linux")]
const WORTH_A_HUGE_PAGE: usize = HUGE_PAGE / 4;

/// Values that any bit pattern is valid for, so that raw memory can be seen as them.
///
/// # Safety
/// Every bit pattern must be a value, and the alignment at most [`ALIGN`].
pub(crate) unsafe trait Plain: Copy + Send + Sync {}

// SAFETY: every bit pattern is a value; aligned to 4.
unsafe impl Plain for f32 {}
// SAFETY: every bit pattern is a value; aligned to 8.
unsafe impl Plain for f64 {}
// SAFETY: every bit pattern is a value; aligned to 1.
unsafe impl Plain for u8 {}

/// Zeroed memory aligned to [`ALIGN`], on large pages where the system has them.
#[derive(Debug)]
pub(crate) struct AlignedBytes {
    /// Where the usable memory starts.
    ptr: *mut u8,
    /// Usable bytes.
    len: usize,
    /// What has to be given back: start and length (0: nothing).
    owned: (*mut u8, usize),
}

// SAFETY: a block owns its memory, as `Vec<u8>` does.
unsafe impl Send for AlignedBytes {}
// SAFETY: shared access only reads; writing needs `&mut`.
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    /// No memory.
    pub(crate) const fn empty() -> Self {
        // an aligned address that is never accessed: the length is 0
        let ptr = std::ptr::without_provenance_mut(ALIGN);
        Self { ptr, len: 0, owned: (ptr, 0) }
    }

    /// `len` zeroed bytes, if the system has them.
    #[cfg(target_os = "linux")]
    pub(crate) fn new(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self::empty());
        }
        // whole large pages, and room to start on one; pages that are never touched cost nothing
        let large = len >= WORTH_A_HUGE_PAGE;
        let pages = if large { len.checked_next_multiple_of(HUGE_PAGE)? } else { len };
        let owned = if large { pages.checked_add(HUGE_PAGE)? } else { len };
        // SAFETY: a new anonymous mapping; it touches no existing memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                owned,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = start.cast::<u8>();
        let mut ptr = start;
        if large {
            let skip = start.addr().next_multiple_of(HUGE_PAGE) - start.addr();
            // SAFETY: `skip` is below the extra page of the mapping.
            ptr = unsafe { start.add(skip) };
            // SAFETY: advice about our own mapping; a refusal changes nothing, so the result is not needed.
            let _ = unsafe { libc::madvise(ptr.cast(), pages, libc::MADV_HUGEPAGE) };
        }
        Some(Self { ptr, len, owned: (start, owned) })
    }

    /// `len` zeroed bytes, if the system has them.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self::empty());
        }
        let layout = std::alloc::Layout::from_size_align(len, ALIGN).ok()?;
        // SAFETY: the layout has a size above 0.
        let ptr = unsafe { std::alloc::alloc_zeroed(layout) };
        (!ptr.is_null()).then_some(Self { ptr, len, owned: (ptr, len) })
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        let (start, len) = self.owned;
        if len > 0 {
            #[cfg(target_os = "linux")]
            // SAFETY: exactly the mapping made in `new`; nothing borrows it any more.
            unsafe {
                libc::munmap(start.cast(), len);
            }
            #[cfg(not(target_os = "linux"))]
            // SAFETY: allocated in `new` with this very layout, whose size and alignment were valid there.
            unsafe {
                std::alloc::dealloc(start, std::alloc::Layout::from_size_align_unchecked(len, ALIGN));
            }
        }
    }
}

/// A long-lived aligned `[f32]`: parameters, gradients, scratch.
#[derive(Debug)]
pub(crate) struct Floats(AlignedBytes);

impl Floats {
    /// No values.
    pub(crate) const fn empty() -> Self {
        Self(AlignedBytes::empty())
    }

    /// `len` zeros, if the system has the memory.
    pub(crate) fn zeros(len: usize) -> Option<Self> {
        AlignedBytes::new(len.checked_mul(size_of::<f32>())?).map(Self)
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the block is aligned, initialised, ours, and this many values long.
        unsafe { std::slice::from_raw_parts(self.0.ptr.cast(), self.0.len / size_of::<f32>()) }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.0.ptr.cast(), self.0.len / size_of::<f32>()) }
    }
}

/// A block that is lent step by step. The lists that this takes stay with it, so that lending allocates nothing once
/// they are long enough.
#[derive(Debug)]
pub(crate) struct Arena {
    block: AlignedBytes,
    /// What the present step holds, and whether to write.
    lent: Vec<(Range<usize>, bool)>,
    /// For the windows of the present step, a bit each.
    marks: Vec<AtomicU64>,
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

    /// Borrows everything for one step, whose tiles take `marks` words of bits.
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
    lent: &'a mut Vec<(Range<usize>, bool)>,
    /// Those that no tiles have yet.
    marks: &'a mut [AtomicU64],
    life: PhantomData<&'a mut [u8]>,
}

impl<'a> Lender<'a> {
    fn take(&mut self, bytes: Range<usize>, mutable: bool) -> *mut u8 {
        assert!(bytes.start <= bytes.end && bytes.end <= self.len, "bytes {bytes:?} of {}", self.len);
        assert!(bytes.start.is_multiple_of(ALIGN), "bytes {bytes:?} do not start on a cache line");
        for (other, exclusive) in self.lent.iter() {
            let apart = other.end <= bytes.start || bytes.end <= other.start;
            assert!(apart || !(mutable || *exclusive), "bytes {bytes:?} are lent already, as {other:?}");
        }
        // SAFETY: the range lies inside the block.
        let ptr = unsafe { self.ptr.add(bytes.start) };
        self.lent.push((bytes, mutable));
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

    /// Rows of `pitch` values, which need not be the arena's, in windows of `tile` rows and columns.
    ///
    /// # Panics
    /// If `data` is not whole rows, a window is empty, or the step did not ask for enough marks.
    pub(crate) fn tiles<'b, T>(
        &mut self,
        data: &'b mut [T],
        pitch: usize,
        tile: [usize; 2],
    ) -> DisjointWindows<'b, T>
    where
        'a: 'b,
    {
        assert!(pitch > 0 && data.len().is_multiple_of(pitch), "{} values in rows of {pitch}", data.len());
        assert!(tile[0] > 0 && tile[1] > 0, "an empty tile");
        let rows = data.len() / pitch;
        let words = (rows.div_ceil(tile[0]) * pitch.div_ceil(tile[1])).div_ceil(64);
        let marks = std::mem::take(&mut self.marks);
        assert!(words <= marks.len(), "{words} words of marks are wanted, {} are left", marks.len());
        let (taken, left) = marks.split_at_mut(words);
        taken.iter_mut().for_each(|word| *word.get_mut() = 0);
        self.marks = left;
        DisjointWindows { ptr: data.as_mut_ptr(), rows, pitch, tile, taken, life: PhantomData }
    }

    /// Chunks of `len` values of a plain slice (the last may be shorter), likewise.
    pub(crate) fn chunks<'b, T>(&mut self, data: &'b mut [T], len: usize) -> DisjointWindows<'b, T>
    where
        'a: 'b,
    {
        let pitch = data.len().max(1);
        self.tiles(data, pitch, [1, len])
    }
}

/// A mutable slice of rows cut into a grid of windows; each can be taken once, by any thread.
#[derive(Debug)]
pub(crate) struct DisjointWindows<'a, T> {
    ptr: *mut T,
    rows: usize,
    pitch: usize,
    /// Rows and columns of one window (the last ones may be smaller).
    tile: [usize; 2],
    taken: &'a [AtomicU64],
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: the tiles are parts of an exclusively borrowed slice, and the `taken` bits give each to one thread only.
unsafe impl<T: Send> Send for DisjointWindows<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for DisjointWindows<'_, T> {}

impl<'a, T> DisjointWindows<'a, T> {
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
        let columns = self.pitch.div_ceil(self.tile[1]);
        let [top, left] = [rows.start * self.tile[0], column * self.tile[1]];
        let bottom = self.rows.min(rows.end * self.tile[0]);
        assert!(top < bottom && left < self.pitch, "tiles {rows:?}, {column} of {} rows", self.rows);
        for row in rows {
            let index = row * columns + column;
            let bit = 1 << (index % 64);
            let before = self.taken[index / 64].fetch_or(bit, Ordering::Relaxed);
            assert!(before & bit == 0, "tile {row}, {column} was taken already");
        }
        let [rows, width] = [bottom - top, self.tile[1].min(self.pitch - left)];
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
        assert!(window.rows() == 1 || window.width() == self.pitch, "rows of a tile do not touch");
        let len = window.rows() * window.width();
        // SAFETY: the window's values are contiguous and, as `take` made sure, exclusively ours for 'a.
        unsafe { std::slice::from_raw_parts_mut(window.as_mut_ptr(), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(len: usize) -> Arena {
        let mut arena = Arena::empty();
        assert!(arena.reserve(len));
        arena
    }

    #[test]
    fn lends_disjoint_ranges() {
        let mut arena = arena(4096);
        let mut lender = arena.lend(0);
        let a = lender.write::<f32>(0, 16);
        let b = lender.write::<f64>(64, 8);
        a[15] = 1.0;
        b[0] = 2.0;
        assert_eq!(lender.read::<u8>(128, 1), &[0]);
        let mut lender = arena.lend(0);
        assert_eq!(lender.read::<f32>(0, 16)[15], 1.0);
        assert_eq!(lender.read::<f64>(64, 8)[0], 2.0);
    }

    #[test]
    #[should_panic(expected = "lent already")]
    fn refuses_overlap() {
        let mut arena = arena(4096);
        let mut lender = arena.lend(0);
        let _ = lender.read::<f32>(0, 17);
        let _ = lender.write::<f32>(64, 4);
    }

    #[test]
    fn large_blocks_are_aligned_and_zero() {
        let mut floats = Floats::zeros(3 << 20).unwrap();
        assert_eq!(floats.as_ptr().addr() % ALIGN, 0);
        assert!(floats.iter().all(|value| *value == 0.0));
        floats[(3 << 20) - 1] = 1.0;
        assert!(Floats::empty().is_empty());
    }

    #[test]
    fn tiles_cover_everything_once() {
        let mut data = vec![0u8; 7 * 5];
        let mut arena = Arena::empty();
        // marks of an earlier step do not matter
        arena.lend(1).tiles(&mut data, 5, [3, 2]).take(0, 0);
        let tiles = arena.lend(1).tiles(&mut data, 5, [3, 2]);
        for row in 0..3 {
            for column in 0..3 {
                let mut window = tiles.take(row, column);
                for row in 0..window.rows() {
                    window.row(row).iter_mut().for_each(|value| *value += 1);
                }
            }
        }
        assert_eq!(data, vec![1; 35]);
    }

    #[test]
    fn tiles_are_taken_together() {
        let mut data = vec![0u8; 7 * 5];
        let mut arena = Arena::empty();
        let tiles = arena.lend(1).tiles(&mut data, 5, [2, 3]);
        let mut window = tiles.take_rows(1..4, 1);
        assert_eq!((window.rows(), window.width()), (5, 2));
        (0..5).for_each(|row| window.row(row).fill(1));
        assert_eq!(data.iter().filter(|value| **value == 1).count(), 10);
        assert_eq!((data[2 * 5 + 2], data[2 * 5 + 3], data[34]), (0, 1, 1));
    }

    #[test]
    #[should_panic(expected = "tile 1, 0 was taken already")]
    fn tiles_taken_together_are_taken_once() {
        let mut data = vec![0u8; 6];
        let mut arena = Arena::empty();
        let tiles = arena.lend(1).tiles(&mut data, 2, [1, 2]);
        let _ = tiles.take_rows(0..2, 0);
        let _ = tiles.take_rows(1..3, 0);
    }

    #[test]
    #[should_panic(expected = "taken already")]
    fn a_tile_is_taken_once() {
        let mut data = vec![0u8; 4];
        let mut arena = Arena::empty();
        let tiles = arena.lend(1).chunks(&mut data, 2);
        let _ = tiles.take_slice(0, 1);
        let _ = tiles.take_slice(0, 1);
    }
}
