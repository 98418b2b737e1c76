//! The two-dimensional transforms of tiles, sixteen channels at a time: each axis in turn.
//!
//! A transformed map is `[point][block of 16 channels][tile][16]`: one matrix of tiles by channels for each of the N x N
//! points. Rows of a matrix are neighbouring cache lines. Matrices are [`step`] values apart.

use super::points::AxisTransform;
use crate::LANES;
use crate::conv::finish::{Finishing, OutputLine, OutputPixels};
use crate::maps::MapPtrMut;
use crate::simd::Isa;

/// Distance between the matrices of two points: the values of a matrix, and one cache line of padding. Without it 36
/// matrices of 36 tiles and 64 channels would be a multiple of 1 KiB apart, and the N x N stores of one tile would fall into
/// the same few sets of the cache.
#[inline(always)]
pub(super) fn step(values: usize) -> usize {
    values + LANES
}

/// Where a square of vectors lies: its first, and the distances between rows and between columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Square<P> {
    pub(super) first: P,
    pub(super) step: [isize; 2],
}

impl<P> Square<P> {
    /// The vectors of one tile in the matrices of N x N points, `step` values apart.
    #[inline(always)]
    pub(super) fn points<const N: usize>(first: P, step: usize) -> Self {
        Self { first, step: [(N * step) as isize, step as isize] }
    }
}

/// The first axis: every column of the source, transformed; sixteen channels' lanes from `lane` on.
///
/// # Safety
/// `IN` x `IN` vectors must be readable.
#[inline(always)]
unsafe fn columns<I: Isa, T: AxisTransform<IN, OUT>, const IN: usize, const OUT: usize>(
    isa: I,
    src: Square<*const f32>,
    lane: usize,
) -> [[I::R; IN]; OUT] {
    let mut half = [[isa.register_splat(0.0); IN]; OUT];
    let mut j = 0;
    while j < IN {
        let mut column = [isa.register_splat(0.0); IN];
        let mut i = 0;
        while i < IN {
            let at = i as isize * src.step[0] + j as isize * src.step[1] + lane as isize;
            // SAFETY: promised by the caller.
            column[i] = unsafe { isa.register_load(src.first.offset(at)) };
            i += 1;
        }
        let column = T::apply(isa, column);
        let mut i = 0;
        while i < OUT {
            half[i][j] = column[i];
            i += 1;
        }
        j += 1;
    }
    half
}

/// Writes `T src T^T`.
///
/// # Safety
/// `IN` x `IN` vectors must be readable, `OUT` x `OUT` writable.
#[inline(always)]
pub(super) unsafe fn square<I: Isa, T: AxisTransform<IN, OUT>, const IN: usize, const OUT: usize>(
    isa: I,
    src: Square<*const f32>,
    dst: Square<*mut f32>,
) {
    let mut lane = 0;
    while lane < LANES {
        // SAFETY: promised by the caller.
        let half = unsafe { columns::<I, T, IN, OUT>(isa, src, lane) };
        let mut i = 0;
        while i < OUT {
            let line = T::apply(isa, half[i]);
            let mut j = 0;
            while j < OUT {
                let at = i as isize * dst.step[0] + j as isize * dst.step[1] + lane as isize;
                // SAFETY: promised by the caller.
                unsafe { isa.register_store(dst.first.offset(at), line[j]) };
                j += 1;
            }
            i += 1;
        }
        lane += I::WIDTH;
    }
}

/// Where the outputs of one tile go.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileOutput<'a> {
    /// First pixel and channel of the piece.
    pub(super) dst: MapPtrMut,
    /// The tile's first pixel (index times the pitch) and channel.
    pub(super) at: [usize; 2],
    /// Distance between rows and columns.
    pub(super) step: [usize; 2],
    /// Rows and columns inside the map, at most M.
    pub(super) size: [usize; 2],
    /// What happens to every output.
    pub(super) finish: &'a Finishing,
    /// Whether to add to what is there.
    pub(super) accumulate: bool,
}

/// As [`square`], to the outputs of a tile: cut at the map's edge, finished, added to what is there.
///
/// # Safety
/// `IN` x `IN` vectors must be readable, those of `out` writable.
#[inline(always)]
pub(super) unsafe fn output<I: Isa, T: AxisTransform<IN, OUT>, const IN: usize, const OUT: usize>(
    isa: I,
    src: Square<*const f32>,
    out: &TileOutput<'_>,
) {
    let mut lane = 0;
    while lane < LANES {
        // SAFETY: promised by the caller.
        let half = unsafe { columns::<I, T, IN, OUT>(isa, src, lane) };
        let (channel, columns) = (out.at[1] + lane, out.size[1]);
        let mut i = 0;
        while i < OUT {
            if i < out.size[0] {
                let line = T::apply(isa, half[i]);
                let mut pixels = [out.at[0] + i * out.step[0]; OUT];
                let mut j = 0;
                while j < OUT {
                    pixels[j] += j * out.step[1];
                    j += 1;
                }
                // SAFETY: promised by the caller.
                unsafe {
                    let pixels = OutputPixels { starts: pixels, count: columns };
                    let line = out.finish.line(isa, line, pixels, channel);
                    OutputLine { map: out.dst, channel, accumulate: out.accumulate }.store(isa, line, pixels);
                }
            }
            i += 1;
        }
        lane += I::WIDTH;
    }
}
