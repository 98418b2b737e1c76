//! From graph to *values* and *units*: which nodes become stored maps, and which are computed where they are read.
//!
//! A convolution, dense layer or pooling stores its output. Batch norms, ReLUs and sums are *views*:
//! `[relu](main [+ add])` over stored values, each term perhaps seen through a batch norm. A view with one reader is
//! never stored: its reader computes it on load. A view with several readers, one that is tapped, and in training one
//! with two terms (its ReLU's gate needs the sum) is stored once and read like any other map.

use plusx_kernels::pitch;
use plusx_kernels::shape::{ConvShape, MapShape, PoolShape};
use plusx_model::graph::{BatchNormSpec, Graph, NodeId, Op, ParamId};
use plusx_model::shape::ImageShape;

/// Index of a [`Value`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ValueId(pub(crate) usize);

/// Index of a [`Norm`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NormId(pub(crate) usize);

/// A stored value, perhaps seen through a batch norm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Term {
    pub(crate) value: ValueId,
    pub(crate) norm: Option<NormId>,
}

/// `[relu](main [+ add])`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct View {
    pub(crate) main: Term,
    pub(crate) add: Option<Term>,
    pub(crate) relu: bool,
}

impl View {
    fn plain(value: ValueId) -> Self {
        Self { main: Term { value, norm: None }, add: None, relu: false }
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = Term> {
        std::iter::once(self.main).chain(self.add)
    }
}

/// Something that readers read: a stored map or a view.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// The last node it stands for.
    pub(crate) node: NodeId,
    pub(crate) shape: ImageShape,
    /// Distance between pixels: the channels themselves for images that only convolutions read.
    pub(crate) pitch: usize,
    /// What it is computed from, if it is a view.
    pub(crate) view: Option<View>,
    /// Whether it has memory of its own.
    pub(crate) stored: bool,
    /// The unit that makes it.
    pub(crate) unit: usize,
    /// The units that read it, in order; one that reads it twice is there twice.
    pub(crate) readers: Vec<usize>,
    /// Whether a parameter that learns lies before it.
    pub(crate) learns: bool,
}

impl Value {
    pub(crate) fn map_shape(&self) -> MapShape {
        MapShape { c: self.shape.c, pitch: self.pitch, pixels: self.shape.pixels() }
    }

    /// Stored values of one image.
    pub(crate) fn len(&self) -> usize {
        self.shape.pixels() * self.pitch
    }
}

/// One batch norm at work.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) node: NodeId,
    pub(crate) input: ValueId,
    pub(crate) spec: BatchNormSpec,
    pub(crate) gamma: ParamId,
    pub(crate) beta: ParamId,
    pub(crate) mean: ParamId,
    pub(crate) var: ParamId,
}

/// A filter and its bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    pub(crate) shape: ConvShape,
    pub(crate) weight: ParamId,
    pub(crate) bias: Option<ParamId>,
}

/// Something that happens at one point of the forward pass.
#[derive(Clone, Debug)]
pub(crate) enum Unit {
    /// The images come in.
    Images(ValueId),
    /// A convolution or dense layer.
    Conv { src: ValueId, dst: ValueId, filter: Filter },
    /// A max pooling.
    MaxPool { src: ValueId, dst: ValueId, shape: PoolShape },
    /// A global average pooling.
    Average { src: ValueId, dst: ValueId },
    /// A batch norm's statistics are complete.
    Norm(NormId),
    /// A view comes into being; if it is stored, it is written here or by its first reader.
    View(ValueId),
}

/// A graph made ready for planning.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) values: Vec<Value>,
    pub(crate) norms: Vec<Norm>,
    pub(crate) units: Vec<Unit>,
    /// The value of each node, where it is a value of its own.
    pub(crate) of_node: Vec<Option<ValueId>>,
}

impl Lowered {
    pub(crate) fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    pub(crate) fn norm(&self, id: NormId) -> &Norm {
        &self.norms[id.0]
    }
}

/// Sizes of the convolution that `op` is, over an input of shape `input`; `None` for other operations.
pub(crate) fn filter(op: &Op, input: ImageShape, output: ImageShape) -> Option<Filter> {
    let dense = |units| ConvShape {
        c: input.c,
        k: units,
        h: input.h,
        w: input.w,
        oh: 1,
        ow: 1,
        kernel: [input.h, input.w],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
        c_pitch: pitch(input.c),
    };
    match *op {
        Op::Conv2d { spec, weight, bias } => {
            let shape = ConvShape {
                oh: output.h,
                ow: output.w,
                kernel: spec.kernel,
                stride: spec.stride,
                padding: spec.padding,
                dilation: spec.dilation,
                groups: spec.groups,
                ..dense(spec.channels)
            };
            Some(Filter { shape, weight, bias })
        }
        Op::Dense { units, weight, bias } => Some(Filter { shape: dense(units), weight, bias }),
        Op::Input
        | Op::BatchNorm { .. }
        | Op::Relu
        | Op::MaxPool2d { .. }
        | Op::GlobalAvgPool2d
        | Op::Add => None,
    }
}

/// Lowers what `roots` need. In `training`, everything that the backward pass reads again is stored.
pub(crate) fn lower(graph: &Graph, roots: &[NodeId], training: bool) -> Lowered {
    let mut lowering = Lowering::new(graph, roots, training);
    for index in 0..graph.nodes.len() {
        if lowering.live[index] {
            lowering.node(NodeId(index as u32));
        }
    }
    lowering.done
}

struct Lowering<'a> {
    graph: &'a Graph,
    training: bool,
    live: Vec<bool>,
    /// How often each node's value is read, roots included; of equal values, at the first.
    uses: Vec<usize>,
    /// The first node with the same value: a ReLU of a ReLU is that ReLU.
    same: Vec<usize>,
    /// Views without a value yet.
    pending: Vec<Option<View>>,
    done: Lowered,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, roots: &[NodeId], training: bool) -> Self {
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
        Self { graph, training, live, uses, same, pending: vec![None; count], done }
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
            Op::Conv2d { .. } | Op::Dense { .. } => {
                let src = self.source(node.inputs[0]);
                let Some(mut filter) = filter(&node.op, self.done.value(src).shape, node.shape) else {
                    unreachable!("{} is a convolution", node.label);
                };
                filter.shape.c_pitch = self.done.value(src).pitch;
                self.output(id, src, true, |src, dst| Unit::Conv { src, dst, filter });
            }
            Op::MaxPool2d { spec } => {
                let src = self.source(node.inputs[0]);
                let input = self.done.value(src).shape;
                let shape = PoolShape {
                    c: input.c,
                    h: input.h,
                    w: input.w,
                    oh: node.shape.h,
                    ow: node.shape.w,
                    kernel: spec.kernel,
                    stride: spec.stride,
                    padding: spec.padding,
                };
                self.output(id, src, false, |src, dst| Unit::MaxPool { src, dst, shape });
            }
            Op::GlobalAvgPool2d => {
                let src = self.source(node.inputs[0]);
                self.output(id, src, false, |src, dst| Unit::Average { src, dst });
            }
            Op::BatchNorm { spec, gamma, beta, mean, var } => {
                let input = self.stored(node.inputs[0]);
                let norm = NormId(self.done.norms.len());
                self.done.norms.push(Norm { node: id, input, spec, gamma, beta, mean, var });
                // its readers are counted where the view that holds the norm is made
                self.done.units.push(Unit::Norm(norm));
                let main = Term { value: input, norm: Some(norm) };
                self.view(id, View { main, add: None, relu: false });
            }
            Op::Relu => {
                let input = self.same[node.inputs[0].index()];
                let view = match self.pending[input].take() {
                    Some(view) => view,
                    None => View::plain(self.stored(node.inputs[0])),
                };
                self.view(id, View { relu: true, ..view });
            }
            Op::Add => {
                let main = self.term(node.inputs[0]);
                let add = Some(self.term(node.inputs[1]));
                self.view(id, View { main, add, relu: false });
            }
        }
    }

    fn images(&mut self, id: NodeId) -> ValueId {
        let shape = self.graph.node(id).shape;
        let only_convolutions = self.graph.nodes.iter().enumerate().all(|(index, node)| {
            let conv = matches!(node.op, Op::Conv2d { .. } | Op::Dense { .. });
            !self.live[index] || conv || !node.inputs.contains(&id)
        });
        let value = self.push(id, None, true);
        if only_convolutions {
            self.done.values[value.0].pitch = shape.c;
        }
        self.done.units.push(Unit::Images(value));
        value
    }

    /// Decides about the view that node `id` is: several readers share a stored value, a single one takes the view.
    fn view(&mut self, id: NodeId, view: View) {
        if self.uses[id.index()] > 1 {
            self.make(id, view, true);
        } else {
            self.pending[id.index()] = Some(view);
        }
    }

    fn make(&mut self, id: NodeId, view: View, stored: bool) -> ValueId {
        let value = self.push(id, Some(view), stored);
        let unit = self.done.units.len();
        self.done.units.push(Unit::View(value));
        let mut learns = false;
        for term in view.terms() {
            self.done.values[term.value.0].readers.push(unit);
            learns |= term.norm.is_some() || self.done.value(term.value).learns;
        }
        self.done.values[value.0].learns = learns;
        self.done.of_node[id.index()] = Some(value);
        value
    }

    fn push(&mut self, node: NodeId, view: Option<View>, stored: bool) -> ValueId {
        let shape = self.graph.node(node).shape;
        let unit = self.done.units.len();
        self.done.values.push(Value {
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
                let stored = self.training && view.add.is_some();
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
    fn term(&mut self, node: NodeId) -> Term {
        let index = self.same[node.index()];
        match self.pending[index] {
            Some(View { main, add: None, relu: false }) => {
                self.pending[index] = None;
                main
            }
            _ => Term { value: self.stored(node), norm: None },
        }
    }

    fn known(&self, index: usize) -> ValueId {
        match self.done.of_node[index] {
            Some(value) => value,
            None => unreachable!("{} is computed before it is read", self.graph.nodes[index].label),
        }
    }

    /// A unit that reads `src` and stores the value of `node`.
    fn output(
        &mut self,
        node: NodeId,
        src: ValueId,
        learns: bool,
        unit: impl FnOnce(ValueId, ValueId) -> Unit,
    ) {
        let dst = self.push(node, None, true);
        let index = self.done.units.len();
        self.done.values[src.0].readers.push(index);
        self.done.values[dst.0].learns = learns || self.done.value(src).learns;
        self.done.units.push(unit(src, dst));
        self.done.of_node[node.index()] = Some(dst);
    }
}
