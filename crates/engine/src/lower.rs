//! From graph to *values* and *units*: which nodes become stored maps, and which are computed where they are read.
//!
//! A convolution, dense layer or pooling stores its output. Batch norms, ReLUs and sums are *views*:
//! `[relu](main [+ add])` over stored values, each term perhaps seen through a batch norm. A view with one reader is
//! never stored: its reader computes it on load. A view with several readers, one that is tapped, and in training one
//! with two terms (its ReLU's gate needs the sum) is stored once and read like any other map. In inference the convolution
//! before a view stores it instead of its own output ([`fuse`]).

mod fuse;
mod walk;

use plusx_kernels::pitch;
use plusx_kernels::shape::{ConvShape, MapShape, PoolShape, SubsampleShape};
use plusx_model::graph::{BatchNormSpec, NodeId, Op, ParamId};
use plusx_model::shape::ImageShape;

pub(crate) use self::fuse::fuse;
pub(crate) use self::walk::lower;

/// Index of a [`Value`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ValueId(pub(crate) usize);

/// Index of a [`Norm`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NormId(pub(crate) usize);

/// A stored value, perhaps seen through a batch norm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Term {
    pub(crate) value: ValueId,
    pub(crate) norm: Option<NormId>,
}

/// `[relu](main [+ add])`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct View {
    pub(crate) main: Term,
    pub(crate) add: Option<Term>,
    pub(crate) relu: bool,
}

impl View {
    fn plain(value: ValueId) -> Self {
        Self { main: Term { value, norm: None }, add: None, relu: false }
    }

    /// The term of `value`, and the other one.
    pub(crate) fn around(&self, value: ValueId) -> (Term, Option<Term>) {
        match self.add {
            Some(add) if self.main.value != value => (add, Some(self.main)),
            other => (self.main, other),
        }
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = Term> {
        std::iter::once(self.main).chain(self.add)
    }
}

/// Something that readers read: a stored map or a view.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// The last node it stands for.
    pub(crate) node: NodeId,
    pub(crate) shape: ImageShape,
    /// Distance between pixels: the channels themselves for images that only convolutions read.
    pub(crate) pitch: usize,
    /// What it is computed from, if it is a view.
    pub(crate) view: Option<View>,
    /// Whether it has memory of its own.
    pub(crate) stored: bool,
    /// The unit that makes it.
    pub(crate) unit: usize,
    /// The units that read it, in order; one that reads it twice is there twice.
    pub(crate) readers: Vec<usize>,
    /// Whether a parameter that learns lies before it.
    pub(crate) learns: bool,
}

impl Value {
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
pub(crate) struct Norm {
    pub(crate) node: NodeId,
    pub(crate) input: ValueId,
    pub(crate) spec: BatchNormSpec,
    pub(crate) gamma: ParamId,
    pub(crate) beta: ParamId,
    pub(crate) mean: ParamId,
    pub(crate) var: ParamId,
}

/// A filter and its bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    pub(crate) shape: ConvShape,
    pub(crate) weight: ParamId,
    pub(crate) bias: Option<ParamId>,
}

/// Something that happens at one point of the forward pass.
#[derive(Clone, Debug)]
pub(crate) enum Unit {
    /// The images come in.
    Images(ValueId),
    /// A convolution or dense layer, of the output `dst`, or of a view of its output `raw` ([`fuse`]).
    Conv { src: ValueId, dst: ValueId, filter: Filter, raw: Option<ValueId> },
    /// A max pooling.
    MaxPool { src: ValueId, dst: ValueId, shape: PoolShape },
    /// An average pooling of windows.
    AvgPool { src: ValueId, dst: ValueId, shape: PoolShape },
    /// A subsampling.
    Subsample { src: ValueId, dst: ValueId, shape: SubsampleShape },
    /// A global average pooling.
    Average { src: ValueId, dst: ValueId },
    /// A batch norm's statistics are complete.
    Norm(NormId),
    /// A view comes into being; if it is stored, it is written here or by its first reader.
    View(ValueId),
}

/// A graph made ready for planning.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) values: Vec<Value>,
    pub(crate) norms: Vec<Norm>,
    pub(crate) units: Vec<Unit>,
    /// The value of each node, where it is a value of its own.
    pub(crate) of_node: Vec<Option<ValueId>>,
}

impl Lowered {
    pub(crate) fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    pub(crate) fn norm(&self, id: NormId) -> &Norm {
        &self.norms[id.0]
    }
}

/// Sizes of the convolution that `op` is, over an input of shape `input`; `None` for other operations.
pub(crate) fn filter(op: &Op, input: ImageShape, output: ImageShape) -> Option<Filter> {
    let dense = |units| ConvShape {
        c: input.c,
        k: units,
        h: input.h,
        w: input.w,
        oh: 1,
        ow: 1,
        kernel: [input.h, input.w],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
        c_pitch: pitch(input.c),
    };
    match *op {
        Op::Conv2d { spec, weight, bias } => {
            let shape = ConvShape {
                oh: output.h,
                ow: output.w,
                kernel: spec.kernel,
                stride: spec.stride,
                padding: spec.padding,
                dilation: spec.dilation,
                groups: spec.groups,
                ..dense(spec.channels)
            };
            Some(Filter { shape, weight, bias })
        }
        Op::Dense { units, weight, bias } => Some(Filter { shape: dense(units), weight, bias }),
        Op::Input
        | Op::BatchNorm { .. }
        | Op::Relu
        | Op::MaxPool2d { .. }
        | Op::AvgPool2d { .. }
        | Op::GlobalAvgPool2d
        | Op::Subsample { .. }
        | Op::Add => None,
    }
}
