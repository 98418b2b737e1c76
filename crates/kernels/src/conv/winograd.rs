//! Convolution with fewer products than it has taps times outputs: Winograd's minimal filtering (Lavin & Gray 2016).
//!
//! It applies where [`fits`] says so: 3x3 taps, stride 1, padding 1. Maps are cut into tiles, and tiles and filters are
//! transformed. The convolution becomes one matrix product for each of 36 (or 25) points. That is a quarter (or a third) of
//! the products, plus the transforms. `points.rs` has the algebra, `tiling.rs` the rules, `forward.rs` and
//! `backward_weights.rs` the schedules.
//!
//! **Numerics**: products of a point are added in `f32` chains of 64 channels, the chains in order. The gradient of a filter
//! is summed in chains of one group of tiles (about 36), the groups in order. The rms error is about that of one sequential
//! `f32` chain of a direct convolution.
//! **Kernels**: as the direct tables, with transformed filters as weights. All of them, the references too, do only shapes
//! that [`fits`] tells.

mod backward_weights;
mod filters;
mod forward;
mod gemm;
mod points;
mod reference;
mod sizes;
mod tiles;
mod tiling;
mod transform;

use self::backward_weights::WinogradBackwardWeightsKernel;
pub use self::filters::TransformArgs;
use self::filters::{TransformBackwardKernel, TransformKernel};
use self::forward::{WinogradBackwardDataKernel, WinogradForwardKernel};
use self::sizes::PassSizes;
use super::args::{ConvBackwardData, ConvBackwardWeights, ConvForward};
use super::reference as direct;
use crate::shape::ConvShape;
use crate::simd::{dispatch_avx2, dispatch_avx512, dispatch_portable};
use crate::{KernelEntry, Level};

/// Makes the transformed filters of a pass.
pub type FilterTransform = fn(TransformArgs<'_>);

/// Whether a shape has a Winograd algorithm: a committed rule on sizes.
pub fn fits(shape: &ConvShape) -> bool {
    tiling::algorithm(shape).is_some()
}

/// Multiply-adds of the matrix products of one image, the transforms not counted. The shape must fit.
pub fn macs(shape: &ConvShape) -> usize {
    let pass = PassSizes::forward(shape);
    tiles(shape) * pass.algorithm.n() * pass.algorithm.n() * shape.c * shape.k
}

/// Tiles of one image. The shape must fit.
pub fn tiles(shape: &ConvShape) -> usize {
    let [rows, columns] = grid(shape);
    rows * columns
}

/// Rows and columns of the tiles of one image. The shape must fit.
pub fn grid(shape: &ConvShape) -> [usize; 2] {
    PassSizes::forward(shape).tiling.tiles
}

/// Output rows of a row of tiles: a piece of some rows has whole ones. The shape must fit.
pub fn rows(shape: &ConvShape) -> usize {
    PassSizes::forward(shape).tiling.m
}

/// Images of one piece of [`FORWARD`] and [`BACKWARD_DATA`]: one group of tiles. The shape must fit.
pub fn images(shape: &ConvShape) -> usize {
    PassSizes::forward(shape).tiling.images
}

/// Blocks of output channels in a piece of [`FORWARD`] at most. The shape must fit.
pub fn forward_blocks(shape: &ConvShape) -> usize {
    PassSizes::forward(shape).piece_blocks()
}

/// Blocks of input channels in a piece of [`BACKWARD_DATA`] at most. The shape must fit.
pub fn backward_data_blocks(shape: &ConvShape) -> usize {
    PassSizes::backward(shape).piece_blocks()
}

/// Values of the transformed filters of [`FORWARD`].
pub fn filters_len(shape: &ConvShape) -> usize {
    PassSizes::forward(shape).filters_len()
}

/// Values of those of one block of output channels.
pub fn filters_block_len(shape: &ConvShape) -> usize {
    PassSizes::forward(shape).filters_block_len()
}

/// Values of the transformed filters of [`BACKWARD_DATA`].
pub fn backward_filters_len(shape: &ConvShape) -> usize {
    PassSizes::backward(shape).filters_len()
}

/// Values of those of one block of input channels.
pub fn backward_filters_block_len(shape: &ConvShape) -> usize {
    PassSizes::backward(shape).filters_block_len()
}

/// Values of scratch that [`FORWARD`] needs for a piece of `blocks` blocks of output channels.
pub fn forward_scratch_len(shape: &ConvShape, blocks: usize) -> usize {
    PassSizes::forward(shape).scratch_len(blocks)
}

/// Values of scratch that [`BACKWARD_DATA`] needs for a piece of `blocks` blocks of input channels.
pub fn backward_data_scratch_len(shape: &ConvShape, blocks: usize) -> usize {
    PassSizes::backward(shape).scratch_len(blocks)
}

/// Values of scratch that [`BACKWARD_WEIGHTS`] needs for a piece of `blocks` blocks of output channels.
pub fn backward_weights_scratch_len(shape: &ConvShape, blocks: usize) -> usize {
    backward_weights::GradientSizes::new(shape, blocks).scratch_len()
}

/// Filters for [`FORWARD`].
pub static TRANSFORM: &[KernelEntry<ConvShape, FilterTransform>] = &[
    KernelEntry {
        name: "winograd_filters/avx512",
        level: Level::Avx512,
        fits,
        run: |args| dispatch_avx512(TransformKernel(args)),
    },
    KernelEntry {
        name: "winograd_filters/avx2",
        level: Level::Avx2,
        fits,
        run: |args| dispatch_avx2(TransformKernel(args)),
    },
    KernelEntry {
        name: "winograd_filters/portable",
        level: Level::Portable,
        fits,
        run: |args| dispatch_portable(TransformKernel(args)),
    },
    KernelEntry {
        name: "winograd_filters/reference",
        level: Level::Portable,
        fits,
        run: reference::transform,
    },
];

/// Filters for [`BACKWARD_DATA`].
pub static TRANSFORM_BACKWARD: &[KernelEntry<ConvShape, FilterTransform>] = &[
    KernelEntry {
        name: "winograd_filters_backward/avx512",
        level: Level::Avx512,
        fits,
        run: |args| dispatch_avx512(TransformBackwardKernel(args)),
    },
    KernelEntry {
        name: "winograd_filters_backward/avx2",
        level: Level::Avx2,
        fits,
        run: |args| dispatch_avx2(TransformBackwardKernel(args)),
    },
    KernelEntry {
        name: "winograd_filters_backward/portable",
        level: Level::Portable,
        fits,
        run: |args| dispatch_portable(TransformBackwardKernel(args)),
    },
    KernelEntry {
        name: "winograd_filters_backward/reference",
        level: Level::Portable,
        fits,
        run: reference::transform_backward,
    },
];

/// Forward kernels.
pub static FORWARD: &[KernelEntry<ConvShape, ConvForward>] = &[
    KernelEntry {
        name: "winograd_forward/avx512",
        level: Level::Avx512,
        fits,
        run: |args| dispatch_avx512(WinogradForwardKernel::<6, 4>(args)),
    },
    KernelEntry {
        name: "winograd_forward/avx2",
        level: Level::Avx2,
        fits,
        run: |args| dispatch_avx2(WinogradForwardKernel::<6, 1>(args)),
    },
    KernelEntry {
        name: "winograd_forward/portable",
        level: Level::Portable,
        fits,
        run: |args| dispatch_portable(WinogradForwardKernel::<2, 1>(args)),
    },
    KernelEntry { name: "winograd_forward/reference", level: Level::Portable, fits, run: reference::forward },
];

/// Kernels for the gradient of the input.
pub static BACKWARD_DATA: &[KernelEntry<ConvShape, ConvBackwardData>] = &[
    KernelEntry {
        name: "winograd_backward_data/avx512",
        level: Level::Avx512,
        fits,
        run: |args| dispatch_avx512(WinogradBackwardDataKernel::<6, 4>(args)),
    },
    KernelEntry {
        name: "winograd_backward_data/avx2",
        level: Level::Avx2,
        fits,
        run: |args| dispatch_avx2(WinogradBackwardDataKernel::<6, 1>(args)),
    },
    KernelEntry {
        name: "winograd_backward_data/portable",
        level: Level::Portable,
        fits,
        run: |args| dispatch_portable(WinogradBackwardDataKernel::<2, 1>(args)),
    },
    KernelEntry {
        name: "winograd_backward_data/reference",
        level: Level::Portable,
        fits,
        run: reference::backward_data,
    },
];

/// Kernels for the gradient of the filter.
pub static BACKWARD_WEIGHTS: &[KernelEntry<ConvShape, ConvBackwardWeights>] = &[
    KernelEntry {
        name: "winograd_backward_weights/avx512",
        level: Level::Avx512,
        fits,
        run: |args| dispatch_avx512(WinogradBackwardWeightsKernel::<6, 4>(args)),
    },
    KernelEntry {
        name: "winograd_backward_weights/avx2",
        level: Level::Avx2,
        fits,
        run: |args| dispatch_avx2(WinogradBackwardWeightsKernel::<6, 1>(args)),
    },
    KernelEntry {
        name: "winograd_backward_weights/portable",
        level: Level::Portable,
        fits,
        run: |args| dispatch_portable(WinogradBackwardWeightsKernel::<2, 1>(args)),
    },
    KernelEntry {
        name: "winograd_backward_weights/reference",
        level: Level::Portable,
        fits,
        run: direct::backward_weights,
    },
];
