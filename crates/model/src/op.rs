//! What is true of each operation wherever it is used: its name, the parameters it owns, what it costs.

use crate::graph::{ConvSpec, Graph, Node, Op, ParamId, Role};
use crate::image_shape::ImageShape;

/// One parameter of an operation.
#[derive(Debug)]
pub struct Slot<'a> {
    /// Which parameter of the graph it is.
    pub id: &'a mut ParamId,
    /// Last segment of its name: PyTorch's ("weight", "running_mean").
    pub suffix: &'static str,
    /// What it is for.
    pub role: Role,
    /// Its dimensions, outermost first.
    pub dims: Vec<usize>,
}

/// What is true of an operation whatever its sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Traits {
    kind: &'static str,
    arity: usize,
}

impl Op {
    fn traits(&self) -> Traits {
        let (kind, arity) = match self {
            Op::Input => ("input", 0),
            Op::Conv2d { .. } => ("conv2d", 1),
            Op::BatchNorm { .. } => ("batch_norm", 1),
            Op::Relu => ("relu", 1),
            Op::MaxPool2d { .. } => ("max_pool2d", 1),
            Op::AvgPool2d { .. } => ("avg_pool2d", 1),
            Op::GlobalAvgPool2d => ("global_avg_pool2d", 1),
            Op::Subsample { .. } => ("subsample", 1),
            Op::Dense { .. } => ("dense", 1),
            Op::Add => ("add", 2),
            Op::Sigmoid => ("sigmoid", 1),
            Op::Multiply => ("multiply", 2),
            Op::Concat { parts } => ("concat", *parts),
        };
        Traits { kind, arity }
    }

    /// What it is called in tables: "conv2d", "batch_norm".
    pub fn kind(&self) -> &'static str {
        self.traits().kind
    }

    /// How many values it reads: 0 for the input, 2 for a sum or a product, all parts of a concatenation, else 1.
    pub fn arity(&self) -> usize {
        self.traits().arity
    }

    /// Its parameters, in the order in which they are stored, for an input of shape `input` that
    /// [`output`](crate::shape::output) has accepted.
    pub fn slots(&mut self, input: ImageShape) -> Vec<Slot<'_>> {
        let slot = |id, suffix, role, dims: &[usize]| Slot { id, suffix, role, dims: dims.to_vec() };
        match self {
            Op::Input
            | Op::Relu
            | Op::MaxPool2d { .. }
            | Op::AvgPool2d { .. }
            | Op::GlobalAvgPool2d
            | Op::Subsample { .. }
            | Op::Add
            | Op::Sigmoid
            | Op::Multiply
            | Op::Concat { .. } => Vec::new(),
            Op::Conv2d { spec, weight, bias } => {
                let mut slots =
                    vec![slot(weight, "weight", Role::ConvWeight, &conv_weight_dims(spec, input.c))];
                slots.extend(bias.as_mut().map(|bias| slot(bias, "bias", Role::Bias, &[spec.channels])));
                slots
            }
            Op::BatchNorm { gamma, beta, mean, var, .. } => vec![
                slot(gamma, "weight", Role::Gamma, &[input.c]),
                slot(beta, "bias", Role::Beta, &[input.c]),
                slot(mean, "running_mean", Role::RunningMean, &[input.c]),
                slot(var, "running_var", Role::RunningVar, &[input.c]),
            ],
            Op::Dense { units, weight, bias } => {
                let mut slots = vec![slot(weight, "weight", Role::DenseWeight, &[*units, input.len()])];
                slots.extend(bias.as_mut().map(|bias| slot(bias, "bias", Role::Bias, &[*units])));
                slots
            }
        }
    }

    /// Multiply-accumulates for one image, from shape `input` to shape `output`. As the field counts them:
    /// convolutions and dense layers only, without their biases.
    pub fn macs(&self, input: ImageShape, output: ImageShape) -> u64 {
        let mut op = *self;
        let slots = op.slots(input);
        // each output value takes one for every value of its filter
        let filter = slots.iter().find(|slot| matches!(slot.role, Role::ConvWeight | Role::DenseWeight));
        filter.map_or(0, |slot| output.len() as u64 * slot.dims[1..].iter().product::<usize>() as u64)
    }
}

/// Dimensions of a convolution's filter over `c` input channels: output channels, input channels of one group,
/// kernel rows, kernel columns. `groups` divides `c`.
pub(crate) fn conv_weight_dims(spec: &ConvSpec, c: usize) -> [usize; 4] {
    [spec.channels, c / spec.groups, spec.kernel[0], spec.kernel[1]]
}

impl Graph {
    /// Shape of what `node` reads first; for the input, its own shape.
    pub fn shape_before(&self, node: &Node) -> ImageShape {
        node.inputs.first().map_or(node.shape, |&input| self.node(input).shape)
    }

    /// Parameters of `node`, in the order in which they are stored.
    pub fn params_of(&self, node: &Node) -> Vec<ParamId> {
        let mut op = node.op;
        op.slots(self.shape_before(node)).iter().map(|slot| *slot.id).collect()
    }

    /// Multiply-accumulates of `node` for one image; see [`Op::macs`].
    pub fn macs_of(&self, node: &Node) -> u64 {
        node.op.macs(self.shape_before(node), node.shape)
    }
}
