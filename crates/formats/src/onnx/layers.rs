//! From ONNX nodes to nodes of the graph: what each operation must look like to be understood.

use plusx_model::graph::{
    BatchNormSpec, ConvSpec, NodeId, Op, ParamId, ParamSpec, PoolSpec, Role, RunningVariance,
};

use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::proto::{self, Tensor};

/// Stands for the ids of parameters until they exist.
const LATER: ParamId = ParamId(0);

impl<'a> Builder<'a> {
    /// Adds one node; an error says what about it is not understood.
    pub(super) fn add(&mut self, node: &'a proto::Node) -> Result<(), String> {
        let output = node.output.first().ok_or("it has no output")?;
        if !matches!(node.domain.as_deref(), None | Some("" | "ai.onnx")) {
            return Err(format!(
                "operators of {} are not understood",
                node.domain.as_deref().unwrap_or_default()
            ));
        }
        let mut attributes = Attributes::of(node);
        let a = &mut attributes;
        let list = self.list(node, a)?;
        let value = match node.op_type.as_deref().unwrap_or_default() {
            _ if list.is_some() => list.ok_or("it is no list")?,
            "Conv" => self.conv(node, a)?,
            "BatchNormalization" => self.batch_norm(node, a)?,
            "Relu" => self.relu(node)?,
            "MaxPool" => self.max_pool(node, a)?,
            "GlobalAveragePool" => self.global_pool(node, false)?,
            "ReduceMean" => self.reduce_mean(node, a)?,
            "AveragePool" => self.average_pool(node, a)?,
            "Slice" => self.slice(node)?,
            "Pad" => self.pad(node, a)?,
            "Add" => self.sum(node)?,
            "Gemm" => self.gemm(node, a)?,
            "MatMul" => self.matmul(node)?,
            "Flatten" => self.flatten(node, a)?,
            "Reshape" => self.reshape(node, a)?,
            "Squeeze" | "Unsqueeze" => self.squeeze(node, a)?,
            "Softmax" => self.softmax(node, a)?,
            "Identity" => self.input(node, 0)?,
            "Dropout" => self.dropout(node, a)?,
            "Constant" => constant(a)?,
            _ => return Err("this operation is not understood".to_owned()),
        };
        attributes.finish()?;
        // unless the node only passes a value on
        if self.origins.len() < self.graph.nodes.len() {
            self.origins.push(output);
        }
        match self.values.insert(output, value) {
            None => Ok(()),
            Some(_) => Err(format!("another value is called {output:?} already")),
        }
    }

    fn conv(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let x = self.map(node, 0)?;
        let (dims, filter) = self.floats(node, 1)?;
        let [channels, per_group, rows, columns] = dims[..] else {
            return Err(format!(
                "its filter has sizes {dims:?}; only two-dimensional convolutions are understood"
            ));
        };
        let kernel = [rows, columns];
        expect_kernel(a, kernel)?;
        let groups = usize::try_from(a.int("group", 1)?).map_err(|_| "attribute group is negative")?;
        let spec = ConvSpec {
            channels,
            kernel,
            stride: a.sizes("strides")?.unwrap_or([1, 1]),
            padding: a.padding()?,
            dilation: a.sizes("dilations")?.unwrap_or([1, 1]),
            groups,
        };
        let input = self.graph.node(x).shape;
        if per_group.checked_mul(groups) != Some(input.c) {
            return Err(format!("its filter {dims:?} with {groups} groups does not fit an input of {input}"));
        }
        let bias = self.vector(node, 2, channels)?;
        if bias.is_none()
            && let Some(shortcut) = self.shortcut(node, x, (&spec, &filter))?
        {
            return Ok(shortcut);
        }
        let op = Op::Conv2d { spec, weight: LATER, bias: bias.as_ref().map(|_| LATER) };
        let values = std::iter::once(filter).chain(bias).collect();
        self.layer(node, op, x, values).map(|id| Value::Map { id, flat: false })
    }

    fn batch_norm(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let (x, flat) = self.any(node, 0)?;
        a.expect("training_mode", 0)?;
        // of versions 7 and 8, where 1 is the only value that convolutions use
        a.expect("spatial", 1)?;
        let spec = BatchNormSpec {
            epsilon: a.float("epsilon", 1e-5)?,
            momentum: a.float("momentum", 0.9)?,
            running_variance: RunningVariance::Unbiased,
        };
        let channels = self.graph.node(x).shape.c;
        let mut values = Vec::new();
        for index in 1..=4 {
            values.push(self.vector(node, index, channels)?.ok_or("it needs four parameters")?);
        }
        let op = Op::BatchNorm { spec, gamma: LATER, beta: LATER, mean: LATER, var: LATER };
        self.layer(node, op, x, values).map(|id| Value::Map { id, flat })
    }

    fn relu(&mut self, node: &'a proto::Node) -> Result<Value<'a>, String> {
        let (x, flat) = self.any(node, 0)?;
        self.plain(Op::Relu, &[x]).map(|id| Value::Map { id, flat })
    }

    fn max_pool(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let x = self.map(node, 0)?;
        let spec = PoolSpec {
            kernel: a.sizes("kernel_shape")?.ok_or("it has no kernel_shape")?,
            stride: a.sizes("strides")?.unwrap_or([1, 1]),
            padding: a.padding()?,
        };
        a.expect("ceil_mode", 0)?;
        // the order of the indices, a second output that nothing here can read
        a.ignore(&["storage_order"]);
        match a.sizes("dilations")? {
            None | Some([1, 1]) => {}
            Some(other) => return Err(format!("attribute dilations is {other:?}, only 1 is understood")),
        }
        self.plain(Op::MaxPool2d { spec }, &[x]).map(|id| Value::Map { id, flat: false })
    }

    fn global_pool(&mut self, node: &'a proto::Node, flat: bool) -> Result<Value<'a>, String> {
        let x = self.map(node, 0)?;
        self.plain(Op::GlobalAvgPool2d, &[x]).map(|id| Value::Map { id, flat })
    }

    /// The mean over rows and columns.
    fn reduce_mean(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        a.ignore(&["noop_with_empty_axes"]);
        let keep = a.int("keepdims", 1)?;
        // an attribute before opset 18, an input since
        let mut axes = match a.ints("axes")? {
            Some(axes) => axes.to_vec(),
            None => self.int_list(node, 1)?,
        };
        axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis = axis.saturating_add(4));
        axes.sort_unstable();
        match axes[..] {
            [2, 3] => self.global_pool(node, keep == 0),
            _ => Err(format!("its axes are {axes:?}; only the mean over rows and columns is understood")),
        }
    }

    fn average_pool(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let shape = self.graph.node(self.map(node, 0)?).shape;
        let kernel: [usize; 2] = a.sizes("kernel_shape")?.ok_or("it has no kernel_shape")?;
        let padding = a.padding()?;
        let stride = a.sizes("strides")?.unwrap_or([1, 1]);
        let ceil = a.int("ceil_mode", 0)? != 0;
        let border = a.int("count_include_pad", 0)? != 0;
        if kernel == [shape.h, shape.w] && padding == [0, 0] {
            return self.global_pool(node, false);
        }
        if border && padding != [0, 0] {
            return Err(
                "it counts the border in its means; only count_include_pad 0 is understood".to_owned()
            );
        }
        let x = self.map(node, 0)?;
        let op = Op::AvgPool2d { spec: PoolSpec { kernel, stride, padding }, ceil };
        self.plain(op, &[x]).map(|id| Value::Map { id, flat: false })
    }

    /// A residual sum, or the bias of a layer written apart from it.
    fn sum(&mut self, node: &'a proto::Node) -> Result<Value<'a>, String> {
        match (self.input(node, 0)?, self.input(node, 1)?) {
            (Value::Map { id: left, flat }, Value::Map { id: right, flat: other }) if flat == other => {
                self.plain(Op::Add, &[left, right]).map(|id| Value::Map { id, flat })
            }
            (Value::Map { id, flat }, Value::Tensor(tensor)) => self.late_bias(node, 0, (id, flat), tensor),
            (Value::Tensor(tensor), Value::Map { id, flat }) => self.late_bias(node, 1, (id, flat), tensor),
            _ => Err("it adds values of different kinds".to_owned()),
        }
    }

    fn late_bias(
        &mut self,
        node: &'a proto::Node,
        position: usize,
        (id, flat): (NodeId, bool),
        tensor: &'a Tensor,
    ) -> Result<Value<'a>, String> {
        let layer = self.graph.node(id);
        let channels = layer.shape.c;
        let name = node.input[position].as_str();
        let alone = self.origins[id.index()] == name && self.readers.get(name) == Some(&1);
        let (Op::Conv2d { bias: None, weight, .. } | Op::Dense { bias: None, weight, .. }) = layer.op else {
            return Err("it adds numbers to what is no layer without a bias".to_owned());
        };
        let (dims, values) = self.constants.floats(tensor)?;
        // along the channels, nowhere else
        let wanted: &[usize] = if flat { &[1, channels] } else { &[1, channels, 1, 1] };
        let fits = dims.len() <= wanted.len() && wanted.ends_with(&dims) && values.len() == channels;
        if !alone || !fits {
            return Err(format!("it adds numbers of sizes {dims:?} in a way that is no layer's bias"));
        }
        let stem = self.graph.param(weight).name.trim_end_matches("weight").to_owned();
        let new = ParamId(self.params.len() as u32);
        let mut op = layer.op;
        match &mut op {
            Op::Conv2d { bias, .. } | Op::Dense { bias, .. } => *bias = Some(new),
            _ => {}
        }
        self.graph.nodes[id.index()].op = op;
        let (name, role) = (format!("{stem}bias"), Role::Bias);
        self.graph.params.push(ParamSpec { name, dims: vec![channels], role });
        self.params.push(values);
        Ok(Value::Map { id, flat })
    }

    fn gemm(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        a.expect("transA", 0)?;
        for factor in ["alpha", "beta"] {
            match a.float(factor, 1.0)? {
                1.0 => {}
                value => return Err(format!("attribute {factor} is {value}, only 1 is understood")),
            }
        }
        let transposed = a.int("transB", 0)? != 0;
        self.dense(node, transposed)
    }

    fn matmul(&mut self, node: &'a proto::Node) -> Result<Value<'a>, String> {
        self.dense(node, false)
    }

    /// A matrix of \[units, features\], or the other way round unless `transposed`.
    fn dense(&mut self, node: &'a proto::Node, transposed: bool) -> Result<Value<'a>, String> {
        let x = self.flat(node, 0)?;
        let (dims, values) = self.floats(node, 1)?;
        let [rows, columns] = dims[..] else { return Err(format!("its matrix has sizes {dims:?}")) };
        let (units, features) = if transposed { (rows, columns) } else { (columns, rows) };
        let input = self.graph.node(x).shape;
        if features != input.len() {
            return Err(format!("its matrix {dims:?} does not fit an input of {input}"));
        }
        let matrix = match transposed {
            true => values,
            false => (0..values.len()).map(|i| values[i % features * units + i / features]).collect(),
        };
        let bias = self.vector(node, 2, units)?;
        let op = Op::Dense { units, weight: LATER, bias: bias.as_ref().map(|_| LATER) };
        let values = std::iter::once(matrix).chain(bias).collect();
        self.layer(node, op, x, values).map(|id| Value::Map { id, flat: true })
    }

    fn flatten(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let (id, flat) = self.any(node, 0)?;
        let axis = a.int("axis", 1)?;
        match axis == 1 || axis == if flat { -1 } else { -3 } {
            true => Ok(Value::Map { id, flat: true }),
            false => Err(format!("attribute axis is {axis}; only all of an image is flattened")),
        }
    }

    /// To two sizes, images and features; whatever the file says about the number of images.
    fn reshape(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let (id, _) = self.any(node, 0)?;
        a.ignore(&["allowzero"]);
        let wanted = self.int_list(node, 1)?;
        let features = self.graph.node(id).shape.len() as i64;
        match wanted[..] {
            [_, last] if last == features || (last == -1 && wanted[0] != -1) => {
                Ok(Value::Map { id, flat: true })
            }
            _ => Err(format!("it asks for sizes {wanted:?}; only [images, {features}] is understood")),
        }
    }

    /// Rows and columns of a map of one pixel, left out or put back.
    fn squeeze(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let (id, flat) = self.any(node, 0)?;
        let adds = node.op_type.as_deref() == Some("Unsqueeze");
        let mut axes = match a.ints("axes")? {
            Some(axes) => axes.to_vec(),
            None => self.int_list(node, 1)?,
        };
        axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis = axis.saturating_add(4));
        axes.sort_unstable();
        match axes[..] == [2, 3] && flat == adds && self.graph.node(id).shape.pixels() == 1 {
            true => Ok(Value::Map { id, flat: !adds }),
            false => Err(format!("its axes are {axes:?}; only the two of one pixel are understood")),
        }
    }

    fn softmax(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let id = self.flat(node, 0)?;
        match a.int("axis", 1)? {
            1 | -1 => Ok(Value::Softmax(id)),
            axis => Err(format!("attribute axis is {axis}; only a softmax over classes is understood")),
        }
    }

    /// Nothing happens outside of training.
    fn dropout(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        a.ignore(&["ratio", "seed", "is_test"]);
        match node.input.get(2).is_some_and(|input| !input.is_empty()) {
            false => self.input(node, 0),
            true => {
                Err("whether it trains is decided by another value; export the model for inference".into())
            }
        }
    }
}

/// A window whose sizes are known otherwise.
fn expect_kernel(a: &mut Attributes<'_>, kernel: [usize; 2]) -> Result<(), String> {
    match a.sizes::<2>("kernel_shape")? {
        Some(stated) if stated != kernel => {
            Err(format!("attribute kernel_shape is {stated:?}, but its filter has {kernel:?}"))
        }
        _ => Ok(()),
    }
}

fn constant<'a>(a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
    if let Some(tensor) = a.tensor("value") {
        return Ok(Value::Tensor(tensor));
    }
    match a.ints("value_ints")? {
        Some(values) => Ok(Value::Ints(values)),
        None => Err("only constants of tensors and of lists of whole numbers are understood".to_owned()),
    }
}
