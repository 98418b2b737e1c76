//! Operands of the gradient of the filters: channels as rows, and pairs of outputs.

use super::sizes::{PLACE_BYTES, Scratch};
use super::weight_sizes::WeightSizes;
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

/// The steps over the part's outputs, the same for every tap: 32 outputs, and of these the products of pieces.
///
/// # Safety
/// `to` must have room for them.
pub(super) unsafe fn write_steps(sizes: &WeightSizes, to: *mut ProductStep) -> usize {
    let mut count = 0;
    for link in 0..sizes.links {
        for [a, b] in sizes.source.pieces.products() {
            let step = ProductStep {
                a: (a * sizes.turned_piece + link * PLACE_BYTES) as u32,
                b: (b * sizes.pairs_piece + link * TILE_BYTES) as u32,
            };
            // SAFETY: promised by the caller.
            unsafe { to.add(count).write(step) };
            count += 1;
        }
    }
    count
}

/// The loaded gradient of blocks `block` and `block + 1` of filters, as pairs of outputs.
///
/// # Safety
/// Scratch must be that of `sizes`.
#[inline(always)]
pub(super) unsafe fn pair<I: Isa>(isa: I, sizes: &WeightSizes, scratch: &WeightScratch, block: usize) {
    for piece in 0..sizes.source.pieces.count() {
        // SAFETY: promised by the caller; behind the last place lie as many zeros as a step reads.
        unsafe {
            let from = scratch.planes.planes.add(piece * sizes.grad.piece_bytes);
            let to = scratch.pairs.add(piece * sizes.pairs_piece + block * sizes.links * TILE_BYTES);
            for index in 0..sizes.links * TILE {
                let a = from.add(2 * index * PLACE_BYTES);
                let first = to.add(index * PLACE_BYTES);
                let second = first.add(sizes.links * TILE_BYTES);
                isa.interleave(a.cast(), a.add(PLACE_BYTES).cast(), first.cast(), second.cast());
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
