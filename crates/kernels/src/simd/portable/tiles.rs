//! bf16 values in pairs, and products of tiles one value at a time: see [`crate::simd::tiles`].

use super::{Lanes, Portable, WIDTH};
use crate::LANES;
use crate::bf16::Bf16;
use crate::simd::pairs::{DEPTH, TileIsa, WideStep, interleave_by_value, rows_by_value, widen_by_value};

impl TileIsa for Portable {
    type Lanes = Lanes;

    type Register = [f32; WIDTH];

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const Bf16) -> Lanes {
        // SAFETY: the caller promises sixteen values.
        let values = unsafe { src.cast::<[Bf16; LANES]>().read_unaligned() };
        let mut wide = [0.0; LANES];
        let mut i = 0;
        while i < LANES {
            wide[i] = values[i].to_f32();
            i += 1;
        }
        Lanes(wide)
    }

    #[inline(always)]
    unsafe fn store_bf16(self, dst: *mut Bf16, v: Lanes) {
        let mut values = [Bf16::default(); LANES];
        let mut i = 0;
        while i < LANES {
            values[i] = Bf16::from_f32(v.0[i]);
            i += 1;
        }
        // SAFETY: the caller promises sixteen values.
        unsafe { dst.cast::<[Bf16; LANES]>().write_unaligned(values) };
    }

    #[inline(always)]
    unsafe fn register_load_bf16(self, src: *const Bf16) -> [f32; WIDTH] {
        // SAFETY: the caller promises a register's values.
        let values = unsafe { src.cast::<[Bf16; WIDTH]>().read_unaligned() };
        let mut wide = [0.0; WIDTH];
        let mut i = 0;
        while i < WIDTH {
            wide[i] = values[i].to_f32();
            i += 1;
        }
        wide
    }

    #[inline(always)]
    unsafe fn register_store_bf16(self, dst: *mut Bf16, v: [f32; WIDTH]) {
        let mut values = [Bf16::default(); WIDTH];
        let mut i = 0;
        while i < WIDTH {
            values[i] = Bf16::from_f32(v[i]);
            i += 1;
        }
        // SAFETY: the caller promises a register's values.
        unsafe { dst.cast::<[Bf16; WIDTH]>().write_unaligned(values) };
    }

    #[inline(always)]
    fn round_bf16(self, v: Lanes) -> Lanes {
        let mut rounded = [0.0; LANES];
        let mut i = 0;
        while i < LANES {
            rounded[i] = Bf16::from_f32(v.0[i]).to_f32();
            i += 1;
        }
        Lanes(rounded)
    }

    #[inline(always)]
    unsafe fn widen_pairs(self, src: *const Bf16) -> [Lanes; 2] {
        // SAFETY: the caller promises 32 values.
        widen_by_value(&unsafe { src.cast::<[Bf16; DEPTH]>().read_unaligned() }).map(Lanes)
    }

    #[inline(always)]
    unsafe fn store_pairs(self, dst: *mut Bf16, evens: Lanes, odds: Lanes) {
        let mut pairs = [[Bf16::default(); 2]; LANES];
        let mut i = 0;
        while i < LANES {
            pairs[i] = [Bf16::from_f32(evens.0[i]), Bf16::from_f32(odds.0[i])];
            i += 1;
        }
        // SAFETY: the caller promises 32 values.
        unsafe { dst.cast::<[[Bf16; 2]; LANES]>().write_unaligned(pairs) };
    }

    #[inline(always)]
    unsafe fn interleave(self, a: *const Bf16, b: *const Bf16, first: *mut Bf16, second: *mut Bf16) {
        // SAFETY: the caller promises 32 values each.
        unsafe { interleave_by_value(a, b, first, second) };
    }

    #[inline(always)]
    unsafe fn tile_rows<const M: usize, const N: usize>(
        self,
        wide: &WideStep<M, N>,
        c: &[[*mut f32; N]; M],
        c_row: usize,
    ) {
        // SAFETY: promised by the caller.
        unsafe { rows_by_value(wide, c, c_row) };
    }
}
