//! Shortcuts without parameters: every s-th pixel, with channels of zeros before and after. The graph has one operation for
//! them, [`plusx_model::graph::Op::Subsample`].
//!
//! They are written as one convolution of 1x1 whose filter is zeros and ones, which every program can run; a Slice with
//! steps and a Pad of channels some cannot. The answers have the same bytes: a value times 1, plus zeros. They are read in
//! both forms, since exporters write Slice and Pad (`views.rs`); of those each node becomes one operation.

use plusx_model::graph::{ConvSpec, SubsampleSpec};

use crate::onnx::builder::{Builder, Map, Value};
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
        let filter =
            self.floats(&format!("{name}{FILTER}"), &[channels, inputs, 1, 1], &ones(&conv, inputs, before));
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
    let plain =
        kernel == [1, 1] && padding == [0, 0] && groups == 1 && channels.checked_mul(inputs)? == filter.len();
    let zeros = channels.checked_sub(inputs).filter(|_| plain && inputs > 0)?;
    let before =
        filter.chunks_exact(inputs).position(|row| row[0] != 0.0).filter(|before| *before <= zeros)?;
    let spec = SubsampleSpec { stride, before, after: zeros - before };
    let copies = filter == ones(conv, inputs, before);
    (copies && (zeros > 0 || stride != [1, 1])).then_some(spec)
}

impl<'a> Builder<'a> {
    /// The shortcut that a convolution stands for, unless its filter has the name of a layer's: that of a layer which was
    /// never trained may copy channels, too.
    pub(super) fn shortcut(
        &mut self,
        node: &'a proto::NodeProto,
        x: &Map,
        (conv, filter): (&ConvSpec, &[f32]),
    ) -> Result<Option<Value<'a>>, String> {
        if node.input.get(1).is_none_or(|name| name.ends_with(".weight")) {
            return Ok(None);
        }
        let spec = injection(conv, self.graph.node(x.id).shape.c, filter);
        spec.map(|spec| self.subsampled(x, spec)).transpose()
    }
}
