//! A network cut in two at a node through which everything passes. The head gives that node's value, the tail goes on from it.
//! So what a frozen head makes of a picture can be kept, and the tail trained on it alone.
//!
//! The engine's answers of head and tail together are those of the whole, to the byte if the cut has more than 16 channels and no
//! reference kernel is at work. Fewer channels are read unpadded, as images are, and added up in another order.

use crate::error::ModelError;
use crate::graph::{Graph, Node, NodeId, Op, ParamId};
use crate::learning::Learning;
use crate::op::Slot;

/// The two parts of a network. Their parameters have the names that they have in the whole.
#[derive(Clone, PartialEq, Debug)]
pub struct SplitGraph {
    /// From the images to the node's value.
    pub head: Graph,
    /// From the node's value, its input, to the value of the network.
    pub tail: Graph,
}

/// What lies behind a node of a network, see [`Graph::rest_behind`].
#[derive(Clone, PartialEq, Debug)]
pub struct Rest {
    /// From the node's value, its input, to the value of the network.
    pub graph: Graph,
    places: Vec<Option<NodeId>>,
}

impl Rest {
    /// Where a node of the whole network is; `None` if it lies before the cut, or if the network's value does not depend on it.
    pub fn place(&self, node: NodeId) -> Option<NodeId> {
        self.places.get(node.index()).copied().flatten()
    }
}

/// A network cut behind a node.
struct Cut {
    /// Which nodes the value of that node needs, itself among them.
    before: Vec<bool>,
    rest: Rest,
}

impl Graph {
    /// Cuts the network behind `node`. What the value of the network does not need is left out.
    ///
    /// # Errors
    /// [`ModelError::Cut`] if there is no such node, if the value of the network does not depend on it, if something behind
    /// it also reads what lies before it, or if both parts use one parameter.
    pub fn split_at(&self, node: NodeId) -> Result<SplitGraph, ModelError> {
        let Cut { before, rest } = self.cut(node)?;
        let (head, tail) = (self.part(&before, None).graph, rest.graph);
        Ok(SplitGraph { head: head.with_used_params(), tail: tail.with_used_params() })
    }

    /// The network behind `node`, which takes its value in place of images: [`SplitGraph::tail`], but with all parameters of the
    /// whole, so that each has the place that it has there.
    ///
    /// # Errors
    /// Those of [`Graph::split_at`].
    pub fn rest_behind(&self, node: NodeId) -> Result<Rest, ModelError> {
        self.cut(node).map(|cut| cut.rest)
    }

    /// The last node behind which everything that learns lies, if it is not the images: what is before it gives the same value
    /// for the same image as long as nothing else learns.
    pub fn last_before(&self, learning: &Learning) -> Option<NodeId> {
        let learns = |graph: &Graph, used: &[bool]| {
            (0..graph.params.len()).any(|index| used[index] && learning.learns(ParamId(index as u32)))
        };
        let nodes = (1..self.output().index()).rev().map(|index| NodeId(index as u32));
        nodes.into_iter().find(|node| {
            self.cut(*node).is_ok_and(|cut| {
                let head = self.part(&cut.before, None).graph;
                !learns(&head, &head.used_params())
            })
        })
    }

    fn cut(&self, node: NodeId) -> Result<Cut, ModelError> {
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
        let rest = self.part(&behind, Some(node));
        let (head, tail) = (self.part(&before, None).graph.used_params(), rest.graph.used_params());
        match (0..self.params.len()).find(|index| head[*index] && tail[*index]) {
            Some(both) => cut(label, format!("layers on both sides of it use {}", self.params[both].name)),
            None => Ok(Cut { before, rest }),
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

    /// The nodes `chosen`, behind an input that stands for the value of `input` if that is given; with all parameters.
    fn part(&self, chosen: &[bool], input: Option<NodeId>) -> Rest {
        let mut graph = Graph { params: self.params.clone(), ..Graph::default() };
        let mut places = vec![None; self.nodes.len()];
        if let Some(input) = input {
            let Node { shape, label, .. } = self.node(input).clone();
            places[input.index()] = Some(NodeId(0));
            graph.nodes.push(Node { op: Op::Input, inputs: Vec::new(), shape, label });
        }
        for index in (0..self.nodes.len()).filter(|index| chosen[*index]) {
            let mut node = self.nodes[index].clone();
            node.inputs = node.inputs.iter().filter_map(|input| places[input.index()]).collect();
            places[index] = Some(NodeId(graph.nodes.len() as u32));
            graph.nodes.push(node);
        }
        graph.scopes = self.scopes.clone();
        graph.scopes.retain_mut(|scope| match places[scope.output.index()] {
            Some(place) if place.index() > 0 => {
                scope.output = place;
                true
            }
            _ => false,
        });
        graph.output = places[self.output().index()];
        Rest { graph, places }
    }

    /// Without the parameters that no node uses.
    fn with_used_params(mut self) -> Self {
        let used = self.used_params();
        let mut params = vec![ParamId(0); self.params.len()];
        let mut kept = Vec::new();
        for index in (0..self.params.len()).filter(|index| used[*index]) {
            params[index] = ParamId(kept.len() as u32);
            kept.push(self.params[index].clone());
        }
        for index in 0..self.nodes.len() {
            let mut op = self.nodes[index].op;
            self.slots(&mut op, index).into_iter().for_each(|slot| *slot.id = params[slot.id.index()]);
            self.nodes[index].op = op;
        }
        self.params = kept;
        self
    }

    /// Which parameters some node uses.
    fn used_params(&self) -> Vec<bool> {
        let mut used = vec![false; self.params.len()];
        for index in 0..self.nodes.len() {
            let mut op = self.nodes[index].op;
            self.slots(&mut op, index).into_iter().for_each(|slot| used[slot.id.index()] = true);
        }
        used
    }

    /// The parameters of an operation at node `index`.
    fn slots<'o>(&self, op: &'o mut Op, index: usize) -> Vec<Slot<'o>> {
        op.slots(self.shape_before(&self.nodes[index]))
    }
}
