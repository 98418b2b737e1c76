//! Max pooling: the largest value of each window.
//!
//! **Forward**: y\[o\] = max over the window's taps inside the map of z\[i\], z = the evaluated source. The first
//! maximum in row-major order wins. NaN counts as larger than everything, so that a broken run is seen.
//! **Backward**: dz\[i\] = sum of dy\[o\] over the windows o, in row-major order, whose winner is i. The sum is gathered
//! for every input pixel, so each pixel is written once, gated and summed on the way ([`Sink`]).
//! **Saved**: one byte per output value: the winner's position in its window, row-major, taps in the border counted.
//! **Numerics**: the maximum is exact in its input. The gathered sum rounds once per window (`f32`).
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`.
//!
//! ```text
//! forward:  for image, output row, output column, block of 16 channels:
//!               best = -inf, winner = first tap inside
//!               for tap inside, in row-major order: if z(tap) > best: best = z(tap), winner = tap
//! backward: for image, run of 64 input pixels, block, pixel:
//!               sum over windows holding the pixel: g where winner == its position there; sink the sum
//! ```
//! 1. The winner travels as an `f32` lane next to the value. Positions up to 255 are exact, and one select moves both.
//!    Adding 2^23 leaves the position in the low bits for the one conversion at the end.
//! 2. The windows of the 64 pixels of a run are found once, not once per block (`windows.rs`).
//! 3. Whether a gradient passes is a bit mask, never a branch: winners are as good as random.
//! 4. Backward gathers. No pass fills the gradient with zeros, and gate and sums need no second pass.
//!
//! Accepted: a source is evaluated once per window that sees it (2.25 times for 3x3 windows at stride 2). That costs
//! less than storing it.

use std::ops::Range;

use super::windows::{self, Gather, Windows, inside};
use crate::args::{MapSource, Sink};
use crate::elementwise::{SinkWriter, evaluate};
use crate::lanes::SourceLanes;
use crate::maps::{MapPtr, MapRef, MapRowsMut};
use crate::rows::RowsMut;
use crate::shape::PoolShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES, check, pitch};

/// Arguments of [`MaxPool2dForward`].
#[derive(Debug)]
pub struct MaxPool2dForwardArgs<'a> {
    /// The sizes; every window must touch the map.
    pub shape: &'a PoolShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is pooled.
    pub src: MapSource<'a>,
    /// Rows of the output to compute: all, or, of a single image, some.
    pub rows: Range<usize>,
    /// `images * rows * ow` rows of all channels.
    pub dst: MapRowsMut<'a>,
    /// Where the winners go (same rows), if there will be a backward pass.
    pub winner: Option<RowsMut<'a, u8>>,
}

/// Arguments of [`MaxPool2dBackward`].
#[derive(Debug)]
pub struct MaxPool2dBackwardArgs<'a> {
    /// The sizes.
    pub shape: &'a PoolShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the pool's output.
    pub g: MapRef<'a>,
    /// The winners of the forward pass.
    pub winner: &'a [u8],
    /// Where the gradient of the pooled value goes: all channels.
    pub sink: Sink<'a>,
}

/// Largest value of each window.
pub type MaxPool2dForward = fn(MaxPool2dForwardArgs<'_>);
/// Gradient of the pooled value.
pub type MaxPool2dBackward = fn(MaxPool2dBackwardArgs<'_>);

/// Largest value of each window.
pub static FORWARD: &[KernelEntry<PoolShape, MaxPool2dForward>] =
    table!("max_pool2d_forward", |_| true, MaxPool2dForwardKernel, forward_reference);

/// Gradient of the pooled value.
pub static BACKWARD: &[KernelEntry<PoolShape, MaxPool2dBackward>] =
    table!("max_pool2d_backward", |_| true, MaxPool2dBackwardKernel, backward_reference);

/// Positions in a window that a winner's byte can name.
const MAX_TAPS: usize = 256;

#[track_caller]
fn check_windows(shape: &PoolShape) {
    let taps = shape.kernel[0] * shape.kernel[1];
    assert!(taps > 0 && taps <= MAX_TAPS, "pooling windows of {:?}: at most {MAX_TAPS} taps", shape.kernel);
    windows::check(shape);
}

impl MaxPool2dForwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let (shape, pitch) = (self.shape, pitch(self.shape.c));
        check_windows(shape);
        check::source(&self.src, self.images * shape.h * shape.w, pitch);
        let lines = &self.rows;
        assert!(
            lines.start < lines.end && lines.end <= shape.oh && (self.images == 1 || lines.len() == shape.oh),
            "rows {lines:?} of {} of {} images",
            shape.oh,
            self.images
        );
        let rows = self.images * lines.len() * shape.ow;
        assert!(
            self.dst.rows() == rows && self.dst.width() == pitch,
            "destination of {rows} rows, pitch {pitch}"
        );
        if let Some(winner) = &self.winner {
            assert!(
                winner.rows() == rows && winner.width() == pitch,
                "winners of {rows} rows, pitch {pitch}"
            );
        }
    }
}

impl MaxPool2dBackwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.g.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        let (shape, pitch) = (self.shape, pitch(self.shape.c));
        check_windows(shape);
        check::map(&self.g, self.images * shape.oh * shape.ow, pitch);
        check::values(self.winner.len(), self.images * shape.oh * shape.ow, pitch);
        check::sink(&self.sink, [self.images, shape.h * shape.w], pitch);
    }
}

struct MaxPool2dForwardKernel<'a>(MaxPool2dForwardArgs<'a>);

impl Kernel for MaxPool2dForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl MaxPool2dForwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        for image in 0..args.images {
            for oy in args.rows.clone() {
                // SAFETY: `check` compared every slice with the sizes.
                unsafe { max_row::<I, HALF>(isa, &mut args, [image, oy]) };
            }
        }
    }
}

/// One row of outputs, pixel by pixel with all channels: the source streams by in order.
///
/// # Safety
/// `args` must have been checked.
#[inline(always)]
unsafe fn max_row<I: Isa, const HALF: bool>(
    isa: I,
    args: &mut MaxPool2dForwardArgs<'_>,
    [image, oy]: [usize; 2],
) {
    let shape = *args.shape;
    let pitch = pitch(shape.c);
    let (dst, dst_pitch) = (args.dst.ptr(), args.dst.pitch());
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
                let src = SourceLanes::<I, HALF>::new(isa, &args.src, channel);
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
                let best = isa.select_gt(isa.splat(1.0), nan, best, nan);
                dst.store_as::<I, HALF>(isa, output * dst_pitch + channel, best);
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

struct MaxPool2dBackwardKernel<'a>(MaxPool2dBackwardArgs<'a>);

impl Kernel for MaxPool2dBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl MaxPool2dBackwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let winners = Winners { shape: args.shape, g: args.g.ptr(), winner: args.winner };
        // SAFETY: `check` compared every slice with the sizes.
        unsafe { windows::spread::<I, _, HALF>(isa, &winners, args.shape, args.images, &mut args.sink) };
    }
}

/// The whole gradient goes to the pixel that won the window.
struct Winners<'a> {
    shape: &'a PoolShape,
    g: MapPtr,
    winner: &'a [u8],
}

impl Gather for Winners<'_> {
    #[inline(always)]
    unsafe fn gather<I: Isa, const HALF: bool>(
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
                    let g = self.g.load_as::<I, HALF>(isa, index);
                    sum = isa.add(sum, isa.keep_where(g, self.winner.as_ptr().add(index), position));
                }
                ox += 1;
            }
            oy += 1;
        }
        sum
    }
}

/// Pixel of tap (`ky`, `kx`) of output (`oy`, `ox`), if it lies inside the map.
fn tap(shape: &PoolShape, [oy, ox]: [usize; 2], [ky, kx]: [usize; 2]) -> Option<usize> {
    let y = (oy * shape.stride[0] + ky).checked_sub(shape.padding[0]).filter(|y| *y < shape.h)?;
    let x = (ox * shape.stride[1] + kx).checked_sub(shape.padding[1]).filter(|x| *x < shape.w)?;
    Some(y * shape.w + x)
}

/// The output whose tap (`ky`, `kx`) is the pixel (`y`, `x`), if there is one.
fn window(shape: &PoolShape, at: [usize; 2], of: [usize; 2]) -> Option<usize> {
    let mut output = [0; 2];
    for axis in 0..2 {
        let start = (at[axis] + shape.padding[axis]).checked_sub(of[axis])?;
        output[axis] = start / shape.stride[axis];
        if !start.is_multiple_of(shape.stride[axis]) || output[axis] >= [shape.oh, shape.ow][axis] {
            return None;
        }
    }
    Some(output[0] * shape.ow + output[1])
}

fn forward_reference(mut args: MaxPool2dForwardArgs<'_>) {
    args.check();
    let shape = args.shape;
    let pitch = pitch(shape.c);
    let outputs = args.rows.len() * shape.ow;
    for output in 0..args.images * outputs {
        let (image, at) = (output / outputs, output % outputs + args.rows.start * shape.ow);
        for lane in 0..pitch {
            let mut best: Option<(f64, usize)> = None;
            for position in 0..shape.kernel[0] * shape.kernel[1] {
                let of = [position / shape.kernel[1], position % shape.kernel[1]];
                let Some(pixel) = tap(shape, [at / shape.ow, at % shape.ow], of) else { continue };
                let row = image * shape.h * shape.w + pixel;
                let value = evaluate(&args.src, row * pitch + lane, lane);
                if best.is_none_or(|(best, _)| value > best || value.is_nan()) {
                    best = Some((value, position));
                }
            }
            let (value, position) = best.expect("every window touches the map");
            args.dst.set(output, lane, value as f32);
            if let Some(winner) = &mut args.winner {
                winner.row(output)[lane] = position as u8;
            }
        }
    }
}

fn backward_reference(mut args: MaxPool2dBackwardArgs<'_>) {
    args.check();
    let shape = args.shape;
    let pitch = pitch(shape.c);
    let (pixels, outputs) = (shape.h * shape.w, shape.oh * shape.ow);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                let mut sum = 0.0;
                for position in 0..shape.kernel[0] * shape.kernel[1] {
                    let of = [position / shape.kernel[1], position % shape.kernel[1]];
                    let Some(output) = window(shape, [pixel / shape.w, pixel % shape.w], of) else {
                        continue;
                    };
                    let index = (image * outputs + output) * pitch + lane;
                    if usize::from(args.winner[index]) == position {
                        sum += f64::from(args.g.get(index));
                    }
                }
                writer.put([image, pixel, lane], sum);
            }
        }
    }
}
