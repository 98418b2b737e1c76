//! The two-dimensional transforms of tiles, sixteen channels at a time: each axis in turn.
//!
//! A transformed map is `[point][block of 16 channels][tile][16]`: one matrix of tiles by channels for each of the N x N
//! points, whose rows are neighbouring cache lines. Matrices are [`step`] values apart.

use super::points::Points;
use crate::LANES;
use crate::simd::Isa;

/// Distance between the matrices of two points: what they hold, and one cache line, so that the N x N stores of one tile
/// fall into different sets of the cache (36 matrices of 36 tiles and 64 channels are a multiple of 1 KiB apart).
#[inline(always)]
pub(super) fn step(values: usize) -> usize {
    values + LANES
}

/// Writes B^T d B of one tile: `src` points at its first input, rows are `row` values apart; `dst` at its place in the
/// first matrix.
///
/// # Safety
/// N x N vectors must be readable, and writable `step` values apart.
#[inline(always)]
pub(super) unsafe fn input<I: Isa, P: Points<N, M>, const N: usize, const M: usize>(
    isa: I,
    (src, row): (*const f32, usize),
    (dst, step): (*mut f32, usize),
) {
    let mut lane = 0;
    while lane < LANES {
        let mut half = [[isa.register_splat(0.0); N]; N];
        let mut j = 0;
        while j < N {
            let mut column = [isa.register_splat(0.0); N];
            let mut i = 0;
            while i < N {
                // SAFETY: promised by the caller.
                column[i] = unsafe { isa.register_load(src.add(i * row + j * LANES + lane)) };
                i += 1;
            }
            let column = P::input(isa, column);
            let mut i = 0;
            while i < N {
                half[i][j] = column[i];
                i += 1;
            }
            j += 1;
        }
        let mut i = 0;
        while i < N {
            let line = P::input(isa, half[i]);
            let mut j = 0;
            while j < N {
                // SAFETY: promised by the caller.
                unsafe { isa.register_store(dst.add((i * N + j) * step + lane), line[j]) };
                j += 1;
            }
            i += 1;
        }
        lane += I::WIDTH;
    }
}

/// Writes A dy A^T of one tile: M x M inputs, else as [`input`].
///
/// # Safety
/// M x M vectors must be readable, N x N writable `step` values apart.
#[inline(always)]
pub(super) unsafe fn gradient<I: Isa, P: Points<N, M>, const N: usize, const M: usize>(
    isa: I,
    (src, row): (*const f32, usize),
    (dst, step): (*mut f32, usize),
) {
    let mut lane = 0;
    while lane < LANES {
        let mut half = [[isa.register_splat(0.0); M]; N];
        let mut j = 0;
        while j < M {
            let mut column = [isa.register_splat(0.0); M];
            let mut i = 0;
            while i < M {
                // SAFETY: promised by the caller.
                column[i] = unsafe { isa.register_load(src.add(i * row + j * LANES + lane)) };
                i += 1;
            }
            let column = P::gradient(isa, column);
            let mut i = 0;
            while i < N {
                half[i][j] = column[i];
                i += 1;
            }
            j += 1;
        }
        let mut i = 0;
        while i < N {
            let line = P::gradient(isa, half[i]);
            let mut j = 0;
            while j < N {
                // SAFETY: promised by the caller.
                unsafe { isa.register_store(dst.add((i * N + j) * step + lane), line[j]) };
                j += 1;
            }
            i += 1;
        }
        lane += I::WIDTH;
    }
}

/// Where the outputs of one tile go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out {
    /// Its first output.
    pub(super) dst: *mut f32,
    /// Distance between rows and columns.
    pub(super) step: [usize; 2],
    /// Rows and columns inside the map, at most M.
    pub(super) size: [usize; 2],
    /// Added to every output, if not null.
    pub(super) bias: *const f32,
    /// Whether to add to what is there.
    pub(super) accumulate: bool,
}

/// Writes A^T m A of one tile; `src` points at its place in the first matrix.
///
/// # Safety
/// N x N vectors must be readable `step` values apart, those of `out` writable.
#[inline(always)]
pub(super) unsafe fn output<I: Isa, P: Points<N, M>, const N: usize, const M: usize>(
    isa: I,
    (src, step): (*const f32, usize),
    out: &Out,
) {
    let mut lane = 0;
    while lane < LANES {
        let mut half = [[isa.register_splat(0.0); N]; M];
        let mut j = 0;
        while j < N {
            let mut column = [isa.register_splat(0.0); N];
            let mut i = 0;
            while i < N {
                // SAFETY: promised by the caller.
                column[i] = unsafe { isa.register_load(src.add((i * N + j) * step + lane)) };
                i += 1;
            }
            let column = P::output(isa, column);
            let mut i = 0;
            while i < M {
                half[i][j] = column[i];
                i += 1;
            }
            j += 1;
        }
        let mut i = 0;
        while i < M {
            let line = P::output(isa, half[i]);
            let mut j = 0;
            while j < M {
                if i < out.size[0] && j < out.size[1] {
                    // SAFETY: promised by the caller.
                    unsafe {
                        let to = out.dst.add(i * out.step[0] + j * out.step[1] + lane);
                        let mut value = line[j];
                        if !out.bias.is_null() {
                            value = isa.register_add(value, isa.register_load(out.bias.add(lane)));
                        }
                        if out.accumulate {
                            value = isa.register_add(value, isa.register_load(to));
                        }
                        isa.register_store(to, value);
                    }
                }
                j += 1;
            }
            i += 1;
        }
        lane += I::WIDTH;
    }
}

/// Writes G g G^T of sixteen filters: `taps[r * 3 + s]` points at their values, `dst` at their place in the first matrix.
///
/// # Safety
/// The taps must be readable, N x N vectors writable `step` values apart.
#[inline(always)]
pub(super) unsafe fn filter<I: Isa, P: Points<N, M>, const N: usize, const M: usize>(
    isa: I,
    taps: [*const f32; 9],
    (dst, step): (*mut f32, usize),
) {
    let mut lane = 0;
    while lane < LANES {
        let mut half = [[isa.register_splat(0.0); 3]; N];
        let mut s = 0;
        while s < 3 {
            // SAFETY: promised by the caller.
            let column = unsafe {
                [
                    isa.register_load(taps[s].add(lane)),
                    isa.register_load(taps[3 + s].add(lane)),
                    isa.register_load(taps[6 + s].add(lane)),
                ]
            };
            let column = P::filter(isa, column);
            let mut i = 0;
            while i < N {
                half[i][s] = column[i];
                i += 1;
            }
            s += 1;
        }
        let mut i = 0;
        while i < N {
            let line = P::filter(isa, half[i]);
            let mut j = 0;
            while j < N {
                // SAFETY: promised by the caller.
                unsafe { isa.register_store(dst.add((i * N + j) * step + lane), line[j]) };
                j += 1;
            }
            i += 1;
        }
        lane += I::WIDTH;
    }
}

/// Writes G^T u G of sixteen filters to the vectors `tap` values apart.
///
/// # Safety
/// N x N vectors must be readable `step` values apart, nine writable.
#[inline(always)]
pub(super) unsafe fn filter_gradient<I: Isa, P: Points<N, M>, const N: usize, const M: usize>(
    isa: I,
    (src, step): (*const f32, usize),
    (dst, tap): (*mut f32, usize),
) {
    let mut lane = 0;
    while lane < LANES {
        let mut half = [[isa.register_splat(0.0); N]; 3];
        let mut j = 0;
        while j < N {
            let mut column = [isa.register_splat(0.0); N];
            let mut i = 0;
            while i < N {
                // SAFETY: promised by the caller.
                column[i] = unsafe { isa.register_load(src.add((i * N + j) * step + lane)) };
                i += 1;
            }
            let column = P::filter_gradient(isa, column);
            let mut r = 0;
            while r < 3 {
                half[r][j] = column[r];
                r += 1;
            }
            j += 1;
        }
        let mut r = 0;
        while r < 3 {
            let line = P::filter_gradient(isa, half[r]);
            let mut s = 0;
            while s < 3 {
                // SAFETY: promised by the caller.
                unsafe { isa.register_store(dst.add((r * 3 + s) * tap + lane), line[s]) };
                s += 1;
            }
            r += 1;
        }
        lane += I::WIDTH;
    }
}
