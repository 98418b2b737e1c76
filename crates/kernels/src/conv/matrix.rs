//! 1x1 convolutions: a matrix of pixels by channels times one of channels by filters.
//!
//! ```text
//! for chunks of pixels (of all images of the piece, one after the other):
//!     if the evaluated source is kept: store it, then read that
//!     else if the source is computed where it is read, or is bf16: load the chunk, [pixel][channel]; else read it in place
//!     for NR blocks of filters:
//!         for parts of the channels: for tiles of MR pixels: register tile, the next tile's pixels brought near meanwhile
//!     for runs of pixels that are complete: sums; for a gradient its gate, too
//! ```
//! Pixels of a map lie one after the other, and so do their channels. A tile's reduction is therefore one run over all
//! channels of a part, and nothing is copied before it. The chains are those of every other direct kernel. Everything
//! else that is done with a pixel, before and after, is done while its chunk is in the second-level cache.

use std::ops::Range;

use super::args::{ConvBackwardDataArgs, ConvForwardArgs};
use super::geometry::matrix_chunk;
use super::layout::{filter_channels, filters_of_channel};
use super::load::{self, Blocked, Computed, ComputedLanes};
use super::micro::TapWalk;
use super::passes::{
    backward_data_blocks, finish_images, finish_pixels, forward_blocks, kept, looks_again, sum_pixels,
};
use super::positions::{BlockMethod, Blocks, Positions};
use super::units::Units;
use crate::args::SUM_RUN;
use crate::maps::{MapPtrMut, MapRef, MapRowsMut};
use crate::simd::Isa;
use crate::{LANES, pitch};

/// Which pixels of the maps take part: every `stride`th row and column.
#[derive(Clone, Copy)]
struct PixelGrid {
    /// Rows and columns of the map.
    map: [usize; 2],
    /// See above.
    stride: [usize; 2],
}

impl PixelGrid {
    /// The pixel of all maps that is number `pixel` of those that take part, of which a map has `size`.
    #[inline(always)]
    fn at(&self, pixel: usize, size: [usize; 2]) -> usize {
        let (line, column) = (pixel / size[1], pixel % size[1]);
        let (image, row) = (line / size[0], line % size[0]);
        (image * self.map[0] + row * self.stride[0]) * self.map[1] + column * self.stride[1]
    }

    /// Whether these are all pixels.
    #[inline(always)]
    fn whole(&self) -> bool {
        self.stride == [1; 2]
    }

    /// Whether an image's first row is as far from the row before it as any other, if an image has `rows` of them.
    #[inline(always)]
    fn follow(&self, rows: usize) -> bool {
        self.map[0] == rows * self.stride[0]
    }
}

/// A product's pixels: rows and columns of them in an image, where they are read and written.
struct ProductPixels {
    size: [usize; 2],
    read: PixelGrid,
    write: PixelGrid,
    /// Channels that are read, and the distance between their pixels.
    channels: usize,
    pitch: usize,
    /// Channels of the complete pixels that statistics, gate or sums read once more.
    reread: usize,
}

impl ProductPixels {
    /// The end of the chunk that starts at pixel `first` of those before `last`.
    #[inline(always)]
    fn chunk_end(&self, first: usize, last: usize, stored: bool) -> usize {
        let [rows, columns] = self.size;
        let follow = self.write.follow(rows) && (!stored || self.read.follow(rows));
        let stop = if follow { last } else { (first / (rows * columns) + 1) * rows * columns };
        stop.min(last).min(first + matrix_chunk(self.channels.max(self.reread)))
    }
}

/// Forward. The arguments must have been checked.
#[inline(always)]
pub(super) fn forward<I: Isa, M: BlockMethod>(isa: I, args: &mut ConvForwardArgs<'_>) {
    let shape = *args.shape;
    let size = [shape.oh, shape.ow];
    let pixels = ProductPixels {
        size,
        read: PixelGrid { map: [shape.h, shape.w], stride: shape.stride },
        write: PixelGrid { map: size, stride: [1; 2] },
        channels: filter_channels(&shape),
        pitch: shape.c_pitch,
        reread: if args.sums.is_some() { args.blocks.len() * LANES } else { 0 },
    };
    // what is kept is stored chunk by chunk, unless the chunks pass over some of it, or must be read as it was rounded
    let keep = match &mut args.keep {
        Some(MapRowsMut::F32(keep)) if pixels.read.whole() => Some(keep.as_mut_ptr()),
        _ => None,
    };
    let src = if keep.is_some() { args.src } else { kept(isa, args) };
    let stored = match src.main.data {
        _ if keep.is_some() => keep.map(<*mut f32>::cast_const),
        MapRef::F32(data) if src.is_plain() => Some(data.as_ptr()),
        _ => None,
    };
    let scratch = args.scratch.as_mut_ptr();
    let part = Units::forward(&shape).part(args.blocks.start, args.blocks.end);
    let blocks = forward_blocks(args, scratch, &part);
    // some rows of one image, or all of all images
    let last = (args.images * shape.oh + args.rows.end - shape.oh) * shape.ow;
    let (mut first, mut summed) = (args.rows.start * shape.ow, 0);
    while first < last {
        let end = pixels.chunk_end(first, last, stored.is_some());
        // SAFETY: `check` established the sizes of maps, filters and scratch.
        unsafe {
            if let Some(keep) = keep {
                let values = first * pixels.pitch..end * pixels.pitch;
                load::evaluate(isa, &src, values, pixels.pitch, MapPtrMut::F32(keep));
            }
            let source = ProductSource { values: &src, stored, scratch };
            product::<I, _, M>(isa, &source, &pixels, blocks, first..end);
        }
        let whole = whole_runs(end, shape.oh * shape.ow);
        sum_pixels(isa, args, summed, whole);
        (first, summed) = (end, whole);
    }
}

/// The end of the last run of pixels that is complete when those before `end` are; an image has `pixels`.
fn whole_runs(end: usize, pixels: usize) -> usize {
    end - end % pixels % SUM_RUN
}

/// Gradient of the input. The arguments must have been checked.
#[inline(always)]
pub(super) fn backward_data<I: Isa, M: BlockMethod>(isa: I, args: &mut ConvBackwardDataArgs<'_>) {
    let shape = *args.shape;
    let size = [shape.oh, shape.ow];
    let pixels = ProductPixels {
        size,
        read: PixelGrid { map: size, stride: [1; 2] },
        write: PixelGrid { map: [shape.h, shape.w], stride: shape.stride },
        channels: filters_of_channel(&shape),
        pitch: shape.k_pitch(),
        reread: if looks_again(&args.sink) { args.blocks.len() * LANES } else { 0 },
    };
    let part = Units::backward(&shape).part(args.blocks.start, args.blocks.end);
    if !pixels.write.whole() && !args.sink.accumulate {
        // no output reads the others
        let columns =
            (part.outputs.start - args.blocks.start) * LANES..(part.outputs.end - args.blocks.start) * LANES;
        for pixel in 0..args.images * shape.h * shape.w {
            args.sink.dst.clear(pixel, columns.clone());
        }
    }
    let grad = args.grad;
    let stored = match grad.g {
        MapRef::F32(g) if grad.norm.is_none() => Some(g.as_ptr()),
        _ => None,
    };
    let scratch = args.scratch.as_mut_ptr();
    let blocks = backward_data_blocks(args, Blocked { data: scratch, block_step: 0 }, &part);
    let (mut first, mut finished, last) = (0, 0, args.images * size[0] * size[1]);
    while first < last {
        let end = pixels.chunk_end(first, last, stored.is_some());
        // SAFETY: `check` established the sizes of maps, filters and scratch.
        unsafe {
            let source = ProductSource { values: &grad, stored, scratch };
            product::<I, _, M>(isa, &source, &pixels, blocks, first..end);
        }
        if pixels.write.whole() {
            let whole = whole_runs(end, size[0] * size[1]);
            finish_pixels(isa, args, finished, whole);
            finished = whole;
        }
        first = end;
    }
    if !pixels.write.whole() {
        let images = 0..args.images;
        finish_images(isa, args, &images);
    }
}

/// Where a product's pixels come from.
struct ProductSource<'a, C> {
    /// What is computed where it is read.
    values: &'a C,
    /// The map, if it need not be computed.
    stored: Option<*const f32>,
    /// Room for a chunk that is computed.
    scratch: *mut f32,
}

/// The pixels of a chunk.
///
/// # Safety
/// The source must have the pixels that are read, the destination those that are written, scratch room for a chunk.
#[inline(always)]
unsafe fn product<I: Isa, C: Computed, M: BlockMethod>(
    isa: I,
    source: &ProductSource<'_, C>,
    pixels: &ProductPixels,
    mut blocks: Blocks<'_>,
    chunk: Range<usize>,
) {
    let (first, end) = (chunk.start, chunk.end);
    let loaded = pitch(pixels.channels);
    let all = pixels.channels.div_ceil(LANES);
    let columns = pixels.size[1];
    let walk = TapWalk {
        blocks: all,
        full: LANES,
        last: pixels.channels - (all - 1) * LANES,
        taps: [1; 2],
        a_start: 0,
        a_step: [LANES as isize, 0, 0],
        b_first: [0; 2],
        b_step: [1; 2],
        b_columns: 1,
        b_block: LANES * LANES,
    };
    // SAFETY: promised by the caller.
    unsafe {
        let first_column = first % columns;
        let (from, line, step) = match source.stored {
            Some(data) => {
                let [down, right] = pixels.read.stride;
                let start = pixels.read.at(first - first_column, pixels.size) * pixels.pitch;
                (data.wrapping_add(start), down * pixels.read.map[1] * pixels.pitch, right * pixels.pitch)
            }
            None => {
                load(isa, source.values, pixels, chunk, source.scratch);
                (source.scratch.wrapping_sub(first_column * loaded).cast_const(), columns * loaded, loaded)
            }
        };
        blocks.src = from;
        let [_, width] = pixels.write.map;
        let [down, right] = pixels.write.stride;
        let positions = Positions {
            first_column,
            count: end - first,
            columns,
            rows: Positions::ENDLESS,
            a: [0, 0, line, step],
            d: [pixels.write.at(first - first_column, pixels.size), 0, down * width, right],
        };
        let mut block = 0;
        while block < blocks.count() {
            M::run(isa, &blocks, &positions, &walk, block);
            block += M::width(&blocks, block);
        }
    }
}

/// Computes the source of a chunk, `[pixel][channel]`.
///
/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn load<I: Isa, C: Computed>(
    isa: I,
    src: &C,
    pixels: &ProductPixels,
    chunk: Range<usize>,
    dst: *mut f32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        if src.half() {
            load_as::<I, C, true>(isa, src, pixels, chunk, dst);
        } else {
            load_as::<I, C, false>(isa, src, pixels, chunk, dst);
        }
    }
}

/// # Safety
/// As [`load()`]; without `HALF` all maps must be `f32`.
#[inline(always)]
unsafe fn load_as<I: Isa, C: Computed, const HALF: bool>(
    isa: I,
    src: &C,
    pixels: &ProductPixels,
    chunk: Range<usize>,
    dst: *mut f32,
) {
    let (first, end) = (chunk.start, chunk.end);
    let (width, columns) = (pitch(pixels.channels), pixels.size[1]);
    let step = pixels.read.stride[1] * pixels.pitch;
    // in the order of memory, for whose sake scales and shifts are read again for every pixel
    let (mut pixel, mut to) = (first, dst);
    while pixel < end {
        let mut from = pixels.read.at(pixel, pixels.size) * pixels.pitch;
        let stop = end.min(pixel + columns - pixel % columns);
        while pixel < stop {
            let mut channel = 0;
            while channel < width {
                // SAFETY: promised by the caller.
                unsafe { isa.store(to.add(channel), src.lanes::<I, HALF>(isa, channel).at(from)) };
                channel += LANES;
            }
            to = to.wrapping_add(width);
            from += step;
            pixel += 1;
        }
    }
}
