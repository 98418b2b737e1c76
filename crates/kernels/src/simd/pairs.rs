//! bf16 values in pairs, sums of products of tiles, and what every level does with them (see [`super::tiles`] for what a sum is).

#![expect(clippy::needless_range_loop, reason = "tiles index several arrays by the same constants")]

use crate::LANES;
use crate::bf16::Bf16;

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

/// The widened values of one step.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct WideStep<const M: usize, const N: usize> {
    /// Of each row the evens, then the odds.
    pub(crate) a: [[[[f32; TILE]; 2]; TILE]; M],
    /// Of each pair the evens and the odds of 16 filters, for each tile of filters.
    pub(crate) b: [[[[f32; TILE]; 2]; N]; TILE],
}

/// Operations on bf16 values, and on pairs of them.
pub(crate) trait TileIsa: Copy {
    /// Sixteen values, as [`Isa::V`](super::Isa::V).
    type Lanes: Copy;

    /// One register, as [`Isa::R`](super::Isa::R).
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

    /// Writes 32 values, rounded as [`Bf16::from_f32`] does: those of `low` first; no alignment is needed.
    ///
    /// # Safety
    /// `dst` must be valid for writing them.
    #[inline(always)]
    unsafe fn store_bf16_pair(self, dst: *mut Bf16, low: Self::Lanes, high: Self::Lanes) {
        // SAFETY: promised by the caller.
        unsafe {
            self.store_bf16(dst, low);
            self.store_bf16(dst.add(LANES), high);
        }
    }

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

    /// Adds one step of the products of all rows of `wide` to the sums `c`, see [`super::tiles`].
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

/// [`tile_rows`](TileIsa::tile_rows) one value at a time, with the fused multiply-add of the standard library.
///
/// # Safety
/// As [`tile_rows`](TileIsa::tile_rows).
pub(crate) unsafe fn rows_by_value<const M: usize, const N: usize>(
    wide: &WideStep<M, N>,
    c: &[[*mut f32; N]; M],
    c_row: usize,
) {
    for row in 0..M * TILE {
        for column in 0..N * TILE {
            let [evens, odds] = [0, 1].map(|half| {
                let a = &wide.a[row / TILE][row % TILE][half];
                let mut sum = 0.0_f32;
                for pair in 0..TILE {
                    let b = wide.b[pair][column / TILE][half][column % TILE];
                    sum = multiply_add(flush(a[pair]), flush(b), sum);
                }
                sum
            });
            // SAFETY: promised by the caller.
            unsafe {
                let c = c[row / TILE][column / TILE].byte_add(row % TILE * c_row).add(column % TILE);
                *c = flush(flush(*c) + flush(evens + odds));
            }
        }
    }
}

/// `a b + c`, rounded once. A result counts as denormal if it would be smaller than every normal number were it rounded to 24 bits:
/// so it is with the processor's own switch.
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    const ROUNDS_UP: f64 = f32::MIN_POSITIVE as f64 * (1.0 - 1.0 / (1 << 25) as f64);
    let sum = a.mul_add(b, c);
    let tiny = sum.abs() == f32::MIN_POSITIVE && f64::from(a).mul_add(b.into(), c.into()).abs() < ROUNDS_UP;
    if tiny { 0.0_f32.copysign(sum) } else { flush(sum) }
}

/// Denormal values as zeros of their sign.
fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0.0_f32.copysign(x) } else { x }
}

/// The values of a row of pairs.
pub(crate) fn widen_by_value(src: &[Bf16; DEPTH]) -> [[f32; TILE]; 2] {
    [0, 1].map(|half| std::array::from_fn(|pair| src[2 * pair + half].to_f32()))
}

/// [`interleave`](TileIsa::interleave) one value at a time.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn interleave_by_value(
    a: *const Bf16,
    b: *const Bf16,
    first: *mut Bf16,
    second: *mut Bf16,
) {
    for (half, to) in [first, second].into_iter().enumerate() {
        for i in 0..TILE {
            // SAFETY: promised by the caller.
            unsafe {
                to.add(2 * i).write(*a.add(half * TILE + i));
                to.add(2 * i + 1).write(*b.add(half * TILE + i));
            }
        }
    }
}
