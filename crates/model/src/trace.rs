//! Tracing: a block runs once on symbols, and what it did becomes a [`Graph`].

use crate::block::{Block, Var};
use crate::error::ModelError;
use crate::graph::{Graph, NodeId, Op, ParamId};
use crate::image_shape::ImageShape;
use crate::shape;
use crate::tracer::Tracer;

pub use crate::tracer::Names;

/// Traces `block` for images of shape `input`. The block itself takes its label first ("sequential0"), then its
/// children in the order of their first use. Nodes and parameters that the block's value does not depend on are
/// left out. `names` counts on even if the trace fails.
pub fn trace(block: &dyn Block, input: ImageShape, names: &mut Names) -> Result<Graph, ModelError> {
    let shape = shape::output("input", &Op::Input, &[input])?;
    let (tracer, images) = Tracer::new(std::mem::take(names), shape);
    let result = Var::new(&tracer, images).through("", block).map(Var::node);
    let (graph, counted) = tracer.finish();
    *names = counted;
    Ok(live(graph, result?))
}

/// The part of `graph` that `output` depends on, in the same order; the input always stays. `output` becomes the
/// last node.
fn live(graph: Graph, output: NodeId) -> Graph {
    let mut used = vec![false; graph.nodes.len()];
    used[0] = true;
    used[output.index()] = true;
    for index in (0..graph.nodes.len()).rev().filter(|&index| index <= output.index()) {
        if used[index] {
            graph.nodes[index].inputs.iter().for_each(|input| used[input.index()] = true);
        }
    }
    let mut used_params = vec![false; graph.params.len()];
    for (node, _) in graph.nodes.iter().zip(&used).filter(|(_, used)| **used) {
        graph.params_of(node).iter().for_each(|param| used_params[param.index()] = true);
    }
    let (new_node, new_param) = (renumber(&used), renumber(&used_params));

    let mut kept = Graph { output: Some(NodeId(new_node[output.index()])), ..Graph::default() };
    for (node, _) in graph.nodes.iter().zip(&used).filter(|(_, used)| **used) {
        let mut node = node.clone();
        for slot in node.op.slots(graph.shape_before(&node)) {
            *slot.id = ParamId(new_param[slot.id.index()]);
        }
        node.inputs.iter_mut().for_each(|input| *input = NodeId(new_node[input.index()]));
        kept.nodes.push(node);
    }
    kept.params =
        graph.params.iter().zip(&used_params).filter(|(_, used)| **used).map(|(p, _)| p.clone()).collect();
    kept.scopes = graph.scopes.into_iter().filter(|scope| used[scope.output.index()]).collect();
    kept.scopes.iter_mut().for_each(|scope| scope.output = NodeId(new_node[scope.output.index()]));
    kept
}

/// New index of every element that is used.
fn renumber(used: &[bool]) -> Vec<u32> {
    let mut next = 0;
    used.iter()
        .map(|&used| {
            let index = next;
            next += u32::from(used);
            index
        })
        .collect()
}
