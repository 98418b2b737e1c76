//! Products of tiles without the unit: the same operations in vectors.
//!
//! The values of a step are widened to `f32` once, evens and odds apart. Then each level multiplies four rows at a time
//! ([`tile_rows`](crate::simd::tiles::TileIsa::tile_rows)).

use super::{DEPTH, TILE, TileProducts, TileUnit};
use crate::bf16::Bf16;
use crate::simd::isa::Isa;

/// No unit: vectors, or plain loops at the portable level.
pub(crate) struct Emulated;

/// The widened values of one step.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct WideStep<const M: usize, const N: usize> {
    /// Of each row the evens, then the odds.
    pub(crate) a: [[[[f32; TILE]; 2]; TILE]; M],
    /// Of each pair the evens and the odds of 16 filters, for each tile of filters.
    pub(crate) b: [[[[f32; TILE]; 2]; N]; TILE],
}

impl TileUnit for Emulated {
    #[inline(always)]
    fn enter() -> Self {
        Self
    }

    #[inline(always)]
    unsafe fn products<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        products: &TileProducts<'_, M, N>,
    ) {
        let &TileProducts { a, a_row, b, c, c_row, add, steps } = products;
        let mut wide = WideStep { a: [[[[0.0; TILE]; 2]; TILE]; M], b: [[[[0.0; TILE]; 2]; N]; TILE] };
        // SAFETY: promised by the caller; offsets are in bytes.
        unsafe {
            if !add {
                for m in 0..M {
                    for n in 0..N {
                        for row in 0..TILE {
                            isa.store(c[m][n].byte_add(row * c_row), isa.zero());
                        }
                    }
                }
            }
            for step in steps {
                for m in 0..M {
                    for row in 0..TILE {
                        let src = a[m].byte_add(step.a as usize + row * a_row);
                        let [evens, odds] = isa.widen_pairs(src);
                        isa.store(wide.a[m][row][0].as_mut_ptr(), evens);
                        isa.store(wide.a[m][row][1].as_mut_ptr(), odds);
                    }
                }
                for n in 0..N {
                    for pair in 0..TILE {
                        let src = b[n].byte_add(step.b as usize).add(pair * DEPTH);
                        let [evens, odds] = isa.widen_pairs(src);
                        isa.store(wide.b[pair][n][0].as_mut_ptr(), evens);
                        isa.store(wide.b[pair][n][1].as_mut_ptr(), odds);
                    }
                }
                isa.tile_rows(&wide, &c, c_row);
            }
        }
    }
}

/// [`tile_rows`](crate::simd::tiles::TileIsa::tile_rows) one value at a time, with the fused multiply-add of the standard library.
///
/// # Safety
/// As [`tile_rows`](crate::simd::tiles::TileIsa::tile_rows).
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

/// [`interleave`](crate::simd::tiles::TileIsa::interleave) one value at a time.
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
