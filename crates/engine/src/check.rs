//! What the engine asks of a graph beyond being well formed. Everything after this trusts the graph.

use plusx_model::graph::{Graph, NodeId, Op};

use crate::error::EngineError;

/// Most positions in a pooling window: the winner is kept as one byte.
const WINDOW: usize = 256;

/// Checks structure, shapes and parameters of a graph.
pub(crate) fn graph(graph: &Graph) -> Result<(), EngineError> {
    graph.check()?;
    for node in &graph.nodes {
        if let Op::MaxPool2d { spec } = node.op
            && spec.kernel[0].checked_mul(spec.kernel[1]).is_none_or(|window| window > WINDOW)
        {
            return Err(EngineError::Window { layer: node.label.clone(), window: spec.kernel });
        }
    }
    Ok(())
}

/// Checks that `node` is in the graph.
pub(crate) fn node_exists(graph: &Graph, node: NodeId) -> Result<(), EngineError> {
    match node.index() < graph.nodes.len() {
        true => Ok(()),
        false => Err(EngineError::Node { node: node.index(), nodes: graph.nodes.len() }),
    }
}
