//! The product itself.

use crate::args::MapSource;
use crate::elementwise::evaluate;
use crate::lanes::{RunBlock, RunBlocks, SourceLanes};
use crate::maps::MapRowsMut;
use crate::shape::MapShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, check};

/// Arguments of [`MultiplyForward`].
#[derive(Debug)]
pub struct MultiplyForwardArgs<'a> {
    /// The sizes of the map.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// The map.
    pub src: MapSource<'a>,
    /// One number for each channel of each image: a map of one pixel.
    pub scale: MapSource<'a>,
    /// `images * pixels` rows of all channels.
    pub dst: MapRowsMut<'a>,
}

/// A map times one number for each channel.
pub type MultiplyForward = fn(MultiplyForwardArgs<'_>);

/// A map times one number for each channel.
pub static FORWARD: &[KernelEntry<MapShape, MultiplyForward>] =
    table!("multiply_forward", MapShape::whole_vectors, MultiplyForwardKernel, forward_reference);

impl MultiplyForwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.scale.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let (rows, pitch) = (self.images * self.shape.pixels, self.shape.pitch);
        check::source(&self.src, rows, pitch);
        check::source(&self.scale, self.images, pitch);
        assert!(
            self.dst.rows() == rows && self.dst.width() == pitch,
            "destination of {rows} rows, pitch {pitch}"
        );
    }
}

struct MultiplyForwardKernel<'a>(MultiplyForwardArgs<'a>);

impl Kernel for MultiplyForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl MultiplyForwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        let dst_pitch = args.dst.pitch();
        let dst = args.dst.ptr();
        for image in 0..args.images {
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let src = SourceLanes::<I, HALF>::new(isa, &args.src, channel);
                    let scale = SourceLanes::<I, HALF>::new(isa, &args.scale, channel).at(image * pitch);
                    let mut row = image * pixels + start;
                    while row < image * pixels + end {
                        let product = isa.mul(src.at(row * pitch), scale);
                        dst.store_as::<I, HALF>(isa, row * dst_pitch + channel, product);
                        row += 1;
                    }
                }
            }
        }
    }
}

fn forward_reference(mut args: MultiplyForwardArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    for row in 0..args.images * pixels {
        for lane in 0..pitch {
            let scale = evaluate(&args.scale, row / pixels * pitch + lane, lane);
            let product = evaluate(&args.src, row * pitch + lane, lane) * scale;
            args.dst.set(row, lane, product as f32);
        }
    }
}
