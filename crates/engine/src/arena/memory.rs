//! Aligned memory from the system, zeroed, and the values that may be seen in it.

use std::ops::{Deref, DerefMut};

use plusx_kernels::bf16::Bf16;

/// Every buffer starts on a cache line, which is also the widest vector.
pub(crate) const ALIGN: usize = 64;

/// Size of a large page on x86-64 and most aarch64 systems; only advice depends on it.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// Memory from this size on lies on large pages alone, though a part of the last may be wasted. A thread's scratch is a
/// megabyte that every step goes through in strides of several kilobytes: it would take hundreds of small pages.
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
// SAFETY: every bit pattern is a value; aligned to 2.
unsafe impl Plain for Bf16 {}
// SAFETY: every bit pattern is a value; aligned to 1.
unsafe impl Plain for u8 {}

/// Zeroed memory aligned to [`ALIGN`], on large pages where the system has them.
#[derive(Debug)]
pub(crate) struct AlignedBytes {
    /// Where the usable memory starts.
    pub(super) ptr: *mut u8,
    /// Usable bytes.
    pub(super) len: usize,
    owned: Owned,
}

/// What has to be given back.
#[derive(Clone, Copy, Debug)]
struct Owned {
    start: *mut u8,
    /// Bytes; 0 if there is nothing.
    len: usize,
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
        Self { ptr, len: 0, owned: Owned { start: ptr, len: 0 } }
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
        Some(Self { ptr, len, owned: Owned { start, len: owned } })
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
        (!ptr.is_null()).then_some(Self { ptr, len, owned: Owned { start: ptr, len } })
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        let Owned { start, len } = self.owned;
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
