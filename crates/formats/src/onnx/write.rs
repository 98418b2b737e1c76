//! From a graph to the bytes of an ONNX file: one node after another, each as one ONNX node or few.
//!
//! Values of one image are rows, columns and channels here throughout; ONNX has four sizes for maps and two for what
//! dense layers make. Between them a `Flatten` or `Unsqueeze` is put where a node needs the other kind.

use std::collections::HashSet;

use plusx_model::graph::{ConvSpec, Graph, Node, NodeId, Op, ParamId, PoolSpec};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;
use prost::Message;

use crate::error::FormatError;
use crate::onnx::fold::{Norm, fold, plan};
use crate::onnx::options::{ExportModel, Input, LARGEST, OnnxOptions};
use crate::onnx::proto::{self, Attribute, TensorProto, ValueInfo};
use crate::onnx::{describe, ultralytics};

/// Version of the file format: old enough for every reader still in use.
const IR_VERSION: i64 = 8;

/// Version of the operators, as old as IR 8; none that a residual network needs has changed its meaning since.
const OPSET: i64 = 17;

/// Version of the model: some programs refuse files without one, and plusx counts none.
const MODEL_VERSION: i64 = 1;

/// The bytes of a file, unproven; see [`export`](super::export). Equal arguments give equal bytes: no date, no host.
///
/// # Errors
/// [`FormatError::Encode`] if graph, parameters and metadata do not belong together, a softmax is asked of a map,
/// [`OnnxOptions::batch`] is no size of a batch, Ultralytics has no such images, or the file would be larger than ONNX
/// allows.
pub fn encode(model: &ExportModel<'_>, options: OnnxOptions) -> Result<Vec<u8>, FormatError> {
    let options = options.settled();
    check(model)?;
    // sizes are 64-bit numbers with a sign, and no program takes so many images
    if options.batch.is_some_and(|batch| batch == 0 || i32::try_from(batch).is_err()) {
        let batch = options.batch.unwrap_or_default();
        return Err(encode_error(format!(
            "a batch of {batch} images is none; 1 to {} are possible",
            i32::MAX
        )));
    }
    let mut writer = Writer::new(model.graph, model.params);
    let (images, first) = writer.front(&model.meta.preprocess, options)?;
    let output = writer.network(first, options)?;
    let graph = proto::GraphProto {
        node: writer.nodes,
        name: Some(model.meta.architecture.clone()),
        initializer: writer.initializers,
        input: vec![images],
        output: vec![output],
    };
    let file = proto::ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("plusx".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        model_version: Some(MODEL_VERSION),
        graph: Some(graph),
        opset_import: vec![proto::OperatorSet { domain: Some(String::new()), version: Some(OPSET) }],
        metadata_props: describe::entries(model.meta, options),
    };
    let (size, limit) = (file.encoded_len(), LARGEST);
    if size as u64 > limit {
        return Err(encode_error(format!("the file would have {size} bytes, and ONNX allows {limit}")));
    }
    Ok(file.encode_to_vec())
}

pub(super) fn encode_error(reason: String) -> FormatError {
    FormatError::Encode { reason }
}

/// Whether the parts of a model belong together.
fn check(model: &ExportModel<'_>) -> Result<(), FormatError> {
    let ExportModel { graph, params, meta } = model;
    graph.check().map_err(|error| encode_error(error.to_string()))?;
    if !params.fits(graph) {
        return Err(encode_error("the parameters are those of another network".to_owned()));
    }
    meta.preprocess.check().map_err(|error| encode_error(error.to_string()))?;
    let (prepared, input) = (meta.preprocess.input, graph.input_shape());
    if prepared != input {
        return Err(encode_error(format!("pictures become {prepared}, but the network takes {input}")));
    }
    let (classes, outputs) = (meta.classes.len(), graph.output_shape().len());
    if classes != outputs {
        return Err(encode_error(format!("{classes} class names for {outputs} outputs")));
    }
    Ok(())
}

/// A value in the file.
#[derive(Clone)]
struct Value {
    name: String,
    /// Whether it has two sizes (images, features), not four.
    flat: bool,
}

pub(super) struct Writer<'a> {
    graph: &'a Graph,
    params: &'a Params,
    nodes: Vec<proto::NodeProto>,
    initializers: Vec<TensorProto>,
    /// Names given so far, of values and initializers alike.
    taken: HashSet<String>,
    /// Initializers of parameters that are written as they are, by parameter.
    written: Vec<Option<String>>,
    /// One for each node of the graph so far.
    values: Vec<Value>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph, params: &'a Params) -> Self {
        let taken = ["input", "logits", "probabilities", ultralytics::INPUT, ultralytics::OUTPUT];
        let taken = taken.map(str::to_owned).into();
        let (nodes, initializers, values) = Default::default();
        let written = vec![None; graph.params.len()];
        Self { graph, params, nodes, initializers, taken, written, values }
    }

    /// All nodes of the graph, and what the file calls its output.
    fn network(&mut self, input: String, options: OnnxOptions) -> Result<ValueInfo, FormatError> {
        let folds = match options.keep_batch_norm {
            true => vec![None; self.graph.nodes.len()],
            false => plan(self.graph),
        };
        self.values.push(Value { name: input, flat: false });
        for (index, node) in self.graph.nodes.iter().enumerate().skip(1) {
            let folded = node.inputs.iter().any(|input| folds[input.index()] == Some(NodeId(index as u32)));
            let value = match folded {
                true => self.values[node.inputs[0].index()].clone(),
                false => self.operation(node, folds[index])?,
            };
            self.values.push(value);
        }
        self.finish(options)
    }

    fn finish(&mut self, options: OnnxOptions) -> Result<ValueInfo, FormatError> {
        let OnnxOptions { softmax, input, batch, .. } = options;
        let output = self.graph.output();
        let shape = self.graph.output_shape();
        let is_map = shape.pixels() > 1;
        if softmax && is_map {
            return Err(encode_error(format!("a softmax needs one number per class, the output is {shape}")));
        }
        let last = if is_map { self.map_of(output) } else { self.flat_of(output) };
        let (op, name) = if softmax { ("Softmax", "probabilities") } else { ("Identity", "logits") };
        let name = if input == Input::Ultralytics { ultralytics::OUTPUT } else { name };
        let attributes = if softmax { vec![Attribute::int("axis", 1)] } else { Vec::new() };
        self.push(op, name, &[&last], attributes);
        let sizes = if is_map { vec![shape.c, shape.h, shape.w] } else { vec![shape.c] };
        Ok(ValueInfo::batch_of(name, proto::FLOAT, batch, &sizes))
    }

    /// One node; `norm` is the batch norm that it takes in.
    fn operation(&mut self, node: &Node, norm: Option<NodeId>) -> Result<Value, FormatError> {
        let name = self.title(node);
        let map = |name| Value { name, flat: false };
        Ok(match node.op {
            // the loop begins after it, and a checked graph has no second one
            Op::Input => self.values[0].clone(),
            Op::Conv2d { spec, weight, bias } => {
                let x = self.map_of(node.inputs[0]);
                let mut inputs = vec![x];
                match norm.map(|id| self.graph.node(id).op) {
                    Some(Op::BatchNorm { spec, gamma, beta, mean, var }) => {
                        let norm = Norm { spec, gamma, beta, mean, var };
                        let (filter, shift) = fold(self.params, weight, bias, norm);
                        let dims = self.graph.param(weight).dims.clone();
                        let stem = self.stem(weight);
                        inputs.push(self.floats(&format!("{stem}.weight"), &dims, &filter));
                        inputs.push(self.floats(&format!("{stem}.bias"), &dims[..1], &shift));
                    }
                    _ => inputs.extend([Some(weight), bias].into_iter().flatten().map(|id| self.param(id))),
                }
                map(self.node("Conv", &name, &inputs, &conv_attributes(&spec)))
            }
            Op::BatchNorm { spec, gamma, beta, mean, var } => {
                let x = self.values[node.inputs[0].index()].clone();
                let mut inputs = vec![x.name];
                inputs.extend([gamma, beta, mean, var].map(|id| self.param(id)));
                let attributes =
                    [Attribute::float("epsilon", spec.epsilon), Attribute::float("momentum", spec.momentum)];
                Value { name: self.node("BatchNormalization", &name, &inputs, &attributes), flat: x.flat }
            }
            Op::Relu => {
                let x = self.values[node.inputs[0].index()].clone();
                Value { name: self.node("Relu", &name, &[x.name], &[]), flat: x.flat }
            }
            Op::MaxPool2d { spec } => {
                let x = self.map_of(node.inputs[0]);
                map(self.node("MaxPool", &name, &[x], &pool_attributes(&spec, false)))
            }
            Op::AvgPool2d { spec, ceil } => {
                let x = self.map_of(node.inputs[0]);
                // said only where it matters: not every program knows it
                let ceil = ceil && rounds_up(self.graph.shape_before(node), node.shape, &spec);
                map(self.node("AveragePool", &name, &[x], &pool_attributes(&spec, ceil)))
            }
            Op::Subsample { spec } => {
                let (x, channels) = (self.map_of(node.inputs[0]), self.graph.shape_before(node).c);
                map(self.subsample(&name, x, channels, spec))
            }
            Op::GlobalAvgPool2d => {
                let x = self.map_of(node.inputs[0]);
                map(self.node("GlobalAveragePool", &name, &[x], &[]))
            }
            Op::Dense { weight, bias, .. } => {
                let mut inputs = vec![self.flat_of(node.inputs[0])];
                inputs.extend([Some(weight), bias].into_iter().flatten().map(|id| self.param(id)));
                let name = self.node("Gemm", &name, &inputs, &[Attribute::int("transB", 1)]);
                Value { name, flat: true }
            }
            Op::Add => {
                let (a, b) = (self.map_of(node.inputs[0]), self.map_of(node.inputs[1]));
                map(self.node("Add", &name, &[a, b], &[]))
            }
            Op::Sigmoid => {
                let x = self.values[node.inputs[0].index()].clone();
                Value { name: self.node("Sigmoid", &name, &[x.name], &[]), flat: x.flat }
            }
            Op::Multiply => {
                let (x, scale) = (self.map_of(node.inputs[0]), self.map_of(node.inputs[1]));
                map(self.node("Mul", &name, &[x, scale], &[]))
            }
            Op::Concat { .. } => {
                let parts: Vec<String> = node.inputs.iter().map(|input| self.map_of(*input)).collect();
                map(self.node("Concat", &name, &parts, &[Attribute::int("axis", 1)]))
            }
        })
    }

    /// What a node is called: as its parameters are ("layer1.0.conv1"), else by its label.
    fn title(&self, node: &Node) -> String {
        let own = self.graph.params_of(node).first().map(|id| self.stem(*id));
        own.filter(|stem| !stem.is_empty()).unwrap_or_else(|| node.label.clone())
    }

    /// The name of a parameter without its last segment.
    fn stem(&self, id: ParamId) -> String {
        let name = &self.graph.param(id).name;
        name.rsplit_once('.').map_or("", |(stem, _)| stem).to_owned()
    }

    /// The value of a node with four sizes.
    fn map_of(&mut self, id: NodeId) -> String {
        let Value { name, flat } = self.values[id.index()].clone();
        if !flat {
            return name;
        }
        let axes = self.ints(&format!("{name}_axes"), &[2, 3]);
        self.node("Unsqueeze", &format!("{name}_map"), &[name, axes], &[])
    }

    /// The value of a node with two sizes; (channel, row, column) order, as dense layers read maps.
    fn flat_of(&mut self, id: NodeId) -> String {
        let Value { name, flat } = self.values[id.index()].clone();
        match flat {
            true => name,
            false => self.node("Flatten", &format!("{name}_flat"), &[name], &[Attribute::int("axis", 1)]),
        }
    }

    /// The initializer of a parameter that is written as it is.
    fn param(&mut self, id: ParamId) -> String {
        if let Some(name) = &self.written[id.index()] {
            return name.clone();
        }
        let spec = self.graph.param(id);
        let name = self.floats(&spec.name, &spec.dims, self.params.get(id));
        self.written[id.index()] = Some(name.clone());
        name
    }

    /// Adds an initializer of floats; gives its name.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let name = self.unique(name);
        self.initializers.push(TensorProto::floats(name.clone(), dims, values));
        name
    }

    /// Likewise a list of whole numbers.
    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> String {
        let name = self.unique(name);
        self.initializers.push(TensorProto::int_list(name.clone(), values));
        name
    }

    /// Adds a node whose value has its name; gives that name.
    pub(super) fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[impl AsRef<str>],
        attributes: &[Attribute],
    ) -> String {
        let name = self.unique(name);
        self.push(op, &name, inputs, attributes.to_vec());
        name
    }

    fn push(&mut self, op: &str, name: &str, inputs: &[impl AsRef<str>], attribute: Vec<Attribute>) {
        self.nodes.push(proto::NodeProto {
            input: inputs.iter().map(|input| input.as_ref().to_owned()).collect(),
            output: vec![name.to_owned()],
            name: Some(name.to_owned()),
            op_type: Some(op.to_owned()),
            attribute,
            domain: None,
        });
    }

    /// `wanted`, or that with a number if something has the name already.
    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut count = 1;
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = format!("{wanted}_{count}");
        }
        name
    }
}

/// The same padding before and after.
fn pads(padding: [usize; 2]) -> Attribute {
    Attribute::ints("pads", &[padding[0], padding[1], padding[0], padding[1]])
}

pub(super) fn conv_attributes(spec: &ConvSpec) -> [Attribute; 5] {
    [
        Attribute::ints("dilations", &spec.dilation),
        Attribute::int("group", spec.groups as i64),
        Attribute::ints("kernel_shape", &spec.kernel),
        pads(spec.padding),
        Attribute::ints("strides", &spec.stride),
    ]
}

/// Whether a map is larger than sizes rounded down would make it.
fn rounds_up(before: ImageShape, after: ImageShape, spec: &PoolSpec) -> bool {
    let down = |axis: usize, size: usize| {
        let spare = (size + 2 * spec.padding[axis]).saturating_sub(spec.kernel[axis]);
        spare / spec.stride[axis].max(1) + 1
    };
    down(0, before.h) < after.h || down(1, before.w) < after.w
}

fn pool_attributes(spec: &PoolSpec, ceil: bool) -> [Attribute; 4] {
    [
        Attribute::int("ceil_mode", i64::from(ceil)),
        Attribute::ints("kernel_shape", &spec.kernel),
        pads(spec.padding),
        Attribute::ints("strides", &spec.stride),
    ]
}
