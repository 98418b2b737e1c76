//! Shortcuts without parameters, read: every s-th pixel is a Slice, channels of zeros are a Pad. The graph has one
//! operation for both, [`Op::Subsample`]; a file's two nodes become one of it each.

use plusx_model::graph::{NodeId, Op, SubsampleSpec};

use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::proto;

impl<'a> Builder<'a> {
    /// From the first row and column on, to the last, at any step.
    pub(super) fn slice(&mut self, node: &'a proto::Node) -> Result<Value<'a>, String> {
        let x = self.map(node, 0)?;
        let shape = self.graph.node(x).shape;
        let (starts, ends) = (self.int_list(node, 1)?, self.int_list(node, 2)?);
        let axes = match self.optional(node, 3)? {
            Some(axes) => axes,
            None => (0..starts.len() as i64).collect(),
        };
        let steps = self.optional(node, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if [&ends, &axes, &steps].iter().any(|list| list.len() != starts.len()) {
            return Err("its starts, ends, axes and steps are not equally many".to_owned());
        }
        let mut stride = [1, 1];
        for (index, axis) in axes.iter().enumerate() {
            let axis = if *axis < 0 { axis.saturating_add(4) } else { *axis };
            let (start, end, step) = (starts[index], ends[index], steps[index]);
            // how many images there are, no file knows
            let size = match axis {
                0 => i64::from(i32::MAX),
                1 => shape.c as i64,
                2 => shape.h as i64,
                3 => shape.w as i64,
                _ => return Err(format!("attribute axes has {axis}; there are four")),
            };
            let whole = start == 0 && end >= size;
            match (axis, step) {
                _ if !whole => {
                    return Err(format!(
                        "it cuts axis {axis} from {start} to {end}; only all of it is understood"
                    ));
                }
                (_, 1) => {}
                (2 | 3, 2..=0xffff) => stride[axis as usize - 2] = step as usize,
                _ => return Err(format!("it takes steps of {step} along axis {axis}")),
            }
        }
        self.subsample(x, SubsampleSpec { stride, before: 0, after: 0 })
    }

    /// Zeros before and after the channels.
    pub(super) fn pad(&mut self, node: &'a proto::Node, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let x = self.map(node, 0)?;
        if let Some(mode) = a.text("mode")?.filter(|mode| *mode != "constant") {
            return Err(format!("attribute mode is {mode:?}, only \"constant\" is understood"));
        }
        if node.input.get(2).is_some_and(|name| !name.is_empty()) {
            let (_, values) = self.floats(node, 2)?;
            if values.iter().any(|value| *value != 0.0) {
                return Err(format!("it fills with {values:?}, only zeros are understood"));
            }
        }
        let pads = self.int_list(node, 1)?;
        let axes = self.optional(node, 3)?.unwrap_or_else(|| (0..pads.len() as i64 / 2).collect());
        let mut spec = SubsampleSpec { stride: [1, 1], before: 0, after: 0 };
        let refused = || format!("its padding is {pads:?} of axes {axes:?}; only channels may be added");
        if pads.len() != 2 * axes.len() {
            return Err(refused());
        }
        for (index, axis) in axes.iter().enumerate() {
            let sizes =
                [pads[index], pads[index + axes.len()]].map(|pad| u16::try_from(pad).map(usize::from));
            match (axis, sizes) {
                (_, [Ok(0), Ok(0)]) => {}
                (1 | -3, [Ok(before), Ok(after)]) => spec = SubsampleSpec { before, after, ..spec },
                _ => return Err(refused()),
            }
        }
        self.subsample(x, spec)
    }

    fn subsample(&mut self, x: NodeId, spec: SubsampleSpec) -> Result<Value<'a>, String> {
        let id = match spec {
            SubsampleSpec { stride: [1, 1], before: 0, after: 0 } => x,
            _ => self.plain(Op::Subsample { spec }, &[x])?,
        };
        Ok(Value::Map { id, flat: false })
    }

    /// An input that may be left out.
    fn optional(&self, node: &'a proto::Node, position: usize) -> Result<Option<Vec<i64>>, String> {
        match node.input.get(position).is_some_and(|name| !name.is_empty()) {
            true => self.int_list(node, position).map(Some),
            false => Ok(None),
        }
    }
}
