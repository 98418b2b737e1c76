//! The methods by which a convolution or dense layer is computed, and where tiles pay.

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

/// What a pass computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pass {
    /// The layer, or the gradient of its input.
    Maps,
    /// The gradient of its filters.
    Filters,
}

/// Multiply-adds for each value of both maps from which tiles of two pieces are faster than direct sums. Three products of the
/// unit take less than half the time of one `f32` product (230 against 97 thousand million a second and core of a Xeon of
/// 2023). Taking a value apart, or storing an output that comes by way of a tile, takes about a nanosecond longer.
const PAYS: usize = 192;

/// The same of the gradient of filters, whose map is turned round, too.
const PAYS_FILTERS: usize = 320;

impl Method {
    /// The method of a pass on tiles of `pieces`, instead of that of `f32` products: a committed rule on the shape. One product
    /// of the unit is always worth it. Three are not where a Winograd algorithm has less than half the products.
    pub(super) fn on_tiles(self, pieces: Pieces, shape: &ConvShape, pass: Pass) -> Self {
        let values = shape.h * shape.w * shape.c + shape.oh * shape.ow * shape.k;
        let least = match pass {
            Pass::Maps => PAYS,
            Pass::Filters => PAYS_FILTERS,
        };
        let pays = match pieces {
            Pieces::One => true,
            Pieces::Two => self == Self::Direct && shape.macs_inside() >= least * values,
        };
        if pays { Self::Tiles(pieces) } else { self }
    }

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
