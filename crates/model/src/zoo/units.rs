//! What networks repeat: a path of convolutions, and a shortcut around it.

use super::spec::{EXPANSION, Shortcut};
use crate::block::{Block, Var};
use crate::containers::Sequential;
use crate::error::ModelError;
use crate::graph::RunningVariance;
use crate::layers::{AvgPool2d, BatchNorm, Conv2d};

/// The channels of a stage for which the base of a bottleneck is given.
const BASE_OF: usize = 64;

/// Where in the network a unit is.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitPlace {
    /// Channels of the stage, before a bottleneck's factor.
    pub(super) width: usize,
    pub(super) stride: usize,
    /// Whether the unit's value has another shape than its input.
    pub(super) changes: bool,
}

/// Convolutions of 3x3 and 3x3.
fn two(UnitPlace { width, stride, .. }: UnitPlace) -> Vec<Conv2d> {
    let conv = || Conv2d::new(width, 3).padding(1).bias(false);
    vec![conv().strides(stride), conv()]
}

/// Convolutions of 1x1, 3x3 and 1x1, `inner` channels between them.
fn three(UnitPlace { width, stride, .. }: UnitPlace, inner: usize, groups: usize) -> Vec<Conv2d> {
    let point = |channels| Conv2d::new(channels, 1).bias(false);
    let middle = Conv2d::new(inner, 3).padding(1).strides(stride).groups(groups).bias(false);
    vec![point(inner), middle, point(EXPANSION * width)]
}

/// Names the convolutions of a path and their batch norms.
fn numbered(convs: Vec<Conv2d>, which: RunningVariance) -> Vec<(Conv2d, BatchNorm)> {
    let named = |(index, conv): (usize, Conv2d)| {
        let norm = BatchNorm::new().running_variance(which);
        (conv.named(format!("conv{}", index + 1)), norm.named(format!("bn{}", index + 1)))
    };
    convs.into_iter().enumerate().map(named).collect()
}

/// Convolutions with batch norm behind each, ReLU between them and behind the sum.
pub(super) struct PostActivation {
    alias: &'static str,
    path: Vec<(Conv2d, BatchNorm)>,
    shortcut: Bypass,
}

/// What is added to a path.
enum Bypass {
    Missing,
    Input,
    Layers(Sequential),
    Padded { stride: usize, channels: usize },
}

impl PostActivation {
    pub(super) fn basic(place: UnitPlace, shortcut: Shortcut) -> Self {
        let shortcut = Bypass::new(place, shortcut, place.width);
        Self { alias: "basicblock", path: numbered(two(place), RunningVariance::Unbiased), shortcut }
    }

    pub(super) fn bottleneck(place: UnitPlace, [groups, base]: [usize; 2], shortcut: Shortcut) -> Self {
        let inner = place.width * base / BASE_OF * groups;
        let path = numbered(three(place, inner, groups), RunningVariance::Unbiased);
        let shortcut = Bypass::new(place, shortcut, EXPANSION * place.width);
        Self { alias: "bottleneck", path, shortcut }
    }
}

impl Block for PostActivation {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let mut y = x;
        for (index, (conv, norm)) in self.path.iter().enumerate() {
            let z = if index == 0 { y } else { y.relu() };
            y = norm.forward(conv.forward(z)?)?;
        }
        match &self.shortcut {
            Bypass::Missing => Ok(y.relu()),
            Bypass::Input => Ok((y + x)?.relu()),
            Bypass::Layers(layers) => Ok((y + layers.forward(x)?)?.relu()),
            Bypass::Padded { stride, channels } => Ok((y + x.subsample(*stride, *channels)?)?.relu()),
        }
    }

    fn alias(&self) -> String {
        self.alias.to_owned()
    }
}

impl Bypass {
    /// Around a path to `channels` channels.
    fn new(UnitPlace { stride, changes, .. }: UnitPlace, shortcut: Shortcut, channels: usize) -> Self {
        let conv = || Conv2d::new(channels, 1).bias(false);
        let norm = || BatchNorm::new().running_variance(RunningVariance::Unbiased);
        match shortcut {
            Shortcut::Missing => Bypass::Missing,
            _ if !changes => Bypass::Input,
            Shortcut::Projection => {
                Bypass::Layers(Sequential::new().add(conv().strides(stride)).add(norm()).named("downsample"))
            }
            Shortcut::Pooled => {
                let mut layers = Sequential::new();
                // timm's numbers count a pooling where there is nothing to pool
                if stride > 1 {
                    layers.push_named("0", AvgPool2d::new(2).strides(stride).ceil(true));
                }
                layers.push_named("1", conv()).push_named("2", norm());
                Bypass::Layers(layers.named("downsample"))
            }
            Shortcut::Padded => Bypass::Padded { stride, channels },
        }
    }
}

/// Convolutions with batch norm and ReLU in front of each, nothing behind the sum. As in Gluon's model zoo a changed
/// shape is added as a 1x1 convolution, without batch norm of its own, of what the first convolution reads.
pub(super) struct PreActivation {
    alias: &'static str,
    path: Vec<(Conv2d, BatchNorm)>,
    projection: Option<Conv2d>,
}

impl PreActivation {
    pub(super) fn basic(place: UnitPlace) -> Self {
        Self::new("preactbasicblock", place, (two(place), place.width))
    }

    pub(super) fn bottleneck(place: UnitPlace) -> Self {
        let channels = EXPANSION * place.width;
        Self::new("preactbottleneck", place, (three(place, place.width, 1), channels))
    }

    fn new(alias: &'static str, place: UnitPlace, (convs, channels): (Vec<Conv2d>, usize)) -> Self {
        let projection = Conv2d::new(channels, 1).strides(place.stride).bias(false).named("downsample.0");
        let path = numbered(convs, RunningVariance::Biased);
        Self { alias, path, projection: place.changes.then_some(projection) }
    }
}

impl Block for PreActivation {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let (mut y, mut shortcut) = (x, x);
        for (index, (conv, norm)) in self.path.iter().enumerate() {
            let z = norm.forward(y)?.relu();
            if index == 0 && self.projection.is_some() {
                shortcut = z;
            }
            y = conv.forward(z)?;
        }
        match &self.projection {
            Some(projection) => y + projection.forward(shortcut)?,
            None => y + shortcut,
        }
    }

    fn alias(&self) -> String {
        self.alias.to_owned()
    }
}
