//! What the steps of a plan say about their memory: which buffer a map, a filter or a sum is in, and how it is read.
//!
//! Each type stands for one of [`plusx_kernels::args`], with a buffer's index in the place of a slice.

use plusx_kernels::args::FusedActivation;
use plusx_kernels::conv::tiles::Pieces;
use plusx_model::graph::{BatchNormSpec, ParamId};

use super::method::Method;

/// Index of a buffer of the plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct BufferId(pub(crate) usize);

/// How a step touches a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Two per-channel vectors that follow each other in a buffer of such pairs: a scale and a shift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PairRef {
    pub(crate) buffer: BufferId,
    pub(crate) pair: usize,
}

/// See [`plusx_kernels::args::MapTerm`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct TermRef {
    pub(crate) data: BufferId,
    pub(crate) affine: Option<PairRef>,
}

/// See [`plusx_kernels::args::MapSource`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct SourceRef {
    pub(crate) main: TermRef,
    pub(crate) add: Option<TermRef>,
    pub(crate) activation: FusedActivation,
}

impl SourceRef {
    pub(crate) fn plain(data: BufferId) -> Self {
        Self { main: TermRef { data, affine: None }, add: None, activation: FusedActivation::None }
    }
}

/// See [`plusx_kernels::args::Finish`].
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct FinishRef {
    pub(crate) affine: Option<PairRef>,
    pub(crate) add: Option<TermRef>,
    pub(crate) activation: FusedActivation,
}

/// See [`plusx_kernels::args::Grad`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct GradRef {
    pub(crate) g: BufferId,
    pub(crate) norm: Option<GradNormRef>,
}

/// See [`plusx_kernels::args::GradNorm`]. The coefficients are two pairs: (a, c) and (b, 0).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct GradNormRef {
    pub(crate) y: BufferId,
    pub(crate) coefficients: BufferId,
}

/// See [`plusx_kernels::args::Gate`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum GateRef {
    Open,
    Stored(BufferId),
    Affine { y: BufferId, affine: PairRef },
}

/// See [`plusx_kernels::args::Sums`]. The shift is the first `pitch` values of its buffer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct SumsRef {
    pub(crate) shift: BufferId,
    pub(crate) out: BufferId,
}

/// See [`plusx_kernels::args::Sink`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct SinkRef {
    pub(crate) dst: BufferId,
    pub(crate) accumulate: bool,
    pub(crate) gate: GateRef,
    pub(crate) sums: Option<SinkSumsRef>,
}

/// The sums of a sink.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct SinkSumsRef {
    /// The input of the batch norm that the sums are for.
    pub(crate) y: BufferId,
    pub(crate) sums: SumsRef,
}

/// A batch norm's place in a step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct NormRef {
    pub(crate) c: usize,
    /// Values per channel: images times pixels.
    pub(crate) count: usize,
    pub(crate) spec: BatchNormSpec,
    pub(crate) gamma: ParamId,
    pub(crate) beta: ParamId,
    pub(crate) mean: ParamId,
    pub(crate) var: ParamId,
}

/// Where gradients of a parameter used by several layers go: the first user overwrites, the others add.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GradTo {
    pub(crate) param: ParamId,
    pub(crate) add: bool,
}

/// The filters that a convolution's kernel reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FilterRef {
    /// The parameter as it is.
    Parameter,
    /// Transposed for the gradient of the input.
    Transposed(BufferId),
    /// Those of a Winograd algorithm.
    Transformed(BufferId),
    /// As tiles of bf16 values.
    Tiles(Pieces, BufferId),
}

impl FilterRef {
    /// The method of the kernel.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Parameter | Self::Transposed(_) => Method::Direct,
            Self::Transformed(_) => Method::Winograd,
            Self::Tiles(pieces, _) => Method::Tiles(pieces),
        }
    }
}

impl FilterRef {
    pub(super) fn buffers(self, touch: &mut dyn FnMut(BufferId, Access)) {
        match self {
            Self::Parameter => {}
            Self::Transposed(buffer) | Self::Transformed(buffer) | Self::Tiles(_, buffer) => {
                touch(buffer, Access::Read);
            }
        }
    }
}

impl SourceRef {
    pub(super) fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        self.main.buffers(touch);
        self.add.iter().for_each(|term| term.buffers(touch));
    }
}

impl FinishRef {
    pub(super) fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        self.affine.iter().for_each(|pair| touch(pair.buffer, Access::Read));
        self.add.iter().for_each(|term| term.buffers(touch));
    }
}

impl TermRef {
    pub(super) fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.data, Access::Read);
        self.affine.iter().for_each(|pair| touch(pair.buffer, Access::Read));
    }
}

impl GradRef {
    pub(super) fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.g, Access::Read);
        if let Some(norm) = self.norm {
            touch(norm.y, Access::Read);
            touch(norm.coefficients, Access::Read);
        }
    }
}

impl SumsRef {
    pub(super) fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.shift, Access::Read);
        touch(self.out, Access::Write);
    }
}

impl SinkRef {
    pub(super) fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.dst, Access::Write);
        match self.gate {
            GateRef::Open => {}
            GateRef::Stored(z) => touch(z, Access::Read),
            GateRef::Affine { y, affine } => {
                touch(y, Access::Read);
                touch(affine.buffer, Access::Read);
            }
        }
        if let Some(sums) = self.sums {
            touch(sums.y, Access::Read);
            sums.sums.buffers(touch);
        }
    }
}
