//! Matching by what is computed, for ONNX files, whose names of parameters tell nothing once an exporter has merged batch
//! norms into convolutions.
//!
//! The file's network and the one of the zoo are walked from their outputs to the images side by side. Each step must be
//! the same operation of the same sizes on values of the same shape; of a sum both orders are tried. Where the zoo has a
//! convolution and its batch norm, the file may have a convolution alone: then that batch norm becomes one that changes
//! nothing and adds the convolution's shift. A shift that the file has before a batch norm moves its mean. In the end every
//! parameter of the zoo's network has its values.

use std::collections::{HashMap, HashSet};

use plusx_model::graph::{
    BatchNormSpec, ConvSpec, Graph, Node, NodeId, Op, ParamId, ParamSpec, SubsampleSpec,
};
use plusx_model::params::Params;
use plusx_model::shape::ImageShape;

use super::tensor::NamedTensor;
use crate::onnx::injection;

/// Most steps of a walk. The deepest networks have five hundred nodes, and each is met a few times.
const MOST_STEPS: usize = 100_000;

/// What matching gives.
pub(super) struct Matched {
    /// Values for every parameter of the zoo's network, in its order and under its names.
    pub(super) tensors: Vec<NamedTensor>,
    /// Batch norms that the file has inside its convolutions.
    pub(super) folded: usize,
}

/// The network of a file.
#[derive(Clone, Copy)]
pub(super) struct FileNetwork<'a> {
    pub(super) graph: &'a Graph,
    pub(super) params: &'a Params,
}

/// The parameters of `ours` from the network `theirs`; both take the same images. The error says where they differ.
pub(super) fn pair(theirs: FileNetwork<'_>, ours: &Graph) -> Result<Matched, String> {
    let FileNetwork { graph, params } = theirs;
    let mut walk = Walk::new(theirs, ours);
    match walk.same(ours.output(), graph.output()) {
        true => {
            let Walk { partners, .. } = walk;
            Ok(Values { theirs: graph, params, ours, partners }.collect())
        }
        false => Err(walk.difference()),
    }
}

/// The walk so far.
struct Walk<'a> {
    theirs: &'a Graph,
    params: &'a Params,
    ours: &'a Graph,
    /// For each node of ours that has been met, in the order of meeting, so that a wrong order of a sum can be taken
    /// back.
    taken: Vec<NodeId>,
    /// Its partner of theirs.
    partners: HashMap<NodeId, NodeId>,
    /// Pairs that are known to differ.
    failed: HashSet<(NodeId, NodeId)>,
    /// The pair that differed after the longest way, and how long that was.
    furthest: Option<(usize, NodeId, NodeId)>,
    /// Steps that may still be made: a file could be made to need very many.
    left: usize,
}

impl<'a> Walk<'a> {
    fn new(theirs: FileNetwork<'a>, ours: &'a Graph) -> Self {
        let FileNetwork { graph: theirs, params } = theirs;
        let (partners, failed) = Default::default();
        Self { theirs, params, ours, taken: Vec::new(), partners, failed, furthest: None, left: MOST_STEPS }
    }

    /// Whether two nodes compute the same, from the images on. As deep as our graph is, whatever the file's is.
    fn same(&mut self, our: NodeId, their: NodeId) -> bool {
        let (our, their) = (behind(self.ours, our), behind(self.theirs, their));
        if let Some(partner) = self.partners.get(&our) {
            return *partner == their;
        }
        if self.failed.contains(&(our, their)) {
            return false;
        }
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let before = self.taken.len();
        self.taken.push(our);
        self.partners.insert(our, their);
        if self.step(our, their) {
            return true;
        }
        // what failed on the way back failed because of this
        if self.furthest.is_none_or(|(way, ..)| way < before) {
            self.furthest = Some((before, our, their));
        }
        self.take_back(before);
        self.failed.insert((our, their));
        false
    }

    fn take_back(&mut self, before: usize) {
        for our in self.taken.drain(before..) {
            self.partners.remove(&our);
        }
    }

    fn step(&mut self, our: NodeId, their: NodeId) -> bool {
        let (ours, theirs) = (self.ours, self.theirs);
        let (one, other) = (ours.node(our), theirs.node(their));
        if one.shape != other.shape {
            return false;
        }
        match (one.op, other.op) {
            (Op::Conv2d { spec, bias, .. }, Op::Conv2d { spec: found, bias: own, .. }) => {
                // a shift has to go somewhere
                spec == found && (own.is_none() || bias.is_some()) && self.inputs(one, other)
            }
            (Op::BatchNorm { .. }, Op::Conv2d { spec: found, .. }) => {
                let conv = one.inputs[0];
                let Op::Conv2d { spec, .. } = ours.node(conv).op else { return false };
                self.taken.push(conv);
                self.partners.insert(conv, their).is_none()
                    && spec == found
                    && self.inputs(ours.node(conv), other)
            }
            (Op::Subsample { spec }, Op::Subsample { .. }) => {
                let (found, input) = subsampled(theirs, their);
                spec == found && self.same(one.inputs[0], input)
            }
            // a shortcut without parameters written as a layer's convolution
            (Op::Subsample { spec }, Op::Conv2d { spec: found, weight, bias: None }) => {
                let inputs = theirs.shape_before(other).c;
                injection(&found, inputs, self.params.get(weight)) == Some(spec) && self.inputs(one, other)
            }
            (Op::Add, Op::Add) => {
                let ([a, b], [c, d]) = (pair_of(one), pair_of(other));
                let before = self.taken.len();
                if self.same(a, c) && self.same(b, d) {
                    return true;
                }
                self.take_back(before);
                self.same(a, d) && self.same(b, c)
            }
            (Op::Dense { units, bias, .. }, Op::Dense { units: found, bias: own, .. }) => {
                units == found && (own.is_none() || bias.is_some()) && self.inputs(one, other)
            }
            (Op::Dense { units, bias, .. }, Op::Conv2d { spec: found, bias: own, .. }) => {
                // a convolution of all of a map is a dense layer, with the same filters
                let ImageShape { h, w, .. } = theirs.shape_before(other);
                let whole = found.kernel == [h, w] && found.padding == [0, 0] && found.groups == 1;
                whole
                    && units == found.channels
                    && (own.is_none() || bias.is_some())
                    && self.inputs(one, other)
            }
            (Op::BatchNorm { .. }, Op::BatchNorm { .. }) => {
                let (conv, shifted) = (one.inputs[0], other.inputs[0]);
                match (ours.node(conv).op, theirs.node(shifted).op) {
                    // a shift before a batch norm moves its mean
                    (Op::Conv2d { spec, bias: None, .. }, Op::Conv2d { spec: found, bias: Some(_), .. }) => {
                        self.taken.push(conv);
                        self.partners.insert(conv, shifted).is_none()
                            && spec == found
                            && self.inputs(ours.node(conv), theirs.node(shifted))
                    }
                    _ => self.inputs(one, other),
                }
            }
            _ => plain(ours, one) == plain(theirs, other) && self.inputs(one, other),
        }
    }

    /// Whether two nodes of one operation read the same.
    fn inputs(&mut self, one: &Node, other: &Node) -> bool {
        one.inputs.len() == other.inputs.len()
            && std::iter::zip(&one.inputs, &other.inputs).all(|(our, their)| self.same(*our, *their))
    }

    /// Where the two networks differ, in words.
    fn difference(&self) -> String {
        let Some((_, our, their)) = self.furthest else { return "it computes something else".to_owned() };
        let [expected, found] =
            [(self.ours, our), (self.theirs, their)].map(|(graph, id)| described(graph, id));
        format!("where that has {expected}, the file has {found}")
    }
}

fn pair_of(sum: &Node) -> [NodeId; 2] {
    [sum.inputs[0], sum.inputs[sum.inputs.len() - 1]]
}

/// What a node's value is, behind means over a single pixel.
fn behind(graph: &Graph, mut id: NodeId) -> NodeId {
    while let (Op::GlobalAvgPool2d, [input]) = (plain(graph, graph.node(id)), &graph.node(id).inputs[..])
        && graph.node(*input).shape.pixels() == 1
    {
        id = *input;
    }
    id
}

/// An operation without parameters, in one of the ways in which files spell it.
fn plain(graph: &Graph, node: &Node) -> Op {
    let ImageShape { h, w, .. } = graph.shape_before(node);
    match node.op {
        Op::AvgPool2d { spec, .. } if spec.kernel == [h, w] && spec.padding == [0, 0] => Op::GlobalAvgPool2d,
        // whether sizes round up shows in the shapes
        Op::AvgPool2d { spec, .. } => Op::AvgPool2d { spec, ceil: false },
        other => other,
    }
}

/// All of a chain of subsamplings in one, and what it reads.
fn subsampled(graph: &Graph, last: NodeId) -> (SubsampleSpec, NodeId) {
    let mut all = SubsampleSpec { stride: [1, 1], before: 0, after: 0 };
    let mut id = last;
    while let Op::Subsample { spec } = graph.node(id).op {
        // sizes of a graph that was read are far from overflowing; their products need not be
        let stride = [0, 1].map(|axis: usize| all.stride[axis].saturating_mul(spec.stride[axis]));
        let before = all.before.saturating_add(spec.before);
        let after = all.after.saturating_add(spec.after);
        all = SubsampleSpec { stride, before, after };
        id = graph.node(id).inputs[0];
    }
    (all, id)
}

/// An operation with its sizes and the name of its layer.
fn described(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let what = match node.op {
        Op::Input => "the images".to_owned(),
        Op::Conv2d {
            spec: ConvSpec { channels, kernel, stride, padding, dilation, groups }, bias, ..
        } => {
            let biased = if bias.is_some() { ", with a bias" } else { "" };
            let grouped = if groups > 1 { format!(" in {groups} groups") } else { String::new() };
            let dilated =
                if dilation == [1, 1] { String::new() } else { format!(", dilated by {}", dilation[0]) };
            format!(
                "a convolution of {}x{} to {channels} channels{grouped} at stride {}, border {}{dilated}{biased}",
                kernel[0], kernel[1], stride[0], padding[0]
            )
        }
        Op::MaxPool2d { spec } | Op::AvgPool2d { spec, .. } => format!(
            "{} of {}x{} at stride {}, border {}",
            node.op.kind().replace('_', " "),
            spec.kernel[0],
            spec.kernel[1],
            spec.stride[0],
            spec.padding[0]
        ),
        Op::Dense { units, .. } => format!("a dense layer of {units} units"),
        other => other.kind().replace('_', " "),
    };
    let own = graph.params_of(node).first().map(|param| super::names::split(&graph.param(*param).name).0);
    match own.filter(|path| !path.is_empty()) {
        Some(path) => format!("{what} ({path}, of shape {})", node.shape),
        None => format!("{what} (of shape {})", node.shape),
    }
}

/// From partners to values.
struct Values<'a> {
    theirs: &'a Graph,
    params: &'a Params,
    ours: &'a Graph,
    partners: HashMap<NodeId, NodeId>,
}

impl Values<'_> {
    fn collect(&self) -> Matched {
        let mut values: HashMap<ParamId, Vec<f32>> = HashMap::new();
        let mut folded = 0;
        for (index, node) in self.ours.nodes.iter().enumerate() {
            let Some(partner) = self.partners.get(&NodeId(index as u32)) else { continue };
            let partner = self.theirs.node(*partner);
            match (node.op, partner.op) {
                (Op::BatchNorm { spec, gamma, beta, mean, var }, Op::Conv2d { bias, .. }) => {
                    folded += 1;
                    let conv = self.ours.node(node.inputs[0]);
                    let kept = matches!(conv.op, Op::Conv2d { bias: Some(_), .. });
                    let shift = bias.filter(|_| !kept).map(|bias| self.params.get(bias).to_vec());
                    let same = |value: f32| vec![value; node.shape.c];
                    values.insert(gamma, same(1.0));
                    values.insert(beta, shift.unwrap_or_else(|| same(0.0)));
                    values.insert(mean, same(0.0));
                    values.insert(var, same(unchanging(spec)));
                }
                (Op::BatchNorm { spec, .. }, Op::BatchNorm { spec: found, .. }) => {
                    let theirs = self.theirs.params_of(partner);
                    for (our, their) in self.ours.params_of(node).into_iter().zip(&theirs) {
                        values.insert(our, self.params.get(*their).to_vec());
                    }
                    if spec.epsilon != found.epsilon
                        && let (Op::BatchNorm { gamma, .. }, Some(var)) = (node.op, theirs.last())
                        && let Some(gamma) = values.get_mut(&gamma)
                    {
                        rescale(gamma, self.params.get(*var), [found.epsilon, spec.epsilon]);
                    }
                    if let (Op::BatchNorm { mean, .. }, Op::Conv2d { bias: Some(shift), .. }) =
                        (node.op, self.theirs.node(partner.inputs[0]).op)
                        && matches!(self.ours.node(node.inputs[0]).op, Op::Conv2d { bias: None, .. })
                        && let Some(mean) = values.get_mut(&mean)
                    {
                        let shift = self.params.get(shift);
                        mean.iter_mut().zip(shift).for_each(|(mean, shift)| *mean -= shift);
                    }
                }
                _ => {
                    // a shift that the file has not is none
                    let theirs = self.theirs.params_of(partner);
                    for (at, our) in self.ours.params_of(node).into_iter().enumerate() {
                        let none = || vec![0.0; self.ours.param(our).len()];
                        let found = theirs.get(at).map(|their| self.params.get(*their).to_vec());
                        values.insert(our, found.unwrap_or_else(none));
                    }
                }
            }
        }
        let tensor = |(index, spec): (usize, &ParamSpec)| {
            let values = values.remove(&ParamId(index as u32)).unwrap_or_default();
            NamedTensor { name: spec.name.clone(), dims: spec.dims.clone(), values }
        };
        Matched { tensors: self.ours.params.iter().enumerate().map(tensor).collect(), folded }
    }
}

/// The variance with which a batch norm of scale 1 changes nothing: var + epsilon is 1 up to half of the last bit of var,
/// so that its root, rounded to f32, is 1.
fn unchanging(spec: BatchNormSpec) -> f32 {
    (1.0 - f64::from(spec.epsilon)) as f32
}

/// Scales under which the same statistics with another epsilon, `to`, give what they gave with `from`.
pub(super) fn rescale(gamma: &mut [f32], var: &[f32], [from, to]: [f32; 2]) {
    for (gamma, var) in gamma.iter_mut().zip(var) {
        let root = |epsilon: f32| (f64::from(*var) + f64::from(epsilon)).sqrt();
        *gamma = (f64::from(*gamma) * root(to) / root(from)) as f32;
    }
}
