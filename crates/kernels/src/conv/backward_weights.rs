//! Gradient of the filter: dw\[k\]\[c\]\[r\] = sum over images and outputs p of dy\[p\]\[k\] x\[p stride + r dilation - padding\]\[c\].
//!
//! ```text
//! for parts of the piece (all of it, or, of channels in groups, a few groups):
//! for chains' worth of images and bands of output rows:
//!     load the source (channel-blocked, no border) and the gradient (blocked by 16 output channels)
//!     for NR blocks of output channels, block of input channels, chain (about 144 outputs), tap:
//!         for tiles of MR input channels: acc = 0
//!             for the outputs of the chain whose tap lies inside the map: acc[m] += broadcast(x[m]) * dy[..]
//!             dw += acc
//! ```
//! The operands of one chain (about 9 KiB of gradient and 13 KiB of source) stay in L1 while all taps and channels go by.
//! A chain ends after a committed number of outputs, which bounds its error. Its result is then added to `dw`, chain after
//! chain. Taps on the border skip the outputs they have no pixel for.

use std::ops::Range;

use super::args::ConvBackwardWeightsArgs;
use super::geometry::{self, sampled, weight_band, weight_block, weight_source_len};
use super::layout::{filter_channels, packed_block_len};
use super::load::{self, Blocked, LoadWindow};
use super::units::{PiecePart, Units};
use super::windows::{source_window, thin};
use crate::LANES;
use crate::shape::ConvShape;
use crate::simd::{Isa, Kernel, Outer};

/// Backward-weights with register tiles of at most `MR` input channels by `NR` vectors of output channels.
pub(crate) struct DirectBackwardWeightsKernel<'a, const MR: usize, const NR: usize>(
    pub(crate) ConvBackwardWeightsArgs<'a>,
);

/// What chains are summed over together.
#[derive(Clone, Debug)]
pub(super) struct ChainGroup<'a> {
    /// Images.
    pub(super) images: Range<usize>,
    /// Output rows.
    pub(super) rows: Range<usize>,
    /// Blocks of channels.
    pub(super) part: &'a PiecePart,
}

/// What is loaded of a chain group.
struct LoadedRows<'a> {
    shape: &'a ConvShape,
    images: usize,
    /// Output rows.
    rows: Range<usize>,
    /// Source: first loaded row of the map, values per image and per block of channels.
    first_row: usize,
    /// Block of the source, counted in what is loaded, that is the first of those read.
    first_block: usize,
    x: *const f32,
    x_image: usize,
    x_block: usize,
    x_columns: usize,
    /// Gradient: values per block of output channels.
    dy: *const f32,
    dy_block: usize,
}

impl<const MR: usize, const NR: usize> Kernel for DirectBackwardWeightsKernel<'_, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check_direct();
        assert!(geometry::fits(args.shape), "a shape of the reference");
        let shape = *args.shape;
        let (dst, scratch) = (std::mem::take(&mut args.dst), std::mem::take(&mut args.scratch));
        dst.fill(0.0);
        let (units, len) = (Units::forward(&shape), packed_block_len(&shape));
        let mut start = args.blocks.start;
        while start < args.blocks.end {
            let part = units.part(start, args.blocks.end);
            let [from, to] =
                [part.outputs.start, part.outputs.end].map(|block| (block - args.blocks.start) * len);
            gradient::<I, MR, NR>(isa, &args, &part, &mut dst[from..to], &mut *scratch);
            start = part.outputs.end;
        }
    }
}

/// Adds the gradient of a part's filters to `dst`. The arguments must have been checked.
#[inline(always)]
fn gradient<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    args: &ConvBackwardWeightsArgs<'_>,
    part: &PiecePart,
    dst: &mut [f32],
    scratch: &mut [f32],
) {
    let (shape, blocks) = (&sampled(args.shape).shape, part.outputs.len());
    let (group, band) = (weight_block(shape).images, weight_band(shape, blocks));
    let source_len = group * weight_source_len(shape, band);
    let (x, dy) = scratch.split_at_mut(source_len);
    let (unit, in_front) = (part.units.outputs, part.outputs.start % part.units.outputs);
    for first in (0..args.images).step_by(group) {
        let images = first..args.images.min(first + group);
        for row in (0..shape.oh).step_by(band) {
            let group = ChainGroup { images: images.clone(), rows: row..shape.oh.min(row + band), part };
            // SAFETY: the caller established the sizes of maps and scratch.
            let mut loaded = unsafe {
                load_gradient(isa, args, &group, dy.as_mut_ptr());
                let source = load_source(isa, args, shape, &group, x.as_mut_ptr());
                let dy_block = images.len() * group.rows.len() * shape.ow * LANES;
                LoadedRows { rows: group.rows, dy: dy.as_ptr(), dy_block, x: x.as_ptr(), ..source }
            };
            let mut block = 0;
            while block < blocks {
                // those that read the same source
                let alike = (blocks - block).min(unit - (in_front + block) % unit);
                loaded.first_block = (in_front + block) / unit * part.units.inputs;
                if alike >= NR {
                    accumulate::<I, MR, NR>(isa, &loaded, block, dst);
                    block += NR;
                } else {
                    accumulate::<I, MR, 1>(isa, &loaded, block, dst);
                    block += 1;
                }
            }
        }
    }
}

/// Gradient of the rows, `[block][image][row][column][16]`, for the blocks of a part.
///
/// # Safety
/// The maps and `dst` must have the sizes that the scratch rule says.
#[inline(always)]
pub(super) unsafe fn load_gradient<I: Isa>(
    isa: I,
    args: &ConvBackwardWeightsArgs<'_>,
    group: &ChainGroup<'_>,
    dst: *mut f32,
) {
    let (shape, images) = (args.shape, group.images.len());
    let height = group.rows.len();
    let per_image = height * shape.ow * LANES;
    for image in 0..images {
        let window = LoadWindow {
            image: (group.images.start + image) * shape.oh * shape.ow * shape.k_pitch(),
            pitch: shape.k_pitch(),
            map: [shape.oh, shape.ow],
            first: [group.rows.start as isize, 0],
            size: [height, shape.ow],
            step: [1; 2],
        };
        // SAFETY: promised by the caller.
        unsafe {
            let dst = Blocked { data: dst.add(image * per_image), block_step: images * per_image };
            load::blocked(isa, &args.grad, &window, &group.part.outputs, dst);
        }
    }
}

/// Source rows that the output rows read, without a border (thin sources have their left and right border), and without
/// the pixels that a strided 1x1 convolution does not read.
///
/// # Safety
/// As [`load_gradient`].
#[inline(always)]
unsafe fn load_source<'a, I: Isa>(
    isa: I,
    args: &ConvBackwardWeightsArgs<'_>,
    shape: &'a ConvShape,
    group: &ChainGroup<'_>,
    dst: *mut f32,
) -> LoadedRows<'a> {
    let (map, step, images) = (args.shape, sampled(args.shape).step, group.images.len());
    let top = (group.rows.start * shape.stride[0]) as isize - shape.padding[0] as isize;
    let height = source_window(shape, group.rows.len())[0] as isize;
    let first_row = top.clamp(0, shape.h as isize) as usize;
    let rows = (top + height).clamp(first_row as isize, shape.h as isize) as usize - first_row;
    let is_thin = thin(shape);
    let columns = if is_thin { source_window(shape, 1)[1] } else { shape.w };
    let per_image = rows * columns * if is_thin { shape.c } else { LANES };
    for image in 0..images {
        let window = LoadWindow {
            image: (group.images.start + image) * map.h * map.w * shape.c_pitch,
            pitch: shape.c_pitch,
            map: [map.h, map.w],
            first: [(first_row * step[0]) as isize, if is_thin { -(shape.padding[1] as isize) } else { 0 }],
            size: [rows, columns],
            step,
        };
        // SAFETY: promised by the caller.
        unsafe {
            let dst = dst.add(image * per_image);
            if is_thin {
                load::thin(isa, &args.src, &window, dst);
            } else {
                let dst = Blocked { data: dst, block_step: images * per_image };
                load::blocked(isa, &args.src, &window, &group.part.inputs, dst);
            }
        }
    }
    LoadedRows {
        shape,
        images,
        rows: 0..0,
        first_row,
        first_block: 0,
        x: dst.cast_const(),
        x_image: per_image,
        x_block: images * per_image,
        x_columns: columns,
        dy: dst.cast_const(),
        dy_block: 0,
    }
}

/// One chain's tap: the outputs it covers and where their operands are.
struct TapChain {
    /// Images, rows and columns.
    count: [usize; 3],
    /// First operands, and the steps per image, row and column.
    x: *const f32,
    x_step: [usize; 3],
    dy: *const f32,
    dy_step: [usize; 3],
    /// From one block of output channels of the gradient to the next.
    dy_block: usize,
}

/// Which chain of what is loaded.
struct ChainAt {
    /// Block of output channels, counted in the part.
    block: usize,
    /// Block of input channels, counted in those that the output block reads.
    input: usize,
    /// Output rows.
    rows: Range<usize>,
    /// Row and column of the tap.
    tap: [usize; 2],
}

impl TapChain {
    /// Rows, and then images, that follow each other without a gap are one long row.
    #[inline(always)]
    fn joined(mut self) -> Self {
        for axis in [1, 0] {
            let gap = |step: &[usize; 3]| step[axis] != self.count[2] * step[2];
            if gap(&self.x_step) || gap(&self.dy_step) {
                break;
            }
            self.count[2] *= self.count[axis];
            self.count[axis] = 1;
        }
        self
    }
}

/// `NR` blocks of output channels, the first being number `block` of the piece.
#[inline(always)]
fn accumulate<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    loaded: &LoadedRows<'_>,
    block: usize,
    dst: &mut [f32],
) {
    let shape = loaded.shape;
    let is_thin = thin(shape);
    let [tap_rows, tap_columns] = shape.kernel;
    let len = packed_block_len(shape);
    let chain_rows = weight_block(shape).rows;
    // Thin: one run of `columns * channels` values per tap row. Else: one run per tap and block of channels.
    let channels = filter_channels(shape);
    let input_blocks = if is_thin { 1 } else { channels.div_ceil(LANES) };
    for input in 0..input_blocks {
        let run = if is_thin { tap_columns * channels } else { LANES.min(channels - input * LANES) };
        for start in (loaded.rows.start..loaded.rows.end).step_by(chain_rows) {
            let end = loaded.rows.end.min(start + chain_rows);
            for r in 0..tap_rows {
                for s in 0..if is_thin { 1 } else { tap_columns } {
                    let at = ChainAt { block, input, rows: start..end, tap: [r, s] };
                    let Some(chain) = chain(loaded, &at) else { continue };
                    let tap = if is_thin { r } else { r * tap_columns + s };
                    let to = block * len + input * tap_rows * tap_columns * LANES * LANES + tap * run * LANES;
                    let rows = run.div_ceil(run.div_ceil(MR));
                    let mut row = 0;
                    while row < run {
                        let count = rows.min(run - row);
                        let dst = &mut dst[to + row * LANES..];
                        // SAFETY: the chain lies inside the loaded operands, `dst` holds the panels.
                        unsafe {
                            match count {
                                1 => chain_tile::<I, 1, NR>(isa, &chain, row, dst, len),
                                2 => chain_tile::<I, 2, NR>(isa, &chain, row, dst, len),
                                3 => chain_tile::<I, 3, NR>(isa, &chain, row, dst, len),
                                4 => chain_tile::<I, 4, NR>(isa, &chain, row, dst, len),
                                5 => chain_tile::<I, 5, NR>(isa, &chain, row, dst, len),
                                _ => chain_tile::<I, 6, NR>(isa, &chain, row, dst, len),
                            }
                        }
                        row += count;
                    }
                }
            }
        }
    }
}

/// The outputs of a chain whose tap lies inside the map; none if there are none.
#[inline(always)]
fn chain(loaded: &LoadedRows<'_>, at: &ChainAt) -> Option<TapChain> {
    let (shape, [r, s]) = (loaded.shape, at.tap);
    let is_thin = thin(shape);
    let Range { start: row0, end: row1 } = covered(shape, 0, r);
    let (row0, row1) = (row0.max(at.rows.start), row1.min(at.rows.end));
    let Range { start: column0, end: column1 } = if is_thin { 0..shape.ow } else { covered(shape, 1, s) };
    if row0 >= row1 || column0 >= column1 {
        return None;
    }
    let pixel = if is_thin { shape.c } else { LANES };
    let y = row0 * shape.stride[0] + r * shape.dilation[0] - shape.padding[0] - loaded.first_row;
    let x = if is_thin { 0 } else { column0 * shape.stride[1] + s * shape.dilation[1] - shape.padding[1] };
    let height = loaded.rows.end - loaded.rows.start;
    // SAFETY: both lie inside what was loaded: the row and column were just clipped to the map.
    let (x, dy) = unsafe {
        (
            loaded
                .x
                .add((loaded.first_block + at.input) * loaded.x_block + (y * loaded.x_columns + x) * pixel),
            loaded
                .dy
                .add(at.block * loaded.dy_block + ((row0 - loaded.rows.start) * shape.ow + column0) * LANES),
        )
    };
    let chain = TapChain {
        count: [loaded.images, row1 - row0, column1 - column0],
        x,
        x_step: [loaded.x_image, shape.stride[0] * loaded.x_columns * pixel, shape.stride[1] * pixel],
        dy,
        dy_step: [height * shape.ow * LANES, shape.ow * LANES, LANES],
        dy_block: loaded.dy_block,
    };
    Some(chain.joined())
}

/// Outputs along one axis whose tap lies inside the map.
#[inline(always)]
fn covered(shape: &ConvShape, axis: usize, tap: usize) -> Range<usize> {
    let (input, output) = if axis == 0 { (shape.h, shape.oh) } else { (shape.w, shape.ow) };
    let (offset, padding, stride) = (tap * shape.dilation[axis], shape.padding[axis], shape.stride[axis]);
    let first = padding.saturating_sub(offset).div_ceil(stride);
    let end = if input + padding > offset { (input + padding - offset - 1) / stride + 1 } else { 0 };
    first..end.min(output)
}

/// `M` input channels from `row` on, over one chain; adds to `dst`.
///
/// # Safety
/// The chain's operands must be readable, `dst` must hold `M` vectors at each of `NR` panels `len` apart.
#[inline(always)]
unsafe fn chain_tile<I: Isa, const M: usize, const NR: usize>(
    isa: I,
    chain: &TapChain,
    row: usize,
    dst: &mut [f32],
    len: usize,
) {
    assert!(dst.len() >= (NR - 1) * len + M * LANES, "panel of the gradient");
    let mut acc = [[isa.zero(); NR]; M];
    // SAFETY: promised by the caller.
    unsafe {
        for image in 0..chain.count[0] {
            for line in 0..chain.count[1] {
                let x = chain.x.add(image * chain.x_step[0] + line * chain.x_step[1] + row);
                let dy = chain.dy.add(image * chain.dy_step[0] + line * chain.dy_step[1]);
                let mut rows = [x; M];
                for m in 0..M {
                    rows[m] = x.add(m);
                }
                let outer = Outer {
                    rows,
                    row_step: chain.x_step[2] as isize,
                    panel: dy,
                    panel_step: chain.dy_block,
                    next: 0,
                    count: chain.count[2],
                };
                isa.outer::<M, NR>(&mut acc, &outer);
            }
        }
        for m in 0..M {
            for n in 0..NR {
                let to = dst.as_mut_ptr().add(n * len + m * LANES);
                isa.store(to, isa.add(isa.load(to), acc[m][n]));
            }
        }
    }
}
