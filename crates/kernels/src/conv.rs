//! Convolution: forward, gradient of the input, gradient of the filter.
//!
//! **Forward** ([`FORWARD`]): y\[p\]\[k\] = bias\[k\] + sum over taps r and channels c of x\[p stride + r dilation - padding\]\[c\] w\[k\]\[c\]\[r\].
//! **Backward**: see [`BACKWARD_DATA`] and [`BACKWARD_WEIGHTS`]. The gradient of a bias is the sum of the gradient at the output.
//! **Saved**: y (for the batch norm behind it) and what the source reads.
//! **Numerics**: one `f32` chain per output over (channel block, tap, channel). The gradient of a filter is summed in chains
//! of about 144 outputs, which are added in order. Batch norm and ReLU of the source are applied on load. Statistics and
//! gates are applied on the way out, and so are batch norm, join and ReLU of the output ([`Finish`](crate::args::Finish)).
//! **Kernels**: `avx512` (tiles of 6x64), `avx2` (6x16), `portable` (2x16), for one group and for groups of whole blocks. Groups
//! of 1, 2, 4 and 8 channels have the same levels under the name `grouped` (`narrow.rs`). `reference` (`f64` loops) does
//! the other groups, and the gradient of the input of strides with dilation.
//! Where [`winograd`] fits, a planner may take its tables instead. They need fewer products and round differently.
//!
//! A dense layer is a convolution whose kernel covers the whole map.

#![allow(clippy::needless_range_loop, reason = "register tiles index several arrays by the same constants")]

use crate::shape::ConvShape;
use crate::simd::{dispatch_avx2, dispatch_avx512, dispatch_portable};
use crate::{KernelEntry, Level};

mod args;
mod backward_data;
mod backward_weights;
mod finish;
mod forward;
mod geometry;
mod layout;
mod limits;
mod load;
mod matrix;
mod micro;
mod narrow;
mod passes;
mod positions;
mod reference;
mod target;
#[cfg(test)]
mod tests;
pub mod tiles;
mod units;
mod windows;
pub mod winograd;

pub use args::{
    ConvBackwardData, ConvBackwardDataArgs, ConvBackwardWeights, ConvBackwardWeightsArgs, ConvForward,
    ConvForwardArgs,
};
use backward_data::DirectBackwardDataKernel;
use backward_weights::DirectBackwardWeightsKernel;
use forward::DirectForwardKernel;
pub use geometry::{
    backward_data_images, backward_data_scratch_len, backward_weights_scratch_len, forward_images,
    forward_scratch_len, weight_blocks, weight_segment,
};
pub use layout::{
    backward_block_len, backward_len, pack, pack_backward, packed_block_len, packed_len, unpack,
};

fn fits_always(_: &ConvShape) -> bool {
    true
}

/// Forward kernels.
pub static FORWARD: &[KernelEntry<ConvShape, ConvForward>] = &[
    KernelEntry {
        name: "conv_forward/avx512",
        level: Level::Avx512,
        fits: geometry::fits,
        run: |args| dispatch_avx512(DirectForwardKernel::<6, 4>(args)),
    },
    KernelEntry {
        name: "grouped_forward/avx512",
        level: Level::Avx512,
        fits: geometry::fits_narrow,
        run: |args| dispatch_avx512(narrow::NarrowForwardKernel(args)),
    },
    KernelEntry {
        name: "conv_forward/avx2",
        level: Level::Avx2,
        fits: geometry::fits,
        run: |args| dispatch_avx2(DirectForwardKernel::<6, 1>(args)),
    },
    KernelEntry {
        name: "grouped_forward/avx2",
        level: Level::Avx2,
        fits: geometry::fits_narrow,
        run: |args| dispatch_avx2(narrow::NarrowForwardKernel(args)),
    },
    KernelEntry {
        name: "conv_forward/portable",
        level: Level::Portable,
        fits: geometry::fits,
        run: |args| dispatch_portable(DirectForwardKernel::<2, 1>(args)),
    },
    KernelEntry {
        name: "grouped_forward/portable",
        level: Level::Portable,
        fits: geometry::fits_narrow,
        run: |args| dispatch_portable(narrow::NarrowForwardKernel(args)),
    },
    KernelEntry {
        name: "conv_forward/reference",
        level: Level::Portable,
        fits: fits_always,
        run: reference::forward,
    },
];

/// Kernels for the gradient of the input.
pub static BACKWARD_DATA: &[KernelEntry<ConvShape, ConvBackwardData>] = &[
    KernelEntry {
        name: "conv_backward_data/avx512",
        level: Level::Avx512,
        fits: geometry::fits_backward_data,
        run: |args| dispatch_avx512(DirectBackwardDataKernel::<6, 4>(args)),
    },
    KernelEntry {
        name: "grouped_backward_data/avx512",
        level: Level::Avx512,
        fits: geometry::fits_narrow_backward_data,
        run: |args| dispatch_avx512(narrow::NarrowBackwardDataKernel(args)),
    },
    KernelEntry {
        name: "conv_backward_data/avx2",
        level: Level::Avx2,
        fits: geometry::fits_backward_data,
        run: |args| dispatch_avx2(DirectBackwardDataKernel::<6, 1>(args)),
    },
    KernelEntry {
        name: "grouped_backward_data/avx2",
        level: Level::Avx2,
        fits: geometry::fits_narrow_backward_data,
        run: |args| dispatch_avx2(narrow::NarrowBackwardDataKernel(args)),
    },
    KernelEntry {
        name: "conv_backward_data/portable",
        level: Level::Portable,
        fits: geometry::fits_backward_data,
        run: |args| dispatch_portable(DirectBackwardDataKernel::<2, 1>(args)),
    },
    KernelEntry {
        name: "grouped_backward_data/portable",
        level: Level::Portable,
        fits: geometry::fits_narrow_backward_data,
        run: |args| dispatch_portable(narrow::NarrowBackwardDataKernel(args)),
    },
    KernelEntry {
        name: "conv_backward_data/reference",
        level: Level::Portable,
        fits: fits_always,
        run: reference::backward_data,
    },
];

/// Kernels for the gradient of the filter.
pub static BACKWARD_WEIGHTS: &[KernelEntry<ConvShape, ConvBackwardWeights>] = &[
    KernelEntry {
        name: "conv_backward_weights/avx512",
        level: Level::Avx512,
        fits: geometry::fits,
        run: |args| dispatch_avx512(DirectBackwardWeightsKernel::<6, 4>(args)),
    },
    KernelEntry {
        name: "grouped_backward_weights/avx512",
        level: Level::Avx512,
        fits: geometry::fits_narrow,
        run: |args| dispatch_avx512(narrow::NarrowBackwardWeightsKernel(args)),
    },
    KernelEntry {
        name: "conv_backward_weights/avx2",
        level: Level::Avx2,
        fits: geometry::fits,
        run: |args| dispatch_avx2(DirectBackwardWeightsKernel::<6, 1>(args)),
    },
    KernelEntry {
        name: "grouped_backward_weights/avx2",
        level: Level::Avx2,
        fits: geometry::fits_narrow,
        run: |args| dispatch_avx2(narrow::NarrowBackwardWeightsKernel(args)),
    },
    KernelEntry {
        name: "conv_backward_weights/portable",
        level: Level::Portable,
        fits: geometry::fits,
        run: |args| dispatch_portable(DirectBackwardWeightsKernel::<2, 1>(args)),
    },
    KernelEntry {
        name: "grouped_backward_weights/portable",
        level: Level::Portable,
        fits: geometry::fits_narrow,
        run: |args| dispatch_portable(narrow::NarrowBackwardWeightsKernel(args)),
    },
    KernelEntry {
        name: "conv_backward_weights/reference",
        level: Level::Portable,
        fits: fits_always,
        run: reference::backward_weights,
    },
];
