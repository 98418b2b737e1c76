//! What a pickled module of PyTorch says about its layers beside their numbers: class and attributes of each. What its
//! `forward` does with them is a program, which is not in the file, but for the classes of torchvision and timm, whose
//! programs are known. `agree.rs` compares what is said with a network of the zoo.

use std::collections::BTreeMap;

use super::pickle::{Class, Id, Object, Pickle, PickleValue};
use super::unread::{TensorContent, UnreadTensor};

/// Two sizes, vertical and horizontal.
pub(super) type TwoSizes = [usize; 2];

/// What a file says about the network it holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Said {
    /// Every module, those that hold others before them.
    pub(super) layers: Vec<Layer>,
    /// Names of tensors in the file, by what they are called now.
    origins: BTreeMap<String, String>,
}

/// A module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Layer {
    /// Its place, as in the names of tensors: `layer3.0.conv2`; empty for the whole network.
    pub(super) path: String,
    pub(super) class: Class,
    pub(super) what: What,
    /// Whether it has tensors of its own.
    pub(super) has_tensors: bool,
    /// Whether it holds other modules.
    pub(super) has_children: bool,
    /// Whether functions are hooked to it, or its program was replaced.
    pub(super) hooked: bool,
}

/// What a module computes, as far as its class and attributes tell.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum What {
    Conv(Conv),
    Norm {
        epsilon: f64,
        /// Whether running statistics are used.
        tracked: bool,
    },
    MaxPool(Pool),
    AvgPool(Pool),
    /// The mean of all pixels.
    Mean,
    Linear,
    Relu,
    /// In inference nothing: `Identity`, `Dropout`.
    Nothing,
    /// One after another what is in it, or a wrapper around one module.
    Chain,
    /// A program that is known: torchvision's or timm's network or block.
    Known,
    /// A class of PyTorch's own that is none of these.
    Torch,
    /// A program that is not in the file.
    Other,
}

/// A convolution.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Conv {
    pub(super) stride: TwoSizes,
    pub(super) padding: Padding,
    pub(super) dilation: TwoSizes,
    pub(super) groups: usize,
    /// What the border is filled with: `zeros`.
    pub(super) mode: String,
}

/// The border of a convolution.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Padding {
    /// So many pixels on each side.
    Each(TwoSizes),
    /// As much as keeps the size.
    Same,
}

/// A pooling.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Pool {
    pub(super) kernel: TwoSizes,
    pub(super) stride: TwoSizes,
    pub(super) padding: TwoSizes,
    pub(super) dilation: TwoSizes,
    pub(super) ceil: bool,
    /// Whether the border counts in a mean.
    pub(super) counts_border: bool,
}

impl Said {
    /// Notes a module at `path`.
    pub(super) fn add(&mut self, module: &Module<'_>, path: &str, has_tensors: bool) {
        let (class, what) = (module.class.clone(), module.what());
        let (has_children, hooked) = (!module.children().is_empty(), module.hooked());
        self.layers.push(Layer { path: path.to_owned(), class, what, has_tensors, has_children, hooked });
    }

    /// The same network at the end of a path of keys.
    pub(super) fn below(&self, path: &[String]) -> Said {
        let mut said = self.clone();
        for layer in &mut said.layers {
            layer.path = super::unread::joined(path, &layer.path);
        }
        said
    }

    /// Both.
    pub(super) fn and(mut self, other: Said) -> Said {
        self.layers.extend(other.layers);
        self
    }

    /// Remembers that a tensor is now called `new`: layers keep the names of the file.
    pub(super) fn renamed(&mut self, old: &str, new: &str) {
        let own = self.origins.remove(old).unwrap_or_else(|| old.to_owned());
        self.origins.insert(new.to_owned(), own);
    }

    /// The layer that a tensor belongs to, as the file calls it.
    pub(super) fn layer_of<'a>(&'a self, tensor: &'a str) -> &'a str {
        super::names::split(self.origins.get(tensor).map_or(tensor, String::as_str)).0
    }
}

/// A module in a pickle.
#[derive(Debug)]
pub(super) struct Module<'p> {
    saved: &'p Pickle,
    class: Class,
    attributes: Vec<(&'p str, Id)>,
}

impl<'p> Module<'p> {
    /// The module that an object is: one that has the tables of `torch.nn.Module`, whatever its class.
    pub(super) fn of(saved: &'p Pickle, object: &'p Object) -> Option<Self> {
        // pickles that hold the program of a class as well make it before they use it
        let made = || Class { module: "a class of its own".to_owned(), name: "Module".to_owned() };
        let class = saved.maker(object).cloned().unwrap_or_else(made);
        let module = Module { saved, class, attributes: saved.attributes(object) };
        let tables = ["_parameters", "_buffers", "_modules"];
        tables.iter().all(|table| module.find(table).is_some()).then_some(module)
    }

    fn find(&self, name: &str) -> Option<Id> {
        self.attributes.iter().rfind(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    fn table(&self, name: &str) -> Vec<(String, Id)> {
        let items = self.find(name).and_then(|table| self.saved.items(table)).unwrap_or_default();
        let keyed = |(key, value)| Some((super::container::key_of(self.saved, key)?, value));
        items.into_iter().filter_map(keyed).collect()
    }

    /// Parameters, then the buffers that belong to a `state_dict()`.
    pub(super) fn tensors(&self) -> Vec<(String, Id)> {
        let passing = self.find("_non_persistent_buffers_set").and_then(|set| self.saved.sequence(set));
        let passing: Vec<_> =
            passing.unwrap_or_default().iter().filter_map(|name| self.saved.text(*name)).collect();
        let mut tensors = self.table("_parameters");
        let buffers = self.table("_buffers").into_iter();
        tensors.extend(buffers.filter(|(name, _)| !passing.contains(&name.as_str())));
        tensors
    }

    /// The modules in it.
    pub(super) fn children(&self) -> Vec<(String, Id)> {
        let children = self.table("_modules").into_iter();
        children.filter(|(_, child)| !matches!(self.saved.get(*child), PickleValue::None)).collect()
    }

    /// What it computes with where it has no tensor: a batch norm without scale and shift multiplies by 1 and adds 0, a
    /// dense layer without shift adds 0. `own` are its tensors.
    pub(super) fn given(&self, at: &str, own: &[UnreadTensor]) -> Vec<UnreadTensor> {
        let lacks = |name: &str| {
            self.table("_parameters")
                .iter()
                .any(|(own, value)| own == name && matches!(self.saved.get(*value), PickleValue::None))
        };
        let dims_of = |name: &str| {
            let entry = own.iter().find(|entry| super::names::split(&entry.name).1 == name)?;
            Some(vec![*entry.dims.first()?])
        };
        let filled = |name: &str, dims: Option<Vec<usize>>, value: f32| {
            let name = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            Some(UnreadTensor { name, dims: dims?, content: TensorContent::Filled(value) })
        };
        let mut given = Vec::new();
        match self.what() {
            What::Norm { .. } => {
                for (name, value) in [("weight", 1.0), ("bias", 0.0)] {
                    if lacks(name) {
                        given.extend(filled(name, dims_of("running_mean"), value));
                    }
                }
            }
            What::Linear if lacks("bias") => given.extend(filled("bias", dims_of("weight"), 0.0)),
            _ => {}
        }
        given
    }

    fn hooked(&self) -> bool {
        let hooks = ["_forward_hooks", "_forward_pre_hooks"];
        self.find("forward").is_some() || hooks.iter().any(|hooks| !self.table(hooks).is_empty())
    }

    fn what(&self) -> What {
        let (module, name) = (&*self.class.module, &*self.class.name);
        if module == "torch.nn.modules.loss" {
            // kept beside a network for its training
            return What::Nothing;
        }
        if module.starts_with("torch.nn.modules.") {
            return self.of_torch(name);
        }
        match (module, name) {
            (
                "torch.nn.parallel.data_parallel" | "torch.nn.parallel.distributed",
                "DataParallel" | "DistributedDataParallel",
            )
            | ("torch._dynamo.eval_frame", "OptimizedModule")
            | ("torch.optim.swa_utils", "AveragedModel")
            | ("torchvision.ops.misc", "ConvNormActivation" | "Conv2dNormActivation") => What::Chain,
            ("torchvision.models.resnet" | "timm.models.resnet", "ResNet" | "BasicBlock" | "Bottleneck") => {
                What::Known
            }
            ("torchvision.ops.misc", "FrozenBatchNorm2d") => {
                What::Norm { epsilon: self.float("eps").unwrap_or(1e-5), tracked: true }
            }
            ("torchvision.ops.stochastic_depth", "StochasticDepth") => What::Nothing,
            _ if module.starts_with("timm.") => match name {
                "DropPath" | "DropBlock2d" => What::Nothing,
                // `pool_type` is empty for none
                "SelectAdaptivePool2d" if self.text("pool_type") == Some("avg") => What::Mean,
                "FastAdaptiveAvgPool2d" | "FastAdaptiveAvgPool" => What::Mean,
                _ => What::Other,
            },
            _ => What::Other,
        }
    }

    fn of_torch(&self, name: &str) -> What {
        match name {
            "Conv2d" => self.conv().map_or(What::Torch, What::Conv),
            "BatchNorm2d" | "SyncBatchNorm" | "BatchNorm1d" | "BatchNorm3d" => What::Norm {
                epsilon: self.float("eps").unwrap_or(1e-5),
                tracked: self.flag("track_running_stats").unwrap_or(true),
            },
            "MaxPool2d" => self.pool().map_or(What::Torch, What::MaxPool),
            "AvgPool2d" => self.pool().map_or(What::Torch, What::AvgPool),
            "AdaptiveAvgPool2d" => {
                let size = self.find("output_size").and_then(|size| self.pair(size));
                if size == Some([1, 1]) { What::Mean } else { What::Torch }
            }
            "Linear" | "NonDynamicallyQuantizableLinear" => What::Linear,
            "ReLU" => What::Relu,
            "Identity"
            | "Flatten"
            | "Dropout"
            | "Dropout1d"
            | "Dropout2d"
            | "Dropout3d"
            | "AlphaDropout"
            | "FeatureAlphaDropout" => What::Nothing,
            "Sequential" | "ModuleList" | "ModuleDict" => What::Chain,
            // a program of somebody may hide behind the bare class
            "Module" => What::Other,
            _ => What::Torch,
        }
    }

    fn conv(&self) -> Option<Conv> {
        let padding = self.find("padding")?;
        let padding = match self.saved.text(padding) {
            Some("same") => Padding::Same,
            Some("valid") => Padding::Each([0, 0]),
            _ => Padding::Each(self.pair(padding)?),
        };
        if self.flag("transposed") == Some(true) {
            return None;
        }
        Some(Conv {
            stride: self.pair(self.find("stride")?)?,
            padding,
            dilation: self.find("dilation").map_or(Some([1, 1]), |value| self.pair(value))?,
            groups: self.find("groups").map_or(Some(1), |value| self.saved.count(value))?,
            mode: self.text("padding_mode").unwrap_or("zeros").to_owned(),
        })
    }

    fn pool(&self) -> Option<Pool> {
        let pair = |name: &str, usual: TwoSizes| match self.find(name) {
            None => Some(usual),
            Some(value) if matches!(self.saved.get(value), PickleValue::None) => Some(usual),
            Some(value) => self.pair(value),
        };
        if self.flag("return_indices") == Some(true) || self.given_number("divisor_override") {
            return None;
        }
        let kernel = self.pair(self.find("kernel_size")?)?;
        Some(Pool {
            kernel,
            stride: pair("stride", kernel)?,
            padding: pair("padding", [0, 0])?,
            dilation: pair("dilation", [1, 1])?,
            ceil: self.flag("ceil_mode").unwrap_or(false),
            counts_border: self.flag("count_include_pad").unwrap_or(true),
        })
    }

    fn given_number(&self, name: &str) -> bool {
        self.find(name).is_some_and(|value| !matches!(self.saved.get(value), PickleValue::None))
    }

    fn pair(&self, id: Id) -> Option<TwoSizes> {
        if let Some(both) = self.saved.count(id) {
            return Some([both, both]);
        }
        match self.saved.sequence(id)? {
            [h, w] => Some([self.saved.count(*h)?, self.saved.count(*w)?]),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.saved.text(self.find(name)?)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        Some(self.saved.int(self.find(name)?)? != 0)
    }

    fn float(&self, name: &str) -> Option<f64> {
        match self.saved.get(self.find(name)?) {
            PickleValue::Float(value) => Some(*value),
            PickleValue::Int(value) => Some(*value as f64),
            _ => None,
        }
    }
}
