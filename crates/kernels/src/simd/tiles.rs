//! Sums of products of tiles: what a unit of tiles (Intel AMX) does in one instruction, and the same bits without it.
//!
//! A tile of rows has 16 rows of 32 bf16 values, a tile of filters 16 rows of 16 pairs (values 2j and 2j + 1 of 16 filters).
//! A sum has 16 rows of 16 `f32` values. One step of a sum over 32 values is
//!
//! ```text
//! evens = fma(a[30], b[30], .. fma(a[2], b[2], fma(a[0], b[0], 0)))
//! odds  = fma(a[31], b[31], .. fma(a[3], b[3], fma(a[1], b[1], 0)))
//! c     = c + (evens + odds)
//! ```
//!
//! Each operation rounds to the nearest even. Denormal values count as zero wherever they appear: inputs, sums and results.
//! This is what `TDPBF16PS` was observed to do; Intel's manual (Instruction Set Reference, TDPBF16PS) states the rounding and the
//! treatment of denormals. [`Emulated`] does the same operations in vectors, or one by one, so every level gives the same bytes.

mod emulated;

use super::isa::Isa;
use crate::bf16::Bf16;

pub(crate) use emulated::{Emulated, WideStep, interleave_by_value, rows_by_value, widen_by_value};

/// Rows of a tile, and columns of a sum.
pub(crate) const TILE: usize = 16;

/// Values that a tile of rows has in each row.
pub(crate) const DEPTH: usize = 32;

/// Bytes of a tile, of bf16 pairs or of `f32` values.
pub(crate) const TILE_BYTES: usize = 1024;

/// The processor's control word in which denormal inputs and results count as zero, rounding is to the nearest even and nothing
/// traps (MXCSR; Intel, Software Developer's Manual, volume 1, 10.2.3).
#[cfg(target_arch = "x86_64")]
pub(crate) static FLUSHING: u32 = 0x9fc0;

/// One step of a sum: where its tiles lie, in bytes behind the first ones.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub(crate) struct TileStep {
    /// Of the rows.
    pub(crate) a: u32,
    /// Of the filters.
    pub(crate) b: u32,
}

/// `M` tiles of rows times `N` tiles of filters, summed over steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileProducts<'a, const M: usize, const N: usize> {
    /// The tiles of rows of a step at offset 0.
    pub(crate) a: [*const Bf16; M],
    /// Bytes from one row to the next.
    pub(crate) a_row: usize,
    /// The tiles of filters of a step at offset 0; their rows follow each other.
    pub(crate) b: [*const Bf16; N],
    /// The sums of each two tiles.
    pub(crate) c: [[*mut f32; N]; M],
    /// Bytes from one row of sums to the next.
    pub(crate) c_row: usize,
    /// Whether the sums begin with what is in `c`; else with zeros.
    pub(crate) add: bool,
    /// What is summed, in this order.
    pub(crate) steps: &'a [TileStep],
}

/// Operations on bf16 values, and on pairs of them.
pub(crate) trait TileIsa: Copy {
    /// Sixteen values, as [`Isa::V`].
    type Lanes: Copy;

    /// One register, as [`Isa::R`].
    type Register: Copy;

    /// Reads sixteen values; no alignment is needed.
    ///
    /// # Safety
    /// `src` must be valid for reading them.
    unsafe fn load_bf16(self, src: *const Bf16) -> Self::Lanes;

    /// Writes sixteen values, rounded as [`Bf16::from_f32`] does; no alignment is needed.
    ///
    /// # Safety
    /// `dst` must be valid for writing them.
    unsafe fn store_bf16(self, dst: *mut Bf16, v: Self::Lanes);

    /// Reads as many values as a register has.
    ///
    /// # Safety
    /// `src` must be valid for reading them.
    unsafe fn register_load_bf16(self, src: *const Bf16) -> Self::Register;

    /// Writes as many values as a register has, rounded as [`Bf16::from_f32`] does.
    ///
    /// # Safety
    /// `dst` must be valid for writing them.
    unsafe fn register_store_bf16(self, dst: *mut Bf16, v: Self::Register);

    /// The values after they were bf16, see [`Bf16::from_f32`].
    fn round_bf16(self, v: Self::Lanes) -> Self::Lanes;

    /// The evens and the odds of 32 values.
    ///
    /// # Safety
    /// `src` must be valid for reading them.
    unsafe fn widen_pairs(self, src: *const Bf16) -> [Self::Lanes; 2];

    /// Writes 32 values: `evens` and `odds` in turn, rounded as [`Bf16::from_f32`] does.
    ///
    /// # Safety
    /// `dst` must be valid for writing them.
    unsafe fn store_pairs(self, dst: *mut Bf16, evens: Self::Lanes, odds: Self::Lanes);

    /// Pairs of one value of `a` and one of `b`, which have 32 each: those of the first 16 to `first`, the others to `second`.
    ///
    /// # Safety
    /// All must be valid for 32 values.
    unsafe fn interleave(self, a: *const Bf16, b: *const Bf16, first: *mut Bf16, second: *mut Bf16);

    /// Exchanges rows and columns of 16 rows of 16 pairs.
    ///
    /// # Safety
    /// Rows of `src` follow each other, those of `dst` are `dst_row` bytes apart; both must be valid.
    #[inline(always)]
    unsafe fn transpose_pairs(self, src: *const Bf16, dst: *mut Bf16, dst_row: usize) {
        for row in 0..TILE {
            for column in 0..TILE {
                // SAFETY: promised by the caller.
                unsafe {
                    let pair = src.cast::<u32>().add(row * TILE + column).read_unaligned();
                    dst.byte_add(column * dst_row).cast::<u32>().add(row).write_unaligned(pair);
                }
            }
        }
    }

    /// Adds one step of the products of all rows of `wide` to the sums `c`, see [`crate::simd::tiles`].
    ///
    /// # Safety
    /// `c` must be valid for reading and writing; its rows are `c_row` bytes apart.
    unsafe fn tile_rows<const M: usize, const N: usize>(
        self,
        wide: &WideStep<M, N>,
        c: &[[*mut f32; N]; M],
        c_row: usize,
    );
}

/// What multiplies tiles.
pub(crate) trait TileUnit: Sized {
    /// Makes it ready on this thread, until it is dropped.
    fn enter() -> Self;

    /// Computes sums of products, see [`crate::simd::tiles`].
    ///
    /// # Safety
    /// The tiles of every step must be readable, and the sums writable (readable too with `add`).
    unsafe fn products<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        products: &TileProducts<'_, M, N>,
    );
}

#[cfg(test)]
mod tests;
