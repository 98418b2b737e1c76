//! Sums, and values computed with constants: `y = scale x + shift` per channel. It becomes part of the layer before it, if
//! nothing else reads that. Elsewhere it is a batch norm whose statistics change nothing. On images it is preparation.

use std::rc::Rc;

use plusx_model::graph::{BatchNormSpec, NodeId, Op, ParamId, ParamSpec, Role, RunningVariance};

use crate::onnx::array::{Array, Elements};
use crate::onnx::builder::{Builder, Map, Pending, Value};
use crate::onnx::layers::LATER;
use crate::onnx::layout::Layout;
use crate::onnx::moves::broadcast;
use crate::onnx::number::{Number, listed};
use crate::onnx::proto;

/// Added to variances of batch norms that are made here, as everywhere.
const EPSILON: f32 = 1e-5;

/// Numbers for each channel.
struct Steps {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl<'a> Builder<'a> {
    /// A residual sum of two or more, a product by channel, or Sub, Mul and Div with constants.
    pub(super) fn combined(&mut self, node: &'a proto::NodeProto) -> Result<Value<'a>, String> {
        let op = node.op_type.as_deref().unwrap_or_default();
        let mut made = self.input(node, 0)?;
        if node.input.len() < 2 && op != "Sum" {
            return Err("it lacks input 1".to_owned());
        }
        for position in 1..node.input.len() {
            made = match (made, self.input(node, position)?) {
                (Value::Map(left), Value::Map(right)) => self.of_two(op, left, right)?,
                (Value::Map(map), _) => {
                    let constant = self.array(node, position)?;
                    self.with_constant(node, map, &constant, false)?
                }
                (_, Value::Map(map)) if position == 1 => {
                    let constant = self.array(node, 0)?;
                    self.with_constant(node, map, &constant, true)?
                }
                _ => return Err("it adds constants and other values in one".to_owned()),
            };
        }
        Ok(made)
    }

    fn of_two(&mut self, op: &str, left: Map, right: Map) -> Result<Value<'a>, String> {
        if op == "Mul" {
            return self.multiplied(left, right);
        }
        if !matches!(op, "Add" | "Sum") {
            return Err(
                "of two values that the network computes, only sums and products are understood".to_owned()
            );
        }
        let (left, right) = (self.settle(left)?, self.settle(right)?);
        if left.layout != right.layout {
            let sizes = |map: &Map| map.layout.sizes().map(|sizes| listed(&sizes)).unwrap_or_default();
            return Err(format!(
                "it adds values of sizes {} and {}; only equal ones in the same order are understood",
                sizes(&left),
                sizes(&right)
            ));
        }
        let id = self.plain(Op::Add, &[left.id, right.id])?;
        Ok(Value::Map(Map { id, layout: left.layout, pending: Pending::Nothing, alone: true }))
    }

    /// A value and a constant; `turned` says that the constant comes first.
    fn with_constant(
        &mut self,
        node: &'a proto::NodeProto,
        map: Map,
        constant: &Array,
        turned: bool,
    ) -> Result<Value<'a>, String> {
        let op = node.op_type.as_deref().unwrap_or_default();
        let channels = self.graph.node(map.id).shape.c;
        let (values, layout) = per_channel(constant, &map.layout, channels)?;
        let all = |value: f64| vec![value; channels];
        let steps = match (op, turned) {
            ("Add" | "Sum", _) => Steps { scale: all(1.0), shift: values },
            ("Sub", false) => Steps { scale: all(1.0), shift: values.into_iter().map(|by| -by).collect() },
            ("Sub", true) => Steps { scale: all(-1.0), shift: values },
            ("Mul", _) => Steps { scale: values, shift: all(0.0) },
            ("Div", false) if values.contains(&0.0) => return Err("it divides by 0".to_owned()),
            ("Div", false) => Steps { scale: values.into_iter().map(f64::recip).collect(), shift: all(0.0) },
            _ => return Err("it divides a constant by what the network computes".to_owned()),
        };
        let map = Map { layout, ..map };
        self.apply(node, map, steps)
    }

    fn apply(&mut self, node: &'a proto::NodeProto, map: Map, steps: Steps) -> Result<Value<'a>, String> {
        let Steps { scale, shift } = &steps;
        if let Pending::Images(before) = &map.pending {
            let before = Rc::clone(before);
            let pending = Pending::Images(Rc::new(before.then(scale, shift)));
            return Ok(Value::Map(Map { pending, ..map }));
        }
        let same = |values: &[f64], value: f64| values.iter().all(|one| *one == value);
        if same(shift, 0.0) && same(scale, 1.0) {
            return Ok(Value::Map(map));
        }
        if same(shift, 0.0) && same(scale, 0.0) {
            // channels of zeros, as some networks make them for their shortcuts
            let dims = map.layout.sizes()?;
            return Ok(Array { dims, elements: Elements::Same(Number::of(0.0)), whole: false }.into());
        }
        let map = self.settle(map)?;
        if map.alone && self.absorbed(map.id, &steps)? {
            return Ok(Value::Map(map));
        }
        let Steps { scale, shift } = steps;
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<f32>>();
        let channels = scale.len();
        // up to half of the last bit, this and epsilon are 1
        let variance = (1.0 - f64::from(EPSILON)) as f32;
        let spec =
            BatchNormSpec { epsilon: EPSILON, momentum: 0.9, running_variance: RunningVariance::Unbiased };
        let op = Op::BatchNorm { spec, gamma: LATER, beta: LATER, mean: LATER, var: LATER };
        let values = vec![narrow(scale), narrow(shift), vec![0.0; channels], vec![variance; channels]];
        let id = self.layer(node, op, map.id, values)?;
        Ok(Value::Map(Map { id, alone: true, ..map }))
    }

    /// Whether a layer could do it, too; if so, it does from now on.
    fn absorbed(&mut self, id: NodeId, steps: &Steps) -> Result<bool, String> {
        let Steps { scale, shift } = steps;
        let op = self.graph.node(id).op;
        let shifts = scale.iter().all(|scale| *scale == 1.0);
        match op {
            Op::Conv2d { bias, weight, .. } if shifts => self.shifted(id, (weight, bias), steps),
            Op::Dense { bias, weight, .. } => {
                if !shifts {
                    let rows = self.params[weight.index()].len() / scale.len().max(1);
                    self.update(weight, |at, value| value * scale[at / rows.max(1)]);
                }
                self.shifted(id, (weight, bias), steps)
            }
            Op::BatchNorm { gamma, beta, .. } => {
                self.update(gamma, |at, value| value * scale[at]);
                self.update(beta, |at, value| value * scale[at] + shift[at]);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The bias of a layer with the shift in it; its weights are scaled already.
    fn shifted(
        &mut self,
        id: NodeId,
        (weight, bias): (ParamId, Option<ParamId>),
        steps: &Steps,
    ) -> Result<bool, String> {
        let Steps { scale, shift } = steps;
        if let Some(bias) = bias {
            self.update(bias, |at, value| value * scale[at] + shift[at]);
            return Ok(true);
        }
        let new = ParamId(self.params.len() as u32);
        match &mut self.graph.nodes[id.index()].op {
            Op::Conv2d { bias, .. } | Op::Dense { bias, .. } => *bias = Some(new),
            _ => return Ok(false),
        }
        let stem = self.graph.param(weight).name.trim_end_matches("weight").to_owned();
        let (name, dims) = (format!("{stem}bias"), vec![shift.len()]);
        self.graph.params.push(ParamSpec { name, dims, role: Role::Bias });
        self.params.push(shift.iter().map(|value| *value as f32).collect());
        Ok(true)
    }

    fn update(&mut self, id: ParamId, to: impl Fn(usize, f64) -> f64) {
        for (at, value) in self.params[id.index()].iter_mut().enumerate() {
            *value = to(at, f64::from(*value)) as f32;
        }
    }
}

/// A constant as one number per channel of a value laid out so, and that layout with as many axes as the result has.
fn per_channel(constant: &Array, layout: &Layout, channels: usize) -> Result<(Vec<f64>, Layout), String> {
    let layout = layout.clone().of_rank(constant.dims.len());
    let sizes = layout.sizes()?;
    let refused = || {
        format!(
            "it computes with numbers of sizes {} on a value of sizes {}; only one number, or one for each channel, is \
             understood",
            listed(&constant.dims),
            listed(&sizes)
        )
    };
    if broadcast(&sizes, &constant.dims).ok().as_ref() != Some(&sizes) {
        return Err(refused());
    }
    let value = |number: Number| {
        let value = number.known().filter(|value| value.is_finite());
        value.ok_or_else(|| format!("it computes with {number}, which is no number known before"))
    };
    if let Some(number) = constant.uniform() {
        return Ok((vec![value(number)?; channels], layout));
    }
    // all of its numbers lie along the channels, wherever these are
    let skipped = sizes.len() - constant.dims.len();
    let along = layout.channels().and_then(|axis| axis.checked_sub(skipped));
    let along = along.filter(|axis| constant.dims[*axis].is(channels as f64));
    if along.is_none() || constant.count() != Ok(channels) {
        return Err(refused());
    }
    let values = (0..channels).map(|at| value(constant.at(at))).collect::<Result<_, _>>()?;
    Ok((values, layout))
}
