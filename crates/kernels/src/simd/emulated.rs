//! Products of tiles without the unit: the same operations in vectors.
//!
//! The values of a step are widened to `f32` once, evens and odds apart. Then each level multiplies four rows at a time
//! ([`tile_rows`](crate::simd::pairs::TileIsa::tile_rows)).

#![expect(clippy::needless_range_loop, reason = "tiles index several arrays by the same constants")]

use super::isa::Isa;
use super::pairs::{DEPTH, TILE, WideStep};
use super::tiles::{TileProducts, TileUnit};

/// No unit: vectors, or plain loops at the portable level.
pub(crate) struct Emulated;

impl TileUnit for Emulated {
    #[inline(always)]
    fn enter() -> Self {
        Self
    }

    /// They stay in memory.
    #[inline(always)]
    unsafe fn begin<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        products: &TileProducts<'_, M, N>,
    ) {
        let TileProducts { c, c_row, add, .. } = products;
        if *add {
            return;
        }
        for m in 0..M {
            for n in 0..N {
                for row in 0..TILE {
                    // SAFETY: promised by the caller.
                    unsafe { isa.store(c[m][n].byte_add(row * c_row), isa.zero()) };
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        products: &TileProducts<'_, M, N>,
    ) {
        let &TileProducts { a, a_row, b, c, c_row, steps, .. } = products;
        let mut wide = WideStep { a: [[[[0.0; TILE]; 2]; TILE]; M], b: [[[[0.0; TILE]; 2]; N]; TILE] };
        // SAFETY: promised by the caller; offsets are in bytes.
        unsafe {
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

    #[inline(always)]
    unsafe fn end<I: Isa, const M: usize, const N: usize>(&self, _: I, _: &TileProducts<'_, M, N>) {}
}
