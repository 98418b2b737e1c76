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
//! treatment of denormals. [`Emulated`](super::emulated::Emulated) does the same operations in vectors, or one by one, so every
//! level gives the same bytes.

use super::isa::Isa;
use crate::bf16::Bf16;

/// One step of a sum: where its tiles lie, in bytes behind the first ones.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub(crate) struct ProductStep {
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
    pub(crate) steps: &'a [ProductStep],
}

/// What multiplies tiles.
pub(crate) trait TileUnit: Sized {
    /// Makes it ready on this thread, until it is dropped.
    fn enter() -> Self;

    /// The unit's sums become zeros, or with `add` what is in `c`.
    ///
    /// # Safety
    /// The sums must be readable and writable until [`TileUnit::end`].
    unsafe fn begin<I: Isa, const M: usize, const N: usize>(&self, isa: I, products: &TileProducts<'_, M, N>);

    /// Adds the products of the steps, see [`crate::simd::tiles`]. Vectors may do something else between two calls.
    ///
    /// # Safety
    /// The tiles of every step must be readable; [`TileUnit::begin`] must have been called with the same sums.
    unsafe fn multiply<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        products: &TileProducts<'_, M, N>,
    );

    /// Writes the sums to `c`.
    ///
    /// # Safety
    /// As [`TileUnit::multiply`].
    unsafe fn end<I: Isa, const M: usize, const N: usize>(&self, isa: I, products: &TileProducts<'_, M, N>);

    /// All of it: sums of products.
    ///
    /// # Safety
    /// The tiles of every step must be readable, and the sums writable (readable too with `add`).
    #[cfg(test)]
    #[inline(always)]
    unsafe fn products<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        products: &TileProducts<'_, M, N>,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            self.begin(isa, products);
            self.multiply(isa, products);
            self.end(isa, products);
        }
    }
}

#[cfg(test)]
mod tests;
