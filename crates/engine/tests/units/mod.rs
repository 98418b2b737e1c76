//! The networks of `tools/golden_units.py` that are not in the zoo: two stages of eight and sixteen channels, a unit each.

use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::containers::Sequential;
use plusx_model::layers::{Activation, AvgPool2d, BatchNorm, Conv2d, Dense, GlobalAvgPool2d};

/// Channels between the two layers of a squeeze.
const SQUEEZE: usize = 4;
/// Channels that each layer of a dense unit adds.
const GROWTH: usize = 12;

/// A convolution that keeps the size of the map, or halves it.
fn conv(channels: usize, kernel: usize, stride: usize) -> Conv2d {
    Conv2d::new(channels, kernel).strides(stride).padding(kernel / 2).bias(false)
}

/// Squeeze-and-excitation in a basic unit.
struct Squeezed {
    width: usize,
    stride: usize,
}

impl Block for Squeezed {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let Self { width, stride } = *self;
        let y = x.through("conv1", &conv(width, 3, stride))?.through("bn1", &BatchNorm::new())?.relu();
        let y = y.through("conv2", &conv(width, 3, 1))?.through("bn2", &BatchNorm::new())?;
        let s = GlobalAvgPool2d::new().forward(y)?.through("fc1", &Conv2d::new(SQUEEZE, 1))?.relu();
        let y = (y * s.through("fc2", &Conv2d::new(width, 1))?.sigmoid())?;
        let x = match stride {
            1 => x,
            _ => x
                .through("downsample.0", &conv(width, 1, stride))?
                .through("downsample.1", &BatchNorm::new())?,
        };
        (y + x).map(Var::relu)
    }
}

/// Two layers whose outputs stay beside what they read.
struct DenseUnit {
    stride: usize,
}

impl Block for DenseUnit {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let mut x = if self.stride > 1 { AvgPool2d::new(self.stride).forward(x)? } else { x };
        for layer in ["1", "2"] {
            let y = x.through(&format!("bn{layer}"), &BatchNorm::new())?.relu();
            x = x.concat(&[y.through(&format!("conv{layer}"), &conv(GROWTH, 3, 1))?])?;
        }
        Ok(x)
    }
}

/// The network of `unit-{kind}.json`, if it is one of these.
pub(crate) fn network(kind: &str, classes: usize) -> Option<Sequential> {
    let mut net = Sequential::new()
        .add_named("conv1", conv(8, 3, 1))
        .add_named("bn1", BatchNorm::new())
        .add_named("relu", Activation::Relu);
    for stage in [1, 2] {
        let unit = match kind {
            "squeezed" => Sequential::new().add(Squeezed { width: 8 * stage, stride: stage }),
            "dense" => Sequential::new().add(DenseUnit { stride: stage }),
            _ => return None,
        };
        net.push_named(format!("layer{stage}"), unit);
    }
    if kind == "dense" {
        net.push_named("bn2", BatchNorm::new()).push_named("relu2", Activation::Relu);
    }
    Some(net.add_named("avgpool", GlobalAvgPool2d::new()).add_named("fc", Dense::new(classes)))
}
