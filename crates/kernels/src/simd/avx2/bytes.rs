//! Pixels of 8 bits with AVX2. All instructions but loads and stores stay inside halves of 16 bytes: what unpacking moves
//! apart, packing brings back.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_packs_epi32, _mm256_packus_epi16, _mm256_set_m128i, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_slli_epi32, _mm256_sra_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8,
};

use super::Avx2;
use crate::simd::bytes::{ByteIsa, WeightPair};

/// The sums of the high and of the low halves of the weights. Register i has pixels 4 i to 4 i + 3 of each 16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FourSums {
    high: [__m256i; 4],
    low: [__m256i; 4],
}

impl ByteIsa for Avx2 {
    type Sums = FourSums;

    #[inline(always)]
    fn sums(self, start: i32) -> FourSums {
        // SAFETY: the token proves AVX2.
        unsafe { FourSums { high: [_mm256_setzero_si256(); 4], low: [_mm256_set1_epi32(start); 4] } }
    }

    #[inline(always)]
    unsafe fn add_products(
        self,
        mut sums: FourSums,
        a: *const u8,
        b: *const u8,
        weights: WeightPair,
    ) -> FourSums {
        // SAFETY: the token proves AVX2; the caller promises 32 bytes at each place.
        unsafe {
            let (a, b) = (_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast()));
            let (high, low) = (_mm256_set1_epi32(weights.high()), _mm256_set1_epi32(weights.low()));
            let zero = _mm256_setzero_si256();
            let (first, second) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
            let pairs = [
                _mm256_unpacklo_epi8(first, zero),
                _mm256_unpackhi_epi8(first, zero),
                _mm256_unpacklo_epi8(second, zero),
                _mm256_unpackhi_epi8(second, zero),
            ];
            let mut i = 0;
            while i < 4 {
                sums.high[i] = _mm256_add_epi32(sums.high[i], _mm256_madd_epi16(pairs[i], high));
                sums.low[i] = _mm256_add_epi32(sums.low[i], _mm256_madd_epi16(pairs[i], low));
                i += 1;
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn store_pixels<const SHIFT: u32>(self, sums: FourSums, dst: *mut u8) {
        // SAFETY: the token proves AVX2; the caller promises 32 bytes.
        unsafe {
            let shift = _mm_cvtsi32_si128(SHIFT as i32);
            let mut joined = [_mm256_setzero_si256(); 4];
            let mut i = 0;
            while i < 4 {
                let sum = _mm256_add_epi32(_mm256_slli_epi32::<16>(sums.high[i]), sums.low[i]);
                joined[i] = _mm256_sra_epi32(sum, shift);
                i += 1;
            }
            // to 16 bits with a sign, then to 8 without: both keep what is outside at the border
            let [a, b, c, d] = joined;
            let pixels = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            _mm256_storeu_si256(dst.cast(), pixels);
        }
    }

    type B = __m256i;

    #[inline(always)]
    unsafe fn load_halves(self, first: *const u8, second: *const u8) -> __m256i {
        // SAFETY: the token proves AVX2; the caller promises 16 bytes at each place.
        unsafe { load_halves(first, second) }
    }

    #[inline(always)]
    unsafe fn store_halves(self, bytes: __m256i, first: *mut u8, second: *mut u8) {
        // SAFETY: the token proves AVX2; the caller promises 16 bytes at each place.
        unsafe { store_halves(bytes, first, second) }
    }

    #[inline(always)]
    fn zip(self, a: __m256i, b: __m256i) -> [__m256i; 2] {
        // SAFETY: the token proves AVX2.
        unsafe { zip(a, b) }
    }
}

/// See [`ByteIsa::load_halves`]; AVX-512 has nothing better.
///
/// # Safety
/// The machine must have AVX2, and 16 bytes must be readable at each place.
#[inline(always)]
pub(in crate::simd) unsafe fn load_halves(first: *const u8, second: *const u8) -> __m256i {
    // SAFETY: promised by the caller.
    unsafe { _mm256_set_m128i(_mm_loadu_si128(second.cast()), _mm_loadu_si128(first.cast())) }
}

/// See [`ByteIsa::store_halves`].
///
/// # Safety
/// The machine must have AVX2, and 16 bytes must be writable at each place.
#[inline(always)]
pub(in crate::simd) unsafe fn store_halves(bytes: __m256i, first: *mut u8, second: *mut u8) {
    // SAFETY: promised by the caller.
    unsafe {
        _mm_storeu_si128(first.cast::<__m128i>(), _mm256_castsi256_si128(bytes));
        _mm_storeu_si128(second.cast::<__m128i>(), _mm256_extracti128_si256::<1>(bytes));
    }
}

/// See [`ByteIsa::zip`].
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
pub(in crate::simd) unsafe fn zip(a: __m256i, b: __m256i) -> [__m256i; 2] {
    // SAFETY: promised by the caller.
    unsafe { [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)] }
}
