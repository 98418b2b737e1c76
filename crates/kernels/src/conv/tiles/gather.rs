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
    let taps = GatheredTaps::new(shape, size[1], scratch.window, sizes);
    // SAFETY: promised by the caller.
    unsafe {
        load::thin(isa, src, &window, scratch.window);
        narrow(isa, scratch.window, sizes, taps.window);
        for piece in 0..sizes.pieces.count() {
            let from = taps.window.add(piece * sizes.narrow_window());
            let to = scratch.planes.add(piece * sizes.piece_bytes);
            // of as many values as are copied at a time
            match taps.run {
                0..=8 => taps.copy::<8>(shape, rows, from, (sizes, to)),
                9..=16 => taps.copy::<16>(shape, rows, from, (sizes, to)),
                _ => taps.copy::<32>(shape, rows, from, (sizes, to)),
            }
            let outputs = rows * shape.ow;
            let behind = to.add(outputs * sizes.place_bytes);
            behind.write_bytes(0, (sizes.planes.places() - outputs) * sizes.place_bytes);
        }
    }
}

/// The values of a window as bf16.
///
/// # Safety
/// There must be room for them behind the window.
#[inline(always)]
unsafe fn narrow<I: Isa>(isa: I, window: *const f32, sizes: &TileSizes, to: *mut Bf16) {
    for i in (0..sizes.window).step_by(LANES) {
        // SAFETY: promised by the caller; what is read behind the window lies in scratch.
        unsafe {
            let v = isa.load(window.add(i));
            isa.store_bf16(to.add(i), v);
            if sizes.pieces == Pieces::Two {
                let rest = isa.sub(v, isa.round_bf16(v));
                isa.store_bf16(to.add(sizes.narrow_window() + i), rest);
            }
        }
    }
}

/// How taps lie in the window of a map.
#[derive(Clone, Copy, Debug)]
struct GatheredTaps {
    /// The window's first piece.
    window: *mut Bf16,
    /// Columns of the window.
    columns: usize,
    /// Values that lie side by side: of a row of taps, or of one tap where they are dilated.
    run: usize,
    /// Taps of a run.
    taps: usize,
}

impl GatheredTaps {
    fn new(shape: &ConvShape, columns: usize, window: *mut f32, sizes: &TileSizes) -> Self {
        let window = window.wrapping_add(sizes.window.next_multiple_of(LANES)).cast();
        let taps = if shape.dilation[1] == 1 { shape.kernel[1] } else { 1 };
        Self { window, columns, run: taps * shape.c, taps }
    }

    /// One piece of the taps of all outputs, `SOME` values at a time. What is copied behind a run is written again: by the next run,
    /// by zeros, or by the next place.
    ///
    /// # Safety
    /// The window must be that of `rows` rows, the places those of `sizes`.
    #[inline(always)]
    unsafe fn copy<const SOME: usize>(
        &self,
        shape: &ConvShape,
        rows: usize,
        window: *const Bf16,
        (sizes, to): (&TileSizes, *mut u8),
    ) {
        let Self { columns, run, taps, .. } = *self;
        let runs = shape.kernel[1] / taps;
        let down = shape.dilation[0] * columns * shape.c;
        for y in 0..rows {
            let mut first = window.wrapping_add(y * shape.stride[0] * columns * shape.c);
            for x in 0..shape.ow {
                let mut line = first;
                // SAFETY: promised by the caller.
                unsafe {
                    let mut to = to.add((y * shape.ow + x) * sizes.place_bytes).cast::<Bf16>();
                    for _ in 0..shape.kernel[0] {
                        let mut from = line;
                        for _ in 0..runs {
                            let mut i = 0;
                            while i < run {
                                to.add(i).copy_from_nonoverlapping(from.add(i), SOME);
                                i += SOME;
                            }
                            to = to.add(run);
                            from = from.wrapping_add(shape.dilation[1] * shape.c);
                        }
                        line = line.wrapping_add(down);
                    }
                    // less than a block is left
                    to.write_bytes(0, DEPTH);
                }
                first = first.wrapping_add(shape.stride[1] * shape.c);
            }
        }
    }
}
