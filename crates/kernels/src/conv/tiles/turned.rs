//! Operands of the gradient of the filters: channels as rows, and pairs of outputs.

use super::pieces::Pieces;
use super::sizes::{PLACE_BYTES, Scratch};
use super::weight_sizes::WeightSizes;
use crate::LANES;
use crate::args::Grad;
use crate::lanes::GradLanes;
use crate::shape::ConvShape;
use crate::simd::Isa;
use crate::simd::pairs::{DEPTH, TILE, TILE_BYTES};
use crate::simd::tiles::ProductStep;

/// The pointers into scratch.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightScratch {
    pub(super) planes: Scratch,
    pub(super) turned: *mut u8,
    pub(super) pairs: *mut u8,
}

/// A number that stands for no output.
const NONE: u32 = u32::MAX;

/// Outputs whose gradients are read together.
const SOME: usize = 8;

/// The pixels of a part's outputs by their numbers, counted from the part's first one.
///
/// # Safety
/// `to` must have room for all numbers of `sizes`.
pub(super) unsafe fn write_numbers(
    shape: &ConvShape,
    sizes: &WeightSizes,
    [images, rows]: [usize; 2],
    to: *mut u32,
) {
    let pixels = shape.oh * shape.ow;
    // SAFETY: promised by the caller.
    unsafe {
        let to = std::slice::from_raw_parts_mut(to, sizes.links * DEPTH);
        if sizes.stacked {
            for (number, to) in to.iter_mut().enumerate() {
                let (position, image) = (number / DEPTH, number % DEPTH);
                *to = if image < images { (image * pixels + position) as u32 } else { NONE };
            }
            return;
        }
        to.fill(NONE);
        let axes = &sizes.source.planes.axes;
        for image in 0..images {
            for row in 0..rows {
                let first = (image * axes[0].lines + row) * axes[1].lines;
                for column in 0..shape.ow {
                    to[first + column] = (image * pixels + row * shape.ow + column) as u32;
                }
            }
        }
    }
}

/// The steps of a part's sums: 32 outputs, and of these the products of pieces. Stacked, those of every tap; else those of the first,
/// for the others begin elsewhere but are the same. `ends` is where the steps of each list end.
///
/// # Safety
/// `to` must have room for them, `ends` for [`WeightSizes::lists`] numbers.
pub(super) unsafe fn write_steps(
    shape: &ConvShape,
    sizes: &WeightSizes,
    to: *mut ProductStep,
    ends: *mut u32,
) {
    let mut count = 0;
    let mut put = |place: usize, link: usize| {
        for [a, b] in sizes.source.pieces.products() {
            let step = ProductStep {
                a: (a * sizes.turned_piece + place * 2) as u32,
                b: (b * sizes.pairs_piece + link * TILE_BYTES) as u32,
            };
            // SAFETY: promised by the caller.
            unsafe { to.add(count).write(step) };
            count += 1;
        }
        count
    };
    if !sizes.stacked {
        let end = (0..sizes.links).map(|link| put(link * DEPTH, link)).last();
        // SAFETY: promised by the caller.
        return unsafe { ends.write(end.unwrap_or(0) as u32) };
    }
    let read = |axis: usize, output: usize, tap: usize| {
        let line =
            (output * shape.stride[axis] + tap * shape.dilation[axis]).checked_sub(shape.padding[axis]);
        line.filter(|line| *line < [shape.h, shape.w][axis])
    };
    let mut end = 0;
    for row in 0..shape.kernel[0] {
        for column in 0..shape.kernel[1] {
            for link in 0..sizes.links {
                let at = (read(0, link / shape.ow, row), read(1, link % shape.ow, column));
                if let (Some(y), Some(x)) = at {
                    end = put((y * shape.w + x) * DEPTH, link);
                }
            }
            // SAFETY: promised by the caller.
            unsafe { ends.add(row * shape.kernel[1] + column).write(end as u32) };
        }
    }
}

/// The gradient of the part's outputs as pairs of outputs, all filters of the piece; `first` is the first value of the part's first
/// pixel, `channel` the first filter.
///
/// # Safety
/// The maps must hold the part; `numbers` must be those of [`write_numbers`], and scratch that of `sizes`.
#[inline(always)]
pub(super) unsafe fn pair<I: Isa>(
    isa: I,
    grad: &Grad<'_>,
    (sizes, numbers): (&WeightSizes, &[u32]),
    scratch: &WeightScratch,
    [first, pitch, channel]: [usize; 3],
) {
    // SAFETY: promised by the caller.
    unsafe {
        if grad.half() {
            pair_as::<I, true>(isa, grad, (sizes, numbers), scratch, [first, pitch, channel]);
        } else {
            pair_as::<I, false>(isa, grad, (sizes, numbers), scratch, [first, pitch, channel]);
        }
    }
}

/// # Safety
/// As [`pair`]; without `HALF` all maps must be `f32`.
#[inline(always)]
unsafe fn pair_as<I: Isa, const HALF: bool>(
    isa: I,
    grad: &Grad<'_>,
    (sizes, numbers): (&WeightSizes, &[u32]),
    scratch: &WeightScratch,
    [first, pitch, channel]: [usize; 3],
) {
    let two = sizes.source.pieces == Pieces::Two;
    // pixels in their order, with all their channels: as they lie in memory
    for (index, some) in numbers.chunks_exact(SOME).enumerate() {
        let all = some.iter().all(|number| *number != NONE);
        for block in 0..sizes.filters {
            let at = block * sizes.links * TILE_BYTES + index * SOME / 2 * PLACE_BYTES;
            // SAFETY: promised by the caller.
            unsafe {
                let lanes = GradLanes::<I, HALF>::new(isa, grad, channel + block * LANES);
                for pair in 0..SOME / 2 {
                    let (mut a, mut b) = (isa.zero(), isa.zero());
                    if all || some[2 * pair] != NONE {
                        a = lanes.at(first + some[2 * pair] as usize * pitch);
                    }
                    if all || some[2 * pair + 1] != NONE {
                        b = lanes.at(first + some[2 * pair + 1] as usize * pitch);
                    }
                    let to = scratch.pairs.add(at + pair * PLACE_BYTES);
                    isa.store_pairs(to.cast(), a, b);
                    if two {
                        let (a, b) = (isa.sub(a, isa.round_bf16(a)), isa.sub(b, isa.round_bf16(b)));
                        isa.store_pairs(to.add(sizes.pairs_piece).cast(), a, b);
                    }
                }
            }
        }
    }
}

/// Turns the loaded places of 32 channels, at byte `at` of each, round: to rows of one channel.
///
/// # Safety
/// Scratch must be that of `sizes`.
#[inline(always)]
pub(super) unsafe fn turn<I: Isa>(
    isa: I,
    sizes: &WeightSizes,
    scratch: &WeightScratch,
    at: usize,
    block: usize,
) {
    let place = sizes.source.place_bytes;
    // what is turned at a time
    let pairs = scratch.planes.sums.cast::<u8>();
    for piece in 0..sizes.source.pieces.count() {
        // SAFETY: promised by the caller; sums have room for two tiles, and places come in 32.
        unsafe {
            let from = scratch.planes.planes.add(piece * sizes.source.piece_bytes + at);
            let to = scratch.turned.add(piece * sizes.turned_piece + block * DEPTH * sizes.row);
            for first in (0..sizes.source.planes.places()).step_by(DEPTH) {
                for index in 0..TILE {
                    let a = from.add((first + 2 * index) * place);
                    let pair = pairs.add(index * PLACE_BYTES);
                    isa.interleave(a.cast(), a.add(place).cast(), pair.cast(), pair.add(TILE_BYTES).cast());
                }
                for half in 0..2 {
                    let to = to.add(half * TILE * sizes.row + first * 2);
                    isa.transpose_pairs(pairs.add(half * TILE_BYTES).cast(), to.cast(), sizes.row);
                }
            }
        }
    }
}
