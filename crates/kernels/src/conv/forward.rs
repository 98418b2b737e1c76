//! The direct forward kernel: load (batch norm, ReLU and join applied on the way), multiply, sum.
//!
//! ```text
//! if keep: store the evaluated source first, then read that
//! for parts of the piece (all of it, or, of channels in groups, a few groups):
//! large maps, per image and band of rows:           small maps, per group of images:
//!     load the band with its zero border                load the maps
//!     for NR blocks of output channels:                 for NR blocks of output channels:
//!         for tiles of MR pixels: register tile             for each pixel, its taps inside the map:
//!                                                               for tiles of MR images: register tile
//! per run of pixels and block: statistics of what was stored
//! ```
//! The weights are streamed once per band or group. A panel stays in L1 or L2 while the positions go by.

use super::args::ConvForwardArgs;
use super::geometry::{self, band_rows, forward_loaded, group_images, image_major};
use super::layout::filter_channels;
use super::load::{self, Blocked, LoadWindow};
use super::matrix;
use super::micro::TapWalk;
use super::passes::{forward_blocks, kept, sum_stored};
use super::positions::{BlockMethod, Positions, RegisterTiles};
use super::units::{PiecePart, Units};
use super::windows::{source_window, thin};
use crate::LANES;
use crate::args::MapSource;
use crate::shape::ConvShape;
use crate::simd::{Isa, Kernel};

/// Forward with register tiles of `MR` positions by `NR` vectors.
pub(crate) struct DirectForwardKernel<'a, const MR: usize, const NR: usize>(pub(crate) ConvForwardArgs<'a>);

impl<const MR: usize, const NR: usize> Kernel for DirectForwardKernel<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        assert!(geometry::fits(args.shape), "a shape of the reference");
        let shape = *args.shape;
        if geometry::fits_matrix(&shape) {
            return matrix::forward::<I, RegisterTiles<MR, NR>>(isa, &mut args);
        }
        let src = kept(isa, &mut args);
        let (units, mut start) = (Units::forward(&shape), args.blocks.start);
        while start < args.blocks.end {
            let part = units.part(start, args.blocks.end);
            if image_major(shape.oh * shape.ow, thin(&shape), args.images) {
                by_image::<I, RegisterTiles<MR, NR>>(isa, &mut args, &src, &part);
            } else {
                by_pixel::<I, RegisterTiles<MR, NR>>(isa, &mut args, &src, &part);
            }
            start = part.outputs.end;
        }
        sum_stored(isa, &mut args);
    }
}

/// Large maps: one image at a time, rows in bands.
#[inline(always)]
pub(super) fn by_pixel<I: Isa, M: BlockMethod>(
    isa: I,
    args: &mut ConvForwardArgs<'_>,
    src: &MapSource<'_>,
    part: &PiecePart,
) {
    let shape = *args.shape;
    let (is_thin, band) = (thin(&shape), band_rows(&shape));
    // one pointer for those who write and those who read
    let scratch = args.scratch.as_mut_ptr();
    let mut blocks = forward_blocks(args, scratch, part);
    for image in 0..args.images {
        for first in args.rows.clone().step_by(band) {
            let rows = band.min(args.rows.end - first);
            let size = source_window(&shape, rows);
            let window = LoadWindow {
                image: image * shape.h * shape.w * shape.c_pitch,
                pitch: shape.c_pitch,
                map: [shape.h, shape.w],
                first: [
                    (first * shape.stride[0]) as isize - shape.padding[0] as isize,
                    -(shape.padding[1] as isize),
                ],
                size,
                step: [1; 2],
            };
            let block_step = size[0] * size[1] * LANES;
            // SAFETY: `check` established that source and scratch hold the window.
            unsafe {
                if is_thin {
                    load::thin(isa, src, &window, scratch);
                } else {
                    let dst = Blocked { data: scratch, block_step };
                    load::blocked(isa, src, &window, &part.inputs, dst);
                }
            }
            blocks.unit_step = part.units.inputs * block_step;
            let pixel = if is_thin { shape.c } else { LANES };
            let walk = whole_walk(&shape, size, is_thin);
            let positions = Positions {
                first_column: 0,
                count: rows * shape.ow,
                columns: shape.ow,
                rows: Positions::ENDLESS,
                a: [0, 0, shape.stride[0] * size[1] * pixel, shape.stride[1] * pixel],
                d: [(image * shape.oh + first) * shape.ow, 0, shape.ow, 1],
            };
            let mut block = 0;
            while block < blocks.count() {
                // SAFETY: `check` established sizes; positions and walk stay inside the loaded window by construction.
                unsafe { M::run(isa, &blocks, &positions, &walk, block) };
                block += M::width(&blocks, block);
            }
        }
    }
}

/// Small maps: groups of images, one position at a time, only the taps inside the map.
#[inline(always)]
fn by_image<I: Isa, M: BlockMethod>(
    isa: I,
    args: &mut ConvForwardArgs<'_>,
    src: &MapSource<'_>,
    part: &PiecePart,
) {
    let shape = *args.shape;
    let (map, pixels) = (shape.h * shape.w, shape.oh * shape.ow);
    let group = group_images(pixels, forward_loaded(&shape));
    // one pointer for those who write and those who read
    let scratch = args.scratch.as_mut_ptr();
    let mut blocks = forward_blocks(args, scratch, part);
    for first in (0..args.images).step_by(group) {
        let images = group.min(args.images - first);
        let block_step = images * map * LANES;
        blocks.unit_step = part.units.inputs * block_step;
        for image in 0..images {
            let window = LoadWindow {
                image: (first + image) * map * shape.c_pitch,
                pitch: shape.c_pitch,
                map: [shape.h, shape.w],
                first: [0, 0],
                size: [shape.h, shape.w],
                step: [1; 2],
            };
            // SAFETY: `check` established that source and scratch hold the group.
            unsafe {
                let dst = Blocked { data: scratch.add(image * map * LANES), block_step };
                load::blocked(isa, src, &window, &part.inputs, dst);
            }
        }
        let mut block = 0;
        while block < blocks.count() {
            for position in 0..pixels {
                let walk = window_walk(&shape, position, block_step);
                let positions = Positions {
                    first_column: 0,
                    count: images,
                    columns: 1,
                    rows: Positions::ENDLESS,
                    a: [0, 0, map * LANES, 0],
                    d: [first * pixels + position, 0, pixels, 0],
                };
                // SAFETY: `check` established sizes; positions and walk stay inside the loaded maps by construction.
                unsafe { M::run(isa, &blocks, &positions, &walk, block) };
            }
            block += M::width(&blocks, block);
        }
    }
}

/// All taps, over a window with its border.
fn whole_walk(shape: &ConvShape, size: [usize; 2], is_thin: bool) -> TapWalk {
    let [rows, columns] = shape.kernel;
    let channels = filter_channels(shape);
    if is_thin {
        // The taps of a row are contiguous in the source and in the panel: one run of `columns * channels` values.
        let run = columns * channels;
        return TapWalk {
            blocks: 1,
            full: run,
            last: run,
            taps: [rows, 1],
            a_start: 0,
            a_step: [0, (shape.dilation[0] * size[1] * channels) as isize, 0],
            b_first: [0, 0],
            b_step: [1, 1],
            b_columns: 1,
            b_block: 0,
        };
    }
    let blocks = channels.div_ceil(LANES);
    TapWalk {
        blocks,
        full: LANES,
        last: channels - (blocks - 1) * LANES,
        taps: [rows, columns],
        a_start: 0,
        a_step: [
            (size[0] * size[1] * LANES) as isize,
            (shape.dilation[0] * size[1] * LANES) as isize,
            (shape.dilation[1] * LANES) as isize,
        ],
        b_first: [0, 0],
        b_step: [1, 1],
        b_columns: columns,
        b_block: rows * columns * LANES * LANES,
    }
}

/// The taps of one output position that fall inside the map.
#[inline(always)]
fn window_walk(shape: &ConvShape, position: usize, block_step: usize) -> TapWalk {
    let at = [position / shape.ow, position % shape.ow];
    let size = [shape.h, shape.w];
    let mut first = [0; 2];
    let mut taps = [0; 2];
    let mut start = [0isize; 2];
    for axis in 0..2 {
        let origin = (at[axis] * shape.stride[axis]) as isize - shape.padding[axis] as isize;
        let dilation = shape.dilation[axis] as isize;
        let below = (-origin).max(0) as usize;
        first[axis] = below.div_ceil(shape.dilation[axis]).min(shape.kernel[axis]);
        let room = size[axis] as isize - 1 - origin;
        let end = if room < 0 { 0 } else { (room / dilation) as usize + 1 };
        taps[axis] = end.min(shape.kernel[axis]).saturating_sub(first[axis]);
        start[axis] = origin + first[axis] as isize * dilation;
    }
    let channels = filter_channels(shape);
    let blocks = channels.div_ceil(LANES);
    TapWalk {
        blocks,
        full: LANES,
        last: channels - (blocks - 1) * LANES,
        taps,
        a_start: (start[0] * shape.w as isize + start[1]) * LANES as isize,
        a_step: [
            block_step as isize,
            (shape.dilation[0] * shape.w * LANES) as isize,
            (shape.dilation[1] * LANES) as isize,
        ],
        b_first: first,
        b_step: [1, 1],
        b_columns: shape.kernel[1],
        b_block: shape.kernel[0] * shape.kernel[1] * LANES * LANES,
    }
}
