//! The gradients of both factors.

use crate::args::{MapSource, Sink};
use crate::elementwise::{SinkWriter, evaluate};
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, SourceLanes, clear_sums, run_end};
use crate::maps::MapRef;
use crate::shape::MapShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES, check};

/// Arguments of [`MultiplyBackwardMap`].
#[derive(Debug)]
pub struct MultiplyBackwardMapArgs<'a> {
    /// The sizes of the map.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the output.
    pub g: MapRef<'a>,
    /// The other factor: a map of one pixel.
    pub scale: MapSource<'a>,
    /// Where the gradient of the map goes: all channels.
    pub sink: Sink<'a>,
}

/// Arguments of [`MultiplyBackwardScale`].
#[derive(Debug)]
pub struct MultiplyBackwardScaleArgs<'a> {
    /// The sizes of the map.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the output.
    pub g: MapRef<'a>,
    /// The map.
    pub src: MapSource<'a>,
    /// Where the gradient of the other factor goes: all channels of one pixel.
    pub sink: Sink<'a>,
}

/// Gradient of the map.
pub type MultiplyBackwardMap = fn(MultiplyBackwardMapArgs<'_>);
/// Gradient of the numbers of its channels.
pub type MultiplyBackwardScale = fn(MultiplyBackwardScaleArgs<'_>);

/// Gradient of the map.
pub static BACKWARD_MAP: &[KernelEntry<MapShape, MultiplyBackwardMap>] =
    table!("multiply_backward_map", MapShape::whole_vectors, MultiplyBackwardMapKernel, map_reference);

/// Gradient of the numbers of its channels.
pub static BACKWARD_SCALE: &[KernelEntry<MapShape, MultiplyBackwardScale>] =
    table!("multiply_backward_scale", MapShape::whole_vectors, MultiplyBackwardScaleKernel, scale_reference);

impl MultiplyBackwardMapArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.scale.half() || self.g.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        let MapShape { pitch, pixels, .. } = *self.shape;
        check::map(&self.g, self.images * pixels, pitch);
        check::source(&self.scale, self.images, pitch);
        check::sink(&self.sink, [self.images, pixels], pitch);
    }
}

impl MultiplyBackwardScaleArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.g.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        let MapShape { pitch, pixels, .. } = *self.shape;
        check::map(&self.g, self.images * pixels, pitch);
        check::source(&self.src, self.images * pixels, pitch);
        check::sink(&self.sink, [self.images, 1], pitch);
    }
}

struct MultiplyBackwardMapKernel<'a>(MultiplyBackwardMapArgs<'a>);

impl Kernel for MultiplyBackwardMapKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl MultiplyBackwardMapKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        let g_map = args.g.ptr();
        for image in 0..args.images {
            clear_sums(&mut args.sink, image);
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let scale = SourceLanes::<I, HALF>::new(isa, &args.scale, channel).at(image * pitch);
                    let mut lanes = SinkLanes::<I, HALF>::new(isa, &mut args.sink, [channel, channel]);
                    let mut row = image * pixels + start;
                    while row < image * pixels + end {
                        let g = g_map.load_as::<I, HALF>(isa, row * pitch + channel);
                        lanes.put([row, pitch], Some(isa.mul(g, scale)));
                        row += 1;
                    }
                    lanes.finish(&mut args.sink, [image, channel]);
                }
            }
        }
    }
}

struct MultiplyBackwardScaleKernel<'a>(MultiplyBackwardScaleArgs<'a>);

impl Kernel for MultiplyBackwardScaleKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl MultiplyBackwardScaleKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        assert!(pitch.is_multiple_of(LANES), "whole vectors");
        let g_map = args.g.ptr();
        for image in 0..args.images {
            clear_sums(&mut args.sink, image);
            let mut channel = 0;
            while channel < pitch {
                let (mut total, mut rounded) = ([0.0f64; LANES], [0.0f32; LANES]);
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let src = SourceLanes::<I, HALF>::new(isa, &args.src, channel);
                    let mut start = 0;
                    while start < pixels {
                        let end = run_end(start, pixels);
                        let mut chain = isa.zero();
                        let mut row = image * pixels + start;
                        while row < image * pixels + end {
                            let g = g_map.load_as::<I, HALF>(isa, row * pitch + channel);
                            chain = isa.mul_add(g, src.at(row * pitch), chain);
                            row += 1;
                        }
                        isa.add_to_f64(total.as_mut_ptr(), chain);
                        start = end;
                    }
                    let mut lane = 0;
                    while lane < LANES {
                        rounded[lane] = total[lane] as f32;
                        lane += 1;
                    }
                    let mut lanes = SinkLanes::<I, HALF>::new(isa, &mut args.sink, [channel, channel]);
                    lanes.put([image, pitch], Some(isa.load(rounded.as_ptr())));
                    lanes.finish(&mut args.sink, [image, channel]);
                }
                channel += LANES;
            }
        }
    }
}

fn map_reference(mut args: MultiplyBackwardMapArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                let g = f64::from(args.g.get((image * pixels + pixel) * pitch + lane));
                writer.put([image, pixel, lane], g * evaluate(&args.scale, image * pitch + lane, lane));
            }
        }
    }
}

fn scale_reference(mut args: MultiplyBackwardScaleArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    let mut writer = SinkWriter::new(&mut args.sink, 1);
    for image in 0..args.images {
        for lane in 0..pitch {
            let mut sum = 0.0;
            for pixel in 0..pixels {
                let index = (image * pixels + pixel) * pitch + lane;
                sum += f64::from(args.g.get(index)) * evaluate(&args.src, index, lane);
            }
            writer.put([image, 0, lane], sum);
        }
    }
}
