//! From graph to *values* and *units*: which nodes become stored maps, and which are computed where they are read.
//!
//! A convolution, dense layer, pooling, sigmoid, product or concatenation stores its output. Batch norms, ReLUs and sums
//! are *views*: `[relu](main [+ add])` over stored values, each term perhaps seen through a batch norm.
//!
//! A view with one reader is not stored: its reader computes it on load. Three kinds of views are stored once and then
//! read as maps are:
//! - those with several readers,
//! - those whose values are asked for,
//! - in training those with two terms, since the ReLU's gate needs the sum.
//!
//! In inference, and in training before the first layer that learns, the convolution before a view stores it instead of its own output ([`fuse_views`]).

mod fuse;
mod walk;

use plusx_kernels::args::FusedActivation;
use plusx_kernels::pitch;
use plusx_kernels::shape::{ConcatShape, ConvShape, MapShape, PoolShape, SubsampleShape};
use plusx_model::graph::{BatchNormSpec, ConvSpec, Graph, Node, NodeId, Op, ParamId};
use plusx_model::shape::ImageShape;

pub(crate) use self::fuse::fuse_views;
pub(crate) use self::walk::lower;

/// Index of a [`LoweredValue`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ValueId(pub(crate) usize);

/// Index of a [`LoweredNorm`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NormId(pub(crate) usize);

/// A stored value, perhaps seen through a batch norm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct LoweredTerm {
    pub(crate) value: ValueId,
    pub(crate) norm: Option<NormId>,
}

/// `[relu](main [+ add])`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct LoweredView {
    pub(crate) main: LoweredTerm,
    pub(crate) add: Option<LoweredTerm>,
    pub(crate) activation: FusedActivation,
}

impl LoweredView {
    fn plain(value: ValueId) -> Self {
        Self { main: LoweredTerm { value, norm: None }, add: None, activation: FusedActivation::None }
    }

    /// The term of `value`, and the other one.
    pub(crate) fn around(&self, value: ValueId) -> (LoweredTerm, Option<LoweredTerm>) {
        match self.add {
            Some(add) if self.main.value != value => (add, Some(self.main)),
            other => (self.main, other),
        }
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = LoweredTerm> {
        std::iter::once(self.main).chain(self.add)
    }
}

/// Something that readers read: a stored map or a view.
#[derive(Clone, Debug)]
pub(crate) struct LoweredValue {
    /// The last node it stands for.
    pub(crate) node: NodeId,
    pub(crate) shape: ImageShape,
    /// Distance between pixels: the channels themselves for images that only convolutions read.
    pub(crate) pitch: usize,
    /// What it is computed from, if it is a view.
    pub(crate) view: Option<LoweredView>,
    /// Whether it has memory of its own.
    pub(crate) stored: bool,
    /// The unit that makes it.
    pub(crate) unit: usize,
    /// The units that read it, in order; one that reads it twice is there twice.
    pub(crate) readers: Vec<usize>,
    /// Whether a parameter that learns lies before it.
    pub(crate) learns: bool,
}

impl LoweredValue {
    pub(crate) fn map_shape(&self) -> MapShape {
        MapShape { c: self.shape.c, pitch: self.pitch, pixels: self.shape.pixels() }
    }

    /// Stored values of one image.
    pub(crate) fn len(&self) -> usize {
        self.shape.pixels() * self.pitch
    }
}

/// One batch norm at work.
#[derive(Clone, Debug)]
pub(crate) struct LoweredNorm {
    pub(crate) node: NodeId,
    pub(crate) input: ValueId,
    pub(crate) spec: BatchNormSpec,
    pub(crate) gamma: ParamId,
    pub(crate) beta: ParamId,
    pub(crate) mean: ParamId,
    pub(crate) var: ParamId,
    /// Whether its scale or shift learns.
    pub(crate) learns: bool,
    /// Whether it uses running statistics.
    pub(crate) running: bool,
}

/// A filter and its bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoweredFilter {
    pub(crate) shape: ConvShape,
    pub(crate) weight: ParamId,
    pub(crate) bias: Option<ParamId>,
}

/// One map of a concatenation, and its place among the channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoweredPart {
    pub(crate) src: ValueId,
    pub(crate) shape: ConcatShape,
}

/// Something that happens at one point of the forward pass.
#[derive(Clone, Debug)]
pub(crate) enum LoweredUnit {
    /// The images come in.
    Images(ValueId),
    /// A convolution or dense layer, of the output `dst`, or of a view of its output `raw` ([`fuse_views`]).
    Conv { src: ValueId, dst: ValueId, filter: LoweredFilter, raw: Option<ValueId> },
    /// A max pooling.
    MaxPool2d { src: ValueId, dst: ValueId, shape: PoolShape },
    /// An average pooling of windows.
    AvgPool2d { src: ValueId, dst: ValueId, shape: PoolShape },
    /// A subsampling.
    Subsample { src: ValueId, dst: ValueId, shape: SubsampleShape },
    /// A global average pooling.
    GlobalAvgPool2d { src: ValueId, dst: ValueId },
    /// The logistic function.
    Sigmoid { src: ValueId, dst: ValueId },
    /// A map times one number for each channel.
    Multiply { src: ValueId, scale: ValueId, dst: ValueId },
    /// Maps beside each other.
    Concat { parts: Vec<LoweredPart>, dst: ValueId },
    /// A batch norm's statistics are complete.
    Norm(NormId),
    /// A view comes into being; if it is stored, it is written here or by its first reader.
    View(ValueId),
}

/// A graph made ready for planning.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) values: Vec<LoweredValue>,
    pub(crate) norms: Vec<LoweredNorm>,
    pub(crate) units: Vec<LoweredUnit>,
    /// The value of each node, where it is a value of its own.
    pub(crate) of_node: Vec<Option<ValueId>>,
}

impl Lowered {
    pub(crate) fn value(&self, id: ValueId) -> &LoweredValue {
        &self.values[id.0]
    }

    pub(crate) fn norm(&self, id: NormId) -> &LoweredNorm {
        &self.norms[id.0]
    }
}

impl LoweredFilter {
    /// Of a convolution from a map of shape `input` to one of shape `output`.
    fn conv(
        spec: &ConvSpec,
        weight: ParamId,
        bias: Option<ParamId>,
        input: ImageShape,
        output: ImageShape,
    ) -> Self {
        let shape = ConvShape {
            c: input.c,
            k: spec.channels,
            h: input.h,
            w: input.w,
            oh: output.h,
            ow: output.w,
            kernel: spec.kernel,
            stride: spec.stride,
            padding: spec.padding,
            dilation: spec.dilation,
            groups: spec.groups,
            c_pitch: pitch(input.c),
        };
        Self { shape, weight, bias }
    }

    /// Of a dense layer over a map of shape `input`: a convolution whose kernel is as large as the map.
    fn dense(units: usize, weight: ParamId, bias: Option<ParamId>, input: ImageShape) -> Self {
        let spec = ConvSpec {
            channels: units,
            kernel: [input.h, input.w],
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        Self::conv(&spec, weight, bias, input, ImageShape::new(units, 1, 1))
    }
}

/// The filter of `node`, if it has one.
pub(crate) fn filter(graph: &Graph, node: &Node) -> Option<LoweredFilter> {
    let input = graph.shape_before(node);
    match node.op {
        Op::Conv2d { spec, weight, bias } => {
            Some(LoweredFilter::conv(&spec, weight, bias, input, node.shape))
        }
        Op::Dense { units, weight, bias } => Some(LoweredFilter::dense(units, weight, bias, input)),
        _ => None,
    }
}
