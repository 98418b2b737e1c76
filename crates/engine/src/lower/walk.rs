//! The walk over a graph's nodes that turns them into values and units.

use plusx_kernels::args::FusedActivation;
use plusx_kernels::shape::{ConcatShape, PoolShape, SubsampleShape};
use plusx_kernels::{LANES, pitch};
use plusx_model::graph::{Graph, Node, NodeId, Op, PoolSpec};
use plusx_model::learning::Learning;
use plusx_model::shape::ImageShape;

use super::{
    Lowered, LoweredFilter, LoweredNorm, LoweredPart, LoweredTerm, LoweredUnit, LoweredValue, LoweredView,
    NormId, ValueId,
};
use crate::plan::{Mode, Statistics};

/// Lowers what `roots` need. In training, everything that the backward pass reads again is stored.
pub(crate) fn lower(graph: &Graph, roots: &[NodeId], mode: &Mode, learning: &Learning) -> Lowered {
    let mut lowering = Lowering::new(graph, roots, mode, learning);
    for index in 0..graph.nodes.len() {
        if lowering.live[index] {
            lowering.node(NodeId(index as u32));
        }
    }
    lowering.done
}

struct Lowering<'a> {
    graph: &'a Graph,
    mode: &'a Mode,
    learning: &'a Learning,
    live: Vec<bool>,
    /// How often each node's value is read, roots included; of equal values, at the first.
    uses: Vec<usize>,
    /// The first node with the same value: a ReLU of a ReLU is that ReLU.
    same: Vec<usize>,
    /// Views without a value yet.
    pending: Vec<Option<LoweredView>>,
    done: Lowered,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, roots: &[NodeId], mode: &'a Mode, learning: &'a Learning) -> Self {
        let count = graph.nodes.len();
        let mut live = vec![false; count];
        for root in roots {
            live[root.index()] = true;
        }
        for index in (0..count).rev().filter(|index| *index > 0) {
            if live[index] {
                graph.nodes[index].inputs.iter().for_each(|input| live[input.index()] = true);
            }
        }
        live[0] = true;
        let mut same: Vec<usize> = (0..count).collect();
        for (index, node) in graph.nodes.iter().enumerate() {
            if node.op == Op::Relu && graph.node(node.inputs[0]).op == Op::Relu {
                same[index] = same[node.inputs[0].index()];
            }
        }
        let mut uses = vec![0; count];
        for root in roots {
            uses[same[root.index()]] += 1;
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            if live[index] && same[index] == index {
                node.inputs.iter().for_each(|input| uses[same[input.index()]] += 1);
            }
        }
        // a root is stored even if nothing else reads it
        for root in roots {
            uses[same[root.index()]] += 1;
        }
        let done =
            Lowered { values: Vec::new(), norms: Vec::new(), units: Vec::new(), of_node: vec![None; count] };
        Self { graph, mode, learning, live, uses, same, pending: vec![None; count], done }
    }

    fn node(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let index = id.index();
        if self.same[index] != index {
            // all its readers read the first ReLU; a root needs the name too
            self.done.of_node[index] = self.done.of_node[self.same[index]];
            return;
        }
        match node.op {
            Op::Input => {
                let value = self.images(id);
                self.done.of_node[index] = Some(value);
            }
            Op::Conv2d { spec, weight, bias } => {
                let src = self.source(node.inputs[0]);
                let input = self.done.value(src).shape;
                self.conv(id, src, LoweredFilter::conv(&spec, weight, bias, input, node.shape));
            }
            Op::Dense { units, weight, bias } => {
                let src = self.source(node.inputs[0]);
                let input = self.done.value(src).shape;
                self.conv(id, src, LoweredFilter::dense(units, weight, bias, input));
            }
            Op::MaxPool2d { spec } => {
                let src = self.source(node.inputs[0]);
                let shape = pool_shape(self.done.value(src).shape, node, spec);
                self.output(id, src, false, |src, dst| LoweredUnit::MaxPool2d { src, dst, shape });
            }
            Op::AvgPool2d { spec, .. } => {
                let src = self.source(node.inputs[0]);
                let shape = pool_shape(self.done.value(src).shape, node, spec);
                self.output(id, src, false, |src, dst| LoweredUnit::AvgPool2d { src, dst, shape });
            }
            Op::Subsample { spec } => {
                let src = self.source(node.inputs[0]);
                let ImageShape { c, h, w } = self.done.value(src).shape;
                let shape = SubsampleShape {
                    c,
                    h,
                    w,
                    oh: node.shape.h,
                    ow: node.shape.w,
                    stride: spec.stride,
                    before: spec.before,
                    after: spec.after,
                };
                self.output(id, src, false, |src, dst| LoweredUnit::Subsample { src, dst, shape });
            }
            Op::GlobalAvgPool2d => {
                let src = self.source(node.inputs[0]);
                self.output(id, src, false, |src, dst| LoweredUnit::GlobalAvgPool2d { src, dst });
            }
            Op::BatchNorm { spec, gamma, beta, mean, var } => {
                let input = self.stored(node.inputs[0]);
                let norm = NormId(self.done.norms.len());
                let learns = self.learning.learns(gamma) || self.learning.learns(beta);
                let running = self.mode.statistics == Statistics::Running || !self.learning.learns(mean);
                let params = LoweredNorm { node: id, input, spec, gamma, beta, mean, var, learns, running };
                self.done.norms.push(params);
                // its readers are counted where the view that holds the norm is made
                self.done.units.push(LoweredUnit::Norm(norm));
                let main = LoweredTerm { value: input, norm: Some(norm) };
                self.view(id, LoweredView { main, add: None, activation: FusedActivation::None });
            }
            Op::Relu => {
                let input = self.same[node.inputs[0].index()];
                let view = match self.pending[input].take() {
                    Some(view) => view,
                    None => LoweredView::plain(self.stored(node.inputs[0])),
                };
                self.view(id, LoweredView { activation: FusedActivation::Relu, ..view });
            }
            Op::Add => {
                let main = self.term(node.inputs[0]);
                let add = Some(self.term(node.inputs[1]));
                self.view(id, LoweredView { main, add, activation: FusedActivation::None });
            }
            Op::Sigmoid => {
                let src = self.source(node.inputs[0]);
                self.output(id, src, false, |src, dst| LoweredUnit::Sigmoid { src, dst });
            }
            Op::Multiply => {
                let (src, scale) = (self.source(node.inputs[0]), self.source(node.inputs[1]));
                self.output_of(id, &[src, scale], |dst| LoweredUnit::Multiply { src, scale, dst });
            }
            Op::Concat { .. } => {
                let parts = self.parts(node);
                let sources: Vec<ValueId> = parts.iter().map(|part| part.src).collect();
                self.output_of(id, &sources, |dst| LoweredUnit::Concat { parts, dst });
            }
        }
    }

    /// The maps of a concatenation.
    fn parts(&mut self, node: &Node) -> Vec<LoweredPart> {
        let mut before = 0;
        let mut parts = Vec::new();
        for &input in &node.inputs {
            let src = self.source(input);
            let c = self.done.value(src).shape.c;
            let after = node.shape.c - before - c;
            parts.push(LoweredPart {
                src,
                shape: ConcatShape { c, pixels: node.shape.pixels(), before, after },
            });
            before += c;
        }
        parts
    }

    fn conv(&mut self, id: NodeId, src: ValueId, mut filter: LoweredFilter) {
        filter.shape.c_pitch = self.done.value(src).pitch;
        let learns =
            self.learning.learns(filter.weight) || filter.bias.is_some_and(|bias| self.learning.learns(bias));
        self.output(id, src, learns, |src, dst| LoweredUnit::Conv { src, dst, filter, raw: None });
    }

    fn images(&mut self, id: NodeId) -> ValueId {
        let shape = self.graph.node(id).shape;
        let only_convolutions = self.graph.nodes.iter().enumerate().all(|(index, node)| {
            let conv = matches!(node.op, Op::Conv2d { .. } | Op::Dense { .. });
            !self.live[index] || conv || !node.inputs.contains(&id)
        });
        let value = self.push(id, None, true);
        // More channels than a vector has lanes gain nothing from unpadded pixels.
        if only_convolutions && shape.c <= LANES {
            self.done.values[value.0].pitch = shape.c;
        }
        self.done.units.push(LoweredUnit::Images(value));
        value
    }

    /// Decides about the view that node `id` is: several readers share a stored value, a single one takes the view.
    fn view(&mut self, id: NodeId, view: LoweredView) {
        if self.uses[id.index()] > 1 {
            self.make(id, view, true);
        } else {
            self.pending[id.index()] = Some(view);
        }
    }

    fn make(&mut self, id: NodeId, view: LoweredView, stored: bool) -> ValueId {
        let value = self.push(id, Some(view), stored);
        let unit = self.done.units.len();
        self.done.units.push(LoweredUnit::View(value));
        let mut learns = false;
        for term in view.terms() {
            self.done.values[term.value.0].readers.push(unit);
            learns |= term.norm.is_some_and(|norm| self.done.norm(norm).learns);
            learns |= self.done.value(term.value).learns;
        }
        self.done.values[value.0].learns = learns;
        self.done.of_node[id.index()] = Some(value);
        value
    }

    fn push(&mut self, node: NodeId, view: Option<LoweredView>, stored: bool) -> ValueId {
        let shape = self.graph.node(node).shape;
        let unit = self.done.units.len();
        self.done.values.push(LoweredValue {
            node,
            shape,
            pitch: pitch(shape.c),
            view,
            stored,
            unit,
            readers: Vec::new(),
            learns: false,
        });
        ValueId(self.done.values.len() - 1)
    }

    /// The value of `node`, for a reader that can compute a view on load.
    fn source(&mut self, node: NodeId) -> ValueId {
        let index = self.same[node.index()];
        match self.pending[index].take() {
            Some(view) => {
                let stored = self.mode.backward && view.add.is_some();
                self.make(NodeId(index as u32), view, stored)
            }
            None => self.known(index),
        }
    }

    /// The value of `node`, for a reader that needs it in memory.
    fn stored(&mut self, node: NodeId) -> ValueId {
        let index = self.same[node.index()];
        match self.pending[index].take() {
            Some(view) => self.make(NodeId(index as u32), view, true),
            None => self.known(index),
        }
    }

    /// The value of `node` as one term of a sum.
    fn term(&mut self, node: NodeId) -> LoweredTerm {
        let index = self.same[node.index()];
        match self.pending[index] {
            Some(LoweredView { main, add: None, activation: FusedActivation::None }) => {
                self.pending[index] = None;
                main
            }
            _ => LoweredTerm { value: self.stored(node), norm: None },
        }
    }

    fn known(&self, index: usize) -> ValueId {
        match self.done.of_node[index] {
            Some(value) => value,
            None => unreachable!("{} is computed before it is read", self.graph.nodes[index].label),
        }
    }

    /// A unit that reads `src` and stores the value of `node`; `learns` says whether it has parameters that
    /// do.
    fn output(
        &mut self,
        node: NodeId,
        src: ValueId,
        learns: bool,
        unit: impl FnOnce(ValueId, ValueId) -> LoweredUnit,
    ) {
        let dst = self.output_of(node, &[src], |dst| unit(src, dst));
        self.done.values[dst.0].learns |= learns;
    }

    /// A unit that reads all of `sources` and stores the value of `node`.
    fn output_of(
        &mut self,
        node: NodeId,
        sources: &[ValueId],
        unit: impl FnOnce(ValueId) -> LoweredUnit,
    ) -> ValueId {
        let dst = self.push(node, None, true);
        let index = self.done.units.len();
        for src in sources {
            self.done.values[src.0].readers.push(index);
            self.done.values[dst.0].learns |= self.done.value(*src).learns;
        }
        self.done.units.push(unit(dst));
        self.done.of_node[node.index()] = Some(dst);
        dst
    }
}

/// Sizes of the pooling `node` of a map of shape `input`.
fn pool_shape(ImageShape { c, h, w }: ImageShape, node: &Node, spec: PoolSpec) -> PoolShape {
    let PoolSpec { kernel, stride, padding } = spec;
    PoolShape { c, h, w, oh: node.shape.h, ow: node.shape.w, kernel, stride, padding }
}
