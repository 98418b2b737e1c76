//! Layers: blocks of one operation, with the defaults of Gluon. Numbers of input channels are inferred.

use crate::block::{Block, Var};
use crate::error::ModelError;
use crate::graph::{BatchNormSpec, ConvSpec, Op, ParamId, PoolSpec, RunningVariance};
use crate::tracer::{LayerIdentity, Tag};

pub use crate::pair::Pair;

/// Stands for the ids of parameters until the trace creates them.
const LATER: ParamId = ParamId(0);

/// The parts of [`Block`] that are the same for every layer with a `name` field.
macro_rules! layer {
    ($alias:literal) => {
        fn alias(&self) -> String {
            $alias.to_owned()
        }

        fn is_layer(&self) -> bool {
            true
        }

        fn own_name(&self) -> Option<&str> {
            self.name.as_deref()
        }
    };
}

/// The `named` method of a layer.
macro_rules! named {
    () => {
        /// The segment of its parameters' names ("conv1" gives "conv1.weight"), in place of the kind and a counter.
        pub fn named(mut self, name: impl Into<String>) -> Self {
            self.name = Some(name.into());
            self
        }
    };
}
pub(crate) use {layer, named};

/// Two-dimensional convolution with a bias. Cloning makes another layer.
#[derive(Clone, Debug)]
pub struct Conv2d {
    spec: ConvSpec,
    bias: bool,
    name: Option<String>,
    identity: LayerIdentity,
}

impl Conv2d {
    /// `channels` output channels, a `kernel` of (rows, columns); strides 1, no padding, one group, dilation 1.
    pub fn new(channels: usize, kernel: impl Into<Pair>) -> Self {
        let (kernel, stride, padding, dilation) = (kernel.into().0, [1, 1], [0, 0], [1, 1]);
        let spec = ConvSpec { channels, kernel, stride, padding, dilation, groups: 1 };
        Self { spec, bias: true, name: None, identity: LayerIdentity::new() }
    }

    /// Pixels between neighbouring outputs; default 1.
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        self.spec.stride = strides.into().0;
        self
    }

    /// Zeros on each side; default 0.
    pub fn padding(mut self, padding: impl Into<Pair>) -> Self {
        self.spec.padding = padding.into().0;
        self
    }

    /// Pixels between neighbouring taps of the kernel; default 1.
    pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
        self.spec.dilation = dilation.into().0;
        self
    }

    /// Groups of channels that are convolved apart; default 1.
    pub fn groups(mut self, groups: usize) -> Self {
        self.spec.groups = groups;
        self
    }

    /// Whether a number is added per output channel; default yes.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    named!();
}

impl Block for Conv2d {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let tag = Tag { identity: Some(&self.identity), name: self.own_name(), alias: "conv" };
        x.layer(tag, Op::Conv2d { spec: self.spec, weight: LATER, bias: self.bias.then_some(LATER) })
    }

    layer!("conv");
}

/// Batch normalisation over images and pixels (Ioffe & Szegedy 2015). Cloning makes another layer.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    spec: BatchNormSpec,
    name: Option<String>,
    identity: LayerIdentity,
}

impl BatchNorm {
    /// Momentum 0.9, epsilon 1e-5, biased running variance.
    pub fn new() -> Self {
        let spec = BatchNormSpec { epsilon: 1e-5, momentum: 0.9, running_variance: RunningVariance::Biased };
        Self { spec, name: None, identity: LayerIdentity::new() }
    }

    /// Weight of the old running value, between 0 and 1; default 0.9.
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.spec.momentum = momentum;
        self
    }

    /// Added to the variance, above 0; default 1e-5.
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.spec.epsilon = epsilon;
        self
    }

    /// Which variance enters the running statistics; default biased.
    pub fn running_variance(mut self, which: RunningVariance) -> Self {
        self.spec.running_variance = which;
        self
    }

    named!();
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl Block for BatchNorm {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let tag = Tag { identity: Some(&self.identity), name: self.own_name(), alias: "batchnorm" };
        let (gamma, beta, mean, var) = (LATER, LATER, LATER, LATER);
        x.layer(tag, Op::BatchNorm { spec: self.spec, gamma, beta, mean, var })
    }

    layer!("batchnorm");
}

/// An elementwise function as a layer of its own, counted under the function's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e^-x).
    Sigmoid,
}

impl Activation {
    /// What it is counted under, and what it does.
    fn function(self) -> (&'static str, Op) {
        match self {
            Self::Relu => ("relu", Op::Relu),
            Self::Sigmoid => ("sigmoid", Op::Sigmoid),
        }
    }
}

impl Block for Activation {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let (alias, op) = self.function();
        x.layer(Tag { identity: None, name: None, alias }, op)
    }

    fn alias(&self) -> String {
        self.function().0.to_owned()
    }

    fn is_layer(&self) -> bool {
        true
    }
}

/// The largest value of each window; output sizes round down.
#[derive(Clone, Debug)]
pub struct MaxPool2d {
    kernel: [usize; 2],
    stride: Option<[usize; 2]>,
    padding: [usize; 2],
    name: Option<String>,
}

impl MaxPool2d {
    /// A window of (rows, columns); strides as large as the window, no padding.
    pub fn new(window: impl Into<Pair>) -> Self {
        Self { kernel: window.into().0, stride: None, padding: [0, 0], name: None }
    }

    /// Pixels between neighbouring windows; default: the window's size.
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        self.stride = Some(strides.into().0);
        self
    }

    /// Border on each side that never wins, smaller than the window; default 0.
    pub fn padding(mut self, padding: impl Into<Pair>) -> Self {
        self.padding = padding.into().0;
        self
    }

    named!();
}

impl Block for MaxPool2d {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let tag = Tag { identity: None, name: self.own_name(), alias: "pool" };
        let stride = self.stride.unwrap_or(self.kernel);
        x.layer(tag, Op::MaxPool2d { spec: PoolSpec { kernel: self.kernel, stride, padding: self.padding } })
    }

    layer!("pool");
}

/// The mean of each window over its pixels inside the map: the border is not counted.
#[derive(Clone, Debug)]
pub struct AvgPool2d {
    kernel: [usize; 2],
    stride: Option<[usize; 2]>,
    padding: [usize; 2],
    ceil: bool,
    name: Option<String>,
}

impl AvgPool2d {
    /// A window of (rows, columns); strides as large as the window, no padding, sizes round down.
    pub fn new(window: impl Into<Pair>) -> Self {
        Self { kernel: window.into().0, stride: None, padding: [0, 0], ceil: false, name: None }
    }

    /// Pixels between neighbouring windows; default: the window's size.
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        self.stride = Some(strides.into().0);
        self
    }

    /// Border on each side, smaller than the window; default 0.
    pub fn padding(mut self, padding: impl Into<Pair>) -> Self {
        self.padding = padding.into().0;
        self
    }

    /// Whether sizes round up: the last window may be cut off by the end of the map; default no.
    pub fn ceil(mut self, ceil: bool) -> Self {
        self.ceil = ceil;
        self
    }

    named!();
}

impl Block for AvgPool2d {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let tag = Tag { identity: None, name: self.own_name(), alias: "pool" };
        let spec = PoolSpec {
            kernel: self.kernel,
            stride: self.stride.unwrap_or(self.kernel),
            padding: self.padding,
        };
        x.layer(tag, Op::AvgPool2d { spec, ceil: self.ceil })
    }

    layer!("pool");
}

/// The mean over all pixels of each channel.
#[derive(Clone, Debug, Default)]
pub struct GlobalAvgPool2d {
    name: Option<String>,
}

impl GlobalAvgPool2d {
    /// It has no settings.
    pub fn new() -> Self {
        Self::default()
    }

    named!();
}

impl Block for GlobalAvgPool2d {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        x.layer(Tag { identity: None, name: self.own_name(), alias: "pool" }, Op::GlobalAvgPool2d)
    }

    layer!("pool");
}

/// Every output reads every input value, with a bias. Cloning makes another layer.
#[derive(Clone, Debug)]
pub struct Dense {
    units: usize,
    bias: bool,
    name: Option<String>,
    identity: LayerIdentity,
}

impl Dense {
    /// `units` outputs.
    pub fn new(units: usize) -> Self {
        Self { units, bias: true, name: None, identity: LayerIdentity::new() }
    }

    /// Whether a number is added per output; default yes.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    named!();
}

impl Block for Dense {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let tag = Tag { identity: Some(&self.identity), name: self.own_name(), alias: "dense" };
        x.layer(tag, Op::Dense { units: self.units, weight: LATER, bias: self.bias.then_some(LATER) })
    }

    layer!("dense");
}
