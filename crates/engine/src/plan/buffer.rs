//! The memory of a plan, buffer by buffer.

use plusx_kernels::shape::ConvShape;
use plusx_model::graph::{NodeId, ParamId};

use super::refs::BufferId;

/// What the values of a buffer are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ElementType {
    F32,
    /// Values of maps only, see [`plusx_kernels::maps`].
    Bf16,
    F64,
    U8,
}

impl ElementType {
    fn bytes(self) -> usize {
        match self {
            ElementType::F32 => 4,
            ElementType::Bf16 => 2,
            ElementType::F64 => 8,
            ElementType::U8 => 1,
        }
    }
}

/// What a buffer that is made of parameters alone holds: equal for all plans of a network, a level and a precision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lasting {
    /// Scale and shift of a batch norm, from running statistics.
    Affine(NodeId),
    /// Filters of a Winograd algorithm.
    Filters(ParamId, ConvShape),
    /// Filters of tiles of bf16 values.
    Tiles(ParamId, ConvShape),
}

/// Memory of a plan.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Buffer {
    pub(crate) name: String,
    pub(crate) kind: ElementType,
    /// Values.
    pub(crate) len: usize,
    /// Distance between its rows.
    pub(crate) pitch: usize,
    /// First byte in the arena; the caller's images have none.
    pub(crate) offset: Option<usize>,
    /// What a step before the others puts there, if it may stay.
    pub(crate) lasting: Option<Lasting>,
    pub(crate) life: Life,
}

/// The first and the last step that touch a buffer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Life {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Life {
    /// Of a buffer that no step touches: the last step comes before the first.
    pub(super) const UNTOUCHED: Self = Self { first: usize::MAX, last: 0 };

    /// With step `index`, too.
    pub(super) fn with(self, index: usize) -> Self {
        Self { first: self.first.min(index), last: self.last.max(index) }
    }

    /// Whether some step is in both.
    pub(super) fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl Buffer {
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.kind.bytes()
    }
}

/// The buffer that stands for the images as the caller passes them.
pub(crate) const IMAGES: BufferId = BufferId(0);
