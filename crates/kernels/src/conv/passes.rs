//! What the methods of the convolution share around their products: the source that is kept, the blocks of a part, and the
//! second look at what was stored.
//!
//! Statistics, gate and sums are taken from what was stored. Their order is then the plain one of [`crate::args::Sums`],
//! whatever the tiles did.

use std::ops::Range;

use super::args::{ConvBackwardDataArgs, ConvForwardArgs};
use super::finish::Finishing;
use super::layout::{backward_block_len, packed_block_len};
use super::load::{self, Blocked};
use super::positions::Blocks;
use super::units::PiecePart;
use crate::LANES;
use crate::args::{Gate, MapSource, Sink};
use crate::lanes::{SinkLanes, SumChain, clear, run_end};
use crate::maps::{MapRef, MapRowsMut};
use crate::simd::Isa;

/// The source to read: as it is, or, if it is to be kept, where it was just stored. The maps must have been checked.
#[inline(always)]
pub(super) fn kept<'a, I: Isa>(isa: I, args: &mut ConvForwardArgs<'a>) -> MapSource<'a> {
    let Some(keep) = &mut args.keep else { return args.src };
    let (values, pitch) = (keep.rows() * keep.pitch(), args.shape.c_pitch);
    // SAFETY: `check_maps` established that both hold `values` values; nothing writes `keep` while the source is read.
    unsafe {
        load::evaluate(isa, &args.src, 0..values, pitch, keep.ptr());
        MapSource::plain(match keep {
            MapRowsMut::F32(keep) => MapRef::F32(std::slice::from_raw_parts(keep.as_mut_ptr(), values)),
            MapRowsMut::Bf16(keep) => MapRef::Bf16(std::slice::from_raw_parts(keep.as_mut_ptr(), values)),
        })
    }
}

/// Statistics of what was stored. The maps must have been checked.
#[inline(always)]
pub(super) fn sum_stored<I: Isa>(isa: I, args: &mut ConvForwardArgs<'_>) {
    let pixels = args.images * args.shape.oh * args.shape.ow;
    sum_pixels(isa, args, 0, pixels);
}

/// Statistics of pixels `first..end` of all images: whole runs. The maps must have been checked.
#[inline(always)]
pub(super) fn sum_pixels<I: Isa>(isa: I, args: &mut ConvForwardArgs<'_>, first: usize, end: usize) {
    let pixels = args.shape.oh * args.shape.ow;
    let Some(sums) = &mut args.sums else { return };
    let (dst, pitch) = (args.dst.ptr().cast_const(), args.dst.pitch());
    let mut start = first;
    while start < end {
        let (image, pixel) = (start / pixels, start % pixels);
        let stop = start + run_end(pixel, pixels) - pixel;
        if pixel == 0 {
            clear(sums, image);
        }
        for (index, block) in args.blocks.clone().enumerate() {
            // SAFETY: `check_maps` established the sizes.
            unsafe {
                let column = dst.add(index * LANES);
                let shift = isa.load(sums.shift.as_ptr().add(block * LANES));
                let mut chain = SumChain::new(isa);
                for pixel in start..stop {
                    let v = isa.sub(column.load(isa, pixel * pitch), shift);
                    chain.add(isa, v, v);
                }
                chain.flush(isa, sums, [image, index * LANES]);
            }
        }
        start = stop;
    }
}

/// Whether there is anything to do for [`finish_pixels`].
pub(super) fn looks_again(sink: &Sink<'_>) -> bool {
    !matches!(sink.gate, Gate::Open) || sink.sums.is_some()
}

/// Gates and sums what was stored of some images. The arguments must have been checked.
#[inline(always)]
pub(super) fn finish_images<I: Isa>(isa: I, args: &mut ConvBackwardDataArgs<'_>, images: &Range<usize>) {
    let pixels = args.shape.h * args.shape.w;
    finish_pixels(isa, args, images.start * pixels, images.end * pixels);
}

/// Gates and sums what was stored of pixels `first..end` of all images: whole runs. The arguments must have been checked.
#[inline(always)]
pub(super) fn finish_pixels<I: Isa>(isa: I, args: &mut ConvBackwardDataArgs<'_>, first: usize, end: usize) {
    let sink = &args.sink;
    if !looks_again(sink) {
        return;
    }
    if sink.half() {
        finish_pixels_as::<I, true>(isa, args, first, end);
    } else {
        finish_pixels_as::<I, false>(isa, args, first, end);
    }
}

/// As [`finish_pixels`]; without `HALF` all maps must be `f32`.
#[inline(always)]
fn finish_pixels_as<I: Isa, const HALF: bool>(
    isa: I,
    args: &mut ConvBackwardDataArgs<'_>,
    first: usize,
    end: usize,
) {
    let sink = &mut args.sink;
    let (pixels, pitch) = (args.shape.h * args.shape.w, args.shape.c_pitch);
    let mut start = first;
    while start < end {
        let (image, pixel) = (start / pixels, start % pixels);
        let stop = start + run_end(pixel, pixels) - pixel;
        if let (0, Some((_, sums))) = (pixel, &mut sink.sums) {
            clear(sums, image);
        }
        for (index, block) in args.blocks.clone().enumerate() {
            // SAFETY: `check` established the sizes of the sink.
            unsafe {
                let mut lanes = SinkLanes::<I, HALF>::new(isa, sink, [block * LANES, index * LANES]);
                for pixel in start..stop {
                    lanes.put([pixel, pitch], None);
                }
                lanes.finish(sink, [image, index * LANES]);
            }
        }
        start = stop;
    }
}

/// The part's filters and destination; they are applied to what is loaded into `scratch`.
#[inline(always)]
pub(super) fn forward_blocks<'a>(
    args: &mut ConvForwardArgs<'a>,
    scratch: *const f32,
    part: &PiecePart,
) -> Blocks<'a> {
    let (block_len, range) = (packed_block_len(args.shape), part.outputs.clone());
    let finish = Finishing::new(args.bias, &args.finish, range.start * LANES);
    // pixels are those of whole images
    let before = args.rows.start * args.shape.ow * args.dst.pitch();
    let column = (range.start - args.blocks.start) * LANES;
    Blocks {
        src: scratch,
        panels: &args.weights[range.start * block_len..range.end * block_len],
        block_len,
        unit_blocks: part.units.outputs,
        blocks_in_front: range.start % part.units.outputs,
        unit_step: 0,
        finish,
        dst: args.dst.ptr().offset(column as isize - before as isize),
        pitch: args.dst.pitch(),
        accumulate: false,
    }
}

/// The part's filters and destination; they are applied to what is loaded.
#[inline(always)]
pub(super) fn backward_data_blocks<'a>(
    args: &mut ConvBackwardDataArgs<'a>,
    loaded: Blocked,
    part: &PiecePart,
) -> Blocks<'a> {
    let (block_len, range) = (backward_block_len(args.shape), part.outputs.clone());
    let dst = &mut args.sink.dst;
    Blocks {
        src: loaded.data,
        panels: &args.weights[range.start * block_len..range.end * block_len],
        block_len,
        unit_blocks: part.units.outputs,
        blocks_in_front: range.start % part.units.outputs,
        unit_step: part.units.inputs * loaded.block_step,
        finish: Finishing::default(),
        dst: dst.ptr().add((range.start - args.blocks.start) * LANES),
        pitch: dst.pitch(),
        accumulate: args.sink.accumulate,
    }
}
