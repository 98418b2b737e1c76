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
use plusx_kernels::{elementwise, sgd, subsample};
use plusx_model::graph::ParamId;

use super::build::{PlanBuilder, only, pick};
use super::convolution::ConvChoice;
use super::pieces::PieceGrid;
use super::refs::{BufferId, GateRef, GradRef, SinkRef};
use super::step::{KernelRef, PlanStep};
use super::work::{ConvWork, LossWork, MapWork, PoolWork, StepWork, WeightParts};
use crate::lower::{LoweredFilter, LoweredUnit, NormId, ValueId};
use crate::params::ParamLayout;

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
pub(super) struct BackwardBuilder<'b, 'a> {
    pub(super) build: &'b mut PlanBuilder<'a>,
    pub(super) gradients: Vec<Gradient>,
    /// Units that have yet to read a gradient buffer lazily.
    pub(super) waiting: HashMap<BufferId, Vec<usize>>,
    /// Vector parameters that have a gradient already.
    pub(super) seen: HashSet<ParamId>,
    parts: HashMap<ParamId, Parts>,
}

impl PlanBuilder<'_> {
    /// Emits loss, backward pass and update.
    pub(super) fn backward(&mut self, layout: &ParamLayout) {
        let (lowered, level) = (self.lowered, self.kernels.level);
        let mut gradients = vec![Gradient::default(); lowered.values.len()];
        for (gradient, value) in gradients.iter_mut().zip(&lowered.values) {
            gradient.left = value.readers.len();
        }
        let mut parts = HashMap::new();
        for unit in &lowered.units {
            if let LoweredUnit::Conv { filter, .. } = unit {
                let parts = parts.entry(filter.weight).or_insert(Parts { buffer: None, count: 0, next: 0 });
                parts.count += self.batch.div_ceil(conv::weight_segment(&filter.shape));
            }
        }
        let mut backward =
            BackwardBuilder { build: self, gradients, waiting: HashMap::new(), seen: HashSet::new(), parts };
        backward.loss();
        for index in (0..lowered.units.len()).rev() {
            match &lowered.units[index] {
                LoweredUnit::Images(_) | LoweredUnit::Norm(_) => {}
                LoweredUnit::Conv { src, dst, filter, .. } => backward.conv(*src, *dst, filter),
                LoweredUnit::MaxPool { src, dst, shape } => {
                    // forward kept the winners if the gradient is wanted
                    if let Some(winner) = backward.build.winners[index] {
                        let kernel = pick(max_pool2d::BACKWARD, level, shape);
                        let shape = *shape;
                        backward.map([*src, *dst], kernel, |g, sink| PoolWork::MaxPoolBackward {
                            shape,
                            g,
                            winner,
                            sink,
                        });
                    }
                }
                LoweredUnit::AvgPool { src, dst, shape } => {
                    let kernel = pick(avg_pool2d::BACKWARD, level, shape);
                    let shape = *shape;
                    backward.map([*src, *dst], kernel, |g, sink| PoolWork::AvgPoolBackward {
                        shape,
                        g,
                        sink,
                    });
                }
                LoweredUnit::Subsample { src, dst, shape } => {
                    let kernel = pick(subsample::BACKWARD, level, shape);
                    let shape = *shape;
                    backward.map([*src, *dst], kernel, |g, sink| MapWork::SubsampleBackward {
                        shape,
                        g,
                        sink,
                    });
                }
                LoweredUnit::GlobalAvgPool { src, dst } => {
                    let shape = lowered.value(*src).map_shape();
                    let kernel = pick(global_avg_pool2d::BACKWARD, level, &shape);
                    backward.map([*src, *dst], kernel, |g, sink| PoolWork::GlobalAvgPoolBackward {
                        shape,
                        g,
                        sink,
                    });
                }
                LoweredUnit::View(value) => backward.view(*value),
            }
        }
        let pieces = PieceGrid::chunks(layout.chunks().len());
        let longest = layout.chunks().iter().map(|chunk| chunk.range.len()).max().unwrap_or(0);
        let kernel = pick(sgd::UPDATE, level, &longest);
        self.push_plain("update".to_owned(), kernel, pieces, StepWork::Update);
    }
}

impl BackwardBuilder<'_, '_> {
    fn loss(&mut self) {
        let node = self.build.graph.output();
        let Some(output) = self.build.lowered.of_node[node.index()] else {
            unreachable!("the output is computed");
        };
        let value = self.build.value(output);
        let logits = self.build.place(output);
        let gradient = self.buffer(output);
        self.gradients[output.0].left += 1;
        let work = StepWork::Loss(LossWork { classes: value.shape.c, pitch: value.pitch, logits, gradient });
        self.build.push_plain("loss".to_owned(), only("softmax_cross_entropy"), PieceGrid::single(), work);
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

    /// After the step of a [`BackwardBuilder::sink`].
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
        self.build.push_plain(label, kernel, pieces, MapWork::Sink { shape, g, sink });
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

    fn conv(&mut self, src: ValueId, dst: ValueId, filter: &LoweredFilter) {
        let grad = self.gradient(dst);
        let label = self.build.value_label(dst);
        self.backward_weights(src, filter, (label, grad));
        if !self.build.value(src).learns {
            return;
        }
        let ConvChoice { kernel, pieces, scratch, flops, filters } =
            self.build.choose_backward_data(label, filter);
        let sink = self.sink(src);
        let (shape, weight) = (filter.shape, filter.weight);
        self.build.push(PlanStep {
            label: format!("{label} backward data"),
            kernel,
            pieces,
            scratch,
            flops,
            work: ConvWork::BackwardData { shape, grad, weight, filters, sink }.into(),
        });
        self.contributed(src);
    }

    fn backward_weights(&mut self, src: ValueId, filter: &LoweredFilter, (label, grad): (&str, GradRef)) {
        let build = &mut *self.build;
        let len = conv::packed_len(&filter.shape);
        let segments = build.batch.div_ceil(conv::weight_segment(&filter.shape));
        let Some(parts) = self.parts.get_mut(&filter.weight) else {
            unreachable!("every filter was counted");
        };
        if parts.count > 1 && parts.buffer.is_none() {
            let name = format!("{label}.weight_parts");
            parts.buffer = Some(build.buffer(name, super::ElementType::F32, parts.count * len, len));
        }
        let place = parts.buffer.map(|buffer| WeightParts { buffer, first: parts.next, count: parts.count });
        parts.next += segments;
        let (ConvChoice { kernel, pieces, scratch, flops, .. }, winograd) =
            build.choose_backward_weights(filter);
        let source = build.source(src);
        build.push(PlanStep {
            label: format!("{label} backward weights"),
            kernel,
            pieces,
            scratch,
            flops,
            work: ConvWork::BackwardWeights {
                shape: filter.shape,
                src: source,
                grad,
                weight: filter.weight,
                winograd,
                parts: place,
            }
            .into(),
        });
        if let (Some(buffer), true) = (parts.buffer, parts.next == parts.count) {
            let chunk = len.div_ceil(CHUNKS).next_multiple_of(LANES).clamp(CHUNK[0], CHUNK[1]);
            let pieces = PieceGrid::chunks(len.div_ceil(chunk));
            let work =
                ConvWork::SumTree { parts: buffer, count: parts.count, len, chunk, weight: filter.weight };
            build.push_plain(format!("{label} sum weights"), only("sum_tree"), pieces, work);
        }
    }

    /// The step behind a unit without parameters that makes `dst` of `src`; `work` is given the gradient of `dst` and
    /// where that of `src` goes.
    fn map<W: Into<StepWork>>(
        &mut self,
        [src, dst]: [ValueId; 2],
        kernel: KernelRef,
        work: impl FnOnce(BufferId, SinkRef) -> W,
    ) {
        if !self.build.value(src).learns {
            return;
        }
        let g = self.gradient(dst).g;
        let sink = self.sink(src);
        let label = format!("{} backward", self.build.value_label(dst));
        let pieces = self.build.by_values(src);
        self.build.push_plain(label, kernel, pieces, work(g, sink));
        self.contributed(src);
    }
}
