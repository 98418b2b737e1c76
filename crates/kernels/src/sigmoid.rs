//! The logistic function of each value.
//!
//! **Forward**: y = 1 / (1 + e^-z), z = the evaluated source; 0 in the tails.
//! **Backward**: dz = g (y (1 - y)), gated and summed on the way ([`Sink`]).
//! **Saved**: y itself.
//! **Numerics**: forward in `f64` with the exponential of [`exp`], rounded to `f32` once. The exponential never sees a positive
//! argument, so nothing overflows. Backward three roundings in `f32`.
//! **Kernels**: `avx512`, `avx2`, `portable` (pitch a multiple of 16), `reference`. The exponential is computed value by value,
//! outside vectors. Networks ask for few values: one for each channel of a map.

use crate::args::{MapSource, Sink};
use crate::elementwise::{SinkWriter, evaluate};
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, SourceLanes, clear_sums};
use crate::loss::pinned::exp;
use crate::maps::{MapRef, MapRowsMut};
use crate::shape::MapShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES, check};

/// Arguments of [`SigmoidForward`].
#[derive(Debug)]
pub struct SigmoidForwardArgs<'a> {
    /// The sizes.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// What the function is taken of.
    pub src: MapSource<'a>,
    /// `images * pixels` rows of all channels.
    pub dst: MapRowsMut<'a>,
}

/// Arguments of [`SigmoidBackward`].
#[derive(Debug)]
pub struct SigmoidBackwardArgs<'a> {
    /// The sizes.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the output.
    pub g: MapRef<'a>,
    /// The output.
    pub y: MapRef<'a>,
    /// Where the gradient of the input goes: all channels.
    pub sink: Sink<'a>,
}

/// The function of each value.
pub type SigmoidForward = fn(SigmoidForwardArgs<'_>);
/// Gradient of the input.
pub type SigmoidBackward = fn(SigmoidBackwardArgs<'_>);

/// The function of each value.
pub static FORWARD: &[KernelEntry<MapShape, SigmoidForward>] =
    table!("sigmoid_forward", MapShape::whole_vectors, SigmoidForwardKernel, forward_reference);

/// Gradient of the input.
pub static BACKWARD: &[KernelEntry<MapShape, SigmoidBackward>] =
    table!("sigmoid_backward", MapShape::whole_vectors, SigmoidBackwardKernel, backward_reference);

impl SigmoidForwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let (rows, pitch) = (self.images * self.shape.pixels, self.shape.pitch);
        check::source(&self.src, rows, pitch);
        assert!(self.shape.c <= pitch, "{} channels at pitch {pitch}", self.shape.c);
        assert!(
            self.dst.rows() == rows && self.dst.width() == pitch,
            "destination of {rows} rows, pitch {pitch}"
        );
    }
}

impl SigmoidBackwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.g.half() || self.y.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        let MapShape { pitch, pixels, .. } = *self.shape;
        check::map(&self.g, self.images * pixels, pitch);
        check::map(&self.y, self.images * pixels, pitch);
        check::sink(&self.sink, [self.images, pixels], pitch);
    }
}

/// 1 / (1 + e^-x); NaN stays NaN.
fn sigmoid(x: f64) -> f64 {
    let small = exp(-x.abs());
    (if x < 0.0 { small } else { 1.0 }) / (1.0 + small)
}

struct SigmoidForwardKernel<'a>(SigmoidForwardArgs<'a>);

impl Kernel for SigmoidForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl SigmoidForwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let MapShape { c, pitch, .. } = *args.shape;
        let mut pieces = RunBlocks::new(args.dst.rows(), pitch);
        while let Some(RunBlock { start, end, channel }) = pieces.next() {
            let count = LANES.min(c.saturating_sub(channel));
            // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
            let src = unsafe { SourceLanes::<I, HALF>::new(isa, &args.src, channel) };
            for row in start..end {
                // SAFETY: as above.
                let mut lanes = unsafe { isa.to_array(src.at(row * pitch)) };
                for x in &mut lanes[..count] {
                    *x = sigmoid(f64::from(*x)) as f32;
                }
                // the function of the tails' zeros would be a half
                lanes[count..].fill(0.0);
                args.dst.write(row, channel, &lanes);
            }
        }
    }
}

struct SigmoidBackwardKernel<'a>(SigmoidBackwardArgs<'a>);

impl Kernel for SigmoidBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl SigmoidBackwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        let [y_map, g_map] = [args.y.ptr(), args.g.ptr()];
        for image in 0..args.images {
            clear_sums(&mut args.sink, image);
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let one = isa.splat(1.0);
                    let mut lanes = SinkLanes::<I, HALF>::new(isa, &mut args.sink, [channel, channel]);
                    let mut row = image * pixels + start;
                    while row < image * pixels + end {
                        let y = y_map.load_as::<I, HALF>(isa, row * pitch + channel);
                        let g = g_map.load_as::<I, HALF>(isa, row * pitch + channel);
                        let slope = isa.mul(y, isa.sub(one, y));
                        lanes.put([row, pitch], Some(isa.mul(g, slope)));
                        row += 1;
                    }
                    lanes.finish(&mut args.sink, [image, channel]);
                }
            }
        }
    }
}

fn forward_reference(mut args: SigmoidForwardArgs<'_>) {
    args.check();
    let MapShape { c, pitch, .. } = *args.shape;
    for row in 0..args.dst.rows() {
        for lane in 0..pitch {
            let inside = lane < c;
            let value =
                if inside { sigmoid(evaluate(&args.src, row * pitch + lane, lane)) as f32 } else { 0.0 };
            args.dst.set(row, lane, value);
        }
    }
}

fn backward_reference(mut args: SigmoidBackwardArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                let index = (image * pixels + pixel) * pitch + lane;
                let y = f64::from(args.y.get(index));
                writer.put([image, pixel, lane], f64::from(args.g.get(index)) * (y * (1.0 - y)));
            }
        }
    }
}
