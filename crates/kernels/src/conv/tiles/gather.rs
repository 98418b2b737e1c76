//! The taps of thin pixels side by side: what a network's images have in channels is too little for 32 values, all taps of an output
//! are not.

use super::pieces::Pieces;
use super::sizes::{Scratch, TileSizes};
use crate::LANES;
use crate::args::MapSource;
use crate::bf16::Bf16;
use crate::conv::load::{self, LoadWindow};
use crate::conv::windows::source_window;
use crate::shape::ConvShape;
use crate::simd::Isa;
use crate::simd::pairs::DEPTH;

/// Loads the taps of the output rows `first..first + rows` of one image, each place those of an output.
///
/// # Safety
/// The source must hold the image; `scratch` must be that of `sizes`.
#[inline(always)]
pub(super) unsafe fn taps<I: Isa>(
    isa: I,
    src: &MapSource<'_>,
    shape: &ConvShape,
    [image, first, rows]: [usize; 3],
    (sizes, scratch): (&TileSizes, &Scratch),
) {
    let size = source_window(shape, rows);
    let window = LoadWindow {
        image: image * shape.h * shape.w * shape.c_pitch,
        pitch: shape.c_pitch,
        map: [shape.h, shape.w],
        first: [(first * shape.stride[0]) as isize - shape.padding[0] as isize, -(shape.padding[1] as isize)],
        size,
        step: [1; 2],
    };
    let c = shape.c;
    // neighbouring taps are neighbours in the window unless they are dilated
    let run = if shape.dilation[1] == 1 { shape.kernel[1] } else { 1 };
    // SAFETY: promised by the caller. What is read behind a run lies in scratch, and what is written behind it is written again or
    // cleared.
    unsafe {
        load::thin(isa, src, &window, scratch.window);
        let all = shape.kernel[0] * shape.kernel[1] * c;
        for y in 0..rows {
            for x in 0..shape.ow {
                let place = scratch.planes.add((y * shape.ow + x) * sizes.place_bytes);
                let mut at = 0;
                for row in 0..shape.kernel[0] {
                    let line = (y * shape.stride[0] + row * shape.dilation[0]) * size[1];
                    let mut tap = 0;
                    while tap < shape.kernel[1] {
                        let column = x * shape.stride[1] + tap * shape.dilation[1];
                        copy(isa, scratch.window.add((line + column) * c), [run * c, at], sizes, place);
                        at += run * c;
                        tap += run;
                    }
                }
                for piece in 0..sizes.pieces.count() {
                    let place = place.add(piece * sizes.piece_bytes).cast::<Bf16>();
                    place.add(all).write_bytes(0, sizes.blocks * DEPTH - all);
                }
            }
        }
        let outputs = rows * shape.ow;
        for piece in 0..sizes.pieces.count() {
            let behind = scratch.planes.add(piece * sizes.piece_bytes + outputs * sizes.place_bytes);
            behind.write_bytes(0, (sizes.planes.places() - outputs) * sizes.place_bytes);
        }
    }
}

/// `count` values and up to fifteen more, in pieces, to value `at` of a place.
///
/// # Safety
/// They must be readable, and writable.
#[inline(always)]
unsafe fn copy<I: Isa>(isa: I, from: *const f32, [count, at]: [usize; 2], sizes: &TileSizes, place: *mut u8) {
    let mut i = 0;
    while i < count {
        // SAFETY: promised by the caller.
        unsafe {
            let v = isa.load(from.add(i));
            let to = place.cast::<Bf16>().add(at + i);
            isa.store_bf16(to, v);
            if sizes.pieces == Pieces::Two {
                let rest = isa.sub(v, isa.round_bf16(v));
                isa.store_bf16(to.byte_add(sizes.piece_bytes), rest);
            }
        }
        i += LANES;
    }
}
