//! The vector kernels: see [`crate::lanes`] for the walk.

use super::{EvaluateArgs, SinkArgs};
use crate::LANES;
use crate::lanes::{SinkLanes, SourceLanes, clear, run_end};
use crate::simd::{Isa, Kernel};

pub(super) struct EvaluateKernel<'a>(pub(super) EvaluateArgs<'a>);

impl Kernel for EvaluateKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let pitch = args.shape.pitch;
        assert!(pitch.is_multiple_of(LANES) && args.dst.width() == pitch, "whole vectors");
        let (rows, dst_pitch) = (args.dst.rows(), args.dst.pitch());
        let dst = args.dst.as_mut_ptr();
        let mut start = 0;
        while start < rows {
            let end = run_end(start, rows);
            let mut channel = 0;
            while channel < pitch {
                // SAFETY: `check` compared every slice with `rows` and `pitch`; `channel + 16 <= pitch`.
                unsafe {
                    let src = SourceLanes::new(isa, &args.src, channel);
                    let mut row = start;
                    while row < end {
                        isa.store(dst.add(row * dst_pitch + channel), src.at(row * pitch));
                        row += 1;
                    }
                }
                channel += LANES;
            }
            start = end;
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
        assert!(pitch.is_multiple_of(LANES), "whole vectors");
        for image in 0..args.images {
            if let Some((_, sums)) = &mut args.sink.sums {
                clear(sums, image);
            }
            let mut start = 0;
            while start < pixels {
                let end = run_end(start, pixels);
                let mut channel = 0;
                while channel < pitch {
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
                    channel += LANES;
                }
                start = end;
            }
        }
    }
}
