//! A graph being made from the nodes of a file: what names stand for, and how nodes come by their inputs.

use std::collections::HashMap;
use std::rc::Rc;

use plusx_model::graph::{Graph, Node, NodeId, Op, ParamId, ParamSpec};
use plusx_model::shape::{self, ImageShape};
use plusx_model::trace::Names;

use crate::onnx::array::{Array, Elements};
use crate::onnx::attributes::Attributes;
use crate::onnx::constants::{Constants, LONGEST_LIST};
use crate::onnx::images::ImageInput;
use crate::onnx::layout::Layout;
use crate::onnx::names::Paths;
use crate::onnx::number::Number;
use crate::onnx::proto::{self, TensorProto};
use crate::onnx::scaling::Scaling;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// What the network computes.
    Map(Map),
    /// Constant numbers of the file.
    Tensor(&'a TensorProto),
    /// Constant numbers that were computed.
    Array(Rc<Array>),
}

/// The value of a node of the graph, as the file has it.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) id: NodeId,
    pub(super) layout: Layout,
    pub(super) pending: Pending,
    /// Whether nothing else reads that value, so that what is computed from it can become part of the node.
    pub(super) alone: bool,
}

/// What the file has done to a value that no node of the graph does yet.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Pending {
    Nothing,
    /// The images, scaled and shifted: preparation, before the network begins.
    Images(Rc<Scaling>),
    /// Rows above and below, columns to the left and right, all of one number: what the next window reads beyond the map.
    Border {
        sides: [usize; 4],
        value: f64,
    },
    /// Means over rows or columns, not yet over both.
    Mean,
    /// One image of them, taken by a node of this name: only its sizes are known.
    Part(Rc<str>),
    /// A softmax, which only the end of a network may have.
    Softmax,
}

/// A graph being made from the nodes of a file.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    /// Values of the parameters of `graph`.
    pub(super) params: Vec<Vec<f32>>,
    pub(super) values: HashMap<&'a str, Value<'a>>,
    pub(super) constants: Constants<'a>,
    /// The version of the operators.
    pub(super) opset: i64,
    /// Whether plusx wrote the file.
    pub(super) own: bool,
    /// How the images are prepared where the network begins, once it has.
    pub(super) prepared: Option<Rc<Scaling>>,
    /// What a reader should be told.
    pub(super) notes: Vec<String>,
    /// How many nodes read a value.
    readers: HashMap<&'a str, usize>,
    labels: Names,
    paths: Paths,
}

impl<'a> Builder<'a> {
    /// A graph of nothing but its images.
    pub(super) fn new(images: &ImageInput<'a>, opset: i64, constants: Constants<'a>) -> Result<Self, String> {
        let label = "input".to_owned();
        let shape = shape::output(&label, &Op::Input, &[images.shape]).map_err(|error| error.to_string())?;
        let node = Node { op: Op::Input, inputs: Vec::new(), shape, label };
        let map = Map {
            id: NodeId(0),
            layout: images.layout(),
            pending: Pending::Images(Rc::new(Scaling::none(shape.c))),
            alone: true,
        };
        Ok(Self {
            graph: Graph { nodes: vec![node], ..Graph::default() },
            params: Vec::new(),
            values: HashMap::from([(images.name, Value::Map(map))]),
            constants,
            opset,
            own: false,
            prepared: None,
            notes: Vec::new(),
            readers: HashMap::new(),
            labels: Names::new(),
            paths: Paths::default(),
        })
    }

    /// Knows these tensors by name.
    pub(super) fn with_constants(mut self, tensors: &'a [TensorProto]) -> Self {
        let names = tensors.iter().map(|tensor| tensor.name.as_deref().unwrap_or_default());
        self.values.extend(names.zip(tensors.iter().map(Value::Tensor)));
        self
    }

    /// Knows who reads what. Who only asks for sizes reads no value.
    pub(super) fn with_readers(mut self, nodes: &[&'a proto::NodeProto]) -> Self {
        let asks = |node: &&&proto::NodeProto| matches!(node.op_type.as_deref(), Some("Shape" | "Size"));
        for input in nodes.iter().filter(|node| !asks(node)).flat_map(|node| &node.input) {
            *self.readers.entry(input).or_default() += 1;
        }
        self
    }

    /// Whether a node has an input at `position`: a name of no length stands for none.
    pub(super) fn has(node: &proto::NodeProto, position: usize) -> bool {
        node.input.get(position).is_some_and(|name| !name.is_empty())
    }

    /// What the input at `position` stands for.
    pub(super) fn input(&self, node: &'a proto::NodeProto, position: usize) -> Result<Value<'a>, String> {
        let name = node.input.get(position).ok_or_else(|| format!("it lacks input {position}"))?;
        let unknown = || format!("its input {name:?} is no value that comes before it");
        let mut value = self.values.get(name.as_str()).cloned().ok_or_else(unknown)?;
        if let Value::Map(map) = &mut value {
            map.alone &= self.readers.get(name.as_str()) == Some(&1);
        }
        Ok(value)
    }

    /// A value of the network, with whatever is pending.
    pub(super) fn any(&self, node: &'a proto::NodeProto, position: usize) -> Result<Map, String> {
        match self.input(node, position)? {
            Value::Map(map) => Ok(map),
            _ => Err(format!("its input {:?} is constant", node.input[position])),
        }
    }

    /// A value of the network with nothing pending.
    pub(super) fn settled(&mut self, node: &'a proto::NodeProto, position: usize) -> Result<Map, String> {
        let map = self.any(node, position)?;
        self.settle(map)
    }

    pub(super) fn settle(&mut self, mut map: Map) -> Result<Map, String> {
        match &map.pending {
            Pending::Nothing => {}
            Pending::Images(scaling) => {
                let known = self.prepared.get_or_insert_with(|| Rc::clone(scaling));
                if known != scaling {
                    return Err(
                        "it takes the images prepared in another way than a layer before it".to_owned()
                    );
                }
                map.pending = Pending::Nothing;
            }
            Pending::Border { .. } => {
                return Err("it reads what a Pad made; only convolutions and pooling may do that".to_owned());
            }
            Pending::Mean => {
                return Err("it reads a mean over only one of rows and columns".to_owned());
            }
            Pending::Part(title) => {
                return Err(format!("it reads one of the images, which {title} took out of them"));
            }
            Pending::Softmax => {
                return Err("it reads a softmax, which is understood at the end only".to_owned());
            }
        }
        Ok(map)
    }

    /// A value with images, channels, rows and columns, with nothing pending.
    pub(super) fn map(&mut self, node: &'a proto::NodeProto, position: usize) -> Result<Map, String> {
        let map = self.settled(node, position)?;
        self.expect_map(node, position, map)
    }

    pub(super) fn expect_map(
        &self,
        node: &'a proto::NodeProto,
        position: usize,
        map: Map,
    ) -> Result<Map, String> {
        let name = &node.input[position];
        match map.layout.rank() {
            _ if map.layout.is_map() => Ok(map),
            4 => Err(format!(
                "its input {name:?} has its axes in another order than images, channels, rows, columns"
            )),
            _ => Err(format!("its input {name:?} has no rows and columns")),
        }
    }

    /// A node of the graph as a map of the usual order, for as many images as `like`.
    pub(super) fn made(&self, id: NodeId, like: &Layout) -> Value<'a> {
        let layout = Layout::map(like.images(), self.graph.node(id).shape);
        Value::Map(Map { id, layout, pending: Pending::Nothing, alone: true })
    }

    /// Constant floats for a layer.
    pub(super) fn floats(
        &mut self,
        node: &'a proto::NodeProto,
        position: usize,
    ) -> Result<(Vec<usize>, Vec<f32>), String> {
        match self.input(node, position)? {
            Value::Tensor(tensor) => self.constants.floats(tensor),
            Value::Array(array) => self.constants.of_array(&array),
            Value::Map(_) => Err(format!("its input {:?} is not constant", node.input[position])),
        }
    }

    /// Constant numbers of any kind, to compute with.
    pub(super) fn array(&mut self, node: &'a proto::NodeProto, position: usize) -> Result<Rc<Array>, String> {
        match self.input(node, position)? {
            Value::Tensor(tensor) => self.constants.array(tensor).map(Rc::new),
            Value::Array(array) => {
                // whoever asks for it looks at all of it
                if let Elements::Numbers(_) | Elements::Floats(_) = array.elements {
                    self.constants.spend(array.count()?)?;
                }
                Ok(array)
            }
            Value::Map(_) => Err(format!("its input {:?} is not constant", node.input[position])),
        }
    }

    /// `length` numbers, one per channel or unit; `None` if the node has no such input.
    pub(super) fn vector(
        &mut self,
        node: &'a proto::NodeProto,
        position: usize,
        length: usize,
    ) -> Result<Option<Vec<f32>>, String> {
        if !Self::has(node, position) {
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

    /// A constant list of numbers.
    pub(super) fn number_list(
        &mut self,
        node: &'a proto::NodeProto,
        position: usize,
    ) -> Result<Vec<Number>, String> {
        let array = self.array(node, position)?;
        match array.dims.len() {
            0 | 1 => array.numbers(),
            axes => Err(format!("its input {:?} has {axes} axes, expected a list", node.input[position])),
        }
    }

    /// A short list of sizes or axes.
    pub(super) fn int_list(
        &mut self,
        node: &'a proto::NodeProto,
        position: usize,
    ) -> Result<Vec<i64>, String> {
        let list = self.number_list(node, position)?;
        if list.len() > LONGEST_LIST {
            return Err(format!("its input {:?} is a list of {} numbers", node.input[position], list.len()));
        }
        list.into_iter().map(Number::int).collect()
    }

    /// A short list that is an attribute in some versions of an operator and an input in others; `None` if it is left out.
    pub(super) fn setting(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
        name: &str,
        position: usize,
    ) -> Result<Option<Vec<i64>>, String> {
        match a.ints(name)? {
            Some(list) => Ok(Some(list.to_vec())),
            None if Self::has(node, position) => self.int_list(node, position).map(Some),
            None => Ok(None),
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
        node: &'a proto::NodeProto,
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
