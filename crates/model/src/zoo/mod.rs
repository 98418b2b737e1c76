//! Ready-made networks: one table of specs, one function that turns a spec into blocks.
//! Adding a model: see `docs/adding-a-model.md`.
//!
//! `specs.rs` is the table, `stems.rs` how networks begin, `units.rs` what they repeat. Parameters have torchvision's names
//! wherever torchvision has the layer: conv1, bn1, layer1.0.conv1, ..., fc.

mod specs;
mod stems;
mod units;

use crate::block::Block;
use crate::containers::{Residual, Sequential};
use crate::error::ModelError;
use crate::graph::RunningVariance;
use crate::layers::{Activation, BatchNorm, Dense, GlobalAvgPool2d};
use crate::preprocess::Preset;
use crate::shape::ImageShape;

pub use self::specs::SPECS;
use self::units::{PostActivation, PreActivation};

/// A residual network: a stem, stages of residual units, a classifier. Every stage but the first halves the size
/// and doubles the channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    /// What `--model` calls it.
    pub name: &'static str,
    /// The images it was made for.
    pub input: ImageShape,
    /// The classes it was made for.
    pub classes: usize,
    /// Channels of the stem and of the first stage, before the factors of bottlenecks.
    pub width: usize,
    /// How it begins.
    pub stem: Stem,
    /// Residual units in each stage.
    pub stages: &'static [usize],
    /// What a residual unit is.
    pub unit: Unit,
    /// Whose names its parameters have.
    pub names: Naming,
    /// How pictures were prepared for the weights that are published for it, unless a file says otherwise.
    pub preset: Preset,
}

/// How a network begins. Convolutions of the stems but the first two have no bias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stem {
    /// The chapter's: a 7x7 convolution at stride 2 with bias, batch norm, ReLU, 3x3 max pooling at stride 2.
    Chapter,
    /// That of the book's library for small pictures: a 3x3 convolution with bias, batch norm, ReLU.
    ChapterSmall,
    /// A 7x7 convolution at stride 2, batch norm, ReLU, 3x3 max pooling at stride 2.
    Large,
    /// A 3x3 convolution, batch norm, ReLU.
    Small,
    /// Three 3x3 convolutions in place of the 7x7 one, the first at stride 2, the first two of half the channels
    /// (He et al. 2018, "Bag of tricks for image classification", ResNet-C).
    Deep,
    /// [`Stem::Large`] behind a batch norm of the images.
    Normalized,
}

/// Kinds of residual units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// The chapter's: convolutions with biases, no batch norm on the shortcut ([`Residual`]).
    Chapter,
    /// Two 3x3 convolutions, each with batch norm, the first at the unit's stride.
    Basic(Shortcut),
    /// Convolutions of 1x1, 3x3 (at the unit's stride) and 1x1 to four times the channels, each with batch norm.
    Bottleneck {
        /// Groups of the 3x3 convolution (Xie et al. 2017, "Aggregated residual transformations").
        groups: usize,
        /// Channels of one of these groups, for 64 channels of the stage.
        base: usize,
        /// What is added to the last of them.
        shortcut: Shortcut,
    },
    /// As [`Unit::Basic`], batch norm and ReLU in front of each convolution, nothing behind the sum (He et al. 2016,
    /// "Identity mappings in deep residual networks"); shapes change by a 1x1 convolution of the first ReLU's value.
    PreBasic,
    /// As [`Unit::Bottleneck`] of one group of 64, likewise.
    PreBottleneck,
}

/// What a unit adds where the shape changes; elsewhere it adds its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shortcut {
    /// Nothing, here and elsewhere: a plain network.
    Missing,
    /// A 1x1 convolution with batch norm (He et al. 2015, section 3.3, option B).
    Projection,
    /// The mean of 2x2 pixels where the size changes, then the same (ResNet-D of the "bag of tricks").
    Pooled,
    /// Every second pixel, channels of zeros on both sides (option A).
    Padded,
}

/// Whose names the parameters have, and so whose weight files fit name by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// torchvision's, with the chapter's biases and without batch norms on shortcuts: only plusx has such files.
    D2l,
    /// torchvision's `state_dict()`, in its order.
    Torchvision,
    /// timm's `state_dict()`, in its order.
    Timm,
    /// In torchvision's style, for a network that neither of them has.
    Plusx,
}

impl Naming {
    /// In one word, for tables.
    pub fn name(self) -> &'static str {
        match self {
            Naming::D2l => "d2l",
            Naming::Torchvision => "torchvision",
            Naming::Timm => "timm",
            Naming::Plusx => "plusx",
        }
    }
}

/// What does not come from the table. What a network was made for is [`Spec::options`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZooOptions {
    /// Number of classes, at least 1; default 10, the chapter's.
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
    /// The options it was made for.
    pub fn options(&self) -> ZooOptions {
        ZooOptions { classes: self.classes }
    }

    /// The network.
    pub fn build(&self, options: ZooOptions) -> Sequential {
        let mut net = Sequential::new();
        stems::push(self, &mut net);
        for (index, &blocks) in self.stages.iter().enumerate() {
            net.push_named(format!("layer{}", index + 1), self.stage(index, blocks));
        }
        if self.unit.is_pre_activation() {
            // nothing has followed the last sum yet
            net.push_named("bn2", self.norm()).push_named("relu2", Activation::Relu);
        }
        net.add_named("avgpool", GlobalAvgPool2d::new()).add_named("fc", Dense::new(options.classes))
    }

    /// Stage `index`, counted from 0.
    fn stage(&self, index: usize, blocks: usize) -> Sequential {
        let mut stage = Sequential::new();
        for block in 0..blocks {
            let halves = index > 0 && block == 0;
            let place = Place {
                width: self.width << index,
                stride: if halves { 2 } else { 1 },
                // the stem has as many channels as the first stage, but for the factor of bottlenecks
                changes: halves || block == 0 && self.unit.expansion() > 1,
            };
            self.push_unit(&mut stage, place);
        }
        stage
    }

    fn push_unit(&self, stage: &mut Sequential, place: Place) {
        match self.unit {
            Unit::Chapter => {
                stage.push(Residual::new(place.width).use_1x1conv(place.changes).strides(place.stride))
            }
            Unit::Basic(shortcut) => stage.push(PostActivation::basic(place, shortcut)),
            Unit::Bottleneck { groups, base, shortcut } => {
                stage.push(PostActivation::bottleneck(place, [groups, base], shortcut))
            }
            Unit::PreBasic => stage.push(PreActivation::basic(place)),
            Unit::PreBottleneck => stage.push(PreActivation::bottleneck(place)),
        };
    }

    /// A batch norm of the network's kind.
    fn norm(&self) -> BatchNorm {
        BatchNorm::new().running_variance(self.unit.running_variance())
    }
}

impl Unit {
    /// Channels of a unit's value for each of its stage.
    fn expansion(self) -> usize {
        match self {
            Unit::Chapter | Unit::Basic(_) | Unit::PreBasic => 1,
            Unit::Bottleneck { .. } | Unit::PreBottleneck => units::EXPANSION,
        }
    }

    fn is_pre_activation(self) -> bool {
        matches!(self, Unit::PreBasic | Unit::PreBottleneck)
    }

    /// The chapter's networks and those of Gluon keep MXNet's running variance, the others PyTorch's.
    fn running_variance(self) -> RunningVariance {
        match self {
            Unit::Chapter | Unit::PreBasic | Unit::PreBottleneck => RunningVariance::Biased,
            Unit::Basic(_) | Unit::Bottleneck { .. } => RunningVariance::Unbiased,
        }
    }
}

/// Where in the network a unit is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Channels of the stage, before a bottleneck's factor.
    width: usize,
    stride: usize,
    /// Whether the unit's value has another shape than its input.
    changes: bool,
}
