//! The recorder of a trace: labels and paths of what is entered, nodes and parameters of what is written.
//!
//! Every layer and block gets two names. Its *label* ("conv5") is Gluon's: one counter per kind for the whole
//! process, parent before children. The counters are a [`Names`] value, so that several traces can count on. Its
//! *path* ("layer1.0.conv1") is where its parameters are found in a weight file.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::error::ModelError;
use crate::graph::{Graph, Node, NodeId, Op, ParamId, ParamSpec, Scope};
use crate::image_shape::ImageShape;
use crate::op::Slot;
use crate::shape;

/// Counters of layer labels per kind: "conv0", "conv1", "batchnorm0". A fresh process starts with `Names::new()`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    next: BTreeMap<String, usize>,
}

impl Names {
    /// All counters at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next label of a kind, counted.
    pub fn take(&mut self, alias: &str) -> String {
        let count = self.next.entry(alias.to_owned()).or_default();
        *count += 1;
        format!("{alias}{}", *count - 1)
    }
}

/// Which layer object a call belongs to, however it moves in memory. A clone is another layer.
#[derive(Debug)]
pub(crate) struct LayerIdentity(Arc<()>);

impl LayerIdentity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(()))
    }

    /// Unique among the layers that a trace has met, because it keeps them alive.
    fn key(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

impl Default for LayerIdentity {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for LayerIdentity {
    fn clone(&self) -> Self {
        Self::new()
    }
}

/// The layer or block that is being entered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag<'a> {
    /// The layer object, if it has parameters to share between calls.
    pub(crate) identity: Option<&'a LayerIdentity>,
    /// The segment of its path; none: alias and a counter of the parent ("conv0").
    pub(crate) name: Option<&'a str>,
    /// Its kind.
    pub(crate) alias: &'a str,
}

/// A graph being written. Made by [`trace`](crate::trace::trace); blocks see it only through
/// [`Var`](crate::block::Var).
#[derive(Debug)]
pub(crate) struct Tracer {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    graph: Graph,
    names: Names,
    /// Blocks entered and not left, outermost first.
    frames: Vec<Frame>,
    /// Layer objects met so far.
    layers: HashMap<usize, Known>,
    /// Labels of blocks without identity that were entered under a given name, by path.
    labels: HashMap<String, String>,
    /// Every path given so far.
    paths: HashSet<String>,
    /// Parameters by name.
    params: HashMap<String, ParamId>,
    /// Counters of operations that are no layers, by label without number.
    functions: Names,
    /// The name that [`Var::through`](crate::block::Var::through) has for the layer about to be entered.
    pending: Option<String>,
}

#[derive(Clone, Debug)]
struct Frame {
    label: String,
    path: String,
    /// Whether this layer object was entered before: its parameters are there already.
    reentered: bool,
    /// Counters of unnamed children.
    children: Names,
}

#[derive(Debug)]
struct Known {
    label: String,
    path: String,
    /// Kept so that no later layer can have the same address.
    _alive: Arc<()>,
}

impl Tracer {
    /// With a graph of nothing but the input, images of shape `input`; gives the input's node, too.
    pub(crate) fn new(names: Names, input: ImageShape) -> (Self, NodeId) {
        let tracer = Self { state: RefCell::new(State { names, ..State::default() }) };
        let images = tracer.push(Op::Input, &[], input, "input".to_owned());
        (tracer, images)
    }

    /// What was recorded, and the counters as they stand.
    pub(crate) fn finish(self) -> (Graph, Names) {
        let state = self.state.into_inner();
        (state.graph, state.names)
    }

    /// Takes label and path, and makes them the current ones. Always followed by [`Tracer::leave`].
    pub(crate) fn enter(&self, tag: &Tag<'_>) {
        let state = &mut *self.state.borrow_mut();
        let given = state.pending.take().or_else(|| tag.name.map(str::to_owned));
        if let Some(known) = tag.identity.and_then(|identity| state.layers.get(&identity.key())) {
            let (label, path) = (known.label.clone(), known.path.clone());
            state.frames.push(Frame { label, path, reentered: true, children: Names::new() });
            return;
        }
        let path = state.path(given.as_deref(), tag.alias);
        let label = match (given, tag.identity) {
            (Some(_), None) => {
                let names = &mut state.names;
                state.labels.entry(path.clone()).or_insert_with(|| names.take(tag.alias)).clone()
            }
            _ => state.names.take(tag.alias),
        };
        if let Some(identity) = tag.identity {
            let known = Known { label: label.clone(), path: path.clone(), _alive: identity.0.clone() };
            state.layers.insert(identity.key(), known);
        }
        state.frames.push(Frame { label, path, reentered: false, children: Names::new() });
    }

    /// Closes the current block; `value` is `None` if it failed.
    pub(crate) fn leave(&self, value: Option<NodeId>) {
        let state = &mut *self.state.borrow_mut();
        if let (Some(frame), Some(output)) = (state.frames.pop(), value) {
            let depth = state.frames.len();
            state.graph.scopes.push(Scope { label: frame.label, depth, output });
        }
    }

    /// Runs `body`, which enters one layer, under a given name.
    pub(crate) fn with_name<T>(&self, name: &str, body: impl FnOnce() -> T) -> T {
        self.state.borrow_mut().pending = Some(name.to_owned());
        let result = body();
        self.state.borrow_mut().pending = None;
        result
    }

    pub(crate) fn shape(&self, node: NodeId) -> ImageShape {
        self.state.borrow().graph.node(node).shape
    }

    /// Label of an operation that is no layer: "residual0_relu0".
    pub(crate) fn function_label(&self, kind: &str) -> String {
        let state = &mut *self.state.borrow_mut();
        let block = state.frames.last().map_or("", |frame| &frame.label);
        state.functions.take(&format!("{block}_{kind}"))
    }

    /// Adds a node whose operation has no parameters.
    pub(crate) fn node(&self, op: Op, inputs: &[NodeId], label: String) -> Result<NodeId, ModelError> {
        let shapes: Vec<ImageShape> = inputs.iter().map(|&input| self.shape(input)).collect();
        let shape = shape::output(&label, &op, &shapes)?;
        Ok(self.push(op, inputs, shape, label))
    }

    /// Adds the node of the layer just entered, with its parameters; their ids in `op` are placeholders.
    pub(crate) fn layer_node(&self, mut op: Op, input: NodeId) -> Result<NodeId, ModelError> {
        let before = self.shape(input);
        let label = self.state.borrow().frames.last().map(|frame| frame.label.clone()).unwrap_or_default();
        let shape = shape::output(&label, &op, &[before])?;
        for slot in op.slots(before) {
            self.state.borrow_mut().declare(slot, before)?;
        }
        Ok(self.push(op, &[input], shape, label))
    }

    /// Adds a node whose shape is known.
    pub(crate) fn push(&self, op: Op, inputs: &[NodeId], shape: ImageShape, label: String) -> NodeId {
        let nodes = &mut self.state.borrow_mut().graph.nodes;
        nodes.push(Node { op, inputs: inputs.to_vec(), shape, label });
        NodeId(nodes.len() as u32 - 1)
    }
}

impl State {
    /// Path of a new child of the current block.
    fn path(&mut self, given: Option<&str>, alias: &str) -> String {
        let parent = self.frames.last_mut();
        let prefix = parent.as_ref().map_or("", |frame| &frame.path).to_owned();
        let path = match (given, parent) {
            (Some(name), _) => join(&prefix, name),
            (None, None) => prefix,
            (None, Some(frame)) => loop {
                let path = join(&prefix, &frame.children.take(alias));
                if !self.paths.contains(&path) {
                    break path;
                }
            },
        };
        self.paths.insert(path.clone());
        path
    }

    /// The parameter of the current layer for `slot`: a new one, or that of an earlier call of the same layer.
    fn declare(&mut self, slot: Slot<'_>, input: ImageShape) -> Result<(), ModelError> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let name = join(&frame.path, slot.suffix);
        let layer = frame.label.clone();
        *slot.id = match self.params.get(&name) {
            Some(_) if !frame.reentered => return Err(ModelError::DuplicateName { layer, parameter: name }),
            Some(&id) => {
                let expected = &self.graph.param(id).dims;
                if *expected != slot.dims {
                    let (expected, found) = (expected.clone(), slot.dims);
                    return Err(ModelError::Shared { layer, parameter: name, input, expected, found });
                }
                id
            }
            None => {
                let id = ParamId(self.graph.params.len() as u32);
                self.graph.params.push(ParamSpec { name: name.clone(), dims: slot.dims, role: slot.role });
                self.params.insert(name, id);
                id
            }
        };
        Ok(())
    }
}

fn join(parent: &str, name: &str) -> String {
    match (parent, name) {
        ("", name) => name.to_owned(),
        (parent, "") => parent.to_owned(),
        _ => format!("{parent}.{name}"),
    }
}
