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

use plusx_kernels::pooling::{avg_pool2d, global_avg_pool2d, max_pool2d};
use plusx_kernels::{LANES, conv};
use plusx_kernels::{elementwise, subsample};
use plusx_model::graph::ParamId;

use super::build::{Builder, only, pick};
use super::convolution::Choice;
use super::pieces::Pieces;
use super::step::{BufferId, GateRef, GradRef, SinkRef, Step, Work};
use crate::lower::{Filter, NormId, Unit, ValueId};
use crate::params::Layout;

/// Values that one piece of a sum over segments has at most, and at least.
const CHUNK: [usize; 2] = [1 << 10, 1 << 16];

/// Pieces of such a sum, within these limits.
const CHUNKS: usize = 64;

/// The gradient of one value in the making.
#[derive(Clone, Default)]
pub(super) struct Gradient {
    /// Where contributions are added up.
    pub(super) buffer: Option<BufferId>,
    /// Contributions still to come.
    pub(super) left: usize,
    /// Read elsewhere instead.
    pub(super) lazy: Option<GradRef>,
    /// Per-image sums made with the last contribution, and the batch norm they are for.
    pub(super) sums: Option<(BufferId, Option<NormId>)>,
    /// The a, b, c of the batch norms of a view, in the order of its terms.
    pub(super) coefficients: [Option<BufferId>; 2],
}

/// Results of the segments of a filter.
struct Parts {
    /// All results, if there is more than one.
    buffer: Option<BufferId>,
    count: usize,
    next: usize,
}

/// A backward pass in the making.
pub(super) struct Backward<'b, 'a> {
    pub(super) build: &'b mut Builder<'a>,
    pub(super) gradients: Vec<Gradient>,
    /// Units that have yet to read a gradient buffer lazily.
    pub(super) waiting: HashMap<BufferId, Vec<usize>>,
    /// Vector parameters that have a gradient already.
    pub(super) seen: HashSet<ParamId>,
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
        let mut parts = HashMap::new();
        for unit in &lowered.units {
            if let Unit::Conv { filter, .. } = unit {
                let parts = parts.entry(filter.weight).or_insert(Parts { buffer: None, count: 0, next: 0 });
                parts.count += self.batch.div_ceil(conv::weight_segment(&filter.shape));
            }
        }
        let mut backward =
            Backward { build: self, gradients, waiting: HashMap::new(), seen: HashSet::new(), parts };
        backward.loss();
        for index in (0..lowered.units.len()).rev() {
            match &lowered.units[index] {
                Unit::Images(_) | Unit::Norm(_) => {}
                Unit::Conv { src, dst, filter, .. } => backward.conv(*src, *dst, filter),
                Unit::MaxPool { src, dst, .. }
                | Unit::AvgPool { src, dst, .. }
                | Unit::Subsample { src, dst, .. }
                | Unit::Average { src, dst } => backward.map(index, [*src, *dst]),
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
    pub(super) fn buffer(&mut self, id: ValueId) -> BufferId {
        if let Some(buffer) = self.gradients[id.0].buffer {
            return buffer;
        }
        let buffer = self.build.map(format!("{}.grad", self.build.value_label(id)), id);
        self.gradients[id.0].buffer = Some(buffer);
        buffer
    }

    /// Where the next contribution to `id` goes; the last one is gated and summed.
    pub(super) fn sink(&mut self, id: ValueId) -> SinkRef {
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
    pub(super) fn contributed(&mut self, id: ValueId) {
        if self.gradients[id.0].left == 0 {
            self.complete(id);
        }
    }

    /// A contribution to `id` that was written to `buffer`, ungated, by a kernel without a sink (or that is there
    /// already): the buffer is the value's gradient from now on.
    pub(super) fn arrived(&mut self, id: ValueId, buffer: BufferId) {
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

    pub(super) fn push_sink(&mut self, id: ValueId, g: Option<BufferId>, sink: SinkRef) {
        let shape = self.build.value(id).map_shape();
        let kernel = pick(elementwise::SINK, self.build.kernels.level, &shape);
        let label = format!("{} gradient", self.build.value_label(id));
        let pieces = self.build.by_values(id);
        self.build.push_plain(label, kernel, pieces, Work::Sink { shape, g, sink });
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
        self.backward_weights(src, filter, (label, grad));
        if !self.build.value(src).learns {
            return;
        }
        let Choice { kernel, pieces, scratch, flops, filters } =
            self.build.choose_backward_data(label, filter);
        let sink = self.sink(src);
        let (shape, weight) = (filter.shape, filter.weight);
        self.build.push(Step {
            label: format!("{label} backward data"),
            kernel,
            pieces,
            scratch,
            flops,
            work: Work::ConvBackwardData { shape, grad, weight, filters, sink },
        });
        self.contributed(src);
    }

    fn backward_weights(&mut self, src: ValueId, filter: &Filter, (label, grad): (&str, GradRef)) {
        let build = &mut *self.build;
        let len = conv::packed_len(&filter.shape);
        let segments = build.batch.div_ceil(conv::weight_segment(&filter.shape));
        let Some(parts) = self.parts.get_mut(&filter.weight) else {
            unreachable!("every filter was counted");
        };
        if parts.count > 1 && parts.buffer.is_none() {
            let name = format!("{label}.weight_parts");
            parts.buffer = Some(build.buffer(name, super::Kind::F32, parts.count * len, len));
        }
        let place = parts.buffer.map(|buffer| (buffer, parts.next, parts.count));
        parts.next += segments;
        let (Choice { kernel, pieces, scratch, flops, .. }, winograd) = build.choose_backward_weights(filter);
        let source = build.source(src);
        build.push(Step {
            label: format!("{label} backward weights"),
            kernel,
            pieces,
            scratch,
            flops,
            work: Work::ConvBackwardWeights {
                shape: filter.shape,
                src: source,
                grad,
                weight: filter.weight,
                winograd,
                parts: place,
            },
        });
        if let (Some(buffer), true) = (parts.buffer, parts.next == parts.count) {
            let chunk = len.div_ceil(CHUNKS).next_multiple_of(LANES).clamp(CHUNK[0], CHUNK[1]);
            let pieces = Pieces::chunks(len.div_ceil(chunk));
            let work = Work::SumTree { parts: buffer, count: parts.count, len, chunk, weight: filter.weight };
            build.push_plain(format!("{label} sum weights"), only("sum_tree"), pieces, work);
        }
    }

    /// Unit `index`, which makes `dst` of `src` without parameters.
    fn map(&mut self, index: usize, [src, dst]: [ValueId; 2]) {
        if !self.build.value(src).learns {
            return;
        }
        let g = self.gradient(dst).g;
        let sink = self.sink(src);
        let level = self.build.kernels.level;
        let (kernel, work) = match (&self.build.lowered.units[index], self.build.winners[index]) {
            (Unit::MaxPool { shape, .. }, Some(winner)) => (
                pick(max_pool2d::BACKWARD, level, shape),
                Work::MaxBackward { shape: *shape, g, winner, sink },
            ),
            (Unit::AvgPool { shape, .. }, _) => {
                (pick(avg_pool2d::BACKWARD, level, shape), Work::AvgPoolBackward { shape: *shape, g, sink })
            }
            (Unit::Subsample { shape, .. }, _) => {
                (pick(subsample::BACKWARD, level, shape), Work::SubsampleBackward { shape: *shape, g, sink })
            }
            _ => {
                let shape = self.build.value(src).map_shape();
                (pick(global_avg_pool2d::BACKWARD, level, &shape), Work::AvgBackward { shape, g, sink })
            }
        };
        let label = format!("{} backward", self.build.value_label(dst));
        let pieces = self.build.by_values(src);
        self.build.push_plain(label, kernel, pieces, work);
        self.contributed(src);
    }
}
