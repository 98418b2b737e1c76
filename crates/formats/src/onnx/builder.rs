//! A graph being made from the nodes of a file: what names stand for, and how nodes come by their inputs.
//!
//! ONNX gives a map of one pixel and the list of its channels different shapes; here they are one. Which of the two a
//! value has in the file is kept beside it, because it decides what an operation means.

use std::collections::HashMap;

use plusx_model::graph::{Graph, Node, NodeId, Op, ParamId, ParamSpec};
use plusx_model::shape::{self, ImageShape};
use plusx_model::trace::Names;

use crate::onnx::constants::{Constants, int_list};
use crate::onnx::lists::List;
use crate::onnx::names::Paths;
use crate::onnx::proto::{self, Tensor};

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// The value of a node of the graph; `flat` if it has two sizes in the file (images, features), not four.
    Map { id: NodeId, flat: bool },
    /// Constant numbers.
    Tensor(&'a Tensor),
    /// A constant list of whole numbers.
    Ints(&'a [i64]),
    /// One that was computed.
    List(List),
    /// The softmax of a node's value.
    Softmax(NodeId),
}

/// A graph being made from the nodes of a file.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    /// Values of the parameters of `graph`.
    pub(super) params: Vec<Vec<f32>>,
    pub(super) values: HashMap<&'a str, Value<'a>>,
    pub(super) constants: Constants<'a>,
    /// How many nodes read a value.
    pub(super) readers: HashMap<&'a str, usize>,
    /// What the file calls the value of each node of `graph`.
    pub(super) origins: Vec<&'a str>,
    labels: Names,
    paths: Paths,
}

impl<'a> Builder<'a> {
    /// A graph of nothing but its images, which the file calls `input`.
    pub(super) fn new(input: &'a str, shape: ImageShape, constants: Constants<'a>) -> Result<Self, String> {
        let label = "input".to_owned();
        let shape = shape::output(&label, &Op::Input, &[shape]).map_err(|error| error.to_string())?;
        let node = Node { op: Op::Input, inputs: Vec::new(), shape, label };
        Ok(Self {
            graph: Graph { nodes: vec![node], ..Graph::default() },
            params: Vec::new(),
            values: HashMap::from([(input, Value::Map { id: NodeId(0), flat: false })]),
            constants,
            readers: HashMap::new(),
            origins: vec![input],
            labels: Names::new(),
            paths: Paths::default(),
        })
    }

    /// Knows these tensors by name.
    pub(super) fn with_constants(mut self, tensors: &'a [Tensor]) -> Self {
        let names = tensors.iter().map(|tensor| tensor.name.as_deref().unwrap_or_default());
        self.values.extend(names.zip(tensors.iter().map(Value::Tensor)));
        self
    }

    /// Knows who reads what.
    pub(super) fn with_readers(mut self, nodes: &[&'a proto::Node]) -> Self {
        for input in nodes.iter().flat_map(|node| &node.input) {
            *self.readers.entry(input).or_default() += 1;
        }
        self
    }

    /// What the input at `position` stands for.
    pub(super) fn input(&self, node: &'a proto::Node, position: usize) -> Result<Value<'a>, String> {
        let name = node.input.get(position).ok_or_else(|| format!("it lacks input {position}"))?;
        let unknown = || format!("its input {name:?} is no value that comes before it");
        self.values.get(name.as_str()).copied().ok_or_else(unknown)
    }

    /// A value of the network, with two or four sizes.
    pub(super) fn any(&self, node: &'a proto::Node, position: usize) -> Result<(NodeId, bool), String> {
        match self.input(node, position)? {
            Value::Map { id, flat } => Ok((id, flat)),
            Value::Softmax(_) => Err("it reads a softmax, which is understood at the end only".to_owned()),
            _ => Err(format!("its input {:?} is constant", node.input[position])),
        }
    }

    pub(super) fn map(&self, node: &'a proto::Node, position: usize) -> Result<NodeId, String> {
        match self.any(node, position)? {
            (id, false) => Ok(id),
            _ => Err(format!("its input {:?} has no rows and columns", node.input[position])),
        }
    }

    pub(super) fn flat(&self, node: &'a proto::Node, position: usize) -> Result<NodeId, String> {
        match self.any(node, position)? {
            (id, true) => Ok(id),
            _ => {
                Err(format!("its input {:?} has rows and columns; expected a flat one", node.input[position]))
            }
        }
    }

    pub(super) fn floats(
        &mut self,
        node: &'a proto::Node,
        position: usize,
    ) -> Result<(Vec<usize>, Vec<f32>), String> {
        match self.input(node, position)? {
            Value::Tensor(tensor) => self.constants.floats(tensor),
            _ => Err(format!("its input {:?} is not constant", node.input[position])),
        }
    }

    /// `length` numbers, one per channel or unit; `None` if the node has no such input.
    pub(super) fn vector(
        &mut self,
        node: &'a proto::Node,
        position: usize,
        length: usize,
    ) -> Result<Option<Vec<f32>>, String> {
        if node.input.get(position).is_none_or(|name| name.is_empty()) {
            return Ok(None);
        }
        let (dims, values) = self.floats(node, position)?;
        let row = dims.len() == 1 || (dims.len() == 2 && dims[0] == 1);
        match row && values.len() == length {
            true => Ok(Some(values)),
            false => {
                Err(format!("its input {:?} has sizes {dims:?}, expected [{length}]", node.input[position]))
            }
        }
    }

    pub(super) fn int_list(&self, node: &'a proto::Node, position: usize) -> Result<Vec<i64>, String> {
        match self.input(node, position)? {
            Value::Tensor(tensor) => int_list(tensor),
            Value::Ints(values) => Ok(values.to_vec()),
            Value::List(list) => {
                let plain = list.plain().map(<[_]>::to_vec);
                plain.ok_or_else(|| format!("its input {:?} is a table", node.input[position]))
            }
            _ => Err(format!("its input {:?} is not constant", node.input[position])),
        }
    }

    /// Adds a node without parameters.
    pub(super) fn plain(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        let shapes: Vec<ImageShape> = inputs.iter().map(|id| self.graph.node(*id).shape).collect();
        let label = self.labels.take(alias(&op));
        let shape = shape::output(&label, &op, &shapes).map_err(|error| error.to_string())?;
        self.graph.nodes.push(Node { op, inputs: inputs.to_vec(), shape, label });
        Ok(NodeId(self.graph.nodes.len() as u32 - 1))
    }

    /// Adds a node with parameters; `values` are theirs, in the order of [`Op::slots`].
    pub(super) fn layer(
        &mut self,
        node: &'a proto::Node,
        mut op: Op,
        input: NodeId,
        values: Vec<Vec<f32>>,
    ) -> Result<NodeId, String> {
        // the shapes are judged before parameters are believed
        let before = self.graph.node(input).shape;
        shape::output(node.title(), &op, &[before]).map_err(|error| error.to_string())?;
        let path = self.paths.take(node.input.get(1).map_or("", String::as_str), node);
        for (slot, values) in op.slots(before).into_iter().zip(values) {
            let expected: usize = slot.dims.iter().product();
            if values.len() != expected {
                return Err(format!("its {} needs {expected} values and has {}", slot.suffix, values.len()));
            }
            *slot.id = ParamId(self.params.len() as u32);
            let name = format!("{path}.{}", slot.suffix);
            self.graph.params.push(ParamSpec { name, dims: slot.dims, role: slot.role });
            self.params.push(values);
        }
        self.plain(op, &[input])
    }
}

/// What Gluon counts an operation under.
fn alias(op: &Op) -> &'static str {
    match op {
        Op::Conv2d { .. } => "conv",
        Op::BatchNorm { .. } => "batchnorm",
        Op::MaxPool2d { .. } | Op::AvgPool2d { .. } | Op::GlobalAvgPool2d => "pool",
        other => other.kind(),
    }
}
