//! What the steps of a plan do: plain data that names buffers, sizes and parameters.
//!
//! Work is grouped by how it is cut into pieces. Each group has a file under `run/` that calls the kernels.

use plusx_kernels::conv::tiles::Pieces;
use plusx_kernels::shape::{ConcatShape, ConvShape, MapShape, PoolShape, SubsampleShape};
use plusx_model::graph::ParamId;

use super::method::Method;
use super::refs::{BufferId, FilterRef, FinishRef, GradRef, GradTo, NormRef, SinkRef, SourceRef, SumsRef};

/// What a step does.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum StepWork {
    /// Image by image, without windows.
    Map(MapWork),
    /// A pooling, image by image.
    Pooling(PoolingWork),
    /// A product or a concatenation, image by image.
    Combine(CombineWork),
    /// A few values for each channel, in one piece.
    Channel(ChannelWork),
    /// A convolution or dense layer, by images and blocks of channels.
    Conv(ConvWork),
    /// Softmax cross-entropy and its gradient, in one piece.
    Loss(LossWork),
    /// An update of the parameters, if this run is asked for it.
    Update(UpdateWork),
}

/// Work on maps, image by image.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum MapWork {
    /// Copies the images to padded pixels.
    Load { dst: BufferId, shape: MapShape },
    /// Statistics of a stored map.
    Stats { shape: MapShape, src: BufferId, sums: SumsRef },
    /// Stores a view.
    Evaluate { shape: MapShape, src: SourceRef, dst: BufferId },
    /// Gates, adds and sums a gradient that no other kernel does on its way out.
    Sink { shape: MapShape, g: Option<BufferId>, sink: SinkRef },
    /// Subsampling.
    SubsampleForward { shape: SubsampleShape, src: SourceRef, dst: BufferId },
    /// Gradient of a subsampling.
    SubsampleBackward { shape: SubsampleShape, g: BufferId, sink: SinkRef },
    /// The logistic function.
    SigmoidForward { shape: MapShape, src: SourceRef, dst: BufferId },
    /// Gradient of a sigmoid, whose output is `y`.
    SigmoidBackward { shape: MapShape, g: BufferId, y: BufferId, sink: SinkRef },
}

/// Poolings and their gradients.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum PoolingWork {
    /// Max pooling.
    MaxPool2dForward { shape: PoolShape, src: SourceRef, dst: BufferId, winner: Option<BufferId> },
    /// Gradient of a max pooling.
    MaxPool2dBackward { shape: PoolShape, g: BufferId, winner: BufferId, sink: SinkRef },
    /// Average pooling of windows.
    AvgPool2dForward { shape: PoolShape, src: SourceRef, dst: BufferId },
    /// Gradient of an average pooling of windows.
    AvgPool2dBackward { shape: PoolShape, g: BufferId, sink: SinkRef },
    /// Global average pooling.
    GlobalAvgPool2dForward { shape: MapShape, src: SourceRef, dst: BufferId },
    /// Gradient of a global average pooling.
    GlobalAvgPool2dBackward { shape: MapShape, g: BufferId, sink: SinkRef },
}

/// Work that makes one map of several, and its gradients.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum CombineWork {
    /// A map times one number for each channel.
    MultiplyForward { shape: MapShape, src: SourceRef, scale: SourceRef, dst: BufferId },
    /// Gradient of the map of a product.
    MultiplyBackwardMap { shape: MapShape, g: BufferId, scale: SourceRef, sink: SinkRef },
    /// Gradient of the numbers of a product.
    MultiplyBackwardScale { shape: MapShape, g: BufferId, src: SourceRef, sink: SinkRef },
    /// One map of a concatenation.
    ConcatForward { shape: ConcatShape, src: SourceRef, dst: BufferId },
    /// Gradient of one map of a concatenation.
    ConcatBackward { shape: ConcatShape, g: BufferId, sink: SinkRef },
}

/// Work on per-channel vectors.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum ChannelWork {
    /// Copies running means into the shifts of the statistics, and clears a buffer of zeros.
    Shifts { means: Vec<(ParamId, BufferId)>, zeros: Option<BufferId> },
    /// Scale and shift of batch norms from running statistics.
    RunningAffines { norms: Vec<RunningAffine> },
    /// Batch statistics to scale and shift; hook for a collective.
    NormForward {
        norm: NormRef,
        sums: SumsRef,
        totals: BufferId,
        saved: BufferId,
        affine: BufferId,
        update_running: bool,
    },
    /// Gradients of gamma and beta, and the affine form of the gradient of the input; hook for a collective.
    NormBackward {
        norm: NormRef,
        sums: BufferId,
        totals: BufferId,
        saved: BufferId,
        coefficients: BufferId,
        /// Whether it uses running statistics, which the gradient of the input does not pass through.
        running: bool,
        gamma: Option<GradTo>,
        beta: Option<GradTo>,
    },
    /// The affine form of the gradient of the input of a batch norm of which nothing learns and nothing moves.
    FixedNormBackward { affine: BufferId, coefficients: BufferId },
    /// Gradient of a bias from sums that a sink made, times the scale of a batch norm with running statistics behind it.
    BiasBackward { pitch: usize, sums: BufferId, totals: BufferId, scale: Option<BufferId>, bias: GradTo },
}

/// A batch norm with running statistics.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct RunningAffine {
    pub(crate) norm: NormRef,
    /// Its scale and shift.
    pub(crate) affine: BufferId,
    /// Its mean and 1 / std, if the backward pass needs them.
    pub(crate) saved: Option<BufferId>,
}

/// Work of a convolution or dense layer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum ConvWork {
    /// The layer itself.
    Forward {
        shape: ConvShape,
        src: SourceRef,
        /// Where the evaluated source is stored for later readers, if it is.
        keep: Option<BufferId>,
        weight: ParamId,
        filters: FilterRef,
        bias: Option<ParamId>,
        finish: FinishRef,
        dst: BufferId,
        sums: Option<SumsRef>,
    },
    /// Gradient of a filter, one result per segment of images, or straight into the gradient if there is one.
    BackwardWeights {
        shape: ConvShape,
        src: SourceRef,
        grad: GradRef,
        weight: ParamId,
        method: Method,
        parts: Option<WeightParts>,
    },
    /// Adds the results of the segments, a piece `chunk` values of them; hook for a collective.
    SumTree { parts: BufferId, count: usize, len: usize, chunk: usize, weight: ParamId },
    /// Transposes a filter for the gradient of the input.
    PackBackward { shape: ConvShape, weight: ParamId, dst: BufferId },
    /// Makes the filters of a Winograd algorithm, for the forward pass or for the gradient of the input.
    Transform { shape: ConvShape, weight: ParamId, backward: bool, dst: BufferId },
    /// Makes filters of tiles of bf16 values, for the forward pass or for the gradient of the input.
    PackTiles { shape: ConvShape, weight: ParamId, pieces: Pieces, backward: bool, dst: BufferId },
    /// Gradient of a convolution's input.
    BackwardData { shape: ConvShape, grad: GradRef, weight: ParamId, filters: FilterRef, sink: SinkRef },
}

/// Which results of a filter's segments a step makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WeightParts {
    /// The buffer of all results.
    pub(crate) buffer: BufferId,
    /// The first result of this step.
    pub(crate) first: usize,
    /// Results of all steps.
    pub(crate) count: usize,
}

/// Softmax cross-entropy and its gradient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LossWork {
    pub(crate) classes: usize,
    /// Distance between rows of logits.
    pub(crate) pitch: usize,
    pub(crate) logits: BufferId,
    pub(crate) gradient: BufferId,
}

/// The kernel of each update rule, by its place in the rule's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UpdateWork {
    pub(crate) sgd: usize,
    pub(crate) adamw: usize,
}

impl From<MapWork> for StepWork {
    fn from(work: MapWork) -> Self {
        Self::Map(work)
    }
}

impl From<PoolingWork> for StepWork {
    fn from(work: PoolingWork) -> Self {
        Self::Pooling(work)
    }
}

impl From<CombineWork> for StepWork {
    fn from(work: CombineWork) -> Self {
        Self::Combine(work)
    }
}

impl From<ChannelWork> for StepWork {
    fn from(work: ChannelWork) -> Self {
        Self::Channel(work)
    }
}

impl From<ConvWork> for StepWork {
    fn from(work: ConvWork) -> Self {
        Self::Conv(work)
    }
}
