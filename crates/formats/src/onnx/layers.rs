//! From ONNX nodes to nodes of the graph: what each operation must look like to be understood.

use plusx_model::graph::{BatchNormSpec, ConvSpec, Op, ParamId, RunningVariance};

use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Map, Pending, Value};
use crate::onnx::layout::C;
use crate::onnx::proto;
use crate::onnx::windows::{Sides, Window};

/// Stands for the ids of parameters until they exist.
pub(super) const LATER: ParamId = ParamId(0);

impl<'a> Builder<'a> {
    /// Adds one node; an error says what about it is not understood.
    pub(super) fn add(&mut self, node: &'a proto::NodeProto) -> Result<(), String> {
        let first = node.output.first().ok_or("it has no output")?;
        if !matches!(node.domain.as_deref(), None | Some("" | "ai.onnx")) {
            return Err(format!(
                "operators of {} are not understood",
                node.domain.as_deref().unwrap_or_default()
            ));
        }
        let mut attributes = Attributes::of(node);
        let a = &mut attributes;
        if let Some(values) = self.computed(node, a)? {
            attributes.finish()?;
            return node.output.iter().zip(values).try_for_each(|(name, value)| self.call(name, value));
        }
        let value = match node.op_type.as_deref().unwrap_or_default() {
            "Conv" => self.conv(node, a)?,
            "BatchNormalization" => self.batch_norm(node, a)?,
            "Relu" => self.relu(node)?,
            "Sigmoid" => self.sigmoid(node)?,
            "Clip" => self.clip(node, a)?,
            "Max" => self.at_least_zero(node)?,
            "LeakyRelu" if a.float("alpha", 0.01)? == 0.0 => self.relu(node)?,
            "MaxPool" => self.max_pool(node, a)?,
            "GlobalAveragePool" => {
                let x = self.map(node, 0)?;
                let id = self.plain(Op::GlobalAvgPool2d, &[x.id])?;
                self.made(id, &x.layout)
            }
            "ReduceMean" => self.reduce_mean(node, a)?,
            "AveragePool" => self.average_pool(node, a)?,
            "Add" | "Sum" | "Sub" | "Mul" | "Div" => self.combined(node)?,
            "Gemm" => self.gemm(node, a)?,
            "MatMul" => self.dense(node, false, [1.0, 1.0])?,
            op => match self.view(node, a, op)? {
                Some(value) => value,
                None => return Err(unknown(op).to_owned()),
            },
        };
        attributes.finish()?;
        self.call(first, value)
    }

    /// Gives a value its name.
    fn call(&mut self, name: &'a str, value: Value<'a>) -> Result<(), String> {
        match self.values.insert(name, value) {
            Some(_) if !name.is_empty() => Err(format!("another value is called {name:?} already")),
            _ => Ok(()),
        }
    }

    /// What a window reads: a map, perhaps with a border that it reads beyond it.
    pub(super) fn windowed(&mut self, node: &'a proto::NodeProto) -> Result<(Map, Sides, f64), String> {
        let mut x = self.any(node, 0)?;
        let (mut sides, mut filled) = ([0; 4], 0.0);
        if let Pending::Border { sides: found, value } = x.pending {
            (sides, filled) = (found, value);
            x.pending = Pending::Nothing;
        }
        let x = self.settle(x)?;
        Ok((self.expect_map(node, 0, x)?, sides, filled))
    }

    fn conv(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        if let Some(grey) = self.grey(node)? {
            a.ignore(&["dilations", "group", "kernel_shape", "pads", "strides"]);
            return Ok(grey);
        }
        let (x, border, filled) = self.windowed(node)?;
        let (dims, filter) = self.floats(node, 1)?;
        let [channels, per_group, rows, columns] = dims[..] else {
            return Err(format!(
                "its filter has sizes {dims:?}; only two-dimensional convolutions are understood"
            ));
        };
        let kernel = [rows, columns];
        expect_kernel(a, kernel)?;
        let groups = usize::try_from(a.int("group", 1)?).map_err(|_| "attribute group is negative")?;
        let [stride, dilation] =
            [a.sizes("strides")?, a.sizes("dilations")?].map(|pair| pair.unwrap_or([1, 1]));
        let input = self.graph.node(x.id).shape;
        if border != [0; 4] && filled != 0.0 {
            return Err(format!("the Pad before it fills with {filled}; a convolution pads with zeros"));
        }
        let window = Window { kernel, stride, dilation, ceil: false };
        let padding = window.padding(a, [input.h, input.w], border, false)?;
        let spec = ConvSpec { channels, kernel, stride, padding, dilation, groups };
        if per_group.checked_mul(groups) != Some(input.c) {
            return Err(format!("its filter {dims:?} with {groups} groups does not fit an input of {input}"));
        }
        let bias = self.vector(node, 2, channels)?;
        if bias.is_none()
            && let Some(shortcut) = self.shortcut(node, &x, (&spec, &filter))?
        {
            return Ok(shortcut);
        }
        let op = Op::Conv2d { spec, weight: LATER, bias: bias.as_ref().map(|_| LATER) };
        let values = std::iter::once(filter).chain(bias).collect();
        let id = self.layer(node, op, x.id, values)?;
        Ok(self.made(id, &x.layout))
    }

    fn batch_norm(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Value<'a>, String> {
        let x = self.settled(node, 0)?;
        a.expect("training_mode", 0)
            .map_err(|_| "it is in training mode; export the network for inference")?;
        // before version 14 it was in training mode if it gave its statistics
        if self.opset < 14 && node.output.iter().skip(1).any(|name| !name.is_empty()) {
            return Err(
                "it gives its statistics, as in training; export the network for inference".to_owned()
            );
        }
        // of versions 7 and 8, where 1 is the only value that convolutions use
        a.expect("spatial", 1)?;
        let spec = BatchNormSpec {
            epsilon: a.float("epsilon", 1e-5)?,
            momentum: a.float("momentum", 0.9)?,
            running_variance: RunningVariance::Unbiased,
        };
        if !x.layout.holds(1, &[C]) {
            return Err("axis 1 of its input is not that of channels".to_owned());
        }
        let channels = self.graph.node(x.id).shape.c;
        let mut values = Vec::new();
        for index in 1..=4 {
            values.push(self.vector(node, index, channels)?.ok_or("it needs four parameters")?);
        }
        let op = Op::BatchNorm { spec, gamma: LATER, beta: LATER, mean: LATER, var: LATER };
        let id = self.layer(node, op, x.id, values)?;
        Ok(Value::Map(Map { id, alone: true, ..x }))
    }

    fn relu(&mut self, node: &'a proto::NodeProto) -> Result<Value<'a>, String> {
        let x = self.settled(node, 0)?;
        self.relu_of(x)
    }

    fn relu_of(&mut self, x: Map) -> Result<Value<'a>, String> {
        if self.graph.node(x.id).op == Op::Relu {
            return Ok(Value::Map(x));
        }
        let id = self.plain(Op::Relu, &[x.id])?;
        Ok(Value::Map(Map { id, alone: true, ..x }))
    }

    /// A ReLU, if it keeps what is above 0 and nothing else.
    fn clip(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        // attributes before version 11, inputs since
        let mut limits =
            [f64::from(a.float("min", f32::NEG_INFINITY)?), f64::from(a.float("max", f32::INFINITY)?)];
        for (at, limit) in limits.iter_mut().enumerate() {
            if Self::has(node, at + 1) {
                let given = self.array(node, at + 1)?;
                *limit =
                    given.uniform().and_then(|number| number.known()).ok_or("its limits are not known")?;
            }
        }
        let [least, most] = limits;
        match (least, most >= f64::from(f32::MAX)) {
            (0.0, true) => self.relu(node),
            _ => Err(format!("it cuts off below {least} and above {most}; only a ReLU is understood")),
        }
    }

    fn at_least_zero(&mut self, node: &'a proto::NodeProto) -> Result<Value<'a>, String> {
        for (map, constant) in [(0, 1), (1, 0)] {
            if node.input.len() == 2
                && let Value::Map(_) = self.input(node, map)?
                && !matches!(self.input(node, constant)?, Value::Map(_))
                && self.array(node, constant)?.uniform().is_some_and(|number| number.is(0.0))
            {
                let x = self.settled(node, map)?;
                return self.relu_of(x);
            }
        }
        Err("only the larger of a value and 0 is understood".to_owned())
    }

    fn gemm(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        a.expect("transA", 0)?;
        // before version 7, whether the bias may have fewer axes
        a.ignore(&["broadcast"]);
        let factors = [a.float("alpha", 1.0)?, a.float("beta", 1.0)?];
        let transposed = a.int("transB", 0)? != 0;
        self.dense(node, transposed, factors)
    }

    /// A matrix of \[units, features\], or the other way round unless `transposed`; the factors of matrix and bias.
    fn dense(
        &mut self,
        node: &'a proto::NodeProto,
        transposed: bool,
        [alpha, beta]: [f32; 2],
    ) -> Result<Value<'a>, String> {
        let x = self.settled(node, 0)?;
        if !x.layout.is_flat() {
            let name = &node.input[0];
            return Err(format!(
                "its input {name:?} is not all of an image in the order of channels, rows, columns"
            ));
        }
        let (dims, mut values) = self.floats(node, 1)?;
        let [rows, columns] = dims[..] else { return Err(format!("its matrix has sizes {dims:?}")) };
        let (units, features) = if transposed { (rows, columns) } else { (columns, rows) };
        let input = self.graph.node(x.id).shape;
        if features != input.len() {
            return Err(format!("its matrix {dims:?} does not fit an input of {input}"));
        }
        if !transposed {
            values = (0..values.len()).map(|i| values[i % features * units + i / features]).collect();
        }
        let mut bias = self.dense_bias(node, units)?.filter(|_| beta != 0.0);
        if alpha != 1.0 {
            values.iter_mut().for_each(|value| *value *= alpha);
        }
        if let Some(bias) = bias.as_mut().filter(|_| beta != 1.0) {
            bias.iter_mut().for_each(|value| *value *= beta);
        }
        let op = Op::Dense { units, weight: LATER, bias: bias.as_ref().map(|_| LATER) };
        let values = std::iter::once(values).chain(bias).collect();
        let id = self.layer(node, op, x.id, values)?;
        let layout = x.layout.with_channels(units);
        Ok(Value::Map(Map { id, layout, pending: Pending::Nothing, alone: true }))
    }

    /// A bias for each unit, or one for all.
    fn dense_bias(&mut self, node: &'a proto::NodeProto, units: usize) -> Result<Option<Vec<f32>>, String> {
        if Self::has(node, 2) && units != 1 {
            let given = self.array(node, 2)?;
            if given.count() == Ok(1) && !given.whole {
                let value =
                    given.uniform().and_then(|number| number.known()).filter(|value| value.is_finite());
                return Ok(Some(vec![value.ok_or("its bias is no number")? as f32; units]));
            }
        }
        self.vector(node, 2, units)
    }
}

/// What would be needed for an operation that is not understood.
fn unknown(op: &str) -> &'static str {
    match op {
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => {
            "this operation is not understood: the network is quantised; export it with 32-bit floats"
        }
        "If" | "Loop" | "Scan" => {
            "this operation is not understood: it holds networks of its own; export the network for one shape of images, \
             without control flow"
        }
        "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "HardSigmoid" | "HardSwish" | "Mish" | "Gelu" | "Tanh"
        | "Softplus" | "Celu" | "ThresholdedRelu" => {
            "this operation is not understood: the activations of networks here are ReLU and sigmoid"
        }
        _ => "this operation is not understood",
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
