//! Blocks made of blocks: one after another, and the residual block of the chapter.

use crate::block::{Block, Var};
use crate::error::ModelError;
use crate::layers::{BatchNorm, Conv2d, layer, named};
use crate::pair::Pair;
use crate::tracer::{LayerIdentity, Tag};

/// Blocks that run one after another.
///
/// ```
/// use plusx_model::{containers::Sequential, layers::{Activation, Conv2d}};
/// let net = Sequential::new().add(Conv2d::new(64, 7).strides(2).padding(3)).add(Activation::Relu);
/// assert_eq!(net.len(), 2);
/// ```
#[derive(Default)]
pub struct Sequential {
    children: Vec<(String, Box<dyn Block>)>,
    name: Option<String>,
    identity: LayerIdentity,
}

impl Sequential {
    /// No blocks: its value is its input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a block. Its parameters' names start with the name it was given with `.named(..)`, else with its
    /// index.
    pub fn push(&mut self, block: impl Block + 'static) -> &mut Self {
        let name = block.own_name().map_or_else(|| self.children.len().to_string(), str::to_owned);
        self.push_named(name, block)
    }

    /// Appends a block whose parameters' names start with `name`.
    pub fn push_named(&mut self, name: impl Into<String>, block: impl Block + 'static) -> &mut Self {
        self.children.push((name.into(), Box::new(block)));
        self
    }

    /// [`Sequential::push`] for chains of calls.
    #[expect(clippy::should_implement_trait, reason = "Gluon's name; no sum of blocks")]
    pub fn add(mut self, block: impl Block + 'static) -> Self {
        self.push(block);
        self
    }

    /// [`Sequential::push_named`] for chains of calls.
    pub fn add_named(mut self, name: impl Into<String>, block: impl Block + 'static) -> Self {
        self.push_named(name, block);
        self
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// The blocks with their names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &dyn Block)> {
        self.children.iter().map(|(name, block)| (name.as_str(), &**block))
    }

    named!();
}

impl std::fmt::Debug for Sequential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.children.iter().map(|(name, block)| (name, block.alias()))).finish()
    }
}

impl Block for Sequential {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let tag = Tag { identity: Some(&self.identity), name: self.own_name(), alias: "sequential" };
        x.scope(tag, |x| self.iter().try_fold(x, |x, (name, block)| x.through(name, block)))
    }

    layer!("sequential");
}

/// The chapter's residual block (He et al. 2016, "Deep residual learning for image recognition", figure 2):
/// `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))` with 3x3 convolutions; the shortcut is `x` itself or a
/// 1x1 convolution without batch norm. All convolutions have biases. Cloning makes another block.
///
/// Parameters are named as torchvision's `BasicBlock` names them: `conv1`, `bn1`, `conv2`, `bn2`, `downsample.0`.
#[derive(Clone, Debug)]
pub struct Residual {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Conv2d,
    use_1x1conv: bool,
    name: Option<String>,
    identity: LayerIdentity,
}

impl Residual {
    /// `channels` output channels; strides 1 and the input as shortcut, which must have as many channels then.
    pub fn new(channels: usize) -> Self {
        Self {
            conv1: Conv2d::new(channels, 3).padding(1).named("conv1"),
            bn1: BatchNorm::new().named("bn1"),
            conv2: Conv2d::new(channels, 3).padding(1).named("conv2"),
            bn2: BatchNorm::new().named("bn2"),
            conv3: Conv2d::new(channels, 1).named("downsample.0"),
            use_1x1conv: false,
            name: None,
            identity: LayerIdentity::new(),
        }
    }

    /// Whether the shortcut is a 1x1 convolution, which can change channels and size; default no.
    pub fn use_1x1conv(mut self, yes: bool) -> Self {
        self.use_1x1conv = yes;
        self
    }

    /// Strides of the first convolution and of the shortcut; default 1.
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        let strides = strides.into();
        self.conv1 = self.conv1.strides(strides);
        self.conv3 = self.conv3.strides(strides);
        self
    }

    named!();
}

impl Block for Residual {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let tag = Tag { identity: Some(&self.identity), name: self.own_name(), alias: "residual" };
        x.scope(tag, |x| {
            let y = self.bn1.forward(self.conv1.forward(x)?)?.relu();
            let y = self.bn2.forward(self.conv2.forward(y)?)?;
            let shortcut = if self.use_1x1conv { self.conv3.forward(x)? } else { x };
            Ok((y + shortcut)?.relu())
        })
    }

    layer!("residual");
}
