//! Pixels of 8 bits in plain loops.

use super::Portable;
use crate::simd::bytes::{BYTE_LANES, ByteIsa, HALF, WeightPair};

impl ByteIsa for Portable {
    type Sums = [i32; BYTE_LANES];

    #[inline(always)]
    fn sums(self, start: i32) -> Self::Sums {
        [start; BYTE_LANES]
    }

    #[inline(always)]
    unsafe fn add_products(
        self,
        mut sums: Self::Sums,
        a: *const u8,
        b: *const u8,
        weights: WeightPair,
    ) -> Self::Sums {
        // SAFETY: promised by the caller; bytes need no alignment.
        let (a, b) = unsafe { (a.cast::<[u8; BYTE_LANES]>().read(), b.cast::<[u8; BYTE_LANES]>().read()) };
        let [first, second] = weights.weights();
        let mut i = 0;
        while i < BYTE_LANES {
            let products =
                first.wrapping_mul(i32::from(a[i])).wrapping_add(second.wrapping_mul(i32::from(b[i])));
            sums[i] = sums[i].wrapping_add(products);
            i += 1;
        }
        sums
    }

    #[inline(always)]
    unsafe fn store_pixels<const SHIFT: u32>(self, sums: Self::Sums, dst: *mut u8) {
        let mut pixels = [0; BYTE_LANES];
        let mut i = 0;
        while i < BYTE_LANES {
            pixels[i] = (sums[i] >> SHIFT).clamp(0, 255) as u8;
            i += 1;
        }
        // SAFETY: promised by the caller.
        unsafe { dst.cast::<[u8; BYTE_LANES]>().write(pixels) };
    }

    type B = [[u8; HALF]; 2];

    #[inline(always)]
    unsafe fn load_halves(self, first: *const u8, second: *const u8) -> Self::B {
        // SAFETY: promised by the caller; bytes need no alignment.
        unsafe { [first.cast::<[u8; HALF]>().read(), second.cast::<[u8; HALF]>().read()] }
    }

    #[inline(always)]
    unsafe fn store_halves(self, bytes: Self::B, first: *mut u8, second: *mut u8) {
        // SAFETY: promised by the caller.
        unsafe {
            first.cast::<[u8; HALF]>().write(bytes[0]);
            second.cast::<[u8; HALF]>().write(bytes[1]);
        }
    }

    #[inline(always)]
    fn zip(self, a: Self::B, b: Self::B) -> [Self::B; 2] {
        let mut out = [[[0; HALF]; 2]; 2];
        let mut half = 0;
        while half < 2 {
            let mut i = 0;
            while i < HALF {
                out[i / (HALF / 2)][half][2 * i % HALF] = a[half][i];
                out[i / (HALF / 2)][half][2 * i % HALF + 1] = b[half][i];
                i += 1;
            }
            half += 1;
        }
        out
    }
}
