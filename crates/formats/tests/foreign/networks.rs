//! The two networks of the golden files, and the values their parameters have there (`tools/golden_weights.py`).

use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::containers::{Residual, Sequential};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize};
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};

/// torchvision's `BasicBlock` with a batch norm on its shortcut. `shortcut_first` computes that before the rest.
struct Basic {
    channels: usize,
    shortcut_first: bool,
}

impl Block for Basic {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let conv = |name: &str, kernel: usize, strides: usize| {
            let padding = kernel / 2;
            Conv2d::new(self.channels, kernel).strides(strides).padding(padding).bias(false).named(name)
        };
        let norm = |name: &str| BatchNorm::new().named(name);
        let shortcut = || norm("downsample.1").forward(conv("downsample.0", 1, 2).forward(x)?);
        let body = || {
            let y = norm("bn1").forward(conv("conv1", 3, 2).forward(x)?)?.relu();
            norm("bn2").forward(conv("conv2", 3, 1).forward(y)?)
        };
        let sum = match self.shortcut_first {
            true => {
                let shortcut = shortcut()?;
                body()? + shortcut
            }
            false => body()? + shortcut()?,
        };
        Ok(sum?.relu())
    }

    fn alias(&self) -> String {
        "basic".to_owned()
    }
}

/// What may differ from the network in the files.
pub(crate) struct Net {
    pub(crate) channels: usize,
    pub(crate) classes: usize,
    pub(crate) head: &'static str,
    pub(crate) shortcut_first: bool,
}

impl Default for Net {
    fn default() -> Self {
        Self { channels: 3, classes: 5, head: "fc", shortcut_first: false }
    }
}

impl Net {
    pub(crate) fn graph(&self) -> Graph {
        let block = Basic { channels: 8, shortcut_first: self.shortcut_first };
        let net = Sequential::new()
            .add_named("conv1", Conv2d::new(4, 3).padding(1).bias(false))
            .add_named("bn1", BatchNorm::new())
            .add(Activation::Relu)
            .add_named("layer1", Sequential::new().add(block))
            .add(GlobalAvgPool2d::new())
            .add_named(self.head, Dense::new(self.classes));
        trace(&net, ImageShape::new(self.channels, 16, 16), &mut Names::new()).unwrap()
    }
}

/// The chapter's network, two stages of one block.
pub(crate) fn chapter() -> Graph {
    let net = Sequential::new()
        .add_named("conv1", Conv2d::new(4, 7).strides(2).padding(3))
        .add_named("bn1", BatchNorm::new())
        .add(Activation::Relu)
        .add(MaxPool2d::new(3).strides(2).padding(1))
        .add_named("layer1", Sequential::new().add(Residual::new(4)))
        .add_named("layer2", Sequential::new().add(Residual::new(8).use_1x1conv(true).strides(2)))
        .add(GlobalAvgPool2d::new())
        .add_named("fc", Dense::new(5));
    trace(&net, ImageShape::new(1, 32, 32), &mut Names::new()).unwrap()
}

pub(crate) fn start(graph: &Graph) -> Params {
    initialize(graph, Init::Xavier, 1)
}

/// What every file holds under `name`.
pub(crate) fn values(name: &str, count: usize) -> Vec<f32> {
    let seed: usize = name.bytes().map(usize::from).sum();
    (0..count).map(|i| ((37 * i + seed) % 251) as f32 / 64.0 - 125.0 / 64.0).collect()
}

/// Every parameter as the files have it.
pub(crate) fn expect(params: &Params, except: &str) {
    for (spec, found) in params.iter().filter(|(spec, _)| !spec.name.starts_with(except) || except.is_empty())
    {
        assert_eq!(found, values(&spec.name, spec.len()), "{}", spec.name);
    }
}
