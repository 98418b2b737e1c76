//! Where the values of a map lie: its vectors are loaded and stored by its type.

use crate::bf16::Bf16;
use crate::simd::Isa;

/// Where the values of a map lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MapPtr {
    F32(*const f32),
    Bf16(*const Bf16),
}

impl MapPtr {
    /// `values` values further.
    #[inline(always)]
    pub(crate) fn add(self, values: usize) -> Self {
        match self {
            Self::F32(map) => Self::F32(map.wrapping_add(values)),
            Self::Bf16(map) => Self::Bf16(map.wrapping_add(values)),
        }
    }

    /// Where value `at` is, to ask for it.
    #[inline(always)]
    pub(crate) fn address(self, at: usize) -> *const f32 {
        match self {
            Self::F32(map) => map.wrapping_add(at),
            Self::Bf16(map) => map.wrapping_add(at).cast(),
        }
    }

    /// Sixteen values from value `at` on.
    ///
    /// # Safety
    /// They must be readable.
    #[inline(always)]
    pub(crate) unsafe fn load<I: Isa>(self, isa: I, at: usize) -> I::V {
        // SAFETY: promised by the caller.
        unsafe {
            match self {
                Self::F32(map) => isa.load(map.add(at)),
                Self::Bf16(map) => isa.load_bf16(map.add(at)),
            }
        }
    }

    /// As [`MapPtr::load`], without a look at the type if there is no `HALF`.
    ///
    /// # Safety
    /// As [`MapPtr::load`]; without `HALF` the values must be `f32`.
    #[inline(always)]
    pub(crate) unsafe fn load_as<I: Isa, const HALF: bool>(self, isa: I, at: usize) -> I::V {
        debug_assert!(HALF || matches!(self, Self::F32(_)), "a map of bf16");
        // SAFETY: promised by the caller.
        unsafe {
            match self {
                Self::Bf16(map) if HALF => isa.load_bf16(map.add(at)),
                // both are one address
                Self::F32(map) => isa.load(map.add(at)),
                Self::Bf16(map) => isa.load(map.cast::<f32>().add(at)),
            }
        }
    }

    /// As many values as a register has, from value `at` on.
    ///
    /// # Safety
    /// They must be readable.
    #[inline(always)]
    pub(crate) unsafe fn register<I: Isa>(self, isa: I, at: usize) -> I::R {
        // SAFETY: promised by the caller.
        unsafe {
            match self {
                Self::F32(map) => isa.register_load(map.add(at)),
                Self::Bf16(map) => isa.register_load_bf16(map.add(at)),
            }
        }
    }
}

/// Where the values of a map are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MapPtrMut {
    F32(*mut f32),
    Bf16(*mut Bf16),
}

impl MapPtrMut {
    /// `values` values further, or back.
    #[inline(always)]
    pub(crate) fn offset(self, values: isize) -> Self {
        match self {
            Self::F32(map) => Self::F32(map.wrapping_offset(values)),
            Self::Bf16(map) => Self::Bf16(map.wrapping_offset(values)),
        }
    }

    /// `values` values further.
    #[inline(always)]
    pub(crate) fn add(self, values: usize) -> Self {
        match self {
            Self::F32(map) => Self::F32(map.wrapping_add(values)),
            Self::Bf16(map) => Self::Bf16(map.wrapping_add(values)),
        }
    }

    /// The same values, to read.
    #[inline(always)]
    pub(crate) fn cast_const(self) -> MapPtr {
        match self {
            Self::F32(map) => MapPtr::F32(map),
            Self::Bf16(map) => MapPtr::Bf16(map),
        }
    }

    /// Whether a value keeps all its bits there.
    #[inline(always)]
    pub(crate) fn is_f32(self) -> bool {
        matches!(self, Self::F32(_))
    }

    /// The values `v` as they come out of a store.
    #[inline(always)]
    pub(crate) fn as_stored<I: Isa>(self, isa: I, v: I::V) -> I::V {
        match self {
            Self::F32(_) => v,
            Self::Bf16(_) => isa.round_bf16(v),
        }
    }

    /// Stores sixteen values from value `at` on, without a look at the type if there is no `HALF`.
    ///
    /// # Safety
    /// They must be writable; without `HALF` they must be `f32`.
    #[inline(always)]
    pub(crate) unsafe fn store_as<I: Isa, const HALF: bool>(self, isa: I, at: usize, v: I::V) {
        debug_assert!(HALF || self.is_f32(), "a map of bf16");
        // SAFETY: promised by the caller.
        unsafe {
            match self {
                Self::Bf16(map) if HALF => isa.store_bf16(map.add(at), v),
                // both are one address
                Self::F32(map) => isa.store(map.add(at), v),
                Self::Bf16(map) => isa.store(map.cast::<f32>().add(at), v),
            }
        }
    }

    /// Stores the value `x` as value `at`.
    ///
    /// # Safety
    /// It must be writable.
    #[inline(always)]
    pub(crate) unsafe fn set(self, at: usize, x: f32) {
        // SAFETY: promised by the caller.
        unsafe {
            match self {
                Self::F32(map) => *map.add(at) = x,
                Self::Bf16(map) => *map.add(at) = Bf16::from_f32(x),
            }
        }
    }
}
