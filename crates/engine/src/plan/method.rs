//! The methods by which a convolution or dense layer is computed.

use plusx_kernels::conv::tiles::Pieces;
use plusx_kernels::conv::winograd;
use plusx_kernels::shape::ConvShape;

/// How one pass of a layer is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    /// Sums of `f32` products.
    Direct,
    /// A Winograd algorithm.
    Winograd,
    /// Sums of products of bf16 values, which stand for `f32` numbers.
    Tiles(Pieces),
}

impl Method {
    /// Multiply-adds of one image.
    pub(super) fn macs(self, shape: &ConvShape) -> usize {
        match self {
            Self::Direct => shape.macs_inside(),
            Self::Winograd => winograd::macs(shape),
            Self::Tiles(pieces) => products(pieces) * shape.macs_inside(),
        }
    }
}

/// Products of bf16 values that stand for one product: of two pieces of both numbers all but that of the smaller ones.
fn products(pieces: Pieces) -> usize {
    match pieces {
        Pieces::One => 1,
        Pieces::Two => 3,
    }
}
