//! Sixteen channels of a source, a gradient or a sink: the vector forms of [`crate::args`]. What does not change from pixel to
//! pixel is held in registers.
//!
//! Kernels walk a map as
//! ```text
//! for image { for run of SUM_RUN pixels { for block of 16 channels { for pixel of the run { .. } } } }
//! ```
//! A run of 64 pixels is read once from memory (64 pixels of 64 channels are 16 KiB, half a first-level cache) and then
//! block by block from cache. It is exactly one `f32` chain of the sum rule, so a chain never leaves its registers.
//!
//! Lanes are compiled twice: for maps of `f32` alone, and (`HALF`) for maps of either type. A kernel asks once for all of its
//! maps. To look at every vector costs a tenth of the time of loops that run in cache.

use crate::LANES;
use crate::args::{FusedActivation, Gate, Grad, MapSource, MapTerm, SUM_RUN, Sink, Sums};
use crate::maps::{MapPtr, MapPtrMut};
use crate::simd::Isa;

/// Sixteen channels of a [`MapSource`].
#[derive(Clone, Copy)]
pub(crate) struct SourceLanes<I: Isa, const HALF: bool> {
    isa: I,
    main: TermLanes<I>,
    add: Option<TermLanes<I>>,
    activation: FusedActivation,
}

#[derive(Clone, Copy)]
struct TermLanes<I: Isa> {
    data: MapPtr,
    affine: Option<(I::V, I::V)>,
}

impl<I: Isa, const HALF: bool> SourceLanes<I, HALF> {
    /// The channels from `channel` on.
    ///
    /// # Safety
    /// Every per-channel slice must have `channel + 16` values; without `HALF` all maps must be `f32`.
    #[inline(always)]
    pub(crate) unsafe fn new(isa: I, src: &MapSource<'_>, channel: usize) -> Self {
        // SAFETY: promised by the caller.
        let (main, add) = unsafe {
            #[expect(clippy::manual_map, reason = "a closure would not inherit the target features")]
            let add = match &src.add {
                Some(add) => Some(TermLanes::new(isa, add, channel)),
                None => None,
            };
            (TermLanes::new(isa, &src.main, channel), add)
        };
        Self { isa, main, add, activation: src.activation }
    }

    /// Their values at the pixel that starts at `pixel` (its index times the pitch).
    ///
    /// # Safety
    /// Every map must have `pixel + channel + 16` values.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, pixel: usize) -> I::V {
        // SAFETY: promised by the caller.
        unsafe {
            let mut value = self.main.at::<HALF>(self.isa, pixel);
            if let Some(add) = &self.add {
                value = self.isa.add(value, add.at::<HALF>(self.isa, pixel));
            }
            match self.activation {
                FusedActivation::None => value,
                FusedActivation::Relu => self.isa.relu(value),
            }
        }
    }
}

impl<I: Isa> TermLanes<I> {
    /// # Safety
    /// As [`SourceLanes::new`].
    #[inline(always)]
    unsafe fn new(isa: I, term: &MapTerm<'_>, channel: usize) -> Self {
        #[expect(clippy::manual_map, reason = "a closure would not inherit the target features")]
        let affine = match &term.affine {
            // SAFETY: promised by the caller.
            Some(affine) => unsafe {
                Some((
                    isa.load(affine.scale.as_ptr().add(channel)),
                    isa.load(affine.shift.as_ptr().add(channel)),
                ))
            },
            None => None,
        };
        Self { data: term.data.ptr().add(channel), affine }
    }

    /// # Safety
    /// As [`SourceLanes::at`].
    #[inline(always)]
    unsafe fn at<const HALF: bool>(&self, isa: I, pixel: usize) -> I::V {
        // SAFETY: promised by the caller.
        let value = unsafe { self.data.load_as::<I, HALF>(isa, pixel) };
        match self.affine {
            Some((scale, shift)) => isa.mul_add(value, scale, shift),
            None => value,
        }
    }
}

/// Sixteen channels of a [`Grad`].
#[derive(Clone, Copy)]
pub(crate) struct GradLanes<I: Isa, const HALF: bool> {
    isa: I,
    g: MapPtr,
    norm: Option<NormLanes<I>>,
}

#[derive(Clone, Copy)]
struct NormLanes<I: Isa> {
    y: MapPtr,
    a: I::V,
    b: I::V,
    c: I::V,
}

impl<I: Isa, const HALF: bool> GradLanes<I, HALF> {
    /// The channels from `channel` on.
    ///
    /// # Safety
    /// Every per-channel slice must have `channel + 16` values; without `HALF` all maps must be `f32`.
    #[inline(always)]
    pub(crate) unsafe fn new(isa: I, grad: &Grad<'_>, channel: usize) -> Self {
        let norm = match &grad.norm {
            // SAFETY: promised by the caller.
            Some(norm) => unsafe {
                Some(NormLanes {
                    y: norm.y.ptr().add(channel),
                    a: isa.load(norm.a.as_ptr().add(channel)),
                    b: isa.load(norm.b.as_ptr().add(channel)),
                    c: isa.load(norm.c.as_ptr().add(channel)),
                })
            },
            None => None,
        };
        Self { isa, g: grad.g.ptr().add(channel), norm }
    }

    /// Their values at the pixel that starts at `pixel` (its index times the pitch).
    ///
    /// # Safety
    /// Every map must have `pixel + channel + 16` values.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, pixel: usize) -> I::V {
        // SAFETY: promised by the caller.
        unsafe {
            let g = self.g.load_as::<I, HALF>(self.isa, pixel);
            match &self.norm {
                Some(norm) => {
                    let y = norm.y.load_as::<I, HALF>(self.isa, pixel);
                    self.isa.mul_add(norm.a, g, self.isa.mul_add(norm.b, y, norm.c))
                }
                None => g,
            }
        }
    }
}

/// One `f32` chain of the sum rule of [`Sums`] for sixteen channels: at most [`SUM_RUN`] pixels.
pub(crate) struct SumChain<I: Isa> {
    first: I::V,
    second: I::V,
}

impl<I: Isa> SumChain<I> {
    /// Nothing summed yet.
    #[inline(always)]
    pub(crate) fn new(isa: I) -> Self {
        Self { first: isa.zero(), second: isa.zero() }
    }

    /// Adds `v` and `v * reference`.
    #[inline(always)]
    pub(crate) fn add(&mut self, isa: I, v: I::V, reference: I::V) {
        self.first = isa.add(self.first, v);
        self.second = isa.mul_add(v, reference, self.second);
    }

    /// Ends the chain: adds it to the two rows of `image`, from column `column` on.
    #[inline(always)]
    pub(crate) fn flush(self, isa: I, sums: &mut Sums<'_>, [image, column]: [usize; 2]) {
        for (row, chain) in [self.first, self.second].into_iter().enumerate() {
            let row = &mut sums.out.row(2 * image + row)[column..column + LANES];
            // SAFETY: the slice has sixteen values.
            unsafe { isa.add_to_f64(row.as_mut_ptr(), chain) };
        }
    }
}

/// Sets the sums of an image to 0, before its first chain is flushed.
#[inline(always)]
pub(crate) fn clear(sums: &mut Sums<'_>, image: usize) {
    sums.out.row(2 * image).fill(0.0);
    sums.out.row(2 * image + 1).fill(0.0);
}

/// Sets the sums that a sink takes of an image to 0, if it takes any. It comes before the first [`SinkLanes`] of the image.
#[inline(always)]
pub(crate) fn clear_sums(sink: &mut Sink<'_>, image: usize) {
    if let Some((_, sums)) = &mut sink.sums {
        clear(sums, image);
    }
}

/// Sixteen channels of a [`Sink`], for one run of pixels.
pub(crate) struct SinkLanes<I: Isa, const HALF: bool> {
    isa: I,
    dst: MapPtrMut,
    dst_pitch: usize,
    accumulate: bool,
    gate: GateLanes<I>,
    sums: Option<SinkSums<I>>,
}

enum GateLanes<I: Isa> {
    Open,
    Stored(MapPtr),
    Affine { y: MapPtr, scale: I::V, shift: I::V },
}

struct SinkSums<I: Isa> {
    y: MapPtr,
    shift: I::V,
    chain: SumChain<I>,
}

impl<I: Isa, const HALF: bool> SinkLanes<I, HALF> {
    /// The channels from `channel` on, which are the columns from `column` on of the sink's destination and sums.
    ///
    /// # Safety
    /// Every per-channel slice must have `channel + 16` values, every row of the destination `column + 16`; without `HALF` all maps
    /// must be `f32`.
    #[inline(always)]
    pub(crate) unsafe fn new(isa: I, sink: &mut Sink<'_>, [channel, column]: [usize; 2]) -> Self {
        let gate = match &sink.gate {
            Gate::Open => GateLanes::Open,
            Gate::Stored(z) => GateLanes::Stored(z.ptr().add(channel)),
            // SAFETY: promised by the caller.
            Gate::Affine { y, affine } => unsafe {
                GateLanes::Affine {
                    y: y.ptr().add(channel),
                    scale: isa.load(affine.scale.as_ptr().add(channel)),
                    shift: isa.load(affine.shift.as_ptr().add(channel)),
                }
            },
        };
        let sums = match &sink.sums {
            // SAFETY: promised by the caller.
            Some((y, sums)) => unsafe {
                Some(SinkSums {
                    y: y.ptr().add(channel),
                    shift: isa.load(sums.shift.as_ptr().add(channel)),
                    chain: SumChain::new(isa),
                })
            },
            None => None,
        };
        let dst_pitch = sink.dst.pitch();
        let dst = sink.dst.ptr().add(column);
        Self { isa, dst, dst_pitch, accumulate: sink.accumulate, gate, sums }
    }

    /// The contribution `g` to pixel `row` of maps at `pitch`; without one, only what the sink holds counts.
    ///
    /// # Safety
    /// Row `row` must exist in the sink and in its maps, with `channel + 16` values.
    #[inline(always)]
    pub(crate) unsafe fn put(&mut self, [row, pitch]: [usize; 2], g: Option<I::V>) {
        let isa = self.isa;
        let pixel = row * pitch;
        // SAFETY: promised by the caller.
        unsafe {
            let (dst, at) = (self.dst, row * self.dst_pitch);
            let mut value = match g {
                Some(g) if self.accumulate => isa.add(g, dst.cast_const().load_as::<I, HALF>(isa, at)),
                Some(g) => g,
                None => dst.cast_const().load_as::<I, HALF>(isa, at),
            };
            match self.gate {
                GateLanes::Open => {}
                GateLanes::Stored(z) => {
                    value = isa.select_gt(z.load_as::<I, HALF>(isa, pixel), isa.zero(), value, isa.zero());
                }
                GateLanes::Affine { y, scale, shift } => {
                    let z = isa.mul_add(y.load_as::<I, HALF>(isa, pixel), scale, shift);
                    value = isa.select_gt(z, isa.zero(), value, isa.zero());
                }
            }
            dst.store_as::<I, HALF>(isa, at, value);
            if let Some(sums) = &mut self.sums {
                let reference = isa.sub(sums.y.load_as::<I, HALF>(isa, pixel), sums.shift);
                let stored = if HALF { dst.as_stored(isa, value) } else { value };
                sums.chain.add(isa, stored, reference);
            }
        }
    }

    /// Ends the run: its sums are added to those of `image`, from column `column` on.
    #[inline(always)]
    pub(crate) fn finish(self, sink: &mut Sink<'_>, [image, column]: [usize; 2]) {
        if let (Some(own), Some((_, sums))) = (self.sums, &mut sink.sums) {
            own.chain.flush(self.isa, sums, [image, column]);
        }
    }
}

/// The end of the run of pixels that starts at `start`.
#[inline(always)]
pub(crate) fn run_end(start: usize, pixels: usize) -> usize {
    pixels.min(start + SUM_RUN)
}

/// The two outer loops of a kernel's walk over one map: runs of pixels, and in each the blocks of channels.
pub(crate) struct RunBlocks {
    pixels: usize,
    pitch: usize,
    start: usize,
    channel: usize,
}

/// One block of channels of one run of pixels.
pub(crate) struct RunBlock {
    /// First pixel of the run.
    pub(crate) start: usize,
    /// Behind its last.
    pub(crate) end: usize,
    /// First of the sixteen channels.
    pub(crate) channel: usize,
}

impl RunBlocks {
    /// Over `pixels` pixels of `pitch` channels.
    #[inline(always)]
    pub(crate) fn new(pixels: usize, pitch: usize) -> Self {
        assert!(pitch.is_multiple_of(LANES), "whole vectors");
        Self { pixels, pitch, start: 0, channel: 0 }
    }

    /// The next piece. No `Iterator`: its adapters would be closures, which do not inherit the target features.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<RunBlock> {
        if self.channel == self.pitch {
            self.channel = 0;
            self.start = run_end(self.start, self.pixels);
        }
        if self.start == self.pixels || self.pitch == 0 {
            return None;
        }
        let piece =
            RunBlock { start: self.start, end: run_end(self.start, self.pixels), channel: self.channel };
        self.channel += LANES;
        Some(piece)
    }
}
