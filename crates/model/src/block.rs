//! Blocks: recipes that trace themselves into a graph, and the values they pass around while doing so.

use std::ops::{Add, Mul};
use std::rc::Rc;
use std::sync::Arc;

use crate::error::ModelError;
use crate::graph::{NodeId, Op, SubsampleSpec};
use crate::image_shape::ImageShape;
use crate::pair::Pair;
use crate::tracer::{Tag, Tracer};

/// A recipe for a part of a network. Its `forward` runs once per trace, on symbols, and may use any Rust:
///
/// ```
/// use plusx_model::{ModelError, block::{Block, Var}, layers::Conv2d};
///
/// struct Twice { conv: Conv2d, residual: bool }
///
/// impl Block for Twice {
///     fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
///         let y = self.conv.forward(x)?.relu();
///         if self.residual { (self.conv.forward(y)? + x).map(Var::relu) } else { Ok(y) }
///     }
/// }
/// ```
///
/// A layer that is called twice, like `conv` here, is one layer: it has one set of parameters.
pub trait Block {
    /// Writes the block into the graph that `x` belongs to; returns the block's value.
    ///
    /// Errors name the layer that does not fit its input.
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError>;

    /// What such blocks are called when they are counted ("residual" gives "residual0", "residual1"): the
    /// lower-cased name of the type, as in Gluon.
    fn alias(&self) -> String {
        let full = std::any::type_name::<Self>();
        let plain = full.split('<').next().unwrap_or(full);
        plain.rsplit("::").next().unwrap_or(plain).to_lowercase()
    }

    /// Whether `forward` takes a name and a label for the block by itself.
    #[doc(hidden)]
    fn is_layer(&self) -> bool {
        false
    }

    /// The name it was given with `.named(..)`.
    #[doc(hidden)]
    fn own_name(&self) -> Option<&str> {
        None
    }
}

macro_rules! block_behind_pointer {
    ($($pointer:ty),*) => {$(
        impl<B: Block + ?Sized> Block for $pointer {
            fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
                (**self).forward(x)
            }

            fn alias(&self) -> String {
                (**self).alias()
            }

            fn is_layer(&self) -> bool {
                (**self).is_layer()
            }

            fn own_name(&self) -> Option<&str> {
                (**self).own_name()
            }
        }
    )*};
}

block_behind_pointer!(&B, Box<B>, Rc<B>, Arc<B>);

/// The value of a node while a graph is being traced: a small copyable handle.
#[derive(Clone, Copy, Debug)]
pub struct Var<'g> {
    tracer: &'g Tracer,
    node: NodeId,
}

impl<'g> Var<'g> {
    pub(crate) fn new(tracer: &'g Tracer, node: NodeId) -> Self {
        Self { tracer, node }
    }

    /// The node that holds it while the trace runs. At its end, nodes that the network's value does not need are dropped
    /// and the others get new numbers.
    pub fn node(self) -> NodeId {
        self.node
    }

    /// Shape of the value, for one image.
    pub fn shape(self) -> ImageShape {
        self.tracer.shape(self.node)
    }

    /// max(x, 0), elementwise. Has no name of its own: Gluon counts only `Activation` layers.
    pub fn relu(self) -> Self {
        let label = self.tracer.function_label("relu");
        Self::new(self.tracer, self.tracer.push(Op::Relu, &[self.node], self.shape(), label))
    }

    /// 1 / (1 + e^-x), elementwise. Has no name of its own, as [`Var::relu`].
    pub fn sigmoid(self) -> Self {
        let label = self.tracer.function_label("sigmoid");
        Self::new(self.tracer, self.tracer.push(Op::Sigmoid, &[self.node], self.shape(), label))
    }

    /// Its channels, then those of `others` in their order; an error if rows or columns differ or there are no others.
    pub fn concat(self, others: &[Self]) -> Result<Self, ModelError> {
        let label = self.tracer.function_label("concat");
        let inputs: Vec<NodeId> = std::iter::once(&self).chain(others).map(|part| part.node).collect();
        let node = self.tracer.node(Op::Concat { parts: inputs.len() }, &inputs, label)?;
        Ok(Self::new(self.tracer, node))
    }

    /// Every pixel in `strides` steps, with channels of zeros on both sides up to `channels`. Of an odd number of them the
    /// last is behind. With fewer `channels` than there are, all stay. This is the shortcut without parameters of He et al.
    /// 2015, option A. It is a function and has no counter of its own.
    pub fn subsample(self, strides: impl Into<Pair>, channels: usize) -> Result<Self, ModelError> {
        let more = channels.saturating_sub(self.shape().c);
        let spec = SubsampleSpec { stride: strides.into().0, before: more / 2, after: more - more / 2 };
        let label = self.tracer.function_label("subsample");
        let node = self.tracer.node(Op::Subsample { spec }, &[self.node], label)?;
        Ok(Self::new(self.tracer, node))
    }

    /// Runs `block` under `name`, which becomes a segment of its parameters' names ("layer1" gives
    /// "layer1.conv1.weight"); dots in it make several segments. The block is counted before its children.
    /// Entering a name again continues it: parameters of different layers must still have different names.
    pub fn through(self, name: &str, block: &dyn Block) -> Result<Self, ModelError> {
        if block.is_layer() {
            return self.tracer.with_name(name, || block.forward(self));
        }
        let alias = block.alias();
        let tag = Tag { identity: None, name: Some(name), alias: &alias };
        self.scope(tag, |x| block.forward(x))
    }

    /// Runs `body` inside the block that `tag` describes.
    pub(crate) fn scope(
        self,
        tag: Tag<'_>,
        body: impl FnOnce(Self) -> Result<Self, ModelError>,
    ) -> Result<Self, ModelError> {
        self.tracer.enter(&tag);
        let result = body(self);
        self.tracer.leave(result.as_ref().ok().map(|value| value.node));
        result
    }

    /// A layer of one operation: takes label and name by `tag`, creates the parameters (the ids in `op` are
    /// placeholders), adds the node.
    pub(crate) fn layer(self, tag: Tag<'_>, op: Op) -> Result<Self, ModelError> {
        self.scope(tag, |x| Ok(Self::new(x.tracer, x.tracer.layer_node(op, x.node)?)))
    }
}

/// a + b, elementwise; an error if the shapes differ.
impl<'g> Add for Var<'g> {
    type Output = Result<Var<'g>, ModelError>;

    fn add(self, other: Self) -> Self::Output {
        let label = self.tracer.function_label("add");
        let node = self.tracer.node(Op::Add, &[self.node, other.node], label)?;
        Ok(Self::new(self.tracer, node))
    }
}

/// x * s, where s has one number for each channel of x (shape C x 1 x 1); an error if it has another shape.
impl<'g> Mul for Var<'g> {
    type Output = Result<Var<'g>, ModelError>;

    fn mul(self, scale: Self) -> Self::Output {
        let label = self.tracer.function_label("multiply");
        let node = self.tracer.node(Op::Multiply, &[self.node, scale.node], label)?;
        Ok(Self::new(self.tracer, node))
    }
}
