//! A batch norm with fixed statistics is one multiplication and one addition per channel, and the convolution before
//! it can do both: `w' = s w`, `b' = s (b - mean) + beta` with `s = gamma / sqrt(var + epsilon)` per output channel.
//! Computed in f64, rounded once.

use plusx_model::graph::{BatchNormSpec, Graph, NodeId, Op, ParamId};
use plusx_model::params::Params;

/// For each node, the batch norm that it can take in: it is a convolution whose value that batch norm alone reads.
pub(super) fn plan(graph: &Graph) -> Vec<Option<NodeId>> {
    let mut readers = vec![0_usize; graph.nodes.len()];
    readers[graph.output().index()] += 1;
    for input in graph.nodes.iter().flat_map(|node| &node.inputs) {
        readers[input.index()] += 1;
    }
    let mut folds = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        if let (Op::BatchNorm { .. }, [input]) = (&node.op, &node.inputs[..])
            && matches!(graph.node(*input).op, Op::Conv2d { .. })
            && readers[input.index()] == 1
        {
            folds[input.index()] = Some(NodeId(index as u32));
        }
    }
    folds
}

/// Parameters of a batch norm, for [`fold`].
#[derive(Clone, Copy)]
pub(super) struct Norm {
    pub(super) spec: BatchNormSpec,
    pub(super) gamma: ParamId,
    pub(super) beta: ParamId,
    pub(super) mean: ParamId,
    pub(super) var: ParamId,
}

/// Filter and bias of a convolution that does the work of `norm`, too.
pub(super) fn fold(
    params: &Params,
    weight: ParamId,
    bias: Option<ParamId>,
    norm: Norm,
) -> (Vec<f32>, Vec<f32>) {
    let values = |id: ParamId| params.get(id).iter().copied().map(f64::from);
    let epsilon = f64::from(norm.spec.epsilon);
    let scale: Vec<f64> =
        values(norm.gamma).zip(values(norm.var)).map(|(gamma, var)| gamma / (var + epsilon).sqrt()).collect();
    let filter = params.get(weight);
    let filters = filter.chunks(filter.len() / scale.len().max(1)).zip(&scale);
    let scaled =
        filters.flat_map(|(taps, scale)| taps.iter().map(move |tap| (f64::from(*tap) * scale) as f32));
    let mut own = vec![0.0; scale.len()];
    for (own, value) in own.iter_mut().zip(bias.into_iter().flat_map(values)) {
        *own = value;
    }
    let shifts = values(norm.mean).zip(values(norm.beta)).zip(scale.iter().zip(&own));
    let shifted = shifts.map(|((mean, beta), (scale, own))| ((own - mean) * scale + beta) as f32);
    (scaled.collect(), shifted.collect())
}
