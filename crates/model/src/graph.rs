//! The network as data: nodes in topological order, and the parameters they name.

use crate::image_shape::ImageShape;

/// Index of a node in [`Graph::nodes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

/// Index of a parameter in [`Graph::params`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ParamId(pub u32);

impl NodeId {
    /// The position in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ParamId {
    /// The position in [`Graph::params`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Sizes of a two-dimensional convolution; every pair is (vertical, horizontal).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step between neighbouring outputs, in input pixels.
    pub stride: [usize; 2],
    /// Zeros added on each side.
    pub padding: [usize; 2],
    /// Distance between neighbouring taps, in input pixels; 1 is the plain convolution.
    pub dilation: [usize; 2],
    /// Groups of channels convolved apart; 1 is the plain convolution.
    pub groups: usize,
}

/// Sizes of a pooling; every pair is (vertical, horizontal). Output sizes round down ("valid" in Gluon) unless the
/// operation says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PoolSpec {
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Step between neighbouring windows.
    pub stride: [usize; 2],
    /// Border on each side, which never wins a maximum and is not counted in a mean.
    pub padding: [usize; 2],
}

/// Sizes of a subsampling; the stride is (vertical, horizontal).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SubsampleSpec {
    /// Step between the pixels that are kept; the first row and column always are.
    pub stride: [usize; 2],
    /// Channels of zeros in front of the input's.
    pub before: usize,
    /// Channels of zeros behind them.
    pub after: usize,
}

/// Which variance enters the running statistics: divided by the count, or by the count less one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RunningVariance {
    /// Divided by N, as MXNet does on the CPU; the d2l recipe.
    Biased,
    /// Divided by N - 1, as PyTorch does.
    Unbiased,
}

/// Numbers of a batch normalisation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchNormSpec {
    /// Added to the variance; Gluon's default 1e-5.
    pub epsilon: f32,
    /// Weight of the *old* running value; Gluon's default 0.9 (PyTorch's `momentum` is one less this).
    pub momentum: f32,
    /// Which variance enters the running statistics.
    pub running_variance: RunningVariance,
}

/// What a node computes. Adding a variant: see `docs/adding-an-op.md`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Op {
    /// The images; always node 0.
    Input,
    /// y = x * w + b, weight \[O, I / groups, KH, KW\], bias \[O\].
    Conv2d {
        /// The sizes.
        spec: ConvSpec,
        /// The filter.
        weight: ParamId,
        /// Added per output channel.
        bias: Option<ParamId>,
    },
    /// y = gamma (x - mean) / sqrt(var + epsilon) + beta, per channel.
    BatchNorm {
        /// The numbers.
        spec: BatchNormSpec,
        /// Scale.
        gamma: ParamId,
        /// Shift.
        beta: ParamId,
        /// Running mean (not trained).
        mean: ParamId,
        /// Running variance (not trained).
        var: ParamId,
    },
    /// y = max(x, 0).
    Relu,
    /// Largest value of each window; the first one in row-major order wins a tie.
    MaxPool2d {
        /// The sizes.
        spec: PoolSpec,
    },
    /// Mean of each window over its pixels inside the map.
    AvgPool2d {
        /// The sizes.
        spec: PoolSpec,
        /// Whether a window that only begins inside the map or its left border counts too: sizes then round up.
        ceil: bool,
    },
    /// Mean over all pixels of each channel.
    GlobalAvgPool2d,
    /// y\[before + c, i, j\] = x\[c, i s, j s\], 0 in the channels before and after: a shortcut without parameters to
    /// a smaller map of more channels (He et al. 2015, section 4.2, option A).
    Subsample {
        /// The sizes.
        spec: SubsampleSpec,
    },
    /// y = x w^T + b on x flattened in (channel, row, column) order; weight \[units, features\], bias \[units\].
    Dense {
        /// Outputs.
        units: usize,
        /// The matrix.
        weight: ParamId,
        /// Added per output.
        bias: Option<ParamId>,
    },
    /// y = a + b, equal shapes.
    Add,
    /// y = 1 / (1 + e^-x).
    Sigmoid,
    /// y\[c, i, j\] = x\[c, i, j\] s\[c\]: a map times one number for each of its channels, s of shape C x 1 x 1.
    Multiply,
    /// The channels of the first input, then those of the second, and so on; equal rows and columns.
    Concat {
        /// How many inputs, at least two.
        parts: usize,
    },
}

/// One step of the network.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// Whose values it reads, in order.
    pub inputs: Vec<NodeId>,
    /// The shape of its value, for one image.
    pub shape: ImageShape,
    /// Gluon-style name ("conv5"); display data, no part of equality.
    pub label: String,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.inputs == other.inputs && self.shape == other.shape
    }
}

/// What a parameter is for: how it is initialised, whether it learns, whether it decays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Convolution filter \[O, I / groups, KH, KW\].
    ConvWeight,
    /// Dense matrix \[units, features\].
    DenseWeight,
    /// Bias of a convolution or dense layer.
    Bias,
    /// Scale of a batch norm; starts at 1.
    Gamma,
    /// Shift of a batch norm; starts at 0.
    Beta,
    /// Running mean; starts at 0, not trained.
    RunningMean,
    /// Running variance; starts at 1, not trained.
    RunningVar,
}

impl Role {
    /// Whether gradient descent changes it.
    pub fn trainable(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVar)
    }
}

/// One parameter: its name in a weight file, its logical shape, its role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParamSpec {
    /// torchvision's name where the zoo gives one ("layer2.0.conv1.weight").
    pub name: String,
    /// Logical dimensions, outermost first.
    pub dims: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl ParamSpec {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A block that was entered while tracing: where its value is. Display data.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Gluon-style name ("sequential1").
    pub label: String,
    /// Nesting depth; the children of the traced block have depth 1.
    pub depth: usize,
    /// The node holding the block's value.
    pub output: NodeId,
}

/// A traced network for one input shape. A plain value: no closure, tensor or executor state.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Topological order: every node comes after its inputs. Node 0 is [`Op::Input`].
    pub nodes: Vec<Node>,
    /// Parameters in the order they were first used.
    pub params: Vec<ParamSpec>,
    /// The node whose value is the network's.
    pub output: Option<NodeId>,
    /// Blocks entered, in order of leaving; display data, no part of equality.
    pub scopes: Vec<Scope>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes && self.params == other.params && self.output == other.output
    }
}

impl Graph {
    /// The node `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The parameter `id`.
    pub fn param(&self, id: ParamId) -> &ParamSpec {
        &self.params[id.index()]
    }

    /// Shape of one input image.
    pub fn input_shape(&self) -> ImageShape {
        self.nodes[0].shape
    }

    /// The output node; the last node unless set.
    pub fn output(&self) -> NodeId {
        self.output.unwrap_or(NodeId(self.nodes.len() as u32 - 1))
    }

    /// Shape of the network's value for one image.
    pub fn output_shape(&self) -> ImageShape {
        self.node(self.output()).shape
    }
}
