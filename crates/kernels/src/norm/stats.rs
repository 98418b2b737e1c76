//! Statistics of a stored map, in vectors and as reference loops.

use super::StatsArgs;
use crate::lanes::{RunBlock, RunBlocks, SumChain, clear};
use crate::simd::{Isa, Kernel};

pub(super) struct StatsKernel<'a>(pub(super) StatsArgs<'a>);

impl Kernel for StatsKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
        for image in 0..args.images {
            clear(&mut args.sums, image);
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                let mut chain = SumChain::new(isa);
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let shift = isa.load(args.sums.shift.as_ptr().add(channel));
                    let data = args.data.as_ptr().add(channel);
                    let mut row = image * pixels + start;
                    while row < image * pixels + end {
                        let value = isa.sub(isa.load(data.add(row * pitch)), shift);
                        chain.add(isa, value, value);
                        row += 1;
                    }
                }
                chain.flush(isa, &mut args.sums, [image, channel]);
            }
        }
    }
}

pub(super) fn reference(mut args: StatsArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    for image in 0..args.images {
        for lane in 0..pitch {
            let [mut first, mut second] = [0.0; 2];
            for pixel in 0..pixels {
                let value = f64::from(args.data[(image * pixels + pixel) * pitch + lane]);
                let value = value - f64::from(args.sums.shift[lane]);
                first += value;
                second += value * value;
            }
            args.sums.out.row(image * 2)[lane] = first;
            args.sums.out.row(image * 2 + 1)[lane] = second;
        }
    }
}
