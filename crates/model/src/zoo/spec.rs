//! What a network of the zoo is made of.

use crate::graph::RunningVariance;
use crate::image_shape::ImageShape;
use crate::layers::BatchNorm;
use crate::preprocess::Preset;

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
    /// The chapter's: convolutions with biases, no batch norm on the shortcut ([`Residual`](crate::containers::Residual)).
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
    /// As [`Unit::Basic`], with batch norm and ReLU in front of each convolution and nothing behind the sum (He et al. 2016,
    /// "Identity mappings in deep residual networks"). Shapes change by a 1x1 convolution of the first ReLU's value.
    PreBasic,
    /// As [`Unit::Bottleneck`] of one group of 64, with batch norm and ReLU as in [`Unit::PreBasic`].
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

impl Spec {
    /// The options it was made for.
    pub fn options(&self) -> ZooOptions {
        ZooOptions { classes: self.classes }
    }

    /// A batch norm of the network's kind.
    pub(super) fn norm(&self) -> BatchNorm {
        BatchNorm::new().running_variance(self.unit.running_variance())
    }
}

impl Unit {
    /// Channels of a unit's value for each of its stage.
    pub(super) fn expansion(self) -> usize {
        match self {
            Unit::Chapter | Unit::Basic(_) | Unit::PreBasic => 1,
            Unit::Bottleneck { .. } | Unit::PreBottleneck => EXPANSION,
        }
    }

    pub(super) fn is_pre_activation(self) -> bool {
        matches!(self, Unit::PreBasic | Unit::PreBottleneck)
    }

    /// The chapter's networks and those of Gluon keep MXNet's running variance, the others PyTorch's.
    pub(super) fn running_variance(self) -> RunningVariance {
        match self {
            Unit::Chapter | Unit::PreBasic | Unit::PreBottleneck => RunningVariance::Biased,
            Unit::Basic(_) | Unit::Bottleneck { .. } => RunningVariance::Unbiased,
        }
    }
}

/// Channels of a bottleneck's value for each of its stage.
pub(super) const EXPANSION: usize = 4;
