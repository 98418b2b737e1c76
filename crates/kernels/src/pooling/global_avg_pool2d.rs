//! Global average pooling: the mean of a whole map.
//!
//! **Forward**: y = sum z / pixels, z = the evaluated source, in `f32` chains of at most 64 pixels
//! ([`SUM_RUN`](crate::args::SUM_RUN)) that are added in `f64` and divided there.
//! **Backward**: dz\[i\] = dy / pixels, one correctly rounded division per channel, gated and summed on the way ([`Sink`]).
//! **Saved**: nothing.
//! **Numerics**: a chain rounds once per pixel. The `f64` sum and its quotient are rounded to `f32` once.
//! **Kernels**: `avx512`, `avx2`, `portable` (pitch a multiple of 16), `reference`.

use crate::args::{MapSource, Sink};
use crate::elementwise::{SinkWriter, evaluate};
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, SourceLanes, clear_sums, run_end};
use crate::maps::{MapRef, MapRowsMut};
use crate::shape::MapShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES, check};

/// Arguments of [`GlobalAvgPool2dForward`].
#[derive(Debug)]
pub struct GlobalAvgPool2dForwardArgs<'a> {
    /// The sizes of the map that is averaged.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is averaged.
    pub src: MapSource<'a>,
    /// `images` rows of all channels.
    pub dst: MapRowsMut<'a>,
}

/// Arguments of [`GlobalAvgPool2dBackward`].
#[derive(Debug)]
pub struct GlobalAvgPool2dBackwardArgs<'a> {
    /// The sizes of the map that was averaged.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the mean, `[images][pitch]`.
    pub g: MapRef<'a>,
    /// Where the gradient of the averaged value goes: all channels.
    pub sink: Sink<'a>,
}

/// Mean of each map.
pub type GlobalAvgPool2dForward = fn(GlobalAvgPool2dForwardArgs<'_>);
/// Gradient of the averaged value.
pub type GlobalAvgPool2dBackward = fn(GlobalAvgPool2dBackwardArgs<'_>);

/// Mean of each map.
pub static FORWARD: &[KernelEntry<MapShape, GlobalAvgPool2dForward>] = table!(
    "global_avg_pool2d_forward",
    MapShape::whole_vectors,
    GlobalAvgPool2dForwardKernel,
    forward_reference
);

/// Gradient of the averaged value.
pub static BACKWARD: &[KernelEntry<MapShape, GlobalAvgPool2dBackward>] = table!(
    "global_avg_pool2d_backward",
    MapShape::whole_vectors,
    GlobalAvgPool2dBackwardKernel,
    backward_reference
);

impl GlobalAvgPool2dForwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let MapShape { pitch, pixels, .. } = *self.shape;
        assert!(pixels > 0, "the mean of an empty map");
        check::source(&self.src, self.images * pixels, pitch);
        let images = self.images;
        assert!(
            self.dst.rows() == images && self.dst.width() == pitch,
            "means of {images} images, pitch {pitch}"
        );
    }
}

impl GlobalAvgPool2dBackwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.g.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        check::map(&self.g, self.images, self.shape.pitch);
        check::sink(&self.sink, [self.images, self.shape.pixels], self.shape.pitch);
    }
}

struct GlobalAvgPool2dForwardKernel<'a>(GlobalAvgPool2dForwardArgs<'a>);

impl Kernel for GlobalAvgPool2dForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl GlobalAvgPool2dForwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
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
                    let src = SourceLanes::<I, HALF>::new(isa, &args.src, channel);
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
                let mut means = [0.0; LANES];
                let mut lane = 0;
                while lane < LANES {
                    means[lane] = (total[lane] / pixels as f64) as f32;
                    lane += 1;
                }
                args.dst.write(image, channel, &means);
                channel += LANES;
            }
        }
    }
}

struct GlobalAvgPool2dBackwardKernel<'a>(GlobalAvgPool2dBackwardArgs<'a>);

impl Kernel for GlobalAvgPool2dBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl GlobalAvgPool2dBackwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        for image in 0..args.images {
            clear_sums(&mut args.sink, image);
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                let mut share = [0.0f32; LANES];
                args.g.read(image * pitch + channel, &mut share);
                for share in &mut share {
                    *share /= pixels as f32;
                }
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let share = isa.load(share.as_ptr());
                    let mut lanes = SinkLanes::<I, HALF>::new(isa, &mut args.sink, [channel, channel]);
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

fn forward_reference(mut args: GlobalAvgPool2dForwardArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    for image in 0..args.images {
        for lane in 0..pitch {
            let mut sum = 0.0;
            for pixel in 0..pixels {
                sum += evaluate(&args.src, (image * pixels + pixel) * pitch + lane, lane);
            }
            args.dst.set(image, lane, (sum / pixels as f64) as f32);
        }
    }
}

fn backward_reference(mut args: GlobalAvgPool2dBackwardArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                writer.put([image, pixel, lane], f64::from(args.g.get(image * pitch + lane)) / pixels as f64);
            }
        }
    }
}
