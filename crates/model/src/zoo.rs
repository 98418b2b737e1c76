//! Ready-made networks: one table of specs, one function that turns a spec into blocks.
//! Adding a model: see `docs/adding-a-model.md`.

use crate::block::Block;
use crate::containers::{Residual, Sequential};
use crate::error::ModelError;
use crate::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use crate::shape::ImageShape;

/// A residual network: a stem, stages of residual blocks, a classifier. Every stage but the first halves the size
/// and doubles the channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    /// What `--model` calls it.
    pub name: &'static str,
    /// The images it was made for.
    pub input: ImageShape,
    /// Channels of the stem and of the first stage.
    pub width: usize,
    /// Residual blocks in each stage.
    pub stages: &'static [usize],
    /// What a residual block is.
    pub unit: Unit,
}

/// Kinds of residual blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// The chapter's: convolutions with biases, no batch norm on the shortcut ([`Residual`]).
    Chapter,
}

/// Every network the zoo has.
pub const SPECS: &[Spec] = &[Spec {
    name: "resnet18-d2l",
    input: ImageShape::new(1, 96, 96),
    width: 64,
    stages: &[2, 2, 2, 2],
    unit: Unit::Chapter,
}];

/// What does not come from the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZooOptions {
    /// Number of classes, at least 1; default 10.
    pub classes: usize,
}

impl Default for ZooOptions {
    fn default() -> Self {
        Self { classes: 10 }
    }
}

/// The names in [`SPECS`], in order.
pub fn names() -> Vec<&'static str> {
    SPECS.iter().map(|spec| spec.name).collect()
}

/// The spec called `name`; the error lists the names there are.
pub fn find(name: &str) -> Result<&'static Spec, ModelError> {
    let unknown = || ModelError::UnknownModel { name: name.to_owned(), known: names() };
    SPECS.iter().find(|spec| spec.name == name).ok_or_else(unknown)
}

/// The network called `name`; the error lists the names there are.
pub fn build(name: &str, options: ZooOptions) -> Result<Box<dyn Block>, ModelError> {
    Ok(Box::new(find(name)?.build(options)))
}

/// Shape of the images the network `name` was made for.
pub fn default_input(name: &str) -> Result<ImageShape, ModelError> {
    Ok(find(name)?.input)
}

impl Spec {
    /// The network, with torchvision's names: conv1, bn1, layer1.0.conv1, ..., fc.
    pub fn build(&self, options: ZooOptions) -> Sequential {
        let mut net = Sequential::new()
            .add_named("conv1", Conv2d::new(self.width, 7).strides(2).padding(3))
            .add_named("bn1", BatchNorm::new())
            .add_named("relu", Activation::Relu)
            .add_named("maxpool", MaxPool2d::new(3).strides(2).padding(1));
        for (index, &blocks) in self.stages.iter().enumerate() {
            net.push_named(format!("layer{}", index + 1), self.stage(index, blocks));
        }
        net.add_named("avgpool", GlobalAvgPool2d::new()).add_named("fc", Dense::new(options.classes))
    }

    /// Stage `index`, counted from 0.
    fn stage(&self, index: usize, blocks: usize) -> Sequential {
        let channels = self.width << index;
        let mut stage = Sequential::new();
        for block in 0..blocks {
            let halves = index > 0 && block == 0;
            stage.push(match self.unit {
                Unit::Chapter => {
                    Residual::new(channels).use_1x1conv(halves).strides(if halves { 2 } else { 1 })
                }
            });
        }
        stage
    }
}
