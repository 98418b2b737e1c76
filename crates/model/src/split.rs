//! A network cut in two at a node through which everything passes. The head gives that node's value, the tail goes on from it.
//! So what a frozen head makes of a picture can be kept, and the tail trained on it alone.
//!
//! The engine's answers of head and tail together are those of the whole, to the byte if the cut has more than 16 channels and no
//! reference kernel is at work. Fewer channels are read unpadded, as images are, and added up in another order.

use crate::error::ModelError;
use crate::graph::{Graph, Node, NodeId, Op, ParamId};
use crate::op::Slot;

/// The two parts of a network. Their parameters have the names that they have in the whole.
#[derive(Clone, PartialEq, Debug)]
pub struct SplitGraph {
    /// From the images to the node's value.
    pub head: Graph,
    /// From the node's value, its input, to the value of the network.
    pub tail: Graph,
}

impl Graph {
    /// Cuts the network behind `node`. What the value of the network does not need is left out.
    ///
    /// # Errors
    /// [`ModelError::Cut`] if there is no such node, if the value of the network does not depend on it, if something behind
    /// it also reads what lies before it, or if both parts use one parameter.
    pub fn split_at(&self, node: NodeId) -> Result<SplitGraph, ModelError> {
        let cut = |layer: &str, problem: String| Err(ModelError::Cut { layer: layer.to_owned(), problem });
        if node.index() >= self.nodes.len() {
            return cut("graph", format!("it has no node {}, only {}", node.0, self.nodes.len()));
        }
        let label = &self.node(node).label;
        let (before, needed) = (self.needs(node), self.needs(self.output()));
        if !needed[node.index()] {
            return cut(label, "the network's value does not depend on it".to_owned());
        }
        let behind: Vec<bool> =
            before.iter().zip(&needed).map(|(before, needed)| *needed && !before).collect();
        for (reader, _) in self.nodes.iter().zip(&behind).filter(|(_, behind)| **behind) {
            if let Some(other) = reader.inputs.iter().find(|input| before[input.index()] && **input != node) {
                let other = &self.node(*other).label;
                return cut(label, format!("{} behind it also reads {other} before it", reader.label));
            }
        }
        let (head, tail) = (self.part(&before, None), self.part(&behind, Some(node)));
        match head.params.iter().find(|spec| tail.params.contains(spec)) {
            Some(both) => cut(label, format!("layers on both sides of it use {}", both.name)),
            None => Ok(SplitGraph { head, tail }),
        }
    }

    /// Which nodes the value of `node` needs, itself among them.
    fn needs(&self, node: NodeId) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        needed[node.index()] = true;
        for index in (0..=node.index()).rev().filter(|index| *index > 0) {
            if needed[index] {
                self.nodes[index].inputs.iter().for_each(|input| needed[input.index()] = true);
            }
        }
        // every graph has its input
        needed[0] = true;
        needed
    }

    /// The nodes `chosen`, behind an input that stands for the value of `input` if that is given.
    fn part(&self, chosen: &[bool], input: Option<NodeId>) -> Graph {
        let mut part = Graph::default();
        let mut places = vec![None; self.nodes.len()];
        if let Some(input) = input {
            let Node { shape, label, .. } = self.node(input).clone();
            places[input.index()] = Some(NodeId(0));
            part.nodes.push(Node { op: Op::Input, inputs: Vec::new(), shape, label });
        }
        let mut used = vec![false; self.params.len()];
        let chosen = || (0..self.nodes.len()).filter(|index| chosen[*index]);
        for index in chosen() {
            let mut op = self.nodes[index].op;
            self.slots(&mut op, index).into_iter().for_each(|slot| used[slot.id.index()] = true);
        }
        let mut params = vec![ParamId(0); self.params.len()];
        for index in (0..self.params.len()).filter(|index| used[*index]) {
            params[index] = ParamId(part.params.len() as u32);
            part.params.push(self.params[index].clone());
        }
        for index in chosen() {
            let mut node = self.nodes[index].clone();
            self.slots(&mut node.op, index).into_iter().for_each(|slot| *slot.id = params[slot.id.index()]);
            node.inputs = node.inputs.iter().filter_map(|input| places[input.index()]).collect();
            places[index] = Some(NodeId(part.nodes.len() as u32));
            part.nodes.push(node);
        }
        part.scopes = self.scopes.clone();
        part.scopes.retain_mut(|scope| match places[scope.output.index()] {
            Some(place) if place.index() > 0 => {
                scope.output = place;
                true
            }
            _ => false,
        });
        part.output = places[self.output().index()];
        part
    }

    /// The parameters of an operation at node `index`.
    fn slots<'o>(&self, op: &'o mut Op, index: usize) -> Vec<Slot<'o>> {
        op.slots(self.shape_before(&self.nodes[index]))
    }
}
