//! The vector kernels: see [`crate::lanes`] for the walk.

use super::{EvaluateArgs, SinkArgs};
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, SourceLanes, clear};
use crate::simd::{Isa, Kernel};

pub(super) struct EvaluateKernel<'a>(pub(super) EvaluateArgs<'a>);

impl Kernel for EvaluateKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let pitch = args.shape.pitch;
        assert!(args.dst.width() == pitch, "whole rows");
        let (rows, dst_pitch) = (args.dst.rows(), args.dst.pitch());
        let dst = args.dst.as_mut_ptr();
        let mut pieces = RunBlocks::new(rows, pitch);
        while let Some(RunBlock { start, end, channel }) = pieces.next() {
            // SAFETY: `check` compared every slice with `rows` and `pitch`; `channel + 16 <= pitch`.
            unsafe {
                let src = SourceLanes::new(isa, &args.src, channel);
                let mut row = start;
                while row < end {
                    isa.store(dst.add(row * dst_pitch + channel), src.at(row * pitch));
                    row += 1;
                }
            }
        }
    }
}

pub(super) struct SinkKernel<'a>(pub(super) SinkArgs<'a>);

impl Kernel for SinkKernel<'_> {
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
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let mut lanes = SinkLanes::new(isa, &mut args.sink, [channel, channel]);
                    let mut row = image * pixels + start;
                    while row < image * pixels + end {
                        match args.g {
                            Some(g) => {
                                let g = isa.load(g.as_ptr().add(row * pitch + channel));
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
