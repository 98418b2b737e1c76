//! Average pooling: the mean of each window over its pixels inside the map.
//!
//! **Forward**: y\[o\] = sum of z\[i\] over the window's taps inside the map / their number n\[o\], z = the evaluated
//! source. Windows that hang over the border of the map, or over its end where sizes round up, count what they hold.
//! **Backward**: dz\[i\] = sum of dy\[o\] / n\[o\] over the windows o that hold i, in row-major order, gathered for every
//! input pixel, so each pixel is written once, gated and summed on the way ([`Sink`]).
//! **Saved**: nothing.
//! **Numerics**: one `f32` chain over a window in row-major order, times the rounded 1 / n\[o\].
//! **Kernels**: `avx512`, `avx2`, `portable` for windows of at most 64 taps, the longest chain of the sum rule
//! ([`SUM_RUN`]); `reference`. They are bound by memory and as simple as can be: networks have three of them.

use super::windows::{self, Gather, Windows, inside};
use crate::args::{MapSource, SUM_RUN, Sink};
use crate::elementwise::{SinkWriter, evaluate};
use crate::lanes::SourceLanes;
use crate::maps::{MapPtr, MapRef, MapRowsMut};
use crate::shape::PoolShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES, check, pitch};

/// Arguments of [`AvgPool2dForward`].
#[derive(Debug)]
pub struct AvgPool2dForwardArgs<'a> {
    /// The sizes; every window must touch the map.
    pub shape: &'a PoolShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is pooled.
    pub src: MapSource<'a>,
    /// `images * oh * ow` rows of all channels.
    pub dst: MapRowsMut<'a>,
}

/// Arguments of [`AvgPool2dBackward`].
#[derive(Debug)]
pub struct AvgPool2dBackwardArgs<'a> {
    /// The sizes.
    pub shape: &'a PoolShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the pool's output.
    pub g: MapRef<'a>,
    /// Where the gradient of the pooled value goes: all channels.
    pub sink: Sink<'a>,
}

/// Mean of each window.
pub type AvgPool2dForward = fn(AvgPool2dForwardArgs<'_>);
/// Gradient of the pooled value.
pub type AvgPool2dBackward = fn(AvgPool2dBackwardArgs<'_>);

/// Mean of each window.
pub static FORWARD: &[KernelEntry<PoolShape, AvgPool2dForward>] =
    table!("avg_pool2d_forward", short, AvgPool2dForwardKernel, forward_reference);

/// Gradient of the pooled value.
pub static BACKWARD: &[KernelEntry<PoolShape, AvgPool2dBackward>] =
    table!("avg_pool2d_backward", short, AvgPool2dBackwardKernel, backward_reference);

/// Whether a window is one chain of the sum rule.
fn short(shape: &PoolShape) -> bool {
    shape.kernel[0].saturating_mul(shape.kernel[1]) <= SUM_RUN
}

impl AvgPool2dForwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let (shape, pitch) = (self.shape, pitch(self.shape.c));
        windows::check(shape);
        check::source(&self.src, self.images * shape.h * shape.w, pitch);
        let rows = self.images * shape.oh * shape.ow;
        assert!(
            self.dst.rows() == rows && self.dst.width() == pitch,
            "destination of {rows} rows, pitch {pitch}"
        );
    }
}

impl AvgPool2dBackwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.g.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        let (shape, pitch) = (self.shape, pitch(self.shape.c));
        windows::check(shape);
        check::map(&self.g, self.images * shape.oh * shape.ow, pitch);
        check::sink(&self.sink, [self.images, shape.h * shape.w], pitch);
    }
}

/// 1 / n of output (`oy`, `ox`).
#[inline(always)]
fn share(shape: &PoolShape, [oy, ox]: [usize; 2]) -> f32 {
    let (top, bottom) = inside(oy * shape.stride[0], shape.padding[0], shape.kernel[0], shape.h);
    let (left, right) = inside(ox * shape.stride[1], shape.padding[1], shape.kernel[1], shape.w);
    1.0 / ((bottom - top) * (right - left)) as f32
}

struct AvgPool2dForwardKernel<'a>(AvgPool2dForwardArgs<'a>);

impl Kernel for AvgPool2dForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl AvgPool2dForwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (shape, pitch) = (*args.shape, pitch(args.shape.c));
        for output in 0..args.images * shape.oh * shape.ow {
            let (image, at) = (output / (shape.oh * shape.ow), output % (shape.oh * shape.ow));
            let [top, left] = [at / shape.ow * shape.stride[0], at % shape.ow * shape.stride[1]];
            let (ky_first, ky_end) = inside(top, shape.padding[0], shape.kernel[0], shape.h);
            let (kx_first, kx_end) = inside(left, shape.padding[1], shape.kernel[1], shape.w);
            let share = isa.splat(share(&shape, [at / shape.ow, at % shape.ow]));
            let (dst, at) = (args.dst.ptr(), output * args.dst.pitch());
            let mut channel = 0;
            while channel < pitch {
                // SAFETY: `check` compared every slice with the sizes; taps inside the map are pixels of the image, and
                // the pitch is whole vectors.
                unsafe {
                    let src = SourceLanes::<I, HALF>::new(isa, &args.src, channel);
                    let mut sum = isa.zero();
                    for ky in ky_first..ky_end {
                        let line = (image * shape.h + top + ky - shape.padding[0]) * shape.w;
                        for kx in kx_first..kx_end {
                            sum = isa.add(sum, src.at((line + left + kx - shape.padding[1]) * pitch));
                        }
                    }
                    dst.store_as::<I, HALF>(isa, at + channel, isa.mul(sum, share));
                }
                channel += LANES;
            }
        }
    }
}

struct AvgPool2dBackwardKernel<'a>(AvgPool2dBackwardArgs<'a>);

impl Kernel for AvgPool2dBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl AvgPool2dBackwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let shares = Shares { shape: args.shape, g: args.g.ptr() };
        // SAFETY: `check` compared every slice with the sizes.
        unsafe { windows::spread::<I, _, HALF>(isa, &shares, args.shape, args.images, &mut args.sink) };
    }
}

/// Every pixel of a window has its share of the gradient.
struct Shares<'a> {
    shape: &'a PoolShape,
    g: MapPtr,
}

impl Gather for Shares<'_> {
    #[inline(always)]
    unsafe fn gather<I: Isa, const HALF: bool>(
        &self,
        isa: I,
        [image, channel]: [usize; 2],
        [vertical, horizontal]: &[Windows; 2],
    ) -> I::V {
        let shape = self.shape;
        let mut sum = isa.zero();
        for oy in vertical.first..vertical.end {
            for ox in horizontal.first..horizontal.end {
                let index = ((image * shape.oh + oy) * shape.ow + ox) * pitch(shape.c) + channel;
                // SAFETY: promised by the caller.
                let g = unsafe { self.g.load_as::<I, HALF>(isa, index) };
                sum = isa.add(sum, isa.mul(g, isa.splat(share(shape, [oy, ox]))));
            }
        }
        sum
    }
}

/// The rows (`axis` 0) or columns of the map that output `o` sees.
fn seen(shape: &PoolShape, axis: usize, o: usize) -> std::ops::Range<usize> {
    let (start, size) = (o * shape.stride[axis], [shape.h, shape.w][axis]);
    let end = start.saturating_add(shape.kernel[axis]).saturating_sub(shape.padding[axis]);
    start.saturating_sub(shape.padding[axis])..end.min(size)
}

fn forward_reference(mut args: AvgPool2dForwardArgs<'_>) {
    args.check();
    let (shape, pitch) = (args.shape, pitch(args.shape.c));
    for output in 0..args.images * shape.oh * shape.ow {
        let (image, at) = (output / (shape.oh * shape.ow), output % (shape.oh * shape.ow));
        let (rows, columns) = (seen(shape, 0, at / shape.ow), seen(shape, 1, at % shape.ow));
        for lane in 0..pitch {
            let mut sum = 0.0;
            for y in rows.clone() {
                for x in columns.clone() {
                    let pixel = (image * shape.h + y) * shape.w + x;
                    sum += evaluate(&args.src, pixel * pitch + lane, lane);
                }
            }
            args.dst.set(output, lane, (sum / (rows.len() * columns.len()) as f64) as f32);
        }
    }
}

fn backward_reference(mut args: AvgPool2dBackwardArgs<'_>) {
    args.check();
    let (shape, pitch) = (args.shape, pitch(args.shape.c));
    let (pixels, outputs) = (shape.h * shape.w, shape.oh * shape.ow);
    // no window before these starts late enough, none after them early enough
    let near = |axis: usize, at: usize, count: usize| {
        let padded = at + shape.padding[axis];
        let first = (padded + 1).saturating_sub(shape.kernel[axis]) / shape.stride[axis];
        (first..count.min(padded / shape.stride[axis] + 1))
            .filter(move |o| seen(shape, axis, *o).contains(&at))
    };
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                let mut sum = 0.0;
                for oy in near(0, pixel / shape.w, shape.oh) {
                    for ox in near(1, pixel % shape.w, shape.ow) {
                        let count = seen(shape, 0, oy).len() * seen(shape, 1, ox).len();
                        let g = args.g.get((image * outputs + oy * shape.ow + ox) * pitch + lane);
                        sum += f64::from(g) / count as f64;
                    }
                }
                writer.put([image, pixel, lane], sum);
            }
        }
    }
}
