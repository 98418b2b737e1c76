//! Filling scratch with pieces of numbers: a map is evaluated once, and lies as planes with a border of zeros (`grid.rs`).

use super::grid::Planes;
use super::pieces::Pieces;
use super::sizes::{PLACE_BYTES, TileSizes};
use crate::LANES;
use crate::bf16::Bf16;
use crate::conv::load::{Computed, ComputedLanes};
use crate::simd::Isa;
use crate::simd::pairs::DEPTH;

/// Some images, or some rows of one, of a map that is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadedPart {
    /// First image.
    pub(super) image: usize,
    /// Line of the map that is added to every row: of a band, the stride times its first row.
    pub(super) row: usize,
    /// Rows and columns of the map.
    pub(super) size: [usize; 2],
    /// Row behind the last that is read; what would lie there is zero.
    pub(super) end: usize,
    /// First channel.
    pub(super) channel: usize,
    /// Values from one pixel to the next: whole blocks of sixteen.
    pub(super) pitch: usize,
}

/// Loads the planes of a part.
///
/// # Safety
/// The maps must hold the part, `to` must have room for `sizes`.
#[inline(always)]
pub(super) unsafe fn planes<I: Isa, C: Computed>(
    isa: I,
    values: &C,
    part: &LoadedPart,
    sizes: &TileSizes,
    to: *mut u8,
) {
    // SAFETY: promised by the caller.
    unsafe {
        if values.half() {
            planes_as::<I, C, true>(isa, values, part, sizes, to);
        } else {
            planes_as::<I, C, false>(isa, values, part, sizes, to);
        }
    }
}

/// # Safety
/// As [`planes`]; without `HALF` all maps must be `f32`.
#[inline(always)]
unsafe fn planes_as<I: Isa, C: Computed, const HALF: bool>(
    isa: I,
    values: &C,
    part: &LoadedPart,
    sizes: &TileSizes,
    to: *mut u8,
) {
    let Planes { axes: [rows, columns], images } = sizes.planes;
    // SAFETY: promised by the caller.
    unsafe {
        for image in 0..images {
            for plane in 0..rows.planes {
                for row in 0..rows.lines {
                    let y = rows.source(plane, row) + part.row as isize;
                    for side in 0..columns.planes {
                        let first = ((plane * columns.planes + side) * images + image) * rows.lines + row;
                        let to = to.add(first * columns.lines * PLACE_BYTES);
                        if y < 0 || y >= part.end as isize {
                            zero(isa, sizes, to, columns.lines);
                            continue;
                        }
                        // places in front of the map, and inside it
                        let before = (columns.lead.saturating_sub(side)).div_ceil(columns.step);
                        let before = before.min(columns.lines);
                        let reach = (part.size[1] + columns.lead).saturating_sub(side);
                        let end = reach.div_ceil(columns.step).clamp(before, columns.lines);
                        zero(isa, sizes, to, before);
                        zero(isa, sizes, to.add(end * PLACE_BYTES), columns.lines - end);
                        if end > before {
                            let x = columns.source(side, before) as usize;
                            let line = (part.image + image) * part.size[0] + y as usize;
                            let pixel = (line * part.size[1] + x) * part.pitch;
                            let to = to.add(before * PLACE_BYTES);
                            let step = columns.step * part.pitch;
                            line_of::<I, C, HALF>(
                                isa,
                                values,
                                part,
                                [pixel, step, end - before],
                                (sizes, to),
                            );
                        }
                    }
                }
            }
        }
        let all = sizes.planes.all();
        zero(isa, sizes, to.add(all * PLACE_BYTES), sizes.planes.places() - all);
    }
}

/// Loads `images` images, pixel by pixel: places of `padded` images lie side by side, those of images that there are not as zeros.
///
/// # Safety
/// As [`planes`]; places of `sizes` must be [`PLACE_BYTES`] apart.
#[inline(always)]
pub(super) unsafe fn stacked<I: Isa, C: Computed>(
    isa: I,
    values: &C,
    (part, [images, padded]): (&LoadedPart, [usize; 2]),
    sizes: &TileSizes,
    to: *mut u8,
) {
    let pixels = part.size[0] * part.size[1];
    // SAFETY: promised by the caller.
    unsafe {
        for pixel in 0..pixels {
            let to = to.add(pixel * padded * PLACE_BYTES);
            let first = (part.image * pixels + pixel) * part.pitch;
            let at = [first, pixels * part.pitch, images];
            if values.half() {
                line_of::<I, C, true>(isa, values, part, at, (sizes, to));
            } else {
                line_of::<I, C, false>(isa, values, part, at, (sizes, to));
            }
            zero(isa, sizes, to.add(images * PLACE_BYTES), padded - images);
        }
    }
}

/// `count` pixels from `pixel` on, `step` values apart.
///
/// # Safety
/// As [`planes_as`].
#[inline(always)]
unsafe fn line_of<I: Isa, C: Computed, const HALF: bool>(
    isa: I,
    values: &C,
    part: &LoadedPart,
    [pixel, step, count]: [usize; 3],
    (sizes, to): (&TileSizes, *mut u8),
) {
    // SAFETY: promised by the caller.
    unsafe {
        if let (Some(map), Pieces::One) = (values.stored(), sizes.pieces) {
            return copy(map.add(pixel + part.channel), part, [step, count], (sizes, to));
        }
        for block in 0..sizes.blocks {
            let to = to.add(block * sizes.block_bytes);
            let channel = part.channel + block * DEPTH;
            let first = values.lanes::<I, HALF>(isa, channel);
            if channel + LANES < part.pitch {
                let second = values.lanes::<I, HALF>(isa, channel + LANES);
                for i in 0..count {
                    let to = to.add(i * PLACE_BYTES);
                    put(isa, first.at(pixel + i * step), sizes, to);
                    put(isa, second.at(pixel + i * step), sizes, to.add(PLACE_BYTES / 2));
                }
            } else {
                for i in 0..count {
                    let to = to.add(i * PLACE_BYTES);
                    put(isa, first.at(pixel + i * step), sizes, to);
                    put(isa, isa.zero(), sizes, to.add(PLACE_BYTES / 2));
                }
            }
        }
    }
}

/// As [`line_of`], of a stored map of bf16.
///
/// # Safety
/// As [`planes_as`].
#[inline(always)]
unsafe fn copy(
    map: *const Bf16,
    part: &LoadedPart,
    [step, count]: [usize; 2],
    (sizes, to): (&TileSizes, *mut u8),
) {
    let channels = part.pitch - part.channel;
    let whole = sizes.blocks.min(channels / DEPTH);
    // SAFETY: promised by the caller.
    unsafe {
        for i in 0..count {
            let (from, to) = (map.add(i * step), to.add(i * PLACE_BYTES));
            for block in 0..whole {
                let to = to.add(block * sizes.block_bytes).cast::<Bf16>();
                to.copy_from_nonoverlapping(from.add(block * DEPTH), DEPTH);
            }
            if whole < sizes.blocks {
                let to = to.add(whole * sizes.block_bytes).cast::<Bf16>();
                to.copy_from_nonoverlapping(from.add(whole * DEPTH), LANES);
                to.add(LANES).write_bytes(0, LANES);
            }
        }
    }
}

/// Sixteen values, in pieces.
///
/// # Safety
/// As [`planes`].
#[inline(always)]
unsafe fn put<I: Isa>(isa: I, v: I::V, sizes: &TileSizes, to: *mut u8) {
    // SAFETY: promised by the caller.
    unsafe {
        isa.store_bf16(to.cast(), v);
        if sizes.pieces == Pieces::Two {
            let rest = isa.sub(v, isa.round_bf16(v));
            isa.store_bf16(to.add(sizes.piece_bytes).cast(), rest);
        }
    }
}

/// Zeros of all blocks and pieces.
///
/// # Safety
/// As [`planes`].
#[inline(always)]
unsafe fn zero<I: Isa>(_: I, sizes: &TileSizes, to: *mut u8, places: usize) {
    for piece in 0..sizes.pieces.count() {
        for block in 0..sizes.blocks {
            // SAFETY: promised by the caller.
            unsafe {
                let to = to.add(piece * sizes.piece_bytes + block * sizes.block_bytes);
                to.cast::<Bf16>().write_bytes(0, places * DEPTH);
            }
        }
    }
}
