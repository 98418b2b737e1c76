//! Statistics of a stored map, in vectors and as reference loops.

use crate::args::Sums;
use crate::lanes::{RunBlock, RunBlocks, SumChain, clear};
use crate::maps::MapRef;
use crate::shape::MapShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, check};

/// Arguments of [`Stats`].
#[derive(Debug)]
pub struct StatsArgs<'a> {
    /// The sizes.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// The batch norm's input.
    pub data: MapRef<'a>,
    /// Per-image sums of all channels: of v = value - shift, and of v^2.
    pub sums: Sums<'a>,
}

/// Statistics of a stored map (a convolution makes those of its output itself).
pub type Stats = fn(StatsArgs<'_>);

/// Statistics of a stored map.
pub static STATS: &[KernelEntry<MapShape, Stats>] =
    table!("stats", MapShape::whole_vectors, StatsKernel, reference);

impl StatsArgs<'_> {
    #[track_caller]
    fn check(&self) {
        check::map(&self.data, self.images * self.shape.pixels, self.shape.pitch);
        check::sums(&self.sums, self.images, self.shape.pitch);
    }
}

struct StatsKernel<'a>(StatsArgs<'a>);

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
                    let data = args.data.ptr().add(channel);
                    let mut row = image * pixels + start;
                    while row < image * pixels + end {
                        let value = isa.sub(data.load(isa, row * pitch), shift);
                        chain.add(isa, value, value);
                        row += 1;
                    }
                }
                chain.flush(isa, &mut args.sums, [image, channel]);
            }
        }
    }
}

fn reference(mut args: StatsArgs<'_>) {
    args.check();
    let (pitch, pixels) = (args.shape.pitch, args.shape.pixels);
    for image in 0..args.images {
        for lane in 0..pitch {
            let [mut first, mut second] = [0.0; 2];
            for pixel in 0..pixels {
                let value = f64::from(args.data.get((image * pixels + pixel) * pitch + lane));
                let value = value - f64::from(args.sums.shift[lane]);
                first += value;
                second += value * value;
            }
            args.sums.out.row(image * 2)[lane] = first;
            args.sums.out.row(image * 2 + 1)[lane] = second;
        }
    }
}
