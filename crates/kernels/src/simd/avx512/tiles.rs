//! bf16 values in pairs, and products of tiles without the unit: see [`crate::simd::tiles`].
//!
//! The products are written in assembly because they need denormal values to count as zero. That is a switch of the processor
//! which a program in Rust may only turn inside an assembly block, and has to turn back at its end.

#![expect(clippy::needless_range_loop, reason = "tiles index several arrays by the same constants")]

use std::arch::asm;
use std::arch::x86_64::{
    __m256i, __m512, __m512i, _CMP_UNORD_Q, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_add_epi32,
    _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16,
    _mm512_cvtepu16_epi32, _mm512_loadu_si512, _mm512_mask_and_epi32, _mm512_mask_mov_epi32, _mm512_or_si512,
    _mm512_permutex2var_epi64, _mm512_set1_epi32, _mm512_setr_epi64, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_shuffle_i32x4, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_si512, _mm512_testn_epi32_mask,
    _mm512_unpackhi_epi16, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi16,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::Avx512;
use crate::LANES;
use crate::bf16::Bf16;
use crate::simd::pairs::{FLUSHING, TILE, TileIsa, WideStep};

/// The bits of [`Bf16::from_f32`] in the upper half of each lane; the lower half is anything.
///
/// # Safety
/// The machine must have AVX-512.
#[inline(always)]
unsafe fn rounded(v: __m512) -> __m512i {
    // SAFETY: promised by the caller.
    unsafe {
        let bits = _mm512_castps_si512(v);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let nearest = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
        let number = _mm512_mask_mov_epi32(nearest, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v), quiet);
        let denormal = _mm512_testn_epi32_mask(bits, _mm512_set1_epi32(0x7f80_0000));
        _mm512_mask_and_epi32(number, denormal, bits, _mm512_set1_epi32(i32::MIN))
    }
}

/// The bits of [`Bf16::from_f32`].
///
/// # Safety
/// The machine must have AVX-512, and AVX512_BF16 with `BF16`.
#[inline(always)]
unsafe fn narrowed<const BF16: bool>(v: __m512) -> __m256i {
    // SAFETY: promised by the caller.
    unsafe {
        match BF16 {
            true => converted(v),
            false => _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded(v))),
        }
    }
}

/// The same by one instruction, for which the compiler need not enable its feature.
///
/// # Safety
/// The machine must have AVX512_BF16.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn converted(v: __m512) -> __m256i {
    let bits;
    // SAFETY: promised by the caller.
    unsafe {
        asm!(
            "vcvtneps2bf16 {bits}, {v}",
            bits = lateout(ymm_reg) bits,
            v = in(zmm_reg) v,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    bits
}

/// As [`converted`], 32 values: those of `low` first.
///
/// # Safety
/// As [`converted`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn converted_pair(low: __m512, high: __m512) -> __m512i {
    let bits;
    // SAFETY: promised by the caller.
    unsafe {
        asm!(
            "vcvtne2ps2bf16 {bits}, {high}, {low}",
            bits = lateout(zmm_reg) bits,
            low = in(zmm_reg) low,
            high = in(zmm_reg) high,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    bits
}

impl<const BF16: bool> TileIsa for Avx512<BF16> {
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
            _mm256_storeu_si256(dst.cast(), narrowed::<BF16>(v));
        }
    }

    #[inline(always)]
    unsafe fn store_bf16_pair(self, dst: *mut Bf16, low: __m512, high: __m512) {
        // SAFETY: the token proves AVX-512; the caller promises 32 values.
        unsafe {
            match BF16 {
                true => _mm512_storeu_si512(dst.cast(), converted_pair(low, high)),
                false => {
                    self.store_bf16(dst, low);
                    self.store_bf16(dst.add(LANES), high);
                }
            }
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
            let bits = match BF16 {
                true => _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(converted(v))),
                false => _mm512_and_si512(rounded(v), _mm512_set1_epi32(0xffff_0000_u32 as i32)),
            };
            _mm512_castsi512_ps(bits)
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
            let pairs = match BF16 {
                true => {
                    let odds = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(converted(odds)));
                    _mm512_or_si512(odds, _mm512_cvtepu16_epi32(converted(evens)))
                }
                false => {
                    let odds = _mm512_and_si512(rounded(odds), _mm512_set1_epi32(0xffff_0000_u32 as i32));
                    _mm512_or_si512(odds, _mm512_srli_epi32::<16>(rounded(evens)))
                }
            };
            _mm512_storeu_si512(dst.cast(), pairs);
        }
    }

    #[inline(always)]
    unsafe fn interleave(self, a: *const Bf16, b: *const Bf16, first: *mut Bf16, second: *mut Bf16) {
        // SAFETY: the token proves AVX-512; the caller promises 32 values each.
        unsafe {
            let (a, b) = (_mm512_loadu_si512(a.cast()), _mm512_loadu_si512(b.cast()));
            let [low, high] = [_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)];
            // unpacked within each quarter of the register
            let quarters = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
            let rest = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
            _mm512_storeu_si512(first.cast(), _mm512_permutex2var_epi64(low, quarters, high));
            _mm512_storeu_si512(second.cast(), _mm512_permutex2var_epi64(low, rest, high));
        }
    }

    #[inline(always)]
    unsafe fn transpose_pairs(self, src: *const Bf16, dst: *mut Bf16, dst_row: usize) {
        // SAFETY: the token proves AVX-512; the rest is promised by the caller.
        unsafe { transpose(src.cast(), dst.cast(), dst_row) };
    }

    #[inline(always)]
    unsafe fn tile_rows<const M: usize, const N: usize>(
        self,
        wide: &WideStep<M, N>,
        c: &[[*mut f32; N]; M],
        c_row: usize,
    ) {
        for m in 0..M {
            let (a, b) = (wide.a[m].as_ptr().cast(), wide.b.as_ptr().cast());
            let c = [c[m][0], c[m][N - 1]];
            // SAFETY: the token proves AVX-512; a step of `M` and `N` has these rows and pairs; the rest is promised by the caller.
            unsafe {
                match N {
                    1 => rows1(a, b, c, c_row),
                    _ => rows2(a, b, c, c_row),
                }
            }
        }
    }
}

/// Exchanges rows and columns of 16 rows of 16 numbers: in pairs, in fours, and then quarters of registers.
///
/// # Safety
/// As [`TileIsa::transpose_pairs`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn transpose(src: *const u32, dst: *mut u32, dst_row: usize) {
    let zero = _mm512_setzero_si512();
    let (mut rows, mut pairs) = ([zero; 16], [zero; 16]);
    for i in 0..16 {
        // SAFETY: promised by the caller.
        rows[i] = unsafe { _mm512_loadu_si512(src.add(16 * i).cast()) };
    }
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    for i in 0..4 {
        for half in 0..2 {
            let (a, b) = (pairs[4 * i + half], pairs[4 * i + 2 + half]);
            rows[4 * i + 2 * half] = _mm512_unpacklo_epi64(a, b);
            rows[4 * i + 2 * half + 1] = _mm512_unpackhi_epi64(a, b);
        }
    }
    // rows[4 i + j]: column 4 q + j of rows 4 i .. 4 i + 4 in quarter q
    for j in 0..4 {
        let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(rows[j], rows[4 + j]);
        let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(rows[j], rows[4 + j]);
        let even_below = _mm512_shuffle_i32x4::<0b10_00_10_00>(rows[8 + j], rows[12 + j]);
        let odd_below = _mm512_shuffle_i32x4::<0b11_01_11_01>(rows[8 + j], rows[12 + j]);
        let columns = [
            _mm512_shuffle_i32x4::<0b10_00_10_00>(even, even_below),
            _mm512_shuffle_i32x4::<0b10_00_10_00>(odd, odd_below),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(even, even_below),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(odd, odd_below),
        ];
        for (quarter, column) in columns.into_iter().enumerate() {
            // SAFETY: promised by the caller.
            unsafe { _mm512_storeu_si512(dst.byte_add((4 * quarter + j) * dst_row).cast(), column) };
        }
    }
}

/// Four rows at a time by some vectors of filters: evens and odds of each sum in a register.
macro_rules! rows {
    (
        $name:ident, $pair:literal, $pairs:literal, $($n:literal $even:ident $odd:ident),+:
        $($row:literal: $($at:ident $e:ident $o:ident $by_even:ident $by_odd:ident),+);+
    ) => {
        /// `a`: rows of 16 evens and 16 odds; `b`: for each of 16 pairs the evens and odds of each vector of filters.
        ///
        /// # Safety
        /// They must be readable, the sums readable and writable.
        #[inline]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        unsafe fn $name(a: *const f32, b: *const f32, [c, next]: [*mut f32; 2], c_row: usize) {
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
                            concat!("vaddps {", stringify!($e), "}, {", stringify!($e), "}, [{", stringify!($at), "}]"),
                            concat!("vmovups [{", stringify!($at), "}], {", stringify!($e), "}"),
                        )+
                        "add {c}, {c_row}",
                        "add {next}, {c_row}",
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
                    next = inout(reg) next => _,
                    c_row = in(reg) c_row,
                    rows = inout(reg) TILE => _,
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
    0: c e0 o0 even odd; 1: c e1 o1 even odd; 2: c e2 o2 even odd; 3: c e3 o3 even odd);
rows!(rows2, 256, 4096, 0 even odd, 1 even1 odd1:
    0: c e00 o00 even odd, next e01 o01 even1 odd1;
    1: c e10 o10 even odd, next e11 o11 even1 odd1;
    2: c e20 o20 even odd, next e21 o21 even1 odd1;
    3: c e30 o30 even odd, next e31 o31 even1 odd1);
