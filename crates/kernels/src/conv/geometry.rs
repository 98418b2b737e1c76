//! Committed rules on a convolution's shape: which positions are computed together, how much is loaded at once.
//!
//! None of them depends on the machine. Only [`weight_block`] changes the order of a sum; the others change traversal.

use super::layout::packed_block_len;
use super::matrix;
use super::units::{self, Units};
use crate::shape::ConvShape;
use crate::sum::SEGMENT;
use crate::{LANES, pitch};

/// Maps of at most this many pixels are walked position by position with images as the tile's rows: the taps that
/// fall on the border are the same for the whole tile and are skipped (two fifths of all taps on a 3x3 map).
const SMALL_MAP: usize = 49;

/// Rows of the widest register tile: what is taken together is whole tiles.
pub(super) const TILE_ROWS: usize = 6;

/// Positions that are taken together at least, of several images if need be: so many read a panel from the first-level
/// cache.
pub(super) const LEAST_PIXELS: usize = 21 * TILE_ROWS;

/// Values loaded at once: 256 KiB, half of the smallest L2 in common use, leaving room for a panel.
pub(super) const LOAD_VALUES: usize = 64 * 1024;

/// Pixels in one chain of a filter's gradient: long enough that storing the tile costs little, short enough to keep
/// both operands in L1 and the chain's error small.
const WEIGHT_CHAIN: usize = 144;

/// Values of a gradient that one piece adds to: 1 MiB.
const WEIGHT_VALUES: usize = 256 * 1024;

/// Images in one chain at most; a power of two, so that it divides a segment.
const WEIGHT_IMAGES: usize = 16;
const _: () = assert!(SEGMENT.is_multiple_of(WEIGHT_IMAGES));

/// What every kernel relies on: pixels are packed or padded to whole vectors, nothing in between.
#[track_caller]
pub(crate) fn check(shape: &ConvShape) {
    assert!(
        [shape.c, pitch(shape.c)].contains(&shape.c_pitch),
        "pitch {} of {} channels",
        shape.c_pitch,
        shape.c
    );
}

/// Whether the direct kernels can do this shape at all. The taps of a row of unpadded pixels form one run only while all
/// channels share a block and the taps are neighbours.
pub(crate) fn fits(shape: &ConvShape) -> bool {
    let thin_row = shape.groups == 1 && shape.dilation[1] == 1 && shape.c <= LANES;
    (shape.groups == 1 || units::whole_groups(shape)) && (!thin(shape) || thin_row)
}

/// As [`fits`], for the gradient of the input.
pub(crate) fn fits_backward_data(shape: &ConvShape) -> bool {
    fits(shape) && !thin(shape) && regular(shape)
}

/// Whether the kernels of narrow groups can do this shape.
pub(crate) fn fits_narrow(shape: &ConvShape) -> bool {
    units::narrow_groups(shape) && !thin(shape)
}

/// As [`fits_narrow`], for the gradient of the input.
pub(crate) fn fits_narrow_backward_data(shape: &ConvShape) -> bool {
    fits_narrow(shape) && regular(shape)
}

/// Strides with dilation have irregular parity classes.
fn regular(shape: &ConvShape) -> bool {
    (0..2).all(|i| shape.stride[i] == 1 || shape.dilation[i] == 1)
}

/// Whether the source has unpadded pixels (the network's input).
pub(crate) fn thin(shape: &ConvShape) -> bool {
    shape.c_pitch != pitch(shape.c)
}

/// Images below which tiles run over pixels even on small maps: a register tile of one or two rows wastes more than the
/// border's taps do. No byte depends on it: what the border adds is zero.
const FEW_IMAGES: usize = 3;

/// Whether tiles run over images instead of pixels, on a map of `pixels` pixels, for a piece of `images` images.
pub(crate) fn image_major(pixels: usize, thin: bool, images: usize) -> bool {
    pixels <= SMALL_MAP && !thin && images >= FEW_IMAGES
}

/// Images of `pixels` positions that are taken together, if that takes no more than two register tiles of single
/// positions.
pub(super) fn together(pixels: usize) -> usize {
    LEAST_PIXELS.div_ceil(pixels.max(1)).min(2 * TILE_ROWS)
}

/// Images whose gradients of outputs are loaded together, where tiles run over pixels.
pub(super) fn backward_data_together(shape: &ConvShape) -> usize {
    if fits_narrow(shape) { 1 } else { together(shape.oh * shape.ow) }
}

/// Images in a group whose positions are computed together: two full tiles of 6, which read each panel once less, while
/// the maps are tiny or what is loaded of an image (`loaded` values) stays small.
pub(crate) fn group_images(pixels: usize, loaded: usize) -> usize {
    if pixels <= 16 || 12 * loaded <= LOAD_VALUES { 12 } else { 6 }
}

/// Values that the forward pass loads of one image of a small map.
pub(crate) fn forward_loaded(shape: &ConvShape) -> usize {
    shape.h * shape.w * Units::forward(shape).loaded()
}

/// As [`forward_loaded`], for the gradient of the input.
pub(crate) fn backward_data_loaded(shape: &ConvShape) -> usize {
    shape.oh * shape.ow * Units::backward(shape).loaded()
}

/// Images of one forward piece: the unit of work to hand to a thread.
pub fn forward_images(shape: &ConvShape) -> usize {
    let pixels = shape.oh * shape.ow;
    if matrix::fits(shape) {
        return together(pixels);
    }
    if image_major(pixels, thin(shape), usize::MAX) { group_images(pixels, forward_loaded(shape)) } else { 1 }
}

/// Images of one backward-data piece.
pub fn backward_data_images(shape: &ConvShape) -> usize {
    let pixels = shape.h * shape.w;
    if matrix::fits_backward_data(shape) {
        return together(shape.oh * shape.ow);
    }
    if image_major(pixels, false, usize::MAX) {
        return group_images(pixels, backward_data_loaded(shape));
    }
    backward_data_together(shape)
}

/// The convolution that is left when only those pixels are loaded that are read, and how far apart they are in the map: a
/// strided 1x1 convolution reads one of 4 (9, ..) and is then one without stride.
pub(crate) fn sampled(shape: &ConvShape) -> (ConvShape, [usize; 2]) {
    if matrix::fits(shape) {
        return (ConvShape { h: shape.oh, w: shape.ow, stride: [1; 2], ..*shape }, shape.stride);
    }
    (*shape, [1; 2])
}

/// Rows and columns of the padded source that `rows` output rows read.
pub(crate) fn source_window(shape: &ConvShape, rows: usize) -> [usize; 2] {
    [
        (rows - 1) * shape.stride[0] + (shape.kernel[0] - 1) * shape.dilation[0] + 1,
        (shape.ow - 1) * shape.stride[1] + (shape.kernel[1] - 1) * shape.dilation[1] + 1,
    ]
}

/// Output rows of one band: as many as keep the loaded source within twice [`LOAD_VALUES`], at least one. In bands of two
/// or four rows the last tile is one of few pixels, and the filters, up to 2 MB, come by too often.
pub(crate) fn band_rows(shape: &ConvShape) -> usize {
    let mut rows = shape.oh;
    while rows > 1 && window_len(shape, rows) > 2 * LOAD_VALUES {
        rows = rows.div_ceil(2);
    }
    rows
}

/// Values of the loaded source of `rows` output rows.
pub(crate) fn window_len(shape: &ConvShape, rows: usize) -> usize {
    let [height, width] = source_window(shape, rows);
    height * width * if thin(shape) { shape.c } else { Units::forward(shape).loaded() }
}

/// Values of scratch that [`super::FORWARD`] needs for a piece of `images` images.
pub fn forward_scratch_len(shape: &ConvShape, images: usize) -> usize {
    if matrix::fits(shape) {
        return matrix::scratch_len(shape.c, images * shape.oh * shape.ow);
    }
    let pixels = shape.oh * shape.ow;
    let one = window_len(shape, band_rows(shape));
    if image_major(pixels, thin(shape), images) {
        // the last piece may have few images
        let loaded = forward_loaded(shape);
        one.max(images.min(group_images(pixels, loaded)) * loaded)
    } else {
        one
    }
}

/// Along one axis of the gradient of the input: rows of the output's gradient above and below (or left and right)
/// that lie outside the map but are read.
pub(crate) fn backward_border(shape: &ConvShape, axis: usize) -> [usize; 2] {
    let (input, output) = if axis == 0 { (shape.h, shape.oh) } else { (shape.w, shape.ow) };
    let stride = shape.stride[axis] as isize;
    let (padding, reach) =
        (shape.padding[axis] as isize, ((shape.kernel[axis] - 1) * shape.dilation[axis]) as isize);
    let lowest = (padding - reach).div_euclid(stride);
    let highest = (input as isize - 1 + padding).div_euclid(stride);
    [(-lowest).max(0) as usize, (highest - (output as isize - 1)).max(0) as usize]
}

/// Rows and columns of the gradient of the output with its border.
pub(crate) fn backward_window(shape: &ConvShape) -> [usize; 2] {
    let ([top, bottom], [left, right]) = (backward_border(shape, 0), backward_border(shape, 1));
    [shape.oh + top + bottom, shape.ow + left + right]
}

/// Values of scratch that [`super::BACKWARD_DATA`] needs for a piece of `images` images.
pub fn backward_data_scratch_len(shape: &ConvShape, images: usize) -> usize {
    if matrix::fits_backward_data(shape) {
        return matrix::scratch_len(shape.k, images * shape.oh * shape.ow);
    }
    let pixels = shape.h * shape.w;
    let [rows, columns] = backward_window(shape);
    let one = rows * columns * Units::backward(shape).loaded();
    let one = one * images.clamp(1, backward_data_together(shape));
    if image_major(pixels, false, images) {
        let loaded = backward_data_loaded(shape);
        one.max(images.min(group_images(pixels, loaded)) * loaded)
    } else {
        one
    }
}

/// How the gradient of a filter walks over the output: `images` whole maps, or `rows` rows of one map, per chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WeightBlock {
    /// Images in one chain (a power of two, so that it divides a segment); 1 if a chain is part of an image.
    pub(crate) images: usize,
    /// Output rows in one chain.
    pub(crate) rows: usize,
}

/// Images in a segment of a filter's gradient at least: enough work beside adding the segments up.
const LEAST_SEGMENT: usize = 4;

/// Outputs of a channel that a segment has at least: whole chains, those of a Winograd algorithm too (36 tiles of at most
/// 16 outputs, rounded down to a power of two of images).
const SEGMENT_PIXELS: usize = 288;

/// Images whose gradients of a filter are summed in order before segments are added by a pairwise tree: fewer than
/// [`SEGMENT`] where there are few filters, so that a batch of 256 has 64 pieces of four blocks of filters. A power of two,
/// which divides [`SEGMENT`]. It fixes the order of sums: changing it changes every byte.
pub fn weight_segment(shape: &ConvShape) -> usize {
    let quads = shape.k.div_ceil(4 * LANES);
    let by_pixels = SEGMENT_PIXELS.div_ceil((shape.oh * shape.ow).max(1));
    let images = (LEAST_SEGMENT * quads).max(by_pixels).min(SEGMENT);
    images.next_power_of_two().max(weight_block(shape).images)
}

/// Blocks of filters in a piece of their gradient at most: all of them read what is loaded of the source, but the gradient
/// itself shall stay in the second-level cache.
pub fn weight_blocks(shape: &ConvShape) -> usize {
    let most = match (matrix::fits(shape), shape.groups) {
        (true, _) => 16,
        (false, 1) => 8,
        // others read other channels
        _ => 4,
    };
    (WEIGHT_VALUES / packed_block_len(shape).max(1)).clamp(4, most)
}

/// The rule for the chains of a filter's gradient. It fixes the order of sums: changing it changes every byte.
pub(crate) fn weight_block(shape: &ConvShape) -> WeightBlock {
    let pixels = shape.oh * shape.ow;
    let mut images = 1;
    while images < WEIGHT_IMAGES && 2 * images * pixels <= WEIGHT_CHAIN {
        images *= 2;
    }
    let rows = if pixels <= WEIGHT_CHAIN { shape.oh } else { (WEIGHT_CHAIN / shape.ow).clamp(1, shape.oh) };
    WeightBlock { images, rows }
}

/// Output rows whose source and gradient are loaded together by the gradient of a filter: whole chains, within
/// twice [`LOAD_VALUES`] where possible.
pub(crate) fn weight_band(shape: &ConvShape, blocks: usize) -> usize {
    let block = weight_block(shape).rows;
    let mut chains = shape.oh.div_ceil(block);
    while chains > 1 && weight_load(shape, blocks, chains * block) > 2 * LOAD_VALUES {
        chains = chains.div_ceil(2);
    }
    (chains * block).min(shape.oh)
}

/// Values of the source that a band of `rows` output rows reads at most, border included.
pub(crate) fn weight_source_len(shape: &ConvShape, rows: usize) -> usize {
    if thin(shape) || fits_narrow(shape) {
        return window_len(shape, rows);
    }
    source_window(shape, rows)[0] * shape.w * Units::forward(shape).loaded()
}

fn weight_load(shape: &ConvShape, blocks: usize, rows: usize) -> usize {
    weight_source_len(shape, rows) + rows * shape.ow * blocks * LANES
}

/// Values of scratch that [`super::BACKWARD_WEIGHTS`] needs for a piece of `blocks` blocks of output channels,
/// or of fewer: fewer blocks leave room for longer bands, whose source may take more than the blocks save.
pub fn backward_weights_scratch_len(shape: &ConvShape, blocks: usize) -> usize {
    let shape = &sampled(shape).0;
    let load = |blocks| weight_load(shape, blocks, weight_band(shape, blocks));
    weight_block(shape).images * (1..=blocks).map(load).max().unwrap_or(0)
}
