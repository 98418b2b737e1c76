//! AVX2 with FMA: sixteen lanes are two registers.

pub(super) mod bytes;
mod tiles;

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GT_OQ, _MM_HINT_T0, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_prefetch, _mm_set1_epi8,
    _mm_srli_si128, _mm256_add_ps, _mm256_and_ps, _mm256_blendv_ps, _mm256_castsi256_ps, _mm256_cmp_ps,
    _mm256_cvtepi8_epi32, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps,
    _mm256_mul_ps, _mm256_permutevar8x32_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_sqrt_ps,
    _mm256_storeu_ps, _mm256_sub_ps,
};

use super::isa::{Isa, Kernel};
use crate::{LANES, Level};

/// Token of AVX2+FMA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

/// Lanes 0-7 and 8-15.
type Pair = (__m256, __m256);

/// Enters AVX2.
pub(super) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    assert!(Level::Avx2.supported(), "this CPU has no AVX2 with FMA");
    // SAFETY: the features were just detected.
    unsafe { run(kernel) }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

// SAFETY of every block below: the private token is only made in `run`, whose features are enabled.
impl Isa for Avx2 {
    type V = Pair;

    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        // SAFETY: the token proves AVX2.
        let v = unsafe { _mm256_set1_ps(x) };
        (v, v)
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> Pair {
        // SAFETY: the token proves AVX2; the caller promises sixteen values.
        unsafe { (_mm256_loadu_ps(src), _mm256_loadu_ps(src.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, v: Pair) {
        // SAFETY: the token proves AVX2; the caller promises sixteen values.
        unsafe {
            _mm256_storeu_ps(dst, v.0);
            _mm256_storeu_ps(dst.add(8), v.1);
        }
    }

    #[inline(always)]
    fn mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        // SAFETY: the token proves FMA.
        unsafe { (_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }

    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: the token proves AVX2.
        unsafe { (_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: the token proves AVX2.
        unsafe { (_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: the token proves AVX2.
        unsafe { (_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn div(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: the token proves AVX2.
        unsafe { (_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn sqrt(self, v: Pair) -> Pair {
        // SAFETY: the token proves AVX2.
        unsafe { (_mm256_sqrt_ps(v.0), _mm256_sqrt_ps(v.1)) }
    }

    #[inline(always)]
    fn relu(self, v: Pair) -> Pair {
        // `maxps` returns its second operand when one is NaN or both are zero.
        // SAFETY: the token proves AVX2.
        unsafe {
            let zero = _mm256_setzero_ps();
            (_mm256_max_ps(zero, v.0), _mm256_max_ps(zero, v.1))
        }
    }

    #[inline(always)]
    fn select_gt(self, a: Pair, b: Pair, x: Pair, y: Pair) -> Pair {
        // SAFETY: the token proves AVX2.
        unsafe {
            (
                _mm256_blendv_ps(y.0, x.0, _mm256_cmp_ps::<_CMP_GT_OQ>(a.0, b.0)),
                _mm256_blendv_ps(y.1, x.1, _mm256_cmp_ps::<_CMP_GT_OQ>(a.1, b.1)),
            )
        }
    }

    #[inline(always)]
    unsafe fn keep_where(self, v: Pair, bytes: *const u8, byte: u8) -> Pair {
        // SAFETY: the token proves AVX2; the caller promises sixteen bytes.
        unsafe {
            let equal = _mm_cmpeq_epi8(_mm_loadu_si128(bytes.cast()), _mm_set1_epi8(byte as i8));
            let low = _mm256_castsi256_ps(_mm256_cvtepi8_epi32(equal));
            let high = _mm256_castsi256_ps(_mm256_cvtepi8_epi32(_mm_srli_si128::<8>(equal)));
            (_mm256_and_ps(v.0, low), _mm256_and_ps(v.1, high))
        }
    }

    type R = __m256;

    const WIDTH: usize = 8;

    #[inline(always)]
    fn register_splat(self, x: f32) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn register_load(self, src: *const f32) -> __m256 {
        // SAFETY: the token proves AVX2; the caller promises eight values.
        unsafe { _mm256_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn register_store(self, dst: *mut f32, v: __m256) {
        // SAFETY: the token proves AVX2; the caller promises eight values.
        unsafe { _mm256_storeu_ps(dst, v) };
    }

    #[inline(always)]
    fn register_mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the token proves FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn register_add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn register_sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn register_mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn register_relu(self, v: __m256) -> __m256 {
        // `maxps` returns its second operand when one is NaN or both are zero.
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), v) }
    }

    type Order = __m256i;

    #[inline(always)]
    fn register_order(self, from: &[u32; LANES]) -> __m256i {
        // SAFETY: the token proves AVX2; the array holds eight values and more.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn register_permute(self, v: __m256, order: __m256i) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_permutevar8x32_ps(v, order) }
    }

    #[inline(always)]
    fn prefetch(self, src: *const f32) {
        // SAFETY: a prefetch reads nothing; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(src.cast()) };
    }
}
