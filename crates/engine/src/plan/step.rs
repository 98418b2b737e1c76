//! The steps of a plan: plain data that names buffers, sizes, parameters and kernel entries.

use plusx_kernels::shape::{ConvShape, MapShape, PoolShape, SubsampleShape};
use plusx_model::graph::{BatchNormSpec, ParamId};

use super::pieces::Pieces;

/// Index of a buffer of the plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct BufferId(pub(crate) usize);

/// A kernel of a table: its place there, and its name for reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kernel {
    pub(crate) entry: usize,
    pub(crate) name: &'static str,
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
    pub(crate) relu: bool,
}

impl SourceRef {
    pub(crate) fn plain(data: BufferId) -> Self {
        Self { main: TermRef { data, affine: None }, add: None, relu: false }
    }
}

/// See [`plusx_kernels::args::Finish`].
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct FinishRef {
    pub(crate) affine: Option<PairRef>,
    pub(crate) add: Option<TermRef>,
    pub(crate) relu: bool,
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
    pub(crate) sums: Option<(BufferId, SumsRef)>,
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
}

impl FilterRef {
    /// Whether the kernel is one of a Winograd algorithm.
    pub(crate) fn winograd(self) -> bool {
        matches!(self, Self::Transformed(_))
    }
}

/// What a step does.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Work {
    /// Copies the images to padded pixels.
    Load { dst: BufferId, shape: MapShape },
    /// Copies running means into the shifts of the statistics, and clears a buffer of zeros.
    Shifts { means: Vec<(ParamId, BufferId)>, zeros: Option<BufferId> },
    /// Scale and shift of batch norms from running statistics.
    RunningAffines { norms: Vec<(NormRef, BufferId)> },
    /// A convolution or dense layer.
    ConvForward {
        shape: ConvShape,
        src: SourceRef,
        keep: Option<BufferId>,
        weight: ParamId,
        filters: FilterRef,
        bias: Option<ParamId>,
        finish: FinishRef,
        dst: BufferId,
        sums: Option<SumsRef>,
    },
    /// Statistics of a stored map.
    Stats { shape: MapShape, src: BufferId, sums: SumsRef },
    /// Batch statistics to scale and shift; hook for a collective.
    NormForward {
        norm: NormRef,
        sums: SumsRef,
        totals: BufferId,
        saved: BufferId,
        affine: BufferId,
        update_running: bool,
    },
    /// Stores a view.
    Evaluate { shape: MapShape, src: SourceRef, dst: BufferId },
    /// Max pooling.
    MaxForward { shape: PoolShape, src: SourceRef, dst: BufferId, winner: Option<BufferId> },
    /// Average pooling of windows.
    AvgPoolForward { shape: PoolShape, src: SourceRef, dst: BufferId },
    /// Subsampling.
    SubsampleForward { shape: SubsampleShape, src: SourceRef, dst: BufferId },
    /// Global average pooling.
    AvgForward { shape: MapShape, src: SourceRef, dst: BufferId },
    /// Softmax cross-entropy and its gradient.
    Loss { classes: usize, pitch: usize, logits: BufferId, gradient: BufferId },
    /// Gates, adds and sums a gradient that no other kernel does on its way out.
    Sink { shape: MapShape, g: Option<BufferId>, sink: SinkRef },
    /// Gradient of an average pooling of windows.
    AvgPoolBackward { shape: PoolShape, g: BufferId, sink: SinkRef },
    /// Gradient of a subsampling.
    SubsampleBackward { shape: SubsampleShape, g: BufferId, sink: SinkRef },
    /// Gradient of a global average pooling.
    AvgBackward { shape: MapShape, g: BufferId, sink: SinkRef },
    /// Gradient of a max pooling.
    MaxBackward { shape: PoolShape, g: BufferId, winner: BufferId, sink: SinkRef },
    /// Gradients of gamma and beta, and the affine form of the gradient of the input; hook for a collective.
    NormBackward {
        norm: NormRef,
        sums: BufferId,
        totals: BufferId,
        saved: BufferId,
        coefficients: BufferId,
        gamma: GradTo,
        beta: GradTo,
    },
    /// Gradient of a bias from sums that a sink made.
    BiasBackward { pitch: usize, sums: BufferId, totals: BufferId, bias: GradTo },
    /// Gradient of a filter, one result per segment of images, or straight into the gradient if there is one.
    ConvBackwardWeights {
        shape: ConvShape,
        src: SourceRef,
        grad: GradRef,
        weight: ParamId,
        /// Whether by a Winograd algorithm.
        winograd: bool,
        /// The buffer of all results, which of them are this step's first, and how many there are in all.
        parts: Option<(BufferId, usize, usize)>,
    },
    /// Adds the results of the segments, a piece `chunk` values of them; hook for a collective.
    SumTree { parts: BufferId, count: usize, len: usize, chunk: usize, weight: ParamId },
    /// Transposes a filter for the gradient of the input.
    PackBackward { shape: ConvShape, weight: ParamId, dst: BufferId },
    /// Makes the filters of a Winograd algorithm, for the forward pass or for the gradient of the input.
    Transform { shape: ConvShape, weight: ParamId, backward: bool, dst: BufferId },
    /// Gradient of a convolution's input.
    ConvBackwardData { shape: ConvShape, grad: GradRef, weight: ParamId, filters: FilterRef, sink: SinkRef },
    /// Stochastic gradient descent, if this run is asked for it.
    Update,
}

/// Floating-point operations of a step, a multiply-add counted as two; for taps inside the map only.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flops {
    /// What the kernel does; of a Winograd algorithm the products of its points, without the transforms.
    pub(crate) real: u64,
    /// What a direct convolution would do.
    pub(crate) direct: u64,
}

impl Flops {
    /// Of `images` images; `winograd`: by such an algorithm.
    pub(crate) fn new(shape: &ConvShape, images: usize, winograd: bool) -> Self {
        let direct = shape.macs_inside();
        let real = if winograd { plusx_kernels::conv::winograd::macs(shape) } else { direct };
        Self { real: 2 * (real * images) as u64, direct: 2 * (direct * images) as u64 }
    }
}

/// One step: pieces that may run on any thread in any order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Step {
    /// Layer and direction ("conv5 forward").
    pub(crate) label: String,
    pub(crate) kernel: Kernel,
    pub(crate) pieces: Pieces,
    /// Scratch of one thread, in values.
    pub(crate) scratch: usize,
    /// Floating-point operations; counted for convolutions only.
    pub(crate) flops: Flops,
    pub(crate) work: Work,
}

/// Maps that a step cuts into windows at most: a convolution its output, the evaluated source it keeps, and its sums.
const MOST_CUT: usize = 3;

impl Step {
    /// Words of bits that mark which windows of its maps are taken.
    pub(crate) fn marks(&self) -> usize {
        let windows = match &self.work {
            // each part is a row of its own, and other steps write the others
            Work::ConvBackwardWeights { parts: Some((_, _, all)), .. } => all * self.pieces.columns(),
            _ => self.pieces.windows(),
        };
        MOST_CUT * windows.div_ceil(64)
    }

    /// Without scratch, of pieces that are not counted.
    pub(crate) fn plain(label: String, kernel: Kernel, pieces: Pieces, work: Work) -> Self {
        Self { label, kernel, pieces, scratch: 0, flops: Flops::default(), work }
    }
}
