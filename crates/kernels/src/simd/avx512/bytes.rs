//! Pixels of 8 bits with AVX-512: sums in two registers of 16, bytes in halves of a register.

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_cvtsi32_si128, _mm_storeu_si128, _mm_unpackhi_epi64, _mm_unpacklo_epi64,
    _mm256_loadu_si256, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8, _mm512_add_epi32, _mm512_cvtepu8_epi16,
    _mm512_cvtusepi32_epi8, _mm512_madd_epi16, _mm512_max_epi32, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_sra_epi32,
};

use super::Avx512;
use crate::simd::avx2::bytes as avx2;
use crate::simd::bytes::{ByteIsa, HALF, WeightPair};

/// The sums of the high and of the low halves of the weights. The first register has pixels 0 to 7 and 16 to 23, the second
/// the others: that is how AVX2 interleaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoSums {
    high: [__m512i; 2],
    low: [__m512i; 2],
}

impl<const BF16: bool> ByteIsa for Avx512<BF16> {
    type Sums = TwoSums;

    #[inline(always)]
    fn sums(self, start: i32) -> TwoSums {
        // SAFETY: the token proves AVX-512.
        unsafe { TwoSums { high: [_mm512_setzero_si512(); 2], low: [_mm512_set1_epi32(start); 2] } }
    }

    #[inline(always)]
    unsafe fn add_products(
        self,
        mut sums: TwoSums,
        a: *const u8,
        b: *const u8,
        weights: WeightPair,
    ) -> TwoSums {
        // SAFETY: the token proves AVX-512 with BW and AVX2; the caller promises 32 bytes at each place.
        unsafe {
            let (a, b) = (_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast()));
            let (high, low) = (_mm512_set1_epi32(weights.high()), _mm512_set1_epi32(weights.low()));
            let pairs = [
                _mm512_cvtepu8_epi16(_mm256_unpacklo_epi8(a, b)),
                _mm512_cvtepu8_epi16(_mm256_unpackhi_epi8(a, b)),
            ];
            let mut i = 0;
            while i < 2 {
                sums.high[i] = _mm512_add_epi32(sums.high[i], _mm512_madd_epi16(pairs[i], high));
                sums.low[i] = _mm512_add_epi32(sums.low[i], _mm512_madd_epi16(pairs[i], low));
                i += 1;
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn store_pixels<const SHIFT: u32>(self, sums: TwoSums, dst: *mut u8) {
        // SAFETY: the token proves AVX-512; the caller promises 32 bytes.
        unsafe {
            let shift = _mm_cvtsi32_si128(SHIFT as i32);
            let a = pixels(sums.high[0], sums.low[0], shift);
            let b = pixels(sums.high[1], sums.low[1], shift);
            _mm_storeu_si128(dst.cast(), _mm_unpacklo_epi64(a, b));
            _mm_storeu_si128(dst.add(HALF).cast(), _mm_unpackhi_epi64(a, b));
        }
    }

    type B = __m256i;

    #[inline(always)]
    unsafe fn load_halves(self, first: *const u8, second: *const u8) -> __m256i {
        // SAFETY: the token proves AVX-512, and every such machine has AVX2; the caller promises 16 bytes at each place.
        unsafe { avx2::load_halves(first, second) }
    }

    #[inline(always)]
    unsafe fn store_halves(self, bytes: __m256i, first: *mut u8, second: *mut u8) {
        // SAFETY: the token proves AVX-512, and every such machine has AVX2; the caller promises 16 bytes at each place.
        unsafe { avx2::store_halves(bytes, first, second) }
    }

    #[inline(always)]
    fn zip(self, a: __m256i, b: __m256i) -> [__m256i; 2] {
        // SAFETY: the token proves AVX-512, and every such machine has AVX2.
        unsafe { avx2::zip(a, b) }
    }
}

/// Sixteen sums as pixels.
///
/// # Safety
/// The machine must have AVX-512.
#[inline(always)]
unsafe fn pixels(high: __m512i, low: __m512i, shift: __m128i) -> __m128i {
    // SAFETY: promised by the caller.
    unsafe {
        let sum = _mm512_add_epi32(_mm512_slli_epi32::<16>(high), low);
        let kept = _mm512_max_epi32(_mm512_sra_epi32(sum, shift), _mm512_setzero_si512());
        _mm512_cvtusepi32_epi8(kept)
    }
}
