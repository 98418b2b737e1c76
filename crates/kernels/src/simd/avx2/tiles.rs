//! bf16 values in pairs, and products of tiles without the unit: see [`crate::simd::tiles`], and for the assembly
//! `avx512/tiles.rs`, whose loop this is with half of a vector of filters.

#![expect(clippy::needless_range_loop, reason = "tiles index several arrays by the same constants")]

use std::arch::asm;
use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_UNORD_Q, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_and_si256, _mm256_blendv_epi8, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_castsi256_si128,
    _mm256_cmp_ps, _mm256_cmpeq_epi32, _mm256_cvtepu16_epi32, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_packus_epi32, _mm256_permute2x128_si256, _mm256_permute4x64_epi64, _mm256_set1_epi32,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
    _mm256_unpackhi_epi16, _mm256_unpacklo_epi16,
};

use super::{Avx2, Pair};
use crate::bf16::Bf16;
use crate::simd::pairs::{FLUSHING, TILE, TileIsa, WideStep};

/// The bits of [`Bf16::from_f32`] in the upper half of each lane; the lower half is anything.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
pub(super) unsafe fn rounded(v: __m256) -> __m256i {
    // SAFETY: promised by the caller.
    unsafe {
        let bits = _mm256_castps_si256(v);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let nearest = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
        let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
        let number = _mm256_blendv_epi8(nearest, quiet, nan);
        let exponent = _mm256_and_si256(bits, _mm256_set1_epi32(0x7f80_0000));
        let denormal = _mm256_cmpeq_epi32(exponent, _mm256_setzero_si256());
        _mm256_blendv_epi8(number, _mm256_and_si256(bits, _mm256_set1_epi32(i32::MIN)), denormal)
    }
}

/// Eight bf16 values as `f32`.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn widened(v: __m128i) -> __m256 {
    // SAFETY: promised by the caller.
    unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(v))) }
}

/// The odds of eight pairs, which are the upper halves of their lanes.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn upper(pairs: __m256i) -> __m256i {
    // SAFETY: promised by the caller.
    unsafe { _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff_0000_u32 as i32)) }
}

impl TileIsa for Avx2 {
    type Lanes = Pair;

    type Register = __m256;

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const Bf16) -> Pair {
        // SAFETY: the token proves AVX2; the caller promises sixteen values.
        unsafe { (widened(_mm_loadu_si128(src.cast())), widened(_mm_loadu_si128(src.add(8).cast()))) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, dst: *mut Bf16, v: Pair) {
        // SAFETY: the token proves AVX2; the caller promises sixteen values.
        unsafe {
            let halves = [_mm256_srli_epi32::<16>(rounded(v.0)), _mm256_srli_epi32::<16>(rounded(v.1))];
            // packed within each half of the register: their quarters come in turns
            let packed = _mm256_packus_epi32(halves[0], halves[1]);
            _mm256_storeu_si256(dst.cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
        }
    }

    #[inline(always)]
    unsafe fn register_load_bf16(self, src: *const Bf16) -> __m256 {
        // SAFETY: the token proves AVX2; the caller promises eight values.
        unsafe { widened(_mm_loadu_si128(src.cast())) }
    }

    #[inline(always)]
    unsafe fn register_store_bf16(self, dst: *mut Bf16, v: __m256) {
        // SAFETY: the token proves AVX2; the caller promises eight values.
        unsafe {
            let upper = _mm256_srli_epi32::<16>(rounded(v));
            let packed = _mm256_packus_epi32(upper, upper);
            let values = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            _mm_storeu_si128(dst.cast(), _mm256_castsi256_si128(values));
        }
    }

    #[inline(always)]
    fn round_bf16(self, v: Pair) -> Pair {
        // SAFETY: the token proves AVX2.
        unsafe { (_mm256_castsi256_ps(upper(rounded(v.0))), _mm256_castsi256_ps(upper(rounded(v.1)))) }
    }

    #[inline(always)]
    unsafe fn widen_pairs(self, src: *const Bf16) -> [Pair; 2] {
        // SAFETY: the token proves AVX2; the caller promises 32 values.
        unsafe {
            let pairs = [_mm256_loadu_si256(src.cast()), _mm256_loadu_si256(src.add(16).cast())];
            let evens = (_mm256_slli_epi32::<16>(pairs[0]), _mm256_slli_epi32::<16>(pairs[1]));
            let odds = (upper(pairs[0]), upper(pairs[1]));
            [
                (_mm256_castsi256_ps(evens.0), _mm256_castsi256_ps(evens.1)),
                (_mm256_castsi256_ps(odds.0), _mm256_castsi256_ps(odds.1)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, dst: *mut Bf16, evens: Pair, odds: Pair) {
        // SAFETY: the token proves AVX2; the caller promises 32 values.
        unsafe {
            let first = _mm256_or_si256(upper(rounded(odds.0)), _mm256_srli_epi32::<16>(rounded(evens.0)));
            let second = _mm256_or_si256(upper(rounded(odds.1)), _mm256_srli_epi32::<16>(rounded(evens.1)));
            _mm256_storeu_si256(dst.cast(), first);
            _mm256_storeu_si256(dst.add(16).cast(), second);
        }
    }

    #[inline(always)]
    unsafe fn interleave(self, a: *const Bf16, b: *const Bf16, first: *mut Bf16, second: *mut Bf16) {
        for (half, to) in [first, second].into_iter().enumerate() {
            // SAFETY: the token proves AVX2; the caller promises 32 values each.
            unsafe {
                let a = _mm256_loadu_si256(a.add(half * TILE).cast());
                let b = _mm256_loadu_si256(b.add(half * TILE).cast());
                // unpacked within each half of the register
                let (low, high) = (_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
                _mm256_storeu_si256(to.cast(), _mm256_permute2x128_si256::<0x20>(low, high));
                _mm256_storeu_si256(to.add(TILE).cast(), _mm256_permute2x128_si256::<0x31>(low, high));
            }
        }
    }

    #[inline(always)]
    unsafe fn tile_rows<const M: usize, const N: usize>(
        self,
        wide: &WideStep<M, N>,
        c: &[[*mut f32; N]; M],
        c_row: usize,
    ) {
        for m in 0..M {
            let (a, b) = (wide.a[m].as_ptr().cast(), wide.b.as_ptr().cast::<f32>());
            for half in 0..2 * N {
                let (n, lane) = (half / 2, half % 2 * 8);
                // SAFETY: the token proves AVX2; a step of `M` and `N` has these rows and pairs; the rest is promised by the caller.
                unsafe { rows(a, b.add(n * 2 * TILE + lane), N * 128, c[m][n].add(lane), c_row) };
            }
        }
    }
}

/// A row's place and the registers of its evens and odds.
macro_rules! rows {
    ($name:ident: $($row:literal $e:ident $o:ident),+) => {
        /// `a`: rows of 16 evens and 16 odds; `b`: eight evens and, 64 bytes behind them, eight odds, for each of 16 pairs, which
        /// are `b_pair` bytes apart.
        ///
        /// # Safety
        /// They must be readable, `c` readable and writable.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $name(a: *const f32, b: *const f32, b_pair: usize, c: *mut f32, c_row: usize) {
            let zero = _mm256_setzero_ps();
            let mut before = 0_u32;
            // SAFETY: promised by the caller; denormal values are switched back to what they were.
            unsafe {
                asm!(
                    "stmxcsr dword ptr [{before}]",
                    "ldmxcsr dword ptr [{flushing}]",
                    "2:",
                    $(
                        concat!("vxorps {", stringify!($e), "}, {", stringify!($e), "}, {", stringify!($e), "}"),
                        concat!("vxorps {", stringify!($o), "}, {", stringify!($o), "}, {", stringify!($o), "}"),
                    )+
                    "mov {pairs:e}, 16",
                    "mov {pair}, {b}",
                    "3:",
                    "vmovups {even}, [{pair}]",
                    "vmovups {odd}, [{pair} + 64]",
                    $(
                        concat!("vbroadcastss {x}, dword ptr [{a} + 128*", $row, "]"),
                        concat!("vfmadd231ps {", stringify!($e), "}, {x}, {even}"),
                        concat!("vbroadcastss {x}, dword ptr [{a} + 128*", $row, " + 64]"),
                        concat!("vfmadd231ps {", stringify!($o), "}, {x}, {odd}"),
                    )+
                    "add {a}, 4",
                    "add {pair}, {b_pair}",
                    "dec {pairs:e}",
                    "jnz 3b",
                    $(
                        concat!("vaddps {", stringify!($e), "}, {", stringify!($e), "}, {", stringify!($o), "}"),
                        concat!("vaddps {", stringify!($e), "}, {", stringify!($e), "}, [{c}]"),
                        concat!("vmovups [{c}], {", stringify!($e), "}"),
                        "add {c}, {c_row}",
                    )+
                    // four rows of 128 bytes, less the 64 that went by
                    "add {a}, 448",
                    "sub {rows}, 4",
                    "jnz 2b",
                    "ldmxcsr dword ptr [{before}]",
                    before = in(reg) &raw mut before,
                    flushing = in(reg) &raw const FLUSHING,
                    a = inout(reg) a => _,
                    b = in(reg) b,
                    b_pair = in(reg) b_pair,
                    pair = out(reg) _,
                    c = inout(reg) c => _,
                    c_row = in(reg) c_row,
                    rows = inout(reg) TILE => _,
                    pairs = out(reg) _,
                    x = inout(ymm_reg) zero => _,
                    even = inout(ymm_reg) zero => _,
                    odd = inout(ymm_reg) zero => _,
                    $($e = inout(ymm_reg) zero => _, $o = inout(ymm_reg) zero => _,)+
                    options(nostack),
                );
            }
        }
    };
}

rows!(rows: 0 e0 o0, 1 e1 o1, 2 e2 o2, 3 e3 o3);
