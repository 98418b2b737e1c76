//! bf16 values in pairs, and products of tiles without the unit: see [`crate::simd::tiles`].
//!
//! The products are written in assembly because they need denormal values to count as zero. That is a switch of the processor
//! which a program in Rust may only turn inside an assembly block, and has to turn back at its end.

use std::arch::asm;
use std::arch::x86_64::{
    __m512, __m512i, _CMP_UNORD_Q, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_add_epi32,
    _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16,
    _mm512_cvtepu16_epi32, _mm512_loadu_si512, _mm512_mask_mov_epi32, _mm512_or_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_si512,
};

use super::Avx512;
use crate::bf16::Bf16;
use crate::simd::tiles::{FLUSHING, TILE, TileIsa, WideStep};

/// The bits of [`Bf16::from_f32`] in the upper half of each lane; the lower half is anything.
///
/// # Safety
/// The machine must have AVX-512.
#[inline(always)]
pub(super) unsafe fn rounded(v: __m512) -> __m512i {
    // SAFETY: promised by the caller.
    unsafe {
        let bits = _mm512_castps_si512(v);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let nearest = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
        _mm512_mask_mov_epi32(nearest, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v), quiet)
    }
}

impl TileIsa for Avx512 {
    type Lanes = __m512;

    type Register = __m512;

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const Bf16) -> __m512 {
        // SAFETY: the token proves AVX-512; the caller promises sixteen values.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(src.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, dst: *mut Bf16, v: __m512) {
        // SAFETY: the token proves AVX-512; the caller promises sixteen values.
        unsafe {
            let upper = _mm512_srli_epi32::<16>(rounded(v));
            _mm256_storeu_si256(dst.cast(), _mm512_cvtepi32_epi16(upper));
        }
    }

    #[inline(always)]
    unsafe fn register_load_bf16(self, src: *const Bf16) -> __m512 {
        // SAFETY: promised by the caller.
        unsafe { self.load_bf16(src) }
    }

    #[inline(always)]
    unsafe fn register_store_bf16(self, dst: *mut Bf16, v: __m512) {
        // SAFETY: promised by the caller.
        unsafe { self.store_bf16(dst, v) };
    }

    #[inline(always)]
    fn round_bf16(self, v: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe {
            _mm512_castsi512_ps(_mm512_and_si512(rounded(v), _mm512_set1_epi32(0xffff_0000_u32 as i32)))
        }
    }

    #[inline(always)]
    unsafe fn widen_pairs(self, src: *const Bf16) -> [__m512; 2] {
        // SAFETY: the token proves AVX-512; the caller promises 32 values.
        unsafe {
            let pairs = _mm512_loadu_si512(src.cast());
            let odds = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)), _mm512_castsi512_ps(odds)]
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, dst: *mut Bf16, evens: __m512, odds: __m512) {
        // SAFETY: the token proves AVX-512; the caller promises 32 values.
        unsafe {
            let odds = _mm512_and_si512(rounded(odds), _mm512_set1_epi32(0xffff_0000_u32 as i32));
            _mm512_storeu_si512(dst.cast(), _mm512_or_si512(odds, _mm512_srli_epi32::<16>(rounded(evens))));
        }
    }

    #[inline(always)]
    unsafe fn tile_rows<const M: usize, const N: usize>(
        self,
        wide: &WideStep<M, N>,
        c: *mut f32,
        c_row: usize,
    ) {
        let (a, b) = (wide.a.as_ptr().cast(), wide.b.as_ptr().cast());
        // SAFETY: the token proves AVX-512; a step of `M` and `N` has these rows and pairs; the rest is promised by the caller.
        unsafe {
            match N {
                1 => rows1(a, b, c, c_row, M * TILE),
                _ => rows2(a, b, c, c_row, M * TILE),
            }
        }
    }
}

/// Four rows at a time by some vectors of filters: evens and odds of each sum in a register.
macro_rules! rows {
    (
        $name:ident, $pair:literal, $pairs:literal, $($n:literal $even:ident $odd:ident),+:
        $($row:literal: $($at:literal $e:ident $o:ident $by_even:ident $by_odd:ident),+);+
    ) => {
        /// `a`: rows of 16 evens and 16 odds; `b`: for each of 16 pairs the evens and odds of each vector of filters.
        ///
        /// # Safety
        /// They must be readable, `c` readable and writable; `rows` is a multiple of four.
        #[inline]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        unsafe fn $name(a: *const f32, b: *const f32, c: *mut f32, c_row: usize, rows: usize) {
            let zero = _mm512_setzero_ps();
            let mut before = 0_u32;
            // SAFETY: promised by the caller; denormal values are switched back to what they were.
            unsafe {
                asm!(
                    "stmxcsr dword ptr [{before}]",
                    "ldmxcsr dword ptr [{flushing}]",
                    "2:",
                    $($(
                        concat!("vpxord {", stringify!($e), "}, {", stringify!($e), "}, {", stringify!($e), "}"),
                        concat!("vpxord {", stringify!($o), "}, {", stringify!($o), "}, {", stringify!($o), "}"),
                    )+)+
                    "mov {pairs:e}, 16",
                    "3:",
                    $(
                        concat!("vmovups {", stringify!($even), "}, [{b} + 128*", $n, "]"),
                        concat!("vmovups {", stringify!($odd), "}, [{b} + 128*", $n, " + 64]"),
                    )+
                    $(
                        concat!("vbroadcastss {x}, dword ptr [{a} + 128*", $row, "]"),
                        $(concat!("vfmadd231ps {", stringify!($e), "}, {x}, {", stringify!($by_even), "}"),)+
                        concat!("vbroadcastss {x}, dword ptr [{a} + 128*", $row, " + 64]"),
                        $(concat!("vfmadd231ps {", stringify!($o), "}, {x}, {", stringify!($by_odd), "}"),)+
                    )+
                    "add {a}, 4",
                    concat!("add {b}, ", $pair),
                    "dec {pairs:e}",
                    "jnz 3b",
                    $(
                        $(
                            concat!("vaddps {", stringify!($e), "}, {", stringify!($e), "}, {", stringify!($o), "}"),
                            concat!("vaddps {", stringify!($e), "}, {", stringify!($e), "}, [{c} + 64*", $at, "]"),
                            concat!("vmovups [{c} + 64*", $at, "], {", stringify!($e), "}"),
                        )+
                        "add {c}, {c_row}",
                    )+
                    // four rows of 128 bytes, less the 64 that went by
                    "add {a}, 448",
                    concat!("sub {b}, ", $pairs),
                    "sub {rows}, 4",
                    "jnz 2b",
                    "ldmxcsr dword ptr [{before}]",
                    before = in(reg) &raw mut before,
                    flushing = in(reg) &raw const FLUSHING,
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
                    c = inout(reg) c => _,
                    c_row = in(reg) c_row,
                    rows = inout(reg) rows => _,
                    pairs = out(reg) _,
                    x = inout(zmm_reg) zero => _,
                    $(
                        $even = inout(zmm_reg) zero => _,
                        $odd = inout(zmm_reg) zero => _,
                    )+
                    $($($e = inout(zmm_reg) zero => _, $o = inout(zmm_reg) zero => _,)+)+
                    options(nostack),
                );
            }
        }
    };
}

rows!(rows1, 128, 2048, 0 even odd:
    0: 0 e0 o0 even odd; 1: 0 e1 o1 even odd; 2: 0 e2 o2 even odd; 3: 0 e3 o3 even odd);
rows!(rows2, 256, 4096, 0 even odd, 1 even1 odd1:
    0: 0 e00 o00 even odd, 1 e01 o01 even1 odd1;
    1: 0 e10 o10 even odd, 1 e11 o11 even1 odd1;
    2: 0 e20 o20 even odd, 1 e21 o21 even1 odd1;
    3: 0 e30 o30 even odd, 1 e31 o31 even1 odd1);
