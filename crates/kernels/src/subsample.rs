//! Subsampling: every s-th pixel, channels of zeros on both sides: the shortcut without parameters.
//!
//! **Forward**: y\[before + c, i, j\] = z\[c, i s, j s\], z = the evaluated source; 0 in the channels before and after.
//! **Backward**: dz\[c, i s, j s\] = dy\[before + c, i, j\], 0 at the pixels between, gated and summed on the way
//! ([`Sink`]).
//! **Saved**: nothing.
//! **Numerics**: exact in the evaluated source.
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`. `before` may be no multiple of the vector width, so lanes go through
//! memory on their way. Networks have two of these, on their smallest maps.

use crate::args::{MapSource, Sink};
use crate::elementwise::{SinkWriter, evaluate};
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, SourceLanes, clear_sums};
use crate::maps::{MapRef, MapRowsMut};
use crate::shape::SubsampleShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES, check, pitch};

/// Arguments of [`SubsampleForward`].
#[derive(Debug)]
pub struct SubsampleForwardArgs<'a> {
    /// The sizes.
    pub shape: &'a SubsampleShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is subsampled.
    pub src: MapSource<'a>,
    /// `images * oh * ow` rows of all output channels.
    pub dst: MapRowsMut<'a>,
}

/// Arguments of [`SubsampleBackward`].
#[derive(Debug)]
pub struct SubsampleBackwardArgs<'a> {
    /// The sizes.
    pub shape: &'a SubsampleShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the output.
    pub g: MapRef<'a>,
    /// Where the gradient of the input goes: all channels.
    pub sink: Sink<'a>,
}

/// Every s-th pixel.
pub type SubsampleForward = fn(SubsampleForwardArgs<'_>);
/// Gradient of the input.
pub type SubsampleBackward = fn(SubsampleBackwardArgs<'_>);

/// Every s-th pixel.
pub static FORWARD: &[KernelEntry<SubsampleShape, SubsampleForward>] =
    table!("subsample_forward", |_| true, SubsampleForwardKernel, forward_reference);

/// Gradient of the input.
pub static BACKWARD: &[KernelEntry<SubsampleShape, SubsampleBackward>] =
    table!("subsample_backward", |_| true, SubsampleBackwardKernel, backward_reference);

#[track_caller]
fn check_sizes(shape: &SubsampleShape) {
    let [vertical, horizontal] = shape.stride;
    assert!(vertical > 0 && horizontal > 0, "strides of {shape:?}");
    let fits = shape.oh == shape.h.div_ceil(vertical) && shape.ow == shape.w.div_ceil(horizontal);
    assert!(fits, "output sizes of {shape:?}");
}

impl SubsampleForwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let (shape, k_pitch) = (self.shape, self.shape.k_pitch());
        check_sizes(shape);
        check::source(&self.src, self.images * shape.h * shape.w, pitch(shape.c));
        let rows = self.images * shape.oh * shape.ow;
        assert!(
            self.dst.rows() == rows && self.dst.width() == k_pitch,
            "destination of {rows} rows, pitch {k_pitch}"
        );
    }
}

impl SubsampleBackwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.g.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        let shape = self.shape;
        check_sizes(shape);
        check::map(&self.g, self.images * shape.oh * shape.ow, shape.k_pitch());
        check::sink(&self.sink, [self.images, shape.h * shape.w], pitch(shape.c));
    }
}

/// The input pixel that output pixel `at` of `image` is, counted over the batch.
#[inline(always)]
fn source_pixel(shape: &SubsampleShape, image: usize, at: usize) -> usize {
    let [y, x] = [at / shape.ow * shape.stride[0], at % shape.ow * shape.stride[1]];
    (image * shape.h + y) * shape.w + x
}

/// The output pixel that input pixel `at` of `image` becomes, counted over the batch, if it is kept.
#[inline(always)]
fn output_pixel(shape: &SubsampleShape, image: usize, at: usize) -> Option<usize> {
    let [y, x] = [at / shape.w, at % shape.w];
    if y % shape.stride[0] != 0 || x % shape.stride[1] != 0 {
        return None;
    }
    Some((image * shape.oh + y / shape.stride[0]) * shape.ow + x / shape.stride[1])
}

struct SubsampleForwardKernel<'a>(SubsampleForwardArgs<'a>);

impl Kernel for SubsampleForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl SubsampleForwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (shape, pitch, outputs) = (*args.shape, pitch(args.shape.c), args.shape.oh * args.shape.ow);
        for output in 0..args.images * outputs {
            let pixel = source_pixel(&shape, output / outputs, output % outputs);
            args.dst.clear(output, 0..shape.before);
            args.dst.clear(output, shape.before + shape.c..shape.k_pitch());
            let mut channel = 0;
            while channel < pitch {
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                let lanes = unsafe {
                    isa.to_array(SourceLanes::<I, HALF>::new(isa, &args.src, channel).at(pixel * pitch))
                };
                let count = LANES.min(shape.c - channel);
                args.dst.write(output, shape.before + channel, &lanes[..count]);
                channel += LANES;
            }
        }
    }
}

struct SubsampleBackwardKernel<'a>(SubsampleBackwardArgs<'a>);

impl Kernel for SubsampleBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl SubsampleBackwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let shape = *args.shape;
        let (pitch, k_pitch, pixels) = (pitch(shape.c), shape.k_pitch(), shape.h * shape.w);
        for image in 0..args.images {
            clear_sums(&mut args.sink, image);
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                let count = LANES.min(shape.c - channel);
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let mut lanes = SinkLanes::<I, HALF>::new(isa, &mut args.sink, [channel, channel]);
                    for pixel in start..end {
                        // behind the last channel of a row may be those of zeros, whose gradients go nowhere
                        let mut g = [0.0; LANES];
                        if let Some(output) = output_pixel(&shape, image, pixel) {
                            args.g.read(output * k_pitch + shape.before + channel, &mut g[..count]);
                        }
                        lanes.put([image * pixels + pixel, pitch], Some(isa.load(g.as_ptr())));
                    }
                    lanes.finish(&mut args.sink, [image, channel]);
                }
            }
        }
    }
}

fn forward_reference(mut args: SubsampleForwardArgs<'_>) {
    args.check();
    let (shape, pitch, outputs) = (*args.shape, pitch(args.shape.c), args.shape.oh * args.shape.ow);
    for output in 0..args.images * outputs {
        let pixel = source_pixel(&shape, output / outputs, output % outputs);
        for channel in 0..shape.k_pitch() {
            let value = match channel.checked_sub(shape.before) {
                Some(lane) if lane < shape.c => evaluate(&args.src, pixel * pitch + lane, lane) as f32,
                _ => 0.0,
            };
            args.dst.set(output, channel, value);
        }
    }
}

fn backward_reference(mut args: SubsampleBackwardArgs<'_>) {
    args.check();
    let (shape, pixels) = (*args.shape, args.shape.h * args.shape.w);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            let output = output_pixel(&shape, image, pixel);
            for lane in 0..pitch(shape.c) {
                let g = match output {
                    Some(output) if lane < shape.c => {
                        args.g.get(output * shape.k_pitch() + shape.before + lane)
                    }
                    _ => 0.0,
                };
                writer.put([image, pixel, lane], f64::from(g));
            }
        }
    }
}
