//! Gating and summing a gradient where no convolution does it on the way out.

use super::reference::SinkWriter;
use crate::args::Sink;
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, clear_sums};
use crate::maps::MapRef;
use crate::shape::MapShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, check};

/// Arguments of [`SinkOf`].
#[derive(Debug)]
pub struct SinkArgs<'a> {
    /// The sizes.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// The contribution; without one, what `dst` holds is gated and summed (`accumulate` must be set).
    pub g: Option<MapRef<'a>>,
    /// Where the gradient goes: all channels.
    pub sink: Sink<'a>,
}

/// Passes a gradient into a sink.
pub type SinkOf = fn(SinkArgs<'_>);

/// Passes a gradient into a sink.
pub static SINK: &[KernelEntry<MapShape, SinkOf>] =
    table!("sink", MapShape::whole_vectors, SinkKernel, sink_reference);

impl SinkArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.g.is_some_and(|g| g.half()) || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        check::sink(&self.sink, [self.images, self.shape.pixels], self.shape.pitch);
        match &self.g {
            Some(g) => check::map(g, self.images * self.shape.pixels, self.shape.pitch),
            None => assert!(self.sink.accumulate, "a sink without a contribution must accumulate"),
        }
    }
}

struct SinkKernel<'a>(SinkArgs<'a>);

impl Kernel for SinkKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl SinkKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        let g = args.g.as_ref().map(MapRef::ptr);
        for image in 0..args.images {
            clear_sums(&mut args.sink, image);
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let mut lanes = SinkLanes::<I, HALF>::new(isa, &mut args.sink, [channel, channel]);
                    let mut row = image * pixels + start;
                    while row < image * pixels + end {
                        match g {
                            Some(g) => {
                                let g = g.load_as::<I, HALF>(isa, row * pitch + channel);
                                lanes.put([row, pitch], Some(g));
                            }
                            None => lanes.put([row, pitch], None),
                        }
                        row += 1;
                    }
                    lanes.finish(&mut args.sink, [image, channel]);
                }
            }
        }
    }
}

fn sink_reference(mut args: SinkArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch {
                let g = args.g.map_or(0.0, |g| f64::from(g.get((image * pixels + pixel) * pitch + lane)));
                writer.put([image, pixel, lane], g);
            }
        }
    }
}
