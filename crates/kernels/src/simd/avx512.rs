//! AVX-512: sixteen lanes are one register.

mod bytes;
mod products;
mod tiles;

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GT_OQ, _MM_HINT_T0, _MM_HINT_T1, _mm_cmpeq_epi8_mask, _mm_loadu_si128,
    _mm_prefetch, _mm_set1_epi8, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_blend_ps, _mm512_maskz_mov_ps, _mm512_max_ps,
    _mm512_mul_ps, _mm512_permutexvar_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sqrt_ps,
    _mm512_storeu_ps, _mm512_sub_ps,
};

use super::isa::{Isa, Kernel, generic_outer};
use super::outer::Outer;
use crate::{LANES, Level};

/// Token of AVX-512 (F, VL, BW, DQ), and of AVX512_BF16 too with `BF16`: an instruction rounds to bf16 then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512<const BF16: bool>(());

/// Enters AVX-512.
pub(super) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    assert!(Level::Avx512.supported(), "this CPU has no AVX-512");
    // SAFETY: the features were just detected.
    unsafe { run::<K, false>(kernel) }
}

/// Enters AVX-512 on a processor with tiles.
pub(super) fn dispatch_with_tiles<K: Kernel>(kernel: K) -> K::Output {
    assert!(Level::Amx.supported(), "this CPU has no AMX");
    // SAFETY: the features were just detected.
    unsafe { run::<K, true>(kernel) }
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn run<K: Kernel, const BF16: bool>(kernel: K) -> K::Output {
    kernel.run(Avx512::<BF16>(()))
}

// SAFETY of every block below: the private token is only made in `run`, whose features are enabled.
impl<const BF16: bool> Isa for Avx512<BF16> {
    type V = __m512;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> __m512 {
        // SAFETY: the token proves AVX-512; the caller promises sixteen values.
        unsafe { _mm512_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, v: __m512) {
        // SAFETY: the token proves AVX-512; the caller promises sixteen values.
        unsafe { _mm512_storeu_ps(dst, v) };
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, v: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_sqrt_ps(v) }
    }

    #[inline(always)]
    fn relu(self, v: __m512) -> __m512 {
        // `maxps` returns its second operand when one is NaN or both are zero.
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_max_ps(_mm512_setzero_ps(), v) }
    }

    #[inline(always)]
    fn select_gt(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x) }
    }

    #[inline(always)]
    unsafe fn keep_where(self, v: __m512, bytes: *const u8, byte: u8) -> __m512 {
        // SAFETY: the token proves AVX-512; the caller promises sixteen bytes.
        unsafe {
            let equal = _mm_cmpeq_epi8_mask(_mm_loadu_si128(bytes.cast()), _mm_set1_epi8(byte as i8));
            _mm512_maskz_mov_ps(equal, v)
        }
    }

    type R = __m512;

    const WIDTH: usize = 16;

    #[inline(always)]
    fn register_splat(self, x: f32) -> __m512 {
        self.splat(x)
    }

    #[inline(always)]
    unsafe fn register_load(self, src: *const f32) -> __m512 {
        // SAFETY: promised by the caller.
        unsafe { self.load(src) }
    }

    #[inline(always)]
    unsafe fn register_store(self, dst: *mut f32, v: __m512) {
        // SAFETY: promised by the caller.
        unsafe { self.store(dst, v) };
    }

    #[inline(always)]
    fn register_mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        self.mul_add(a, b, c)
    }

    #[inline(always)]
    fn register_add(self, a: __m512, b: __m512) -> __m512 {
        self.add(a, b)
    }

    #[inline(always)]
    fn register_sub(self, a: __m512, b: __m512) -> __m512 {
        self.sub(a, b)
    }

    #[inline(always)]
    fn register_mul(self, a: __m512, b: __m512) -> __m512 {
        self.mul(a, b)
    }

    #[inline(always)]
    fn register_relu(self, v: __m512) -> __m512 {
        self.relu(v)
    }

    type Order = __m512i;

    #[inline(always)]
    fn register_order(self, from: &[u32; LANES]) -> __m512i {
        // SAFETY: the token proves AVX-512; the array holds sixteen values.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn register_permute(self, v: __m512, order: __m512i) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_permutexvar_ps(order, v) }
    }

    #[inline(always)]
    unsafe fn outer<const MR: usize, const NR: usize>(self, acc: &mut [[__m512; NR]; MR], outer: &Outer<MR>) {
        let (to, from) = (std::ptr::from_mut(acc), std::ptr::from_ref(outer));
        // SAFETY: the token proves AVX-512; a cast is only reached where it changes nothing; the rest is promised by the
        // caller.
        unsafe {
            match (MR, NR) {
                (1, 4) => products::outer1(&mut *to.cast(), &*from.cast()),
                (2, 4) => products::outer2(&mut *to.cast(), &*from.cast()),
                (3, 4) => products::outer3(&mut *to.cast(), &*from.cast()),
                (4, 4) => products::outer4(&mut *to.cast(), &*from.cast()),
                (5, 4) => products::outer5(&mut *to.cast(), &*from.cast()),
                (6, 4) => products::outer6(&mut *to.cast(), &*from.cast()),
                _ => generic_outer(self, acc, outer),
            }
        }
    }

    #[inline(always)]
    fn prefetch_far(self, src: *const u8) {
        // SAFETY: a prefetch reads nothing; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(src.cast()) };
    }

    #[inline(always)]
    fn prefetch(self, src: *const f32) {
        // SAFETY: a prefetch reads nothing; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(src.cast()) };
    }
}
