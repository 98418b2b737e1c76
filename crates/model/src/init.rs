//! Initial values of parameters.

use crate::graph::{Graph, ParamId, ParamSpec, Role};
use crate::params::Params;
use crate::random::{INIT, Philox, uniform24};

/// How the weights of convolutions and dense layers start. Everything else has a fixed start, as in Gluon: biases,
/// betas and running means 0, gammas and running variances 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// Uniform in [-c, c) with `c = sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010, equation 16); the fans
    /// are the filter's second and first dimension times its pixels. Gluon's `Xavier()`.
    Xavier,
    /// Uniform in [-c, c) with the given c, 0.07 by default.
    Uniform(f32),
}

/// Gluon's: uniform in [-0.07, 0.07).
impl Default for Init {
    fn default() -> Self {
        Self::Uniform(0.07)
    }
}

impl Init {
    /// c, half the width of the interval, for one weight.
    fn bound(self, weight: &ParamSpec) -> f32 {
        match self {
            Init::Uniform(c) => c,
            Init::Xavier => {
                let pixels: usize = weight.dims.iter().skip(2).product();
                let fans: usize = weight.dims.iter().take(2).map(|channels| channels * pixels).sum();
                (6.0 / fans as f64).sqrt() as f32
            }
        }
    }
}

/// Initial parameters of `graph`. Value i of parameter p is `(2u - 1) c` in `f32`, with u from word `i % 4` of block
/// (p, 0, 0, i / 4) of the stream [`INIT`]: the same on every machine and for every order of computing.
pub fn initialize(graph: &Graph, init: Init, seed: u32) -> Params {
    let random = Philox::new(seed, INIT);
    let mut params = Params::zeros(graph);
    for (index, spec) in graph.params.iter().enumerate() {
        let values = params.get_mut(ParamId(index as u32));
        match spec.role {
            Role::ConvWeight | Role::DenseWeight => {
                let c = init.bound(spec);
                for (block, chunk) in values.chunks_mut(4).enumerate() {
                    let words = random.block([index as u32, 0, 0, block as u32]);
                    for (value, word) in chunk.iter_mut().zip(words) {
                        *value = (2.0 * uniform24(word) - 1.0) * c;
                    }
                }
            }
            Role::Bias | Role::Beta | Role::RunningMean => values.fill(0.0),
            Role::Gamma | Role::RunningVar => values.fill(1.0),
        }
    }
    params
}
