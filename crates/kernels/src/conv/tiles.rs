//! Convolution on tiles of bf16: the products that Intel's AMX unit does, or vectors with the same bits (`simd/tiles.rs`).
//!
//! A number of a product is one bf16 value ([`Pieces::One`]), or two whose sum it nearly is ([`Pieces::Two`]): the nearest bf16,
//! and the nearest to what is left. Two numbers of two pieces are multiplied by three products, the fourth is too small to matter.
//! That is the scheme of Henry, Tang & Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
//! computations", section III.
//!
//! **Numerics**: one chain per output over (block of 32 channels, tap row, tap column, product). A link of the chain is a sum of
//! 32 products. The rest is as in [`super`].
//! **Kernels**: `amx` and, with the same bytes, `avx512`, `avx2`, `portable`. Filters are made by [`filters`] and
//! [`backward_filters`]; they are handed on as words of two bf16 values.

mod ahead;
mod backward_data;
mod backward_weights;
mod filters;
mod forward;
mod gather;
mod grid;
mod groups;
mod in_place;
mod load;
mod numbers;
mod pieces;
mod places;
mod rules;
mod sizes;
mod stack;
mod sweep;
mod turned;
mod weight_sizes;

use std::marker::PhantomData;

use self::backward_data::TileBackwardDataKernel;
use self::backward_weights::TileBackwardWeightsKernel;
pub use self::filters::TileFilters;
use self::filters::{Reduction, TileFiltersKernel};
use self::forward::TileForwardKernel;
use self::groups::{backward_group, forward_group, group_scratch_len};
pub use self::pieces::Pieces;
pub use self::rules::{fits, fits_backward_data};
use self::stack::Way;
use self::weight_sizes::weight_scratch_len;
pub use self::weight_sizes::{WEIGHT_BLOCKS, weight_segment};
use super::args::{ConvBackwardData, ConvBackwardWeights, ConvForward};
use crate::shape::ConvShape;
use crate::simd::emulated::Emulated;
use crate::simd::{dispatch_amx, dispatch_avx2, dispatch_avx512, dispatch_portable};
use crate::{KernelEntry, Level};

/// Makes the filters of a pass.
pub type TileTransform = fn(TileFilters<'_>);

/// Images of one forward piece: those that are loaded together.
pub fn forward_images(shape: &ConvShape, pieces: Pieces, images: usize) -> usize {
    forward_group(shape, pieces, images, shape.oh)[0]
}

/// Images of one piece of the gradient of the input.
pub fn backward_data_images(shape: &ConvShape, pieces: Pieces, images: usize) -> usize {
    backward_group(shape, pieces, images)
}

/// Values of scratch that a forward pass needs for a piece of `images` images, or of `rows` rows of one.
pub fn forward_scratch_len(shape: &ConvShape, pieces: Pieces, images: usize, rows: usize) -> usize {
    // the last piece may have fewer images, and a band fewer rows; neither needs more
    let [images, rows] = forward_group(shape, pieces, images, rows);
    group_scratch_len(shape, Way::Forward, pieces, [images, rows])
}

/// Values of scratch that the gradient of the input needs for a piece of `images` images.
pub fn backward_data_scratch_len(shape: &ConvShape, pieces: Pieces, images: usize) -> usize {
    group_scratch_len(shape, Way::Backward, pieces, [backward_group(shape, pieces, images), shape.h])
}

/// Values of scratch that the gradient of the filters needs for a piece of `blocks` blocks of output channels.
pub fn backward_weights_scratch_len(shape: &ConvShape, pieces: Pieces, blocks: usize) -> usize {
    weight_scratch_len(shape, pieces, blocks)
}

/// Words of one block of output channels of the filters of the forward pass.
pub fn filters_block_len(shape: &ConvShape, pieces: Pieces) -> usize {
    Reduction::forward(shape).panel_bytes(pieces) / size_of::<f32>()
}

/// Words of one block of input channels of the filters of the gradient of the input.
pub fn backward_filters_block_len(shape: &ConvShape, pieces: Pieces) -> usize {
    Reduction::backward(shape).panel_bytes(pieces) / size_of::<f32>()
}

/// The unit of tiles.
#[cfg(target_arch = "x86_64")]
type Unit = crate::simd::Amx;
/// There is none; its rows of the tables are never selected.
#[cfg(not(target_arch = "x86_64"))]
type Unit = Emulated;

/// A table of a pass on tiles: the unit's kernel and, with the same bytes, those of the other levels.
macro_rules! table {
    ($kernel:ident, $pieces:ident, $fits:ident, $($name:literal $level:ident $dispatch:ident $unit:ty;)+) => {
        &[$(KernelEntry {
            name: $name,
            level: Level::$level,
            fits: $fits,
            run: |args| $dispatch($kernel::<$unit> { args, pieces: Pieces::$pieces, unit: PhantomData }),
        }),+]
    };
}

static FORWARD_ONE: &[KernelEntry<ConvShape, ConvForward>] = table!(TileForwardKernel, One, fits,
    "bf16_forward/amx" Amx dispatch_amx Unit;
    "bf16_forward/avx512" Avx512 dispatch_avx512 Emulated;
    "bf16_forward/avx2" Avx2 dispatch_avx2 Emulated;
    "bf16_forward/portable" Portable dispatch_portable Emulated;
);

static FORWARD_TWO: &[KernelEntry<ConvShape, ConvForward>] = table!(TileForwardKernel, Two, fits,
    "bf16x2_forward/amx" Amx dispatch_amx Unit;
    "bf16x2_forward/avx512" Avx512 dispatch_avx512 Emulated;
    "bf16x2_forward/avx2" Avx2 dispatch_avx2 Emulated;
    "bf16x2_forward/portable" Portable dispatch_portable Emulated;
);

/// Forward kernels; the shape must fit ([`fits`]).
pub fn forward(pieces: Pieces) -> &'static [KernelEntry<ConvShape, ConvForward>] {
    match pieces {
        Pieces::One => FORWARD_ONE,
        Pieces::Two => FORWARD_TWO,
    }
}

static BACKWARD_DATA_ONE: &[KernelEntry<ConvShape, ConvBackwardData>] = table!(TileBackwardDataKernel, One, fits_backward_data,
    "bf16_backward_data/amx" Amx dispatch_amx Unit;
    "bf16_backward_data/avx512" Avx512 dispatch_avx512 Emulated;
    "bf16_backward_data/avx2" Avx2 dispatch_avx2 Emulated;
    "bf16_backward_data/portable" Portable dispatch_portable Emulated;
);

static BACKWARD_DATA_TWO: &[KernelEntry<ConvShape, ConvBackwardData>] = table!(TileBackwardDataKernel, Two, fits_backward_data,
    "bf16x2_backward_data/amx" Amx dispatch_amx Unit;
    "bf16x2_backward_data/avx512" Avx512 dispatch_avx512 Emulated;
    "bf16x2_backward_data/avx2" Avx2 dispatch_avx2 Emulated;
    "bf16x2_backward_data/portable" Portable dispatch_portable Emulated;
);

/// Kernels for the gradient of the input; the shape must fit ([`fits_backward_data`]).
pub fn backward_data(pieces: Pieces) -> &'static [KernelEntry<ConvShape, ConvBackwardData>] {
    match pieces {
        Pieces::One => BACKWARD_DATA_ONE,
        Pieces::Two => BACKWARD_DATA_TWO,
    }
}

static BACKWARD_WEIGHTS_ONE: &[KernelEntry<ConvShape, ConvBackwardWeights>] = table!(TileBackwardWeightsKernel, One, fits,
    "bf16_backward_weights/amx" Amx dispatch_amx Unit;
    "bf16_backward_weights/avx512" Avx512 dispatch_avx512 Emulated;
    "bf16_backward_weights/avx2" Avx2 dispatch_avx2 Emulated;
    "bf16_backward_weights/portable" Portable dispatch_portable Emulated;
);

static BACKWARD_WEIGHTS_TWO: &[KernelEntry<ConvShape, ConvBackwardWeights>] = table!(TileBackwardWeightsKernel, Two, fits,
    "bf16x2_backward_weights/amx" Amx dispatch_amx Unit;
    "bf16x2_backward_weights/avx512" Avx512 dispatch_avx512 Emulated;
    "bf16x2_backward_weights/avx2" Avx2 dispatch_avx2 Emulated;
    "bf16x2_backward_weights/portable" Portable dispatch_portable Emulated;
);

/// Kernels for the gradient of the filters; the shape must fit ([`fits`]).
pub fn backward_weights(pieces: Pieces) -> &'static [KernelEntry<ConvShape, ConvBackwardWeights>] {
    match pieces {
        Pieces::One => BACKWARD_WEIGHTS_ONE,
        Pieces::Two => BACKWARD_WEIGHTS_TWO,
    }
}

/// Makes the filters of the forward pass.
pub fn filters(pieces: Pieces) -> &'static [KernelEntry<ConvShape, TileTransform>] {
    match pieces {
        Pieces::One => FILTERS_ONE,
        Pieces::Two => FILTERS_TWO,
    }
}

/// Makes the filters of the gradient of the input.
pub fn backward_filters(pieces: Pieces) -> &'static [KernelEntry<ConvShape, TileTransform>] {
    match pieces {
        Pieces::One => BACKWARD_FILTERS_ONE,
        Pieces::Two => BACKWARD_FILTERS_TWO,
    }
}

/// A table of transforms.
macro_rules! transforms {
    ($pieces:ident, $backward:literal, $fits:ident, $($name:literal $level:ident $dispatch:ident;)+) => {
        &[$(KernelEntry {
            name: $name,
            level: Level::$level,
            fits: $fits,
            run: |args| $dispatch(TileFiltersKernel { args, pieces: Pieces::$pieces, backward: $backward }),
        }),+]
    };
}

static FILTERS_ONE: &[KernelEntry<ConvShape, TileTransform>] = transforms!(One, false, fits,
    "bf16_filters/avx512" Avx512 dispatch_avx512;
    "bf16_filters/avx2" Avx2 dispatch_avx2;
    "bf16_filters/portable" Portable dispatch_portable;
);

static FILTERS_TWO: &[KernelEntry<ConvShape, TileTransform>] = transforms!(Two, false, fits,
    "bf16x2_filters/avx512" Avx512 dispatch_avx512;
    "bf16x2_filters/avx2" Avx2 dispatch_avx2;
    "bf16x2_filters/portable" Portable dispatch_portable;
);

static BACKWARD_FILTERS_ONE: &[KernelEntry<ConvShape, TileTransform>] = transforms!(One, true, fits_backward_data,
    "bf16_backward_filters/avx512" Avx512 dispatch_avx512;
    "bf16_backward_filters/avx2" Avx2 dispatch_avx2;
    "bf16_backward_filters/portable" Portable dispatch_portable;
);

static BACKWARD_FILTERS_TWO: &[KernelEntry<ConvShape, TileTransform>] = transforms!(Two, true, fits_backward_data,
    "bf16x2_backward_filters/avx512" Avx512 dispatch_avx512;
    "bf16x2_backward_filters/avx2" Avx2 dispatch_avx2;
    "bf16x2_backward_filters/portable" Portable dispatch_portable;
);
