//! Plain formulas of what squeeze-and-excitation and dense blocks need: the logistic function, and which values meet.

use plusx_model::graph::{Graph, Node};
use plusx_model::shape::ImageShape;

use super::{Real, positions};

/// 1 / (1 + e^-x).
pub(crate) fn sigmoid<R: Real>(x: R) -> R {
    R::of(1.0) / (R::of(1.0) + R::of((-x.to()).exp()))
}

/// Index of the number that value `index` of a map of shape `input` is multiplied by.
pub(crate) fn factor(input: ImageShape, index: usize) -> usize {
    index / input.len() * input.c + index % input.c
}

/// Every value of a concatenation: which part it is of, index of the output, of the part.
pub(crate) fn places(graph: &Graph, node: &Node, n: usize, mut put: impl FnMut(usize, usize, usize)) {
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
