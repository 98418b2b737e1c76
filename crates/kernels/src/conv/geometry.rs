//! Committed rules on a convolution's shape: which positions are computed together, how much is loaded at once.
//!
//! None of them depends on the machine. [`weight_block`] and [`weight_segment`] fix the order of sums: changing them changes
//! every byte. All others change traversal only.

use super::layout::packed_block_len;
use super::limits::{
    FEW_IMAGES, LEAST_PIXELS, LEAST_SEGMENT, LOAD_VALUES, SEGMENT_PIXELS, SMALL_MAP, TILE_ROWS, WEIGHT_CHAIN,
    WEIGHT_IMAGES, WEIGHT_VALUES,
};
use super::units::{Units, narrow_groups, whole_groups};
use super::windows::{backward_window, source_window, thin};
use crate::shape::ConvShape;
use crate::sum::SEGMENT;
use crate::{LANES, pitch};

/// Whether the direct kernels can do this shape at all. The taps of a row of unpadded pixels form one run only while all
/// channels share a block and the taps are neighbours.
pub(crate) fn fits(shape: &ConvShape) -> bool {
    let thin_row = shape.groups == 1 && shape.dilation[1] == 1 && shape.c <= LANES;
    (shape.groups == 1 || whole_groups(shape)) && (!thin(shape) || thin_row)
}

/// As [`fits`], for the gradient of the input.
pub(crate) fn fits_backward_data(shape: &ConvShape) -> bool {
    fits(shape) && !thin(shape) && regular(shape)
}

/// Whether the kernels of narrow groups can do this shape.
pub(crate) fn fits_narrow(shape: &ConvShape) -> bool {
    narrow_groups(shape) && !thin(shape)
}

/// As [`fits_narrow`], for the gradient of the input.
pub(crate) fn fits_narrow_backward_data(shape: &ConvShape) -> bool {
    fits_narrow(shape) && regular(shape)
}

/// Strides with dilation have irregular parity classes.
fn regular(shape: &ConvShape) -> bool {
    (0..2).all(|i| shape.stride[i] == 1 || shape.dilation[i] == 1)
}

/// Whether the forward pass is a matrix product of pixels by filters.
pub(super) fn fits_matrix(shape: &ConvShape) -> bool {
    shape.kernel == [1; 2] && shape.padding == [0; 2] && shape.groups == 1 && !thin(shape)
}

/// As [`fits_matrix`], for the gradient of the input.
pub(super) fn fits_matrix_backward_data(shape: &ConvShape) -> bool {
    fits_matrix(shape) && fits_backward_data(shape)
}

/// Pixels of `channels` channels that a matrix product takes together. The filters come by once per chunk, the chunk once
/// per 64 filters.
pub(super) fn matrix_chunk(channels: usize) -> usize {
    (LOAD_VALUES / pitch(channels) / TILE_ROWS * TILE_ROWS).max(LEAST_PIXELS)
}

/// Values of scratch for a chunk of a matrix product, at most `pixels` pixels.
fn matrix_scratch_len(channels: usize, pixels: usize) -> usize {
    matrix_chunk(channels).min(pixels) * pitch(channels)
}

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
    if fits_matrix(shape) {
        return together(pixels);
    }
    if image_major(pixels, thin(shape), usize::MAX) { group_images(pixels, forward_loaded(shape)) } else { 1 }
}

/// Images of one backward-data piece.
pub fn backward_data_images(shape: &ConvShape) -> usize {
    let pixels = shape.h * shape.w;
    if fits_matrix_backward_data(shape) {
        return together(shape.oh * shape.ow);
    }
    if image_major(pixels, false, usize::MAX) {
        return group_images(pixels, backward_data_loaded(shape));
    }
    backward_data_together(shape)
}

/// The convolution that is left when only the pixels that are read are loaded.
pub(crate) struct Sampled {
    /// Its sizes.
    pub(crate) shape: ConvShape,
    /// How far apart its pixels are in the map, in rows and columns.
    pub(crate) step: [usize; 2],
}

/// A strided 1x1 convolution reads one pixel of 4 (9, ..). Without the others it is one without stride.
pub(crate) fn sampled(shape: &ConvShape) -> Sampled {
    if fits_matrix(shape) {
        let sampled = ConvShape { h: shape.oh, w: shape.ow, stride: [1; 2], ..*shape };
        return Sampled { shape: sampled, step: shape.stride };
    }
    Sampled { shape: *shape, step: [1; 2] }
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
    if fits_matrix(shape) {
        return matrix_scratch_len(shape.c, images * shape.oh * shape.ow);
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

/// Values of scratch that [`super::BACKWARD_DATA`] needs for a piece of `images` images.
pub fn backward_data_scratch_len(shape: &ConvShape, images: usize) -> usize {
    if fits_matrix_backward_data(shape) {
        return matrix_scratch_len(shape.k, images * shape.oh * shape.ow);
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
/// itself has to stay in the second-level cache.
pub fn weight_blocks(shape: &ConvShape) -> usize {
    let most = match (fits_matrix(shape), shape.groups) {
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
    let shape = &sampled(shape).shape;
    let load = |blocks| weight_load(shape, blocks, weight_band(shape, blocks));
    weight_block(shape).images * (1..=blocks).map(load).max().unwrap_or(0)
}
