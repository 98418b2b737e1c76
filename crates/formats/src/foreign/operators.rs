//! The operators of an MXNet symbol, as nodes of a graph. Each setting that is not understood is refused by its name and value.

use std::collections::{HashMap, HashSet};

use plusx_model::graph::{
    BatchNormSpec, ConvSpec, Graph, Node, NodeId, Op, ParamId, ParamSpec, PoolSpec, Role, RunningVariance,
};
use plusx_model::shape::{self, ImageShape};

use super::symbol_file::{Symbol, SymbolNode};
use super::tensor::NamedTensor;

/// What a node stands for.
#[derive(Clone, Copy)]
pub(super) enum SymbolValue {
    /// The images, or a parameter: the reader decides.
    Variable,
    Map(NodeId),
}

/// A network being made.
pub(super) struct Build<'a> {
    tensors: HashMap<&'a str, &'a NamedTensor>,
    pub(super) graph: Graph,
    /// Values of the parameters of `graph`.
    pub(super) values_of: Vec<Vec<f32>>,
    pub(super) values: HashMap<usize, SymbolValue>,
    /// Parameters that a layer has already: each is copied once.
    pub(super) used: HashSet<&'a str>,
    /// The node that is the images.
    images: Option<usize>,
    pub(super) fixed: usize,
    pub(super) epsilons: Vec<f32>,
}

impl<'a> Build<'a> {
    pub(super) fn new(tensors: &'a [NamedTensor]) -> Self {
        Self {
            tensors: tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
            graph: Graph::default(),
            values_of: Vec::new(),
            values: HashMap::new(),
            used: HashSet::new(),
            images: None,
            fixed: 0,
            epsilons: Vec::new(),
        }
    }

    /// The value of an operator, on images of `sizes` rows and columns.
    pub(super) fn operator(
        &mut self,
        symbol: &Symbol,
        node: &SymbolNode,
        sizes: [usize; 2],
    ) -> Result<SymbolValue, String> {
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
            "identity" | "_copy" | "BlockGrad" => {
                let first = node.inputs.first().map(|input| input[0]).ok_or("it has no input")?;
                match self.values.get(&first) {
                    // the images themselves
                    Some(SymbolValue::Variable)
                        if !self.tensors.contains_key(symbol.nodes[first].name.as_str()) =>
                    {
                        Ok(SymbolValue::Variable)
                    }
                    _ => Ok(SymbolValue::Map(self.map(symbol, node, 0)?)),
                }
            }
            "Flatten" | "flatten" | "SoftmaxOutput" | "Softmax" | "SoftmaxActivation" => {
                Ok(SymbolValue::Map(self.map(symbol, node, 0)?))
            }
            "softmax" => {
                node.one_of("axis", &["-1", "1"])?;
                node.one_of("temperature", &["None", "1.0"])?;
                Ok(SymbolValue::Map(self.map(symbol, node, 0)?))
            }
            "Dropout" => {
                node.one_of("mode", &["training"])?;
                Ok(SymbolValue::Map(self.map(symbol, node, 0)?))
            }
            _ => Err("this operator is not read; residual networks of MXNet and Gluon are".to_owned()),
        }
    }

    fn convolution(
        &mut self,
        symbol: &Symbol,
        node: &SymbolNode,
        [h, w]: [usize; 2],
    ) -> Result<SymbolValue, String> {
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
    ) -> Result<SymbolValue, String> {
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
        let ones = NamedTensor { values: vec![1.0; gamma.values.len()], ..gamma.clone() };
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

    fn dense(&mut self, symbol: &Symbol, node: &SymbolNode) -> Result<SymbolValue, String> {
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
    fn plain(&mut self, symbol: &Symbol, node: &SymbolNode, op: Op) -> Result<SymbolValue, String> {
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
            Some(SymbolValue::Map(id)) => Ok(*id),
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
        if matches!(self.values.get(&first), Some(SymbolValue::Variable)) && !self.tensors.contains_key(name)
        {
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
                    self.values.insert(first, SymbolValue::Map(NodeId(0)));
                }
            }
        }
        self.map(symbol, node, 0)
    }

    /// The parameter at `position`.
    fn tensor(
        &mut self,
        symbol: &Symbol,
        node: &SymbolNode,
        position: usize,
    ) -> Result<&'a NamedTensor, String> {
        let input = node.inputs.get(position).ok_or_else(|| format!("it lacks input {position}"))?;
        let name = symbol.nodes[input[0]].name.as_str();
        let lacks = || format!("its parameter {name} is not in the file of weights");
        let tensor = self.tensors.get(name).copied().ok_or_else(lacks)?;
        match self.used.insert(&tensor.name) {
            true => Ok(tensor),
            false => Err(format!("its parameter {name} is another layer's, too")),
        }
    }

    fn param(&mut self, node: &SymbolNode, part: &str, role: Role, tensor: &NamedTensor) -> ParamId {
        let name = format!("{}.{part}", node.name);
        self.graph.params.push(ParamSpec { name, dims: tensor.dims.clone(), role });
        self.values_of.push(tensor.values.clone());
        ParamId(self.graph.params.len() as u32 - 1)
    }

    fn push(&mut self, node: &SymbolNode, op: Op, inputs: &[NodeId]) -> Result<SymbolValue, String> {
        let shapes: Vec<_> = inputs.iter().map(|input| self.graph.node(*input).shape).collect();
        let shape = shape::output(&node.name, &op, &shapes).map_err(|error| error.to_string())?;
        self.graph.nodes.push(Node { op, inputs: inputs.to_vec(), shape, label: node.name.clone() });
        Ok(SymbolValue::Map(NodeId(self.graph.nodes.len() as u32 - 1)))
    }
}
