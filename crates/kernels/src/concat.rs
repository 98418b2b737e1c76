//! Maps beside each other: the channels of one after those of the other. Each call copies one of them to its place.
//!
//! **Forward**: y\[before + c, i\] = z\[c, i\], z = the evaluated source. The last map also clears the tails behind it.
//! **Backward**: dz\[c, i\] = g\[before + c, i\], gated and summed on the way ([`Sink`]).
//! **Saved**: nothing.
//! **Numerics**: exact in the evaluated source.
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`. `before` may be no multiple of the vector width: whole vectors are
//! written and read at any address, and a last part of one goes through memory.

use crate::args::{MapSource, Sink};
use crate::elementwise::{SinkWriter, evaluate};
use crate::lanes::{RunBlock, RunBlocks, SinkLanes, SourceLanes, clear_sums};
use crate::maps::{MapRef, MapRowsMut};
use crate::shape::ConcatShape;
use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES, check, pitch};

/// Arguments of [`ConcatForward`].
#[derive(Debug)]
pub struct ConcatForwardArgs<'a> {
    /// The sizes.
    pub shape: &'a ConcatShape,
    /// How many images the piece has.
    pub images: usize,
    /// The map that is copied.
    pub src: MapSource<'a>,
    /// `images * pixels` rows of all output channels; those of the other maps stay as they are.
    pub dst: MapRowsMut<'a>,
}

/// Arguments of [`ConcatBackward`].
#[derive(Debug)]
pub struct ConcatBackwardArgs<'a> {
    /// The sizes.
    pub shape: &'a ConcatShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the output.
    pub g: MapRef<'a>,
    /// Where the gradient of the map goes: all its channels.
    pub sink: Sink<'a>,
}

/// Copies a map to its channels of the output.
pub type ConcatForward = fn(ConcatForwardArgs<'_>);
/// Gradient of such a map.
pub type ConcatBackward = fn(ConcatBackwardArgs<'_>);

/// Copies a map to its channels of the output.
pub static FORWARD: &[KernelEntry<ConcatShape, ConcatForward>] =
    table!("concat_forward", |_| true, ConcatForwardKernel, forward_reference);

/// Gradient of such a map.
pub static BACKWARD: &[KernelEntry<ConcatShape, ConcatBackward>] =
    table!("concat_backward", |_| true, ConcatBackwardKernel, backward_reference);

impl ConcatForwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.src.half() || self.dst.half()
    }

    #[track_caller]
    fn check(&self) {
        let (rows, k_pitch) = (self.images * self.shape.pixels, self.shape.k_pitch());
        check::source(&self.src, rows, pitch(self.shape.c));
        assert!(
            self.dst.rows() == rows && self.dst.width() == k_pitch,
            "destination of {rows} rows, pitch {k_pitch}"
        );
    }
}

impl ConcatBackwardArgs<'_> {
    /// Whether some map is bf16.
    fn half(&self) -> bool {
        self.g.half() || self.sink.half()
    }

    #[track_caller]
    fn check(&self) {
        let ConcatShape { c, pixels, .. } = *self.shape;
        check::map(&self.g, self.images * pixels, self.shape.k_pitch());
        check::sink(&self.sink, [self.images, pixels], pitch(c));
    }
}

struct ConcatForwardKernel<'a>(ConcatForwardArgs<'a>);

impl Kernel for ConcatForwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl ConcatForwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (ConcatShape { c, before, after, .. }, pitch) = (*args.shape, pitch(args.shape.c));
        let (dst, dst_pitch, k_pitch) = (args.dst.ptr(), args.dst.pitch(), args.shape.k_pitch());
        let mut pieces = RunBlocks::new(args.dst.rows(), pitch);
        while let Some(RunBlock { start, end, channel }) = pieces.next() {
            let count = LANES.min(c - channel);
            // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
            let src = unsafe { SourceLanes::<I, HALF>::new(isa, &args.src, channel) };
            for row in start..end {
                // SAFETY: as above.
                let lanes = unsafe { src.at(row * pitch) };
                if count == LANES {
                    // SAFETY: the row has these sixteen channels.
                    unsafe { dst.store_as::<I, HALF>(isa, row * dst_pitch + before + channel, lanes) };
                } else {
                    args.dst.write(row, before + channel, &isa.to_array(lanes)[..count]);
                }
                if after == 0 && channel + LANES == pitch {
                    args.dst.clear(row, before + channel + count..k_pitch);
                }
            }
        }
    }
}

struct ConcatBackwardKernel<'a>(ConcatBackwardArgs<'a>);

impl Kernel for ConcatBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if self.0.half() { self.run_as::<I, true>(isa) } else { self.run_as::<I, false>(isa) }
    }
}

impl ConcatBackwardKernel<'_> {
    /// Without `HALF` all maps are `f32`.
    #[inline(always)]
    fn run_as<I: Isa, const HALF: bool>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let (ConcatShape { c, before, pixels, .. }, k_pitch) = (*args.shape, args.shape.k_pitch());
        let (pitch, g) = (pitch(c), args.g.ptr());
        for image in 0..args.images {
            clear_sums(&mut args.sink, image);
            let mut pieces = RunBlocks::new(pixels, pitch);
            while let Some(RunBlock { start, end, channel }) = pieces.next() {
                let count = LANES.min(c - channel);
                // SAFETY: `check` compared every slice with the sizes; `channel + 16 <= pitch`.
                unsafe {
                    let mut lanes = SinkLanes::<I, HALF>::new(isa, &mut args.sink, [channel, channel]);
                    for row in image * pixels + start..image * pixels + end {
                        let at = row * k_pitch + before + channel;
                        // behind the last channel are those of another map, or none
                        let g = if count == LANES {
                            g.load_as::<I, HALF>(isa, at)
                        } else {
                            let mut own = [0.0; LANES];
                            args.g.read(at, &mut own[..count]);
                            isa.load(own.as_ptr())
                        };
                        lanes.put([row, pitch], Some(g));
                    }
                    lanes.finish(&mut args.sink, [image, channel]);
                }
            }
        }
    }
}

fn forward_reference(mut args: ConcatForwardArgs<'_>) {
    args.check();
    let (ConcatShape { c, before, after, .. }, pitch) = (*args.shape, pitch(args.shape.c));
    for row in 0..args.dst.rows() {
        for lane in 0..c {
            args.dst.set(row, before + lane, evaluate(&args.src, row * pitch + lane, lane) as f32);
        }
        if after == 0 {
            args.dst.clear(row, before + c..args.shape.k_pitch());
        }
    }
}

fn backward_reference(mut args: ConcatBackwardArgs<'_>) {
    args.check();
    let (ConcatShape { c, before, pixels, .. }, k_pitch) = (*args.shape, args.shape.k_pitch());
    let mut writer = SinkWriter::new(&mut args.sink, pixels);
    for image in 0..args.images {
        for pixel in 0..pixels {
            for lane in 0..pitch(c) {
                let index = (image * pixels + pixel) * k_pitch + before + lane;
                writer.put([image, pixel, lane], if lane < c { f64::from(args.g.get(index)) } else { 0.0 });
            }
        }
    }
}
