//! The vector kernels of the poolings.
//!
//! ```text
//! max forward:  for image, output row, output column, block of 16 channels:
//!                   best = -inf, winner = first tap inside
//!                   for tap inside, in row-major order: if z(tap) > best: best = z(tap), winner = tap
//! max backward: for image, run of 64 input pixels, block, pixel:
//!                   sum over windows holding the pixel: g where winner == its position there; sink the sum
//! ```
//! 1. The winner travels as an `f32` lane next to the value: positions up to 255 are exact, one select moves both, and
//!    adding 2^23 leaves the position in the low bits for the one conversion at the end.
//! 2. The windows of the 64 pixels of a run are found once, not once per block ([`windows::spread`]).
//! 3. Whether a gradient passes is a bit mask, never a branch: winners are as good as random.
//! 4. Backward gathers, so there is no pass that fills the gradient with zeros and no second pass for gate and sums.
//!
//! Accepted: a source is evaluated once per window that sees it (2.25 times for 3x3 windows at stride 2), which costs
//! less than storing it.

use super::windows::{self, Gather, Windows, inside};
use super::{AvgBackwardArgs, AvgForwardArgs, MaxBackwardArgs, MaxForwardArgs};
use crate::lanes::{Piece, Pieces, SinkLanes, SourceLanes, clear, run_end};
use crate::shape::PoolShape;
use crate::simd::{Isa, Kernel};
use crate::{LANES, pitch};

pub(super) struct MaxForwardKernel<'a>(pub(super) MaxForwardArgs<'a>);

impl Kernel for MaxForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        for image in 0..args.images {
            for oy in args.rows.clone() {
                // SAFETY: `check` compared every slice with the sizes.
                unsafe { max_row(isa, &mut args, [image, oy]) };
            }
        }
    }
}

/// One row of outputs, pixel by pixel with all channels: the source streams by in order.
///
/// # Safety
/// `args` must have been checked.
#[inline(always)]
unsafe fn max_row<I: Isa>(isa: I, args: &mut MaxForwardArgs<'_>, [image, oy]: [usize; 2]) {
    let shape = *args.shape;
    let pitch = pitch(shape.c);
    let (dst, dst_pitch) = (args.dst.as_mut_ptr(), args.dst.pitch());
    let [kernel_h, kernel_w] = shape.kernel;
    let top = oy * shape.stride[0];
    let (ky_first, ky_end) = inside(top, shape.padding[0], kernel_h, shape.h);
    let infinity = isa.splat(f32::INFINITY);
    let minus_infinity = isa.splat(f32::NEG_INFINITY);
    for ox in 0..shape.ow {
        let left = ox * shape.stride[1];
        let (kx_first, kx_end) = inside(left, shape.padding[1], kernel_w, shape.w);
        let output = (image * args.rows.len() + oy - args.rows.start) * shape.ow + ox;
        let mut channel = 0;
        while channel < pitch {
            let mut best = minus_infinity;
            let mut winner = isa.splat((ky_first * kernel_w + kx_first) as f32);
            let mut nan = isa.zero();
            // SAFETY: promised by the caller; taps inside the map are pixels of the image, and the pitch is whole vectors.
            unsafe {
                let src = SourceLanes::new(isa, &args.src, channel);
                let mut ky = ky_first;
                while ky < ky_end {
                    let line = (image * shape.h + top + ky - shape.padding[0]) * shape.w;
                    let mut kx = kx_first;
                    while kx < kx_end {
                        let value = src.at((line + left + kx - shape.padding[1]) * pitch);
                        let position = isa.splat((ky * kernel_w + kx) as f32);
                        winner = isa.select_gt(value, best, position, winner);
                        best = isa.select_gt(value, best, value, best);
                        // NaN is neither below infinity nor above minus infinity
                        let odd = isa.select_gt(value, minus_infinity, nan, value);
                        nan = isa.select_gt(infinity, value, nan, odd);
                        kx += 1;
                    }
                    ky += 1;
                }
                // `nan` holds 0 or NaN, and NaN is not below 1
                isa.store(
                    dst.add(output * dst_pitch + channel),
                    isa.select_gt(isa.splat(1.0), nan, best, nan),
                );
                if let Some(winners) = &mut args.winner {
                    let shifted = isa.to_array(isa.add(winner, isa.splat(8_388_608.0)));
                    let to = &mut winners.row(output)[channel..channel + LANES];
                    let mut lane = 0;
                    while lane < LANES {
                        to[lane] = shifted[lane].to_bits() as u8;
                        lane += 1;
                    }
                }
            }
            channel += LANES;
        }
    }
}

pub(super) struct MaxBackwardKernel<'a>(pub(super) MaxBackwardArgs<'a>);

impl Kernel for MaxBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let winners = Winners { shape: args.shape, g: args.g, winner: args.winner };
        // SAFETY: `check` compared every slice with the sizes.
        unsafe { windows::spread(isa, &winners, args.shape, args.images, &mut args.sink) };
    }
}

/// The whole gradient goes to the pixel that won the window.
struct Winners<'a> {
    shape: &'a PoolShape,
    g: &'a [f32],
    winner: &'a [u8],
}

impl Gather for Winners<'_> {
    #[inline(always)]
    unsafe fn gather<I: Isa>(
        &self,
        isa: I,
        [image, channel]: [usize; 2],
        [vertical, horizontal]: &[Windows; 2],
    ) -> I::V {
        let shape = self.shape;
        let pitch = pitch(shape.c);
        let mut sum = isa.zero();
        let mut oy = vertical.first;
        while oy < vertical.end {
            let ky = vertical.position - (oy - vertical.first) * shape.stride[0];
            let mut ox = horizontal.first;
            while ox < horizontal.end {
                let kx = horizontal.position - (ox - horizontal.first) * shape.stride[1];
                let position = (ky * shape.kernel[1] + kx) as u8;
                let index = ((image * shape.oh + oy) * shape.ow + ox) * pitch + channel;
                // SAFETY: promised by the caller.
                unsafe {
                    let g = isa.load(self.g.as_ptr().add(index));
                    sum = isa.add(sum, isa.keep_where(g, self.winner.as_ptr().add(index), position));
                }
                ox += 1;
            }
            oy += 1;
        }
        sum
    }
}

pub(super) struct AvgForwardKernel<'a>(pub(super) AvgForwardArgs<'a>);

impl Kernel for AvgForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        assert!(pitch.is_multiple_of(LANES), "whole vectors");
        for image in 0..args.images {
            let mut channel = 0;
            while channel < pitch {
                let mut total = [0.0f64; LANES];
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let src = SourceLanes::new(isa, &args.src, channel);
                    let mut start = 0;
                    while start < pixels {
                        let end = run_end(start, pixels);
                        let mut chain = isa.zero();
                        let mut pixel = start;
                        while pixel < end {
                            chain = isa.add(chain, src.at((image * pixels + pixel) * pitch));
                            pixel += 1;
                        }
                        isa.add_to_f64(total.as_mut_ptr(), chain);
                        start = end;
                    }
                }
                let dst = &mut args.dst.row(image)[channel..channel + LANES];
                let mut lane = 0;
                while lane < LANES {
                    dst[lane] = (total[lane] / pixels as f64) as f32;
                    lane += 1;
                }
                channel += LANES;
            }
        }
    }
}

pub(super) struct AvgBackwardKernel<'a>(pub(super) AvgBackwardArgs<'a>);

impl Kernel for AvgBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        for image in 0..args.images {
            if let Some((_, sums)) = &mut args.sink.sums {
                clear(sums, image);
            }
            let mut pieces = Pieces::new(pixels, pitch);
            while let Some(Piece { start, end, channel }) = pieces.next() {
                let mut share = [0.0f32; LANES];
                for (share, g) in share.iter_mut().zip(&args.g[image * pitch + channel..]) {
                    *share = *g / pixels as f32;
                }
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let share = isa.load(share.as_ptr());
                    let mut lanes = SinkLanes::new(isa, &mut args.sink, [channel, channel]);
                    let mut pixel = start;
                    while pixel < end {
                        lanes.put([image * pixels + pixel, pitch], Some(share));
                        pixel += 1;
                    }
                    lanes.finish(&mut args.sink, [image, channel]);
                }
            }
        }
    }
}
