//! Whether the network that a pickled module describes computes what a network of the zoo does: every attribute of its
//! layers against the graph's. What can be taken over exactly is, another epsilon, and whatever else differs is an error.
//!
//! Of a module whose class is neither PyTorch's nor torchvision's or timm's ResNet the program is not in the file. Then
//! its layers are compared all the same, and a note says that the rest was assumed.

use std::collections::{HashMap, HashSet};

use plusx_model::graph::{ConvSpec, Graph, Node, Op, PoolSpec};
use plusx_model::params::Params;
use plusx_weights::some;

use super::modules::{Conv, Layer, Padding, Pool, Said, What};
use super::names;
use super::structure::rescale;
use super::weights::ForeignWeights;
use crate::error::FormatError;

/// What was found; each in a sentence.
#[derive(Debug, Default)]
pub(super) struct LayerComparison {
    /// What makes it another network.
    pub(super) differences: Vec<String>,
    /// What a reader should know.
    pub(super) notes: Vec<String>,
}

/// Compares what `weights` say about their layers with `graph`, whose parameters are at `pairs` among the tensors. Scales
/// of batch norms with another epsilon are changed in `params`, so that answers stay the same.
pub(super) fn compare(
    weights: &ForeignWeights,
    said: &Said,
    graph: &Graph,
    pairs: &[Option<usize>],
    params: &mut Params,
) -> LayerComparison {
    let layers: HashMap<&str, &Layer> = said.layers.iter().map(|layer| (&*layer.path, layer)).collect();
    let mut found = LayerComparison::default();
    // what a network needs has been found: its layers have a place in the file
    let mut used: HashSet<&str> = HashSet::new();
    let mut rescaled = Vec::new();
    for node in &graph.nodes {
        let Some(first) = graph.params_of(node).first().copied() else { continue };
        let Some(tensor) = pairs[first.index()].map(|at| &weights.tensors[at]) else { continue };
        let path = said.layer_of(&tensor.name);
        used.insert(path);
        let Some(layer) = layers.get(path) else { continue };
        match (node.op, &layer.what) {
            (Op::Conv2d { spec, .. }, What::Conv(conv)) => found.conv(path, conv, spec),
            (Op::BatchNorm { .. }, What::Norm { tracked: false, .. }) => found.differences.push(format!(
                "{path}: no running statistics in the file (track_running_stats=False), which the network computes with"
            )),
            (Op::BatchNorm { spec, gamma, var, .. }, What::Norm { epsilon, .. }) => {
                let epsilon = *epsilon as f32;
                if epsilon != spec.epsilon {
                    let var = params.get(var).to_vec();
                    rescale(params.get_mut(gamma), &var, [epsilon, spec.epsilon]);
                    rescaled.push((path, epsilon, spec.epsilon));
                }
            }
            (Op::Dense { .. }, What::Linear) => {}
            _ => {
                let (class, op) = (&layer.class, article(&node.op.kind().replace('_', " ")));
                found.differences.push(format!("{path}: {class} in the file, {op} in the network"));
            }
        }
    }
    if let Some((path, from, to)) = rescaled.first() {
        found.notes.push(format!(
            "{} batch norms, {path} first, have epsilon {from:e} in the file, {to:e} in the network: their scales were \
             changed so that answers stay the same",
            rescaled.len()
        ));
    }
    let used = Used { paths: used, layers: &layers };
    found.rest(said, graph, &used);
    found
}

impl ForeignWeights {
    /// Whether the file says of the layers at `pairs` more than their numbers.
    pub(super) fn describes(&self, pairs: &[Option<usize>]) -> bool {
        let Some(said) = &self.said else { return false };
        let layers: HashSet<&str> = said.layers.iter().map(|layer| &*layer.path).collect();
        pairs.iter().flatten().any(|at| layers.contains(said.layer_of(&self.tensors[*at].name)))
    }

    /// What should be known about the network that a pickled module describes, beside `graph`. Of other files nothing.
    pub(super) fn agreed(
        &self,
        graph: &Graph,
        pairs: &[Option<usize>],
        params: &mut Params,
    ) -> Result<Vec<String>, FormatError> {
        let Some(said) = self.said.as_ref().filter(|_| self.describes(pairs)) else { return Ok(Vec::new()) };
        let LayerComparison { differences, notes } = compare(self, said, graph, pairs, params);
        match differences.is_empty() {
            true => Ok(notes),
            false => Err(FormatError::Structure { path: self.path().to_owned(), differences }),
        }
    }
}

/// The layers that the network's parameters come from.
struct Used<'a> {
    paths: HashSet<&'a str>,
    layers: &'a HashMap<&'a str, &'a Layer>,
}

impl<'a> Used<'a> {
    /// Whether a module holds all of them: it is the network, or has the network in it.
    fn all_in(&self, path: &str) -> bool {
        self.paths.iter().all(|one| inside(one, path))
    }

    /// The innermost module that holds all of them.
    fn network(&self, said: &'a Said) -> Option<&'a Layer> {
        said.layers
            .iter()
            .filter(|layer| layer.has_children && self.all_in(&layer.path))
            .max_by_key(|layer| layer.path.len())
    }

    fn parent(&self, path: &str) -> Option<&'a Layer> {
        if path.is_empty() {
            return None;
        }
        self.layers.get(names::split(path).0).copied()
    }

    /// The nearest module around this one whose program, known or not, uses it.
    fn user(&self, path: &str) -> Option<(&'a Layer, String)> {
        let mut inner = path.to_owned();
        loop {
            let parent = self.parent(&inner)?;
            let role = inner[parent.path.len()..].trim_start_matches('.').to_owned();
            if parent.what != What::Chain {
                return Some((parent, role));
            }
            inner.clone_from(&parent.path);
        }
    }
}

fn inside(path: &str, outer: &str) -> bool {
    outer.is_empty() || path == outer || path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
}

/// What torchvision's and timm's programs use; anything else in such a module is not computed.
const ROLES: [&str; 25] = [
    "conv1",
    "conv2",
    "conv3",
    "bn1",
    "bn2",
    "bn3",
    "relu",
    "act1",
    "act2",
    "act3",
    "maxpool",
    "avgpool",
    "global_pool",
    "fc",
    "downsample",
    "layer1",
    "layer2",
    "layer3",
    "layer4",
    "se",
    "aa",
    "drop_block",
    "drop_path",
    "head_drop",
    "drop",
];

impl LayerComparison {
    fn conv(&mut self, path: &str, conv: &Conv, spec: ConvSpec) {
        let padding = match conv.padding {
            Padding::Each(padding) => Some(padding),
            // as much on both sides only for odd spans
            Padding::Same => {
                let span = [0, 1].map(|axis: usize| (spec.kernel[axis] - 1) * conv.dilation[axis]);
                (span[0] % 2 == 0 && span[1] % 2 == 0).then(|| span.map(|span| span / 2))
            }
        };
        let mut differs = |what: &str, file: String, network: String| {
            self.differences.push(format!("{path}: {what} {file} in the file, {network} in the network"));
        };
        if conv.stride != spec.stride {
            differs("stride", pair(conv.stride), pair(spec.stride));
        }
        if conv.dilation != spec.dilation {
            differs("dilation", pair(conv.dilation), pair(spec.dilation));
        }
        if conv.groups != spec.groups {
            differs("groups", conv.groups.to_string(), spec.groups.to_string());
        }
        if padding != Some(spec.padding) {
            let file = padding.map_or("uneven".to_owned(), pair);
            differs("padding", file, pair(spec.padding));
        }
        let borderless = padding == Some([0, 0]) && spec.padding == [0, 0];
        if conv.mode != "zeros" && !borderless {
            differs("padding with", conv.mode.clone(), "zeros".to_owned());
        }
    }

    /// Modules without parameters, and programs.
    fn rest(&mut self, said: &Said, graph: &Graph, used: &Used<'_>) {
        let Some(network) = used.network(said) else { return };
        let known = network.what == What::Known;
        let (mut programs, mut hooked) = (Vec::new(), Vec::new());
        let mut pools: Vec<&Node> =
            graph.nodes.iter().filter(|node| matches!(node.op, Op::AvgPool2d { .. })).rev().collect();
        let mut largest: Vec<&Node> =
            graph.nodes.iter().filter(|node| matches!(node.op, Op::MaxPool2d { .. })).rev().collect();
        for layer in &said.layers {
            if !inside(&layer.path, &network.path) {
                // what is around the network computes something, too
                if used.all_in(&layer.path) {
                    if layer.what == What::Other {
                        programs.push(layer.class.to_string());
                    }
                } else if layer.what != What::Nothing
                    && used
                        .parent(&layer.path)
                        .is_some_and(|parent| parent.what == What::Chain && used.all_in(&parent.path))
                {
                    let (path, class) = (&layer.path, &layer.class);
                    self.differences
                        .push(format!("{path}: {class} in the file, before or behind the network"));
                }
                continue;
            }
            let user = used.user(&layer.path).filter(|_| layer.path != network.path);
            let strict = user.as_ref().is_some_and(|(user, _)| user.what == What::Known);
            if let Some((user, role)) = &user
                && user.what == What::Known
                && !ROLES.contains(&names_first(role))
            {
                continue;
            }
            if layer.hooked {
                hooked.push(named(layer));
            }
            let path = named(layer);
            match &layer.what {
                What::MaxPool(pool) => match largest.pop().map(|node| node.op) {
                    Some(Op::MaxPool2d { spec }) => self.pool(&path, pool, spec),
                    _ => self
                        .differences
                        .push(format!("{path}: a max pooling in the file, none in the network")),
                },
                What::AvgPool(pool) if is_global(pool, graph) => {}
                What::AvgPool(pool) => match pools.pop().map(|node| node.op) {
                    Some(Op::AvgPool2d { spec, ceil }) => {
                        self.pool(&path, pool, spec);
                        let padded = pool.counts_border && pool.padding != [0, 0];
                        if padded || pool.ceil != ceil {
                            self.differences.push(format!(
                                "{path}: an average pooling that treats the border otherwise than the network's"
                            ));
                        }
                    }
                    _ => self
                        .differences
                        .push(format!("{path}: an average pooling in the file, none in the network")),
                },
                What::Torch => {
                    let class = &layer.class;
                    self.differences.push(format!("{path}: {class} in the file, which the network has not"));
                }
                What::Other if used.paths.contains(&*layer.path) => {}
                // between layers of known order nothing may stand that is not known
                What::Other if strict || !layer.has_children && in_chain(used, layer) => {
                    let class = &layer.class;
                    self.differences.push(format!(
                        "{path}: {class} in the file, a program that is not in it and that the network has not"
                    ));
                }
                What::Other => programs.push(layer.class.to_string()),
                What::Nothing if known || strict => {
                    self.missing(&path, user.as_ref().map(|(_, role)| &**role))
                }
                _ => {}
            }
        }
        if known && !largest.is_empty() {
            self.differences.push("no max pooling in the file, one in the network".to_owned());
        }
        if !programs.is_empty() {
            programs.sort();
            programs.dedup();
            self.notes.push(format!(
                "what {} computes is a program that is not in the file: its numbers and layers were read, how they are \
                 connected was assumed",
                some(&programs, ", ")
            ));
        }
        if !hooked.is_empty() {
            self.notes.push(format!(
                "functions are hooked to {}, which are not in the file: what they do was left out",
                some(&hooked, ", ")
            ));
        }
    }

    /// `Identity` in a place where the known programs compute something.
    fn missing(&mut self, path: &str, role: Option<&str>) {
        let wanted = match role.unwrap_or_default() {
            "relu" | "act1" | "act2" | "act3" => "a ReLU",
            "avgpool" | "global_pool" => "the mean of all pixels",
            "bn1" | "bn2" | "bn3" => "a batch norm",
            _ => return,
        };
        self.differences.push(format!("{path}: nothing in the file, {wanted} in the network"));
    }

    fn pool(&mut self, path: &str, pool: &Pool, spec: PoolSpec) {
        let mut differs = |what: &str, file: [usize; 2], network: [usize; 2]| {
            if file != network {
                let (file, network) = (pair(file), pair(network));
                self.differences.push(format!("{path}: {what} {file} in the file, {network} in the network"));
            }
        };
        differs("window", pool.kernel, spec.kernel);
        differs("stride", pool.stride, spec.stride);
        differs("padding", pool.padding, spec.padding);
        differs("dilation", pool.dilation, [1, 1]);
    }
}

/// Whether a module is one of a chain: the chain computes it, whatever it is.
fn in_chain(used: &Used<'_>, layer: &Layer) -> bool {
    used.parent(&layer.path).is_some_and(|parent| parent.what == What::Chain)
}

fn names_first(role: &str) -> &str {
    role.split('.').next().unwrap_or(role)
}

fn named(layer: &Layer) -> String {
    if layer.path.is_empty() { "the network".to_owned() } else { layer.path.clone() }
}

/// Whether an average pooling covers the last map, as torchvision's did before it became adaptive.
fn is_global(pool: &Pool, graph: &Graph) -> bool {
    let global = graph.nodes.iter().find(|node| matches!(node.op, Op::GlobalAvgPool2d));
    let map = global.map(|node| graph.shape_before(node));
    map.is_some_and(|map| pool.kernel == [map.h, map.w] && pool.padding == [0, 0])
}

fn article(what: &str) -> String {
    format!("a {what}")
}

/// Both sizes, or one where they are equal.
fn pair([h, w]: [usize; 2]) -> String {
    if h == w { h.to_string() } else { format!("{h}x{w}") }
}
