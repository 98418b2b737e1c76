//! Shortcuts without parameters: every s-th pixel, with channels of zeros before and after. The graph has one operation for
//! them, [`Op::Subsample`].
//!
//! They are written as one convolution of 1x1 whose filter is zeros and ones, which every program can run; a Slice with
//! steps and a Pad of channels some cannot. The answers have the same bytes: a value times 1, plus zeros. They are read in
//! both forms, since exporters write Slice and Pad; of those each node becomes one operation.

use plusx_model::graph::{ConvSpec, NodeId, Op, SubsampleSpec};

use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::proto;
use crate::onnx::write::{Writer, conv_attributes};

/// How the filter of a convolution that is no layer is called, after its node. A layer's ends with ".weight".
const FILTER: &str = "_filter";

impl Writer<'_> {
    /// The convolution that stands for the shortcut `spec` of a map of `inputs` channels.
    pub(super) fn subsample(&mut self, name: &str, x: String, inputs: usize, spec: SubsampleSpec) -> String {
        let SubsampleSpec { stride, before, after } = spec;
        let channels = before + inputs + after;
        if channels == inputs && stride == [1, 1] {
            return x;
        }
        let conv =
            ConvSpec { channels, kernel: [1, 1], stride, padding: [0, 0], dilation: [1, 1], groups: 1 };
        let filter = self.floats(&format!("{name}{FILTER}"), &[channels, inputs, 1, 1], &ones(&conv, inputs, before));
        self.node("Conv", name, &[x, filter], &conv_attributes(&conv))
    }
}

/// The filter \[channels, inputs, 1, 1\] that copies the inputs behind `before` channels of zeros.
fn ones(conv: &ConvSpec, inputs: usize, before: usize) -> Vec<f32> {
    let one = |i: usize| i / inputs == before + i % inputs;
    (0..conv.channels * inputs).map(|i| if one(i) { 1.0 } else { 0.0 }).collect()
}

/// The shortcut that a convolution of `inputs` channels without a bias stands for: none if its filter does anything but
/// copying each channel to its place. One that changes nothing at all is none either.
pub(crate) fn injection(conv: &ConvSpec, inputs: usize, filter: &[f32]) -> Option<SubsampleSpec> {
    let ConvSpec { channels, kernel, stride, padding, groups, .. } = *conv;
    let plain = kernel == [1, 1] && padding == [0, 0] && groups == 1 && channels.checked_mul(inputs)? == filter.len();
    let zeros = channels.checked_sub(inputs).filter(|_| plain && inputs > 0)?;
    let before = filter.chunks_exact(inputs).position(|row| row[0] != 0.0).filter(|before| *before <= zeros)?;
    let spec = SubsampleSpec { stride, before, after: zeros - before };
    let copies = filter == ones(conv, inputs, before);
    (copies && (zeros > 0 || stride != [1, 1])).then_some(spec)
}

impl<'a> Builder<'a> {
    /// The shortcut that a convolution stands for, unless its filter has the name of a layer's: that of a layer which was
    /// never trained may copy channels, too.
    pub(super) fn shortcut(
        &mut self,
        node: &'a proto::Node,
        x: NodeId,
        (conv, filter): (&ConvSpec, &[f32]),
    ) -> Result<Option<Value<'a>>, String> {
        if node.input.get(1).is_none_or(|name| name.ends_with(".weight")) {
            return Ok(None);
        }
        let spec = injection(conv, self.graph.node(x).shape.c, filter);
        spec.map(|spec| self.subsample(x, spec)).transpose()
    }

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
