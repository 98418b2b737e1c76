//! What MXNet's numbers mean: the network in the `-symbol.json` beside a `.params` file, as `export` and `save_checkpoint`
//! write the two.
//!
//! A symbol lists nodes in topological order: variables (the images, the parameters) and operators with their settings as
//! texts. Defaults are those of MXNet 1.9's operators (`src/operator/nn/`), which are not Gluon's: a batch norm has epsilon
//! 1e-3 and, unless it says otherwise, a gamma of 1 whatever is stored (`fix_gamma`).

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use plusx_model::graph::{
    BatchNormSpec, ConvSpec, Graph, Node, NodeId, Op, ParamId, ParamSpec, PoolSpec, Role, RunningVariance,
};
use plusx_model::params::Params;
use plusx_model::shape::{self, ImageShape};
use serde::Deserialize;

use super::Tensor;
use crate::error::FormatError;

/// Most bytes of a symbol: that of a ResNet-152 has 400,000.
const LARGEST: u64 = 64 << 20;

/// A network and what is to be said of how it was read.
pub(super) struct Network {
    pub(super) graph: Graph,
    pub(super) params: Params,
    /// Batch norms whose gamma is 1 whatever is stored.
    pub(super) fixed: usize,
    /// Epsilons of its batch norms, each once.
    pub(super) epsilons: Vec<f32>,
}

/// Where the symbol of a file is, if it is there: `net-symbol.json` for `net-0012.params` and `net.params`.
pub(super) fn beside(path: &Path) -> Option<PathBuf> {
    let found = place(path)?;
    found.is_file().then_some(found)
}

/// Where the symbol of a file would be.
pub(super) fn place(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?;
    let name = match stem.rsplit_once('-') {
        Some((name, epoch)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => stem,
    };
    Some(path.with_file_name(format!("{name}-symbol.json")))
}

/// Reads the network in `path`, on images of `rows` x `columns`; its parameters are among `tensors`.
pub(super) fn read(
    path: &Path,
    tensors: &[Tensor],
    [rows, columns]: [usize; 2],
) -> Result<Network, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let size = file.take(LARGEST + 1).read_to_string(&mut text);
    let wrong = |reason: String| FormatError::Symbol { path: path.into(), reason };
    match size {
        Ok(size) if size as u64 > LARGEST => return Err(wrong("it is longer than any symbol".to_owned())),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(wrong("it is no text".to_owned()));
        }
        size => size.map_err(failed)?,
    };
    let symbol: Symbol = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    symbol.network(tensors, [rows, columns]).map_err(wrong)
}

#[derive(Deserialize)]
struct Symbol {
    nodes: Vec<SymbolNode>,
    heads: Vec<Vec<serde_json::Value>>,
}

/// A node. What is called `attrs` now was `attr` and, before MXNet 1.0, `param`.
#[derive(Deserialize)]
struct SymbolNode {
    op: String,
    name: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    #[serde(default)]
    attr: BTreeMap<String, String>,
    #[serde(default)]
    param: BTreeMap<String, String>,
    #[serde(default)]
    inputs: Vec<Vec<usize>>,
}

impl Symbol {
    fn network(&self, tensors: &[Tensor], sizes: [usize; 2]) -> Result<Network, String> {
        let output = self.heads.first().and_then(|head| head.first()?.as_u64());
        let output = match (self.heads.len(), output) {
            (1, Some(output)) => output as usize,
            (count, _) => return Err(format!("it has {count} outputs, expected one: the classes")),
        };
        let needed = self.needed(output)?;
        let mut build = Build::new(tensors);
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
            let value = match node.op.as_str() {
                "null" => Value::Variable,
                _ => build
                    .operator(self, node, sizes)
                    .map_err(|reason| format!("{} ({}): {reason}", node.name, node.op))?,
            };
            build.values.insert(index, value);
        }
        let Some(Value::Map(id)) = build.values.get(&output).copied() else {
            return Err("its output is no value of a network".to_owned());
        };
        let Build { mut graph, values_of, fixed, epsilons, .. } = build;
        graph.output = Some(id);
        graph.check().map_err(|error| error.to_string())?;
        let mut params = Params::zeros(&graph);
        for (index, values) in values_of.iter().enumerate() {
            params.set(ParamId(index as u32), values).map_err(|error| error.to_string())?;
        }
        Ok(Network { graph, params, fixed, epsilons })
    }

    /// Which nodes the output depends on; inputs must stand before their readers.
    fn needed(&self, output: usize) -> Result<Vec<bool>, String> {
        let mut needed = vec![false; self.nodes.len()];
        *needed.get_mut(output).ok_or("its output is no node of it")? = true;
        for (index, node) in self.nodes.iter().enumerate().rev() {
            for input in &node.inputs {
                match input.first() {
                    Some(&input) if input < index => needed[input] |= needed[index],
                    _ => return Err(format!("{}: an input is no node before it", node.name)),
                }
            }
        }
        Ok(needed)
    }
}

impl SymbolNode {
    /// A setting, if it is there.
    fn text(&self, key: &str) -> Option<&str> {
        [&self.attrs, &self.attr, &self.param].into_iter().find_map(|map| map.get(key)).map(String::as_str)
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.text(key) {
            None => Ok(default),
            Some("True" | "true" | "1") => Ok(true),
            Some("False" | "false" | "0") => Ok(false),
            Some(other) => Err(format!("{key} is {other}, expected True or False")),
        }
    }

    fn number<T: std::str::FromStr>(&self, key: &str, default: Option<T>) -> Result<T, String> {
        match (self.text(key), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(format!("it lacks {key}")),
            (Some(text), _) => text.parse().map_err(|_| format!("{key} is {text}, expected a number")),
        }
    }

    /// Two sizes: `(3, 3)`; an empty tuple is the default.
    fn pair(&self, key: &str, default: Option<usize>) -> Result<[usize; 2], String> {
        let text = self.text(key).map(|text| text.trim_matches(['(', ')', '[', ']', ' ']));
        let default = || default.map(|one| [one, one]).ok_or_else(|| format!("it lacks {key}"));
        let Some(text) = text.filter(|text| !text.is_empty()) else { return default() };
        let sizes: Option<Vec<usize>> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| part.trim_end_matches('L').parse().ok())
            .collect();
        match sizes.as_deref() {
            Some([rows, columns]) => Ok([*rows, *columns]),
            _ => Err(format!("{key} is ({text}), expected two sizes")),
        }
    }

    /// Refuses a setting that is none of `known`.
    fn one_of(&self, key: &str, known: &[&str]) -> Result<(), String> {
        match self.text(key) {
            Some(text) if !known.contains(&text) => {
                Err(format!("{key} is {text}, and only {} is read", known[0]))
            }
            _ => Ok(()),
        }
    }
}

/// What a node stands for.
#[derive(Clone, Copy)]
enum Value {
    /// The images, or a parameter: the reader decides.
    Variable,
    Map(NodeId),
}

/// A network being made.
struct Build<'a> {
    tensors: HashMap<&'a str, &'a Tensor>,
    graph: Graph,
    /// Values of the parameters of `graph`.
    values_of: Vec<Vec<f32>>,
    values: HashMap<usize, Value>,
    /// The node that is the images.
    images: Option<usize>,
    fixed: usize,
    epsilons: Vec<f32>,
}

impl<'a> Build<'a> {
    fn new(tensors: &'a [Tensor]) -> Self {
        Self {
            tensors: tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
            graph: Graph::default(),
            values_of: Vec::new(),
            values: HashMap::new(),
            images: None,
            fixed: 0,
            epsilons: Vec::new(),
        }
    }

    fn operator(&mut self, symbol: &Symbol, node: &SymbolNode, sizes: [usize; 2]) -> Result<Value, String> {
        match node.op.as_str() {
            "Convolution" | "Convolution_v1" => self.convolution(symbol, node, sizes),
            "BatchNorm" | "BatchNorm_v1" => self.batch_norm(symbol, node, sizes),
            "Activation" => {
                node.one_of("act_type", &["relu"])?;
                self.plain(symbol, node, Op::Relu)
            }
            "relu" => self.plain(symbol, node, Op::Relu),
            "Pooling" | "Pooling_v1" => {
                let op = self.pooling(node)?;
                self.plain(symbol, node, op)
            }
            "elemwise_add" | "_plus" | "_Plus" | "broadcast_add" | "_add" | "add_n" | "ElementWiseSum" => {
                let [Ok(a), Ok(b)] = [0, 1].map(|at| self.map(symbol, node, at)) else {
                    return Err("it adds something else than two maps".to_owned());
                };
                if node.inputs.len() != 2 {
                    return Err(format!("it adds {} maps, and only two are read", node.inputs.len()));
                }
                self.push(node, Op::Add, &[a, b])
            }
            "FullyConnected" => self.dense(symbol, node),
            "Flatten" | "flatten" | "identity" | "_copy" | "BlockGrad" | "SoftmaxOutput" | "Softmax"
            | "SoftmaxActivation" => Ok(Value::Map(self.map(symbol, node, 0)?)),
            "softmax" => {
                node.one_of("axis", &["-1", "1"])?;
                node.one_of("temperature", &["None", "1.0"])?;
                Ok(Value::Map(self.map(symbol, node, 0)?))
            }
            "Dropout" => {
                node.one_of("mode", &["training"])?;
                Ok(Value::Map(self.map(symbol, node, 0)?))
            }
            _ => Err("this operator is not read; residual networks of MXNet and Gluon are".to_owned()),
        }
    }

    fn convolution(
        &mut self,
        symbol: &Symbol,
        node: &SymbolNode,
        [h, w]: [usize; 2],
    ) -> Result<Value, String> {
        node.one_of("layout", &["NCHW", "None"])?;
        let spec = ConvSpec {
            channels: node.number("num_filter", None)?,
            kernel: node.pair("kernel", None)?,
            stride: node.pair("stride", Some(1))?,
            padding: node.pair("pad", Some(0))?,
            dilation: node.pair("dilate", Some(1))?,
            groups: node.number("num_group", Some(1))?,
        };
        let weight = self.tensor(symbol, node, 1)?;
        let channels = weight.dims.get(1).copied().unwrap_or(0).saturating_mul(spec.groups);
        let input = self.map_or_images(symbol, node, ImageShape::new(channels, h, w))?;
        let bias = match node.flag("no_bias", false)? {
            true => None,
            false => Some(self.tensor(symbol, node, 2)?),
        };
        let weight = self.param(node, "weight", Role::ConvWeight, weight);
        let bias = bias.map(|bias| self.param(node, "bias", Role::Bias, bias));
        self.push(node, Op::Conv2d { spec, weight, bias }, &[input])
    }

    fn batch_norm(
        &mut self,
        symbol: &Symbol,
        node: &SymbolNode,
        [h, w]: [usize; 2],
    ) -> Result<Value, String> {
        node.one_of("axis", &["1"])?;
        node.one_of("output_mean_var", &["False", "false", "0"])?;
        let parts = [1, 2, 3, 4].map(|at| self.tensor(symbol, node, at));
        let [gamma, beta, mean, var] = parts;
        let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
        let input = self.map_or_images(symbol, node, ImageShape::new(gamma.values.len(), h, w))?;
        let epsilon = node.number("eps", Some(1e-3_f32))?;
        if !self.epsilons.contains(&epsilon) {
            self.epsilons.push(epsilon);
        }
        let fixed = node.flag("fix_gamma", true)?;
        let ones = Tensor { values: vec![1.0; gamma.values.len()], ..gamma.clone() };
        self.fixed += usize::from(fixed && gamma.values != ones.values);
        let gamma = self.param(node, "weight", Role::Gamma, if fixed { &ones } else { gamma });
        let beta = self.param(node, "bias", Role::Beta, beta);
        let mean = self.param(node, "running_mean", Role::RunningMean, mean);
        let var = self.param(node, "running_var", Role::RunningVar, var);
        let momentum = node.number("momentum", Some(0.9_f32))?;
        let spec = BatchNormSpec { epsilon, momentum, running_variance: RunningVariance::Biased };
        self.push(node, Op::BatchNorm { spec, gamma, beta, mean, var }, &[input])
    }

    fn pooling(&self, node: &SymbolNode) -> Result<Op, String> {
        node.one_of("layout", &["NCHW", "None"])?;
        let kind = node.text("pool_type").unwrap_or("max");
        if node.flag("global_pool", false)? {
            return match kind {
                "avg" => Ok(Op::GlobalAvgPool2d),
                other => Err(format!("pool_type is {other} over the whole map, and only avg is read")),
            };
        }
        node.one_of("pooling_convention", &["valid"])?;
        let spec = PoolSpec {
            kernel: node.pair("kernel", None)?,
            stride: node.pair("stride", Some(1))?,
            padding: node.pair("pad", Some(0))?,
        };
        match kind {
            "max" => Ok(Op::MaxPool2d { spec }),
            "avg" if spec.padding == [0, 0] || !node.flag("count_include_pad", true)? => {
                Ok(Op::AvgPool2d { spec, ceil: false })
            }
            "avg" => {
                Err("count_include_pad is True, and only False is read where there is a border".to_owned())
            }
            other => Err(format!("pool_type is {other}, and only max and avg are read")),
        }
    }

    fn dense(&mut self, symbol: &Symbol, node: &SymbolNode) -> Result<Value, String> {
        let units = node.number("num_hidden", None)?;
        node.one_of("flatten", &["True", "true", "1"])?;
        let input = self.map(symbol, node, 0)?;
        let weight = self.tensor(symbol, node, 1)?;
        let bias = match node.flag("no_bias", false)? {
            true => None,
            false => Some(self.tensor(symbol, node, 2)?),
        };
        let weight = self.param(node, "weight", Role::DenseWeight, weight);
        let bias = bias.map(|bias| self.param(node, "bias", Role::Bias, bias));
        self.push(node, Op::Dense { units, weight, bias }, &[input])
    }

    /// An operation on one map.
    fn plain(&mut self, symbol: &Symbol, node: &SymbolNode, op: Op) -> Result<Value, String> {
        let input = self.map(symbol, node, 0)?;
        self.push(node, op, &[input])
    }

    /// The map at `position`.
    fn map(&self, symbol: &Symbol, node: &SymbolNode, position: usize) -> Result<NodeId, String> {
        let input = node.inputs.get(position).ok_or_else(|| format!("it lacks input {position}"))?;
        if input.get(1).is_some_and(|which| *which != 0) {
            return Err(format!("it reads another output than the first of {}", symbol.nodes[input[0]].name));
        }
        match self.values.get(&input[0]) {
            Some(Value::Map(id)) => Ok(*id),
            _ => Err(format!("its input {} is no map of the network", symbol.nodes[input[0]].name)),
        }
    }

    /// The first input, which is the images if nothing has made it.
    fn map_or_images(
        &mut self,
        symbol: &Symbol,
        node: &SymbolNode,
        shape: ImageShape,
    ) -> Result<NodeId, String> {
        let first = node.inputs.first().map(|input| input[0]).ok_or("it has no input")?;
        let name = symbol.nodes[first].name.as_str();
        if matches!(self.values.get(&first), Some(Value::Variable)) && !self.tensors.contains_key(name) {
            match self.images {
                Some(images) if images != first => {
                    let known = &symbol.nodes[images].name;
                    return Err(format!("{known} and {name} are both no parameters, and one input is read"));
                }
                Some(_) => {}
                None => {
                    let label = name.to_owned();
                    let shape =
                        shape::output(&label, &Op::Input, &[shape]).map_err(|error| error.to_string())?;
                    self.graph.nodes.insert(0, Node { op: Op::Input, inputs: Vec::new(), shape, label });
                    self.images = Some(first);
                    self.values.insert(first, Value::Map(NodeId(0)));
                }
            }
        }
        self.map(symbol, node, 0)
    }

    /// The parameter at `position`.
    fn tensor(&self, symbol: &Symbol, node: &SymbolNode, position: usize) -> Result<&'a Tensor, String> {
        let input = node.inputs.get(position).ok_or_else(|| format!("it lacks input {position}"))?;
        let name = symbol.nodes[input[0]].name.as_str();
        self.tensors
            .get(name)
            .copied()
            .ok_or_else(|| format!("its parameter {name} is not in the file of weights"))
    }

    fn param(&mut self, node: &SymbolNode, part: &str, role: Role, tensor: &Tensor) -> ParamId {
        let name = format!("{}.{part}", node.name);
        self.graph.params.push(ParamSpec { name, dims: tensor.dims.clone(), role });
        self.values_of.push(tensor.values.clone());
        ParamId(self.graph.params.len() as u32 - 1)
    }

    fn push(&mut self, node: &SymbolNode, op: Op, inputs: &[NodeId]) -> Result<Value, String> {
        let shapes: Vec<_> = inputs.iter().map(|input| self.graph.node(*input).shape).collect();
        let shape = shape::output(&node.name, &op, &shapes).map_err(|error| error.to_string())?;
        self.graph.nodes.push(Node { op, inputs: inputs.to_vec(), shape, label: node.name.clone() });
        Ok(Value::Map(NodeId(self.graph.nodes.len() as u32 - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_beside_its_numbers() {
        for (file, symbol) in [
            ("a/net-0000.params", "a/net-symbol.json"),
            ("net-0120.params", "net-symbol.json"),
            ("resnet-18-0000.params", "resnet-18-symbol.json"),
            ("net.params", "net-symbol.json"),
            ("resnet-v1.params", "resnet-v1-symbol.json"),
        ] {
            assert_eq!(place(Path::new(file)), Some(symbol.into()));
        }
    }
}
