//! Which values meet in each operation: indices of outputs, inputs and filters, with maps as `[n][h][w][c]`.

use plusx_model::graph::{Graph, Node, Op};
use plusx_model::shape::ImageShape;

/// Every multiplication of a convolution or dense layer: index of the output, of the input, of the filter value.
pub(super) fn taps(node: &Node, input: ImageShape, n: usize, mut multiply: impl FnMut(usize, usize, usize)) {
    let output = node.shape;
    let (kernel, stride, padding, dilation, groups) = match node.op {
        Op::Conv2d { spec, .. } => (spec.kernel, spec.stride, spec.padding, spec.dilation, spec.groups),
        _ => ([input.h, input.w], [1, 1], [0, 0], [1, 1], 1),
    };
    let (group_in, group_out) = (input.c / groups, output.c / groups);
    for image in 0..n {
        for (oh, ow, k) in positions(output) {
            let to = ((image * output.h + oh) * output.w + ow) * output.c + k;
            for (r, s, c) in positions(ImageShape::new(group_in, kernel[0], kernel[1])) {
                let (Some(h), Some(w)) = (
                    (oh * stride[0] + r * dilation[0]).checked_sub(padding[0]),
                    (ow * stride[1] + s * dilation[1]).checked_sub(padding[1]),
                ) else {
                    continue;
                };
                if h < input.h && w < input.w {
                    let channel = k / group_out * group_in + c;
                    let from = ((image * input.h + h) * input.w + w) * input.c + channel;
                    multiply(to, from, ((k * group_in + c) * kernel[0] + r) * kernel[1] + s);
                }
            }
        }
    }
}

/// Every input that a pooling window sees, in row-major order: index of the output, of the input.
pub(super) fn windows(node: &Node, input: ImageShape, n: usize, mut see: impl FnMut(usize, usize)) {
    let (Op::MaxPool2d { spec } | Op::AvgPool2d { spec, .. }) = node.op else { return };
    let output = node.shape;
    for image in 0..n {
        for (oh, ow, c) in positions(output) {
            let to = ((image * output.h + oh) * output.w + ow) * output.c + c;
            for (r, s, _) in positions(ImageShape::new(1, spec.kernel[0], spec.kernel[1])) {
                let (Some(h), Some(w)) = (
                    (oh * spec.stride[0] + r).checked_sub(spec.padding[0]),
                    (ow * spec.stride[1] + s).checked_sub(spec.padding[1]),
                ) else {
                    continue;
                };
                if h < input.h && w < input.w {
                    see(to, ((image * input.h + h) * input.w + w) * input.c + c);
                }
            }
        }
    }
}

/// How many inputs each pooling window sees.
pub(super) fn counts(node: &Node, input: ImageShape, n: usize) -> Vec<f64> {
    let mut counts = vec![0.0; n * node.shape.len()];
    windows(node, input, n, |to, _| counts[to] += 1.0);
    counts
}

/// Every value that a subsampling keeps: index of the output, of the input.
pub(super) fn kept(node: &Node, input: ImageShape, n: usize, mut keep: impl FnMut(usize, usize)) {
    let Op::Subsample { spec } = node.op else { return };
    let output = node.shape;
    for image in 0..n {
        for (h, w, c) in positions(ImageShape::new(input.c, output.h, output.w)) {
            let to = ((image * output.h + h) * output.w + w) * output.c + spec.before + c;
            let from = (image * input.h + h * spec.stride[0]) * input.w + w * spec.stride[1];
            keep(to, from * input.c + c);
        }
    }
}

fn positions(shape: ImageShape) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..shape.h).flat_map(move |h| (0..shape.w).flat_map(move |w| (0..shape.c).map(move |c| (h, w, c))))
}

/// Index of the number that value `index` of a map of shape `input` is multiplied by.
pub(super) fn factor(input: ImageShape, index: usize) -> usize {
    index / input.len() * input.c + index % input.c
}

/// Every value of a concatenation: which part it is of, index of the output, of the part.
pub(super) fn places(graph: &Graph, node: &Node, n: usize, mut put: impl FnMut(usize, usize, usize)) {
    let output = node.shape;
    let mut before = 0;
    for (part, input) in node.inputs.iter().enumerate() {
        let own = graph.node(*input).shape;
        for image in 0..n {
            for (h, w, c) in positions(own) {
                let pixel = (image * output.h + h) * output.w + w;
                put(part, pixel * output.c + before + c, pixel * own.c + c);
            }
        }
        before += own.c;
    }
}
