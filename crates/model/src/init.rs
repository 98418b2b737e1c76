//! Initial values of parameters.

use crate::graph::{Graph, NodeId, Op, ParamId, ParamSpec, Role};
use crate::params::Params;
use crate::random::{INIT, Philox, normals, uniform24};

/// How the weights of convolutions and dense layers start. Everything else has a fixed start, as in Gluon: biases,
/// betas and running means 0, gammas and running variances 1. Only [`Init::Kaiming`] draws biases, too.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// Uniform in [-c, c) with `c = sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010, equation 16); the fans
    /// are the filter's second and first dimension times its pixels. Gluon's `Xavier()`.
    Xavier,
    /// Uniform in [-c, c) with the given c, 0.07 by default.
    Uniform(f32),
    /// As torchvision and timm begin residual networks. Filters are normal with the variance `2 / fan_out` and the mean 0 (He et
    /// al. 2015, "Delving deep into rectifiers", equation 14), where `fan_out` is the filter's first dimension times its pixels,
    /// whatever the groups. Dense matrices are uniform in [-c, c) with `c = 1 / sqrt(features)`. So are biases, with `c` the root of
    /// 1 / the values behind one output of their layer. The latter two are PyTorch's defaults for `Linear` and `Conv2d`.
    Kaiming,
}

/// Gluon's: uniform in [-0.07, 0.07).
impl Default for Init {
    fn default() -> Self {
        Self::Uniform(0.07)
    }
}

impl Init {
    /// How the values of parameter `index` start.
    fn start(self, graph: &Graph, index: usize) -> Start {
        let spec = &graph.params[index];
        match (spec.role, self) {
            (Role::Gamma | Role::RunningVar, _) => Start::At(1.0),
            (Role::Beta | Role::RunningMean, _) => Start::At(0.0),
            (Role::Bias, Init::Kaiming) => {
                // a layer's weight is first used right before its bias
                let weight = index.checked_sub(1).map(|before| &graph.params[before]);
                Start::Uniform(weight.map_or(0.0, |weight| bound(weight.dims.iter().skip(1).product())))
            }
            (Role::Bias, _) => Start::At(0.0),
            (_, Init::Uniform(c)) => Start::Uniform(c),
            (_, Init::Xavier) => {
                let fans: usize = spec.dims.iter().take(2).map(|channels| channels * pixels(spec)).sum();
                Start::Uniform((6.0 / fans as f64).sqrt() as f32)
            }
            (Role::DenseWeight, Init::Kaiming) => Start::Uniform(bound(spec.dims.iter().skip(1).product())),
            (Role::ConvWeight, Init::Kaiming) => {
                let fan_out = spec.dims.first().map_or(1, |filters| filters * pixels(spec));
                Start::Normal((2.0 / fan_out as f64).sqrt())
            }
        }
    }
}

/// How the values of one parameter start.
enum Start {
    /// All alike.
    At(f32),
    /// Uniform in [-c, c).
    Uniform(f32),
    /// Normal with the mean 0 and this standard deviation.
    Normal(f64),
}

/// Pixels of one filter.
fn pixels(weight: &ParamSpec) -> usize {
    weight.dims.iter().skip(2).product()
}

/// PyTorch's `kaiming_uniform_(a=sqrt(5))`: `sqrt(6 / ((1 + a^2) fan_in))`, which is `1 / sqrt(fan_in)`.
fn bound(fan_in: usize) -> f32 {
    (1.0 / fan_in.max(1) as f64).sqrt() as f32
}

/// Initial parameters of `graph`. Value i of parameter p is `(2u - 1) c` in `f32`, with u from word `i % 4` of block
/// (p, 0, 0, i / 4) of the stream [`INIT`]: the same on every machine and for every order of computing. Normal values i and i + 1 with
/// i even are [`normals`] of (p, i / 2) of that stream, times the standard deviation.
pub fn initialize(graph: &Graph, init: Init, seed: u32) -> Params {
    let random = Philox::new(seed, INIT);
    let mut params = Params::zeros(graph);
    for index in 0..graph.params.len() {
        let values = params.get_mut(ParamId(index as u32));
        match init.start(graph, index) {
            Start::At(value) => values.fill(value),
            Start::Uniform(c) => {
                for (block, chunk) in values.chunks_mut(4).enumerate() {
                    let words = random.block([index as u32, 0, 0, block as u32]);
                    for (value, word) in chunk.iter_mut().zip(words) {
                        *value = (2.0 * uniform24(word) - 1.0) * c;
                    }
                }
            }
            Start::Normal(deviation) => {
                for (pair, chunk) in values.chunks_mut(2).enumerate() {
                    let drawn = normals(&random, [index as u32, pair as u32]);
                    for (value, normal) in chunk.iter_mut().zip(drawn) {
                        *value = (normal * deviation) as f32;
                    }
                }
            }
        }
    }
    params
}

/// Sets to 0 the scale of the batch norm that ends each path around which there is a shortcut, so that a network begins as if it
/// had the shortcuts alone (Goyal et al. 2017, section 5.1; timm's `zero_init_last`, torchvision's `zero_init_residual`). The path is
/// what a sum names first; a product with it by channel is looked through. A path that ends in another layer stays as it is.
pub fn zero_last_gammas(graph: &Graph, params: &mut Params) {
    for node in graph.nodes.iter().filter(|node| matches!(node.op, Op::Add)) {
        if let Some(gamma) = node.inputs.first().and_then(|path| last_gamma(graph, *path)) {
            params.get_mut(gamma).fill(0.0);
        }
    }
}

fn last_gamma(graph: &Graph, path: NodeId) -> Option<ParamId> {
    let mut node = graph.node(path);
    while matches!(node.op, Op::Multiply) {
        node = graph.node(*node.inputs.first()?);
    }
    match node.op {
        Op::BatchNorm { gamma, .. } => Some(gamma),
        _ => None,
    }
}
