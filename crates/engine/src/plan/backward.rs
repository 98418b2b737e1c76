//! The backward half of a plan.
//!
//! Gradients live at values. Each reader of a value *contributes* to the value's gradient, the last reader first; the
//! last contribution to arrive is gated by the value's ReLU and summed for the batch norms behind it on its way out
//! ([`plusx_kernels::args::Sink`]), so the gradient is never passed over again. Two shortcuts avoid most copies:
//! - A convolution whose output is read by one view never gets a gradient of its own: it reads the view's, through
//!   the batch norm if there is one (*lazy*; [`plusx_kernels::args::Grad`]).
//! - A value that a sum passes on unchanged (the skip) goes on accumulating in the sum's own gradient buffer, when
//!   nobody still has to read what is there (*alias*).

use std::collections::{HashMap, HashSet};

use plusx_kernels::sum::SEGMENT;
use plusx_kernels::{conv, elementwise, pool};
use plusx_model::graph::ParamId;

use super::build::{Builder, blocks, only, pick};
use super::pieces::Pieces;
use super::step::{
    BufferId, GateRef, GradNormRef, GradRef, GradTo, PairRef, SinkRef, SourceRef, Step, SumsRef, TermRef,
    Work,
};
use crate::lower::{Filter, NormId, Term, Unit, ValueId};
use crate::params::Layout;

/// Values that one piece of a sum over segments or of an update has.
const CHUNK: usize = 1 << 16;

/// The gradient of one value in the making.
#[derive(Clone, Default)]
struct Gradient {
    /// Where contributions are added up.
    buffer: Option<BufferId>,
    /// Contributions still to come.
    left: usize,
    /// Read elsewhere instead.
    lazy: Option<GradRef>,
    /// Per-image sums made with the last contribution, and the batch norm they are for.
    sums: Option<(BufferId, Option<NormId>)>,
    /// The a, b, c of the batch norms of a view, in the order of its terms.
    coefficients: [Option<BufferId>; 2],
}

/// Results of the segments of a filter.
struct Parts {
    /// All results, if there is more than one.
    buffer: Option<BufferId>,
    count: usize,
    next: usize,
}

struct Backward<'b, 'a> {
    build: &'b mut Builder<'a>,
    gradients: Vec<Gradient>,
    /// Units that have yet to read a gradient buffer lazily.
    waiting: HashMap<BufferId, Vec<usize>>,
    /// Vector parameters that have a gradient already.
    seen: HashSet<ParamId>,
    parts: HashMap<ParamId, Parts>,
}

impl Builder<'_> {
    /// Emits loss, backward pass and update.
    pub(super) fn backward(&mut self, layout: &Layout) {
        let lowered = self.lowered;
        let mut gradients = vec![Gradient::default(); lowered.values.len()];
        for (gradient, value) in gradients.iter_mut().zip(&lowered.values) {
            gradient.left = value.readers.len();
        }
        let segments = self.batch.div_ceil(SEGMENT);
        let mut parts = HashMap::new();
        for unit in &lowered.units {
            if let Unit::Conv { filter, .. } = unit {
                let parts = parts.entry(filter.weight).or_insert(Parts { buffer: None, count: 0, next: 0 });
                parts.count += segments;
            }
        }
        let mut backward =
            Backward { build: self, gradients, waiting: HashMap::new(), seen: HashSet::new(), parts };
        backward.loss();
        for index in (0..lowered.units.len()).rev() {
            match &lowered.units[index] {
                Unit::Images(_) | Unit::Norm(_) => {}
                Unit::Conv { src, dst, filter } => backward.conv(*src, *dst, filter),
                Unit::MaxPool { .. } | Unit::Average { .. } => backward.pooling(index),
                Unit::View(value) => backward.view(*value),
            }
        }
        let pieces = Pieces::chunks(layout.chunks().len());
        self.push_plain("update".to_owned(), only("sgd"), pieces, Work::Update);
    }
}

impl Backward<'_, '_> {
    fn loss(&mut self) {
        let node = self.build.graph.output();
        let Some(output) = self.build.lowered.of_node[node.index()] else {
            unreachable!("the output is computed");
        };
        let value = self.build.value(output);
        let logits = self.build.place(output);
        let gradient = self.buffer(output);
        self.gradients[output.0].left += 1;
        let work = Work::Loss { classes: value.shape.c, pitch: value.pitch, logits, gradient };
        self.build.push_plain("loss".to_owned(), only("softmax_cross_entropy"), Pieces::single(), work);
        self.arrived(output, gradient);
    }

    /// The gradient buffer of a value.
    fn buffer(&mut self, id: ValueId) -> BufferId {
        if let Some(buffer) = self.gradients[id.0].buffer {
            return buffer;
        }
        let buffer = self.build.map(format!("{}.grad", self.build.value_label(id)), id);
        self.gradients[id.0].buffer = Some(buffer);
        buffer
    }

    /// Where the next contribution to `id` goes; the last one is gated and summed.
    fn sink(&mut self, id: ValueId) -> SinkRef {
        let accumulate = self.gradients[id.0].buffer.is_some();
        let dst = self.buffer(id);
        self.gradients[id.0].left -= 1;
        let (gate, sums) = match self.gradients[id.0].left {
            0 => (self.gate(id), self.last_sums(id)),
            _ => (GateRef::Open, None),
        };
        SinkRef { dst, accumulate, gate, sums }
    }

    /// After the step of a [`Backward::sink`].
    fn contributed(&mut self, id: ValueId) {
        if self.gradients[id.0].left == 0 {
            self.complete(id);
        }
    }

    /// A contribution to `id` that was written to `buffer`, ungated, by a kernel without a sink (or that is there
    /// already): the buffer is the value's gradient from now on.
    fn arrived(&mut self, id: ValueId, buffer: BufferId) {
        self.gradients[id.0].buffer = Some(buffer);
        if self.gradients[id.0].left > 1 {
            self.gradients[id.0].left -= 1;
            return;
        }
        let sink = self.sink(id);
        if sink.gate != GateRef::Open || sink.sums.is_some() {
            self.push_sink(id, None, sink);
        }
        self.complete(id);
    }

    fn push_sink(&mut self, id: ValueId, g: Option<BufferId>, sink: SinkRef) {
        let shape = self.build.value(id).map_shape();
        let kernel = pick(elementwise::SINK, self.build.level, &shape);
        let label = format!("{} gradient", self.build.value_label(id));
        let pieces = self.build.by_values(id);
        self.build.push_plain(label, kernel, pieces, Work::Sink { shape, g, sink });
    }

    /// Where the ReLU of a value was open.
    fn gate(&self, id: ValueId) -> GateRef {
        let value = self.build.value(id);
        let Some(view) = value.view.filter(|view| view.relu) else {
            return GateRef::Open;
        };
        match (view.add, view.main.norm) {
            (None, Some(norm)) => {
                let affine = PairRef { buffer: self.build.norm_buffers(norm).affine, pair: 0 };
                GateRef::Affine { y: self.build.place(view.main.value), affine }
            }
            // positive exactly where its ReLU is
            (None, None) => GateRef::Stored(self.build.place(view.main.value)),
            (Some(_), _) => GateRef::Stored(self.build.place(id)),
        }
    }

    /// The sums that whoever is behind `id` needs of its gradient: a batch norm's, or just the first row, a bias's.
    fn last_sums(&mut self, id: ValueId) -> Option<(BufferId, SumsRef)> {
        let norm = self.build.value(id).view.and_then(|view| view.terms().find_map(|term| term.norm));
        if let Some(norm) = norm {
            let sums = self.norm_sums(id, norm);
            self.gradients[id.0].sums = Some((sums.1.out, Some(norm)));
            return Some(sums);
        }
        let (conv, _) = self.biases(id).into_iter().next()?;
        let out = self.build.sums(format!("{}.bias_sums", self.build.value_label(id)), id);
        self.gradients[id.0].sums = Some((out, None));
        Some((self.build.place(conv), SumsRef { shift: self.build.zeros(), out }))
    }

    fn norm_sums(&mut self, id: ValueId, norm: NormId) -> (BufferId, SumsRef) {
        let label = self.build.label(self.build.lowered.norm(norm).node);
        let out = self.build.sums(format!("{label}.grad_sums"), id);
        // shifted by the batch mean, which the first saved vector is
        let shift = self.build.norm_buffers(norm).saved;
        (self.build.place(self.build.lowered.norm(norm).input), SumsRef { shift, out })
    }

    /// Convolutions whose bias gradient is the sum of the gradient of `id`: its own, or those of the outputs it adds
    /// up without a batch norm between.
    fn biases(&self, id: ValueId) -> Vec<(ValueId, ParamId)> {
        let bias_of = |id: ValueId| match &self.build.lowered.units[self.build.value(id).unit] {
            Unit::Conv { filter, .. } => filter.bias.map(|bias| (id, bias)),
            _ => None,
        };
        match self.build.value(id).view {
            None => bias_of(id).into_iter().collect(),
            Some(view) => view
                .terms()
                .filter(|term| term.norm.is_none() && self.is_lazy(*term))
                .filter_map(|term| bias_of(term.value))
                .collect(),
        }
    }

    /// Whether the maker of a view's term can read the view's gradient itself: the view is its only reader, and it
    /// knows how to look through the batch norm, if there is one.
    fn is_lazy(&self, term: Term) -> bool {
        let value = self.build.value(term.value);
        let output = self.build.graph.output();
        let only_reader = value.readers.len() == 1
            && self.build.lowered.of_node[output.index()].is_none_or(|output| output != term.value);
        only_reader
            && value.learns
            && match self.build.lowered.units[value.unit] {
                Unit::Conv { .. } => true,
                Unit::MaxPool { .. } | Unit::Average { .. } => term.norm.is_none(),
                Unit::Images(_) | Unit::Norm(_) | Unit::View(_) => false,
            }
    }

    fn grad_to(&mut self, param: ParamId) -> GradTo {
        GradTo { param, add: !self.seen.insert(param) }
    }

    /// The gradient of `id` is complete: what follows from its sums.
    fn complete(&mut self, id: ValueId) {
        let biases = self.biases(id);
        let norms: Vec<(usize, NormId)> = self.build.value(id).view.map_or_else(Vec::new, |view| {
            view.terms().enumerate().filter_map(|(index, term)| Some((index, term.norm?))).collect()
        });
        for (index, norm) in norms {
            let sums = match self.gradients[id.0].sums {
                Some((sums, Some(made_for))) if made_for == norm => sums,
                _ => self.more_sums(id, norm),
            };
            self.gradients[id.0].coefficients[index] = Some(self.norm_backward(norm, sums));
        }
        for (_, bias) in biases {
            let Some((sums, _)) = self.gradients[id.0].sums else {
                unreachable!("a bias's sums were made with the gradient");
            };
            let pitch = self.build.value(id).pitch;
            let label = self.build.graph.param(bias).name.clone();
            let totals = self.build.totals(format!("{label}.totals"), pitch);
            let work = Work::BiasBackward { pitch, sums, totals, bias: self.grad_to(bias) };
            self.build.push_plain(format!("{label} gradient"), only("reduce"), Pieces::single(), work);
        }
    }

    /// Sums for another batch norm of the same view.
    fn more_sums(&mut self, id: ValueId, norm: NormId) -> BufferId {
        let (y, sums) = self.norm_sums(id, norm);
        let dst = self.buffer(id);
        let sink = SinkRef { dst, accumulate: true, gate: GateRef::Open, sums: Some((y, sums)) };
        self.push_sink(id, None, sink);
        sums.out
    }

    fn norm_backward(&mut self, id: NormId, sums: BufferId) -> BufferId {
        let norm = self.build.lowered.norm(id);
        let (label, pitch) = (self.build.label(norm.node), self.build.value(norm.input).pitch);
        let totals = self.build.totals(format!("{label}.grad_totals"), pitch);
        let coefficients = self.build.vectors(format!("{label}.coefficients"), 4, pitch);
        let work = Work::NormBackward {
            norm: self.build.norm_ref(id),
            sums,
            totals,
            saved: self.build.norm_buffers(id).saved,
            coefficients,
            gamma: self.grad_to(norm.gamma),
            beta: self.grad_to(norm.beta),
        };
        self.build.push_plain(format!("{label} backward"), only("finalize"), Pieces::single(), work);
        coefficients
    }

    /// The gradient at a unit's output.
    fn gradient(&self, id: ValueId) -> GradRef {
        let gradient = &self.gradients[id.0];
        match (gradient.lazy, gradient.buffer) {
            (Some(lazy), _) => lazy,
            (None, Some(g)) => GradRef { g, norm: None },
            (None, None) => unreachable!("{} has no gradient", self.build.value_label(id)),
        }
    }

    fn conv(&mut self, src: ValueId, dst: ValueId, filter: &Filter) {
        let grad = self.gradient(dst);
        let label = self.build.value_label(dst);
        let flops = 2 * (filter.shape.macs() * self.build.batch) as u64;
        self.backward_weights(src, filter, (label, grad));
        if !self.build.value(src).learns {
            return;
        }
        // a grouped filter is read as it is
        let packed = (filter.shape.groups == 1).then(|| {
            let len = conv::backward_len(&filter.shape);
            let dst = self.build.buffer(format!("{label}.transposed"), super::Kind::F32, len, len);
            let work = Work::PackBackward { shape: filter.shape, weight: filter.weight, dst };
            let pieces = Pieces::chunks(blocks(filter.shape.c));
            self.build.push_plain(format!("{label} transpose"), only("pack_backward"), pieces, work);
            dst
        });
        let sink = self.sink(src);
        let images = conv::backward_data_images(&filter.shape);
        let pieces = Pieces::grid(self.build.batch, images, blocks(filter.shape.c));
        self.build.push(Step {
            label: format!("{label} backward data"),
            kernel: pick(conv::BACKWARD_DATA, self.build.level, &filter.shape),
            pieces,
            scratch: conv::backward_data_scratch_len(&filter.shape, pieces.image_step()),
            flops,
            work: Work::ConvBackwardData { shape: filter.shape, grad, weight: filter.weight, packed, sink },
        });
        self.contributed(src);
    }

    fn backward_weights(&mut self, src: ValueId, filter: &Filter, (label, grad): (&str, GradRef)) {
        let build = &mut *self.build;
        let len = conv::packed_len(&filter.shape);
        let segments = build.batch.div_ceil(SEGMENT);
        let Some(parts) = self.parts.get_mut(&filter.weight) else {
            unreachable!("every filter was counted");
        };
        if parts.count > 1 && parts.buffer.is_none() {
            let name = format!("{label}.weight_parts");
            parts.buffer = Some(build.buffer(name, super::Kind::F32, parts.count * len, len));
        }
        let place = parts.buffer.map(|buffer| (buffer, parts.next, parts.count));
        parts.next += segments;
        let pieces = Pieces::segments(build.batch, blocks(filter.shape.k));
        let source = build.source(src);
        build.push(Step {
            label: format!("{label} backward weights"),
            kernel: pick(conv::BACKWARD_WEIGHTS, build.level, &filter.shape),
            pieces,
            scratch: conv::backward_weights_scratch_len(&filter.shape, pieces.block_step()),
            flops: 2 * (filter.shape.macs() * build.batch) as u64,
            work: Work::ConvBackwardWeights {
                shape: filter.shape,
                src: source,
                grad,
                weight: filter.weight,
                parts: place,
            },
        });
        if let (Some(buffer), true) = (parts.buffer, parts.next == parts.count) {
            let pieces = Pieces::chunks(len.div_ceil(CHUNK));
            let work = Work::SumTree { parts: buffer, count: parts.count, len, weight: filter.weight };
            build.push_plain(format!("{label} sum weights"), only("sum_tree"), pieces, work);
        }
    }

    fn pooling(&mut self, index: usize) {
        let (src, dst) = match &self.build.lowered.units[index] {
            Unit::MaxPool { src, dst, .. } | Unit::Average { src, dst } => (*src, *dst),
            _ => return,
        };
        if !self.build.value(src).learns {
            return;
        }
        let g = self.gradient(dst).g;
        let sink = self.sink(src);
        let level = self.build.level;
        let (kernel, work) = match (&self.build.lowered.units[index], self.build.winners[index]) {
            (Unit::MaxPool { shape, .. }, Some(winner)) => {
                (pick(pool::MAX_BACKWARD, level, shape), Work::MaxBackward { shape: *shape, g, winner, sink })
            }
            _ => {
                let shape = self.build.value(src).map_shape();
                (pick(pool::AVG_BACKWARD, level, &shape), Work::AvgBackward { shape, g, sink })
            }
        };
        let label = format!("{} backward", self.build.value_label(dst));
        let pieces = self.build.by_values(src);
        self.build.push_plain(label, kernel, pieces, work);
        self.contributed(src);
    }

    /// Passes the gradient of a view on to its terms.
    fn view(&mut self, id: ValueId) {
        let value = self.build.value(id);
        let (Some(view), true) = (value.view, value.learns) else {
            return;
        };
        let g = self.buffer(id);
        let mut terms: Vec<(usize, Term)> = view.terms().enumerate().collect();
        terms.retain(|(_, term)| self.build.value(term.value).learns);
        for (index, term) in terms.clone() {
            if self.is_lazy(term) {
                let norm = self.gradients[id.0].coefficients[index]
                    .map(|coefficients| GradNormRef { y: self.build.place(term.value), coefficients });
                self.gradients[term.value.0].lazy = Some(GradRef { g, norm });
                self.waiting.entry(g).or_default().push(self.build.value(term.value).unit);
            }
        }
        terms.retain(|(_, term)| self.gradients[term.value.0].lazy.is_none());
        // at most one skip goes on in the same memory, after everybody else has read it
        let alias = terms.iter().position(|(_, term)| self.can_alias(id, *term, &terms));
        let alias = alias.map(|position| terms.remove(position));
        for (index, term) in terms {
            match self.gradients[id.0].coefficients[index] {
                Some(coefficients) => self.through_norm(g, coefficients, term.value),
                None => {
                    let sink = self.sink(term.value);
                    self.push_sink(term.value, Some(g), sink);
                    self.contributed(term.value);
                }
            }
        }
        if let Some((_, term)) = alias {
            self.arrived(term.value, g);
        }
    }

    /// Whether the gradient of `term` can go on accumulating in the buffer of the view `id` that reads it.
    fn can_alias(&self, id: ValueId, term: Term, terms: &[(usize, Term)]) -> bool {
        let twice = terms.iter().filter(|(_, other)| other.value == term.value).count() > 1;
        if term.norm.is_some() || twice || self.gradients[term.value.0].buffer.is_some() {
            return false;
        }
        let unit = self.build.value(id).unit;
        let value = self.build.value(term.value);
        // the unit that will write the buffer next: the next reader in backward order, or the gating right now
        let next = match self.gradients[term.value.0].left {
            1 if self.gate(term.value) == GateRef::Open => None,
            1 => Some(unit),
            _ => value.readers.iter().copied().filter(|reader| *reader < unit).max(),
        };
        let Some(buffer) = self.gradients[id.0].buffer else {
            return false;
        };
        let waiting = self.waiting.get(&buffer).map_or(&[][..], Vec::as_slice);
        waiting.iter().filter(|reader| **reader < unit).all(|reader| next.is_none_or(|next| *reader > next))
    }

    /// A contribution a g + b y + c to a value that is not read lazily: stored first, then added.
    fn through_norm(&mut self, g: BufferId, coefficients: BufferId, id: ValueId) {
        let first = self.gradients[id.0].buffer.is_none();
        let label = self.build.value_label(id);
        let dst = match first {
            true => self.buffer(id),
            false => self.build.map(format!("{label}.grad_term"), id),
        };
        let pair = |pair| Some(PairRef { buffer: coefficients, pair });
        let src = SourceRef {
            main: TermRef { data: g, affine: pair(0) },
            add: Some(TermRef { data: self.build.place(id), affine: pair(1) }),
            relu: false,
        };
        let shape = self.build.value(id).map_shape();
        let kernel = pick(elementwise::EVALUATE, self.build.level, &shape);
        let pieces = self.build.by_values(id);
        let work = Work::Evaluate { shape, src, dst };
        self.build.push_plain(format!("{label} gradient term"), kernel, pieces, work);
        if first {
            self.arrived(id, dst);
        } else {
            let sink = self.sink(id);
            self.push_sink(id, Some(dst), sink);
            self.contributed(id);
        }
    }
}
