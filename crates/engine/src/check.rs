//! Whether a graph can be run at all: structure, shapes, parameters. Everything after this trusts the graph.

use plusx_model::graph::{Graph, Node, NodeId, Op};
use plusx_model::shape;

use crate::error::EngineError;

/// Most positions in a pooling window: the winner is kept as one byte.
const WINDOW: usize = 256;

/// Checks structure, shapes and parameters of a graph.
pub(crate) fn graph(graph: &Graph) -> Result<(), EngineError> {
    let malformed = |layer: &str, problem: &str| EngineError::Malformed {
        layer: layer.to_owned(),
        problem: problem.to_owned(),
    };
    if graph.nodes.first().is_none_or(|node| node.op != Op::Input) {
        return Err(malformed("the graph", "node 0 is not the input"));
    }
    node_exists(graph, graph.output())?;
    for (index, node) in graph.nodes.iter().enumerate() {
        let layer = &node.label;
        if index > 0 && node.op == Op::Input {
            return Err(malformed(layer, "a second input"));
        }
        if node.inputs.iter().any(|input| input.index() >= index) {
            return Err(malformed(layer, "it reads a value that is not computed yet"));
        }
        let mut inputs: Vec<_> = node.inputs.iter().map(|input| graph.node(*input).shape).collect();
        if node.op == Op::Input {
            inputs.push(node.shape);
        }
        if shape::output(layer, &node.op, &inputs)? != node.shape {
            return Err(malformed(layer, "its shape does not follow from its inputs"));
        }
        params(graph, node)?;
    }
    Ok(())
}

fn params(graph: &Graph, node: &Node) -> Result<(), EngineError> {
    let mut op = node.op;
    for slot in op.slots(graph.shape_before(node)) {
        let problem = match graph.params.get(slot.id.index()) {
            None => format!("its parameter {:?} is not in the table", slot.suffix),
            Some(spec) if spec.dims != slot.dims => {
                format!("{:?} has dimensions {:?}, expected {:?}", spec.name, spec.dims, slot.dims)
            }
            Some(spec) if spec.role != slot.role => {
                format!("{:?} is a {:?}, expected a {:?}", spec.name, spec.role, slot.role)
            }
            Some(_) => continue,
        };
        return Err(EngineError::Malformed { layer: node.label.clone(), problem });
    }
    match node.op {
        Op::MaxPool2d { spec } if spec.kernel[0] * spec.kernel[1] > WINDOW => {
            Err(EngineError::Window { layer: node.label.clone(), window: spec.kernel })
        }
        _ => Ok(()),
    }
}

/// Checks that `node` is in the graph.
pub(crate) fn node_exists(graph: &Graph, node: NodeId) -> Result<(), EngineError> {
    match node.index() < graph.nodes.len() {
        true => Ok(()),
        false => Err(EngineError::Node { node: node.index(), nodes: graph.nodes.len() }),
    }
}
