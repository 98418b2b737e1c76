//! Storing a value that is normally computed where it is consumed.

use super::reference::evaluate;
use crate::args::MapSource;
use crate::lanes::{RunBlock, RunBlocks, SourceLanes};
use crate::maps::MapRowsMut;
use crate::shape::MapShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, check};

/// Arguments of [`Evaluate`].
#[derive(Debug)]
pub struct EvaluateArgs<'a> {
    /// The sizes.
    pub shape: &'a MapShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is computed.
    pub src: MapSource<'a>,
    /// `images * pixels` rows of all channels, tails included. If `shape.pitch` is `c` (the network input), the rows may
    /// also be `pitch(c)` wide: the tails become 0, and the result is a map like every other.
    pub dst: MapRowsMut<'a>,
}

/// Stores an evaluated source.
pub type Evaluate = fn(EvaluateArgs<'_>);

/// Stores an evaluated source.
pub static EVALUATE: &[KernelEntry<MapShape, Evaluate>] =
    table!("evaluate", MapShape::whole_vectors, EvaluateKernel, evaluate_reference);

impl EvaluateArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let (rows, pitch) = (self.images * self.shape.pixels, self.shape.pitch);
        check::source(&self.src, rows, pitch);
        let width = self.dst.width();
        assert!(
            width == pitch || width == crate::pitch(self.shape.c),
            "destination {width} wide for pitch {pitch}"
        );
        assert!(pitch >= self.shape.c && self.dst.rows() == rows, "destination of {rows} rows");
    }
}

struct EvaluateKernel<'a>(EvaluateArgs<'a>);

impl Kernel for EvaluateKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl EvaluateKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let pitch = args.shape.pitch;
        assert!(args.dst.width() == pitch, "whole rows");
        let (rows, dst_pitch) = (args.dst.rows(), args.dst.pitch());
        let dst = args.dst.ptr();
        let mut pieces = RunBlocks::new(rows, pitch);
        while let Some(RunBlock { start, end, channel }) = pieces.next() {
            // SAFETY: `check` compared every slice with `rows` and `pitch`; `channel + 16 <= pitch`.
            unsafe {
                let src = SourceLanes::<I, HALF>::new(isa, &args.src, channel);
                let mut row = start;
                while row < end {
                    dst.store_as::<I, HALF>(isa, row * dst_pitch + channel, src.at(row * pitch));
                    row += 1;
                }
            }
        }
    }
}

fn evaluate_reference(mut args: EvaluateArgs<'_>) {
    args.check();
    let pitch = args.shape.pitch;
    for row in 0..args.images * args.shape.pixels {
        for lane in 0..args.dst.width() {
            let inside = lane < pitch;
            let value = if inside { evaluate(&args.src, row * pitch + lane, lane) as f32 } else { 0.0 };
            args.dst.set(row, lane, value);
        }
    }
}
