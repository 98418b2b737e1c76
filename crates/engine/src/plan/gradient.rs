//! The gradient of one value: where contributions to it go, its gate, its sums, and what follows once it is complete.

use std::collections::{HashMap, HashSet};

use plusx_kernels::args::FusedActivation;
use plusx_kernels::elementwise;
use plusx_model::graph::ParamId;

use super::build::{PlanBuilder, only, pick};
use super::pieces::PieceGrid;
use super::refs::{BufferId, GateRef, GradRef, GradTo, SinkRef, SinkSumsRef, SumsRef};
use super::work::{ChannelWork, MapWork};
use crate::lower::{LoweredTerm, LoweredUnit, NormId, ValueId};

/// The gradient of one value in the making.
#[derive(Clone, Default)]
pub(super) struct Gradient {
    /// Where contributions are added up.
    pub(super) buffer: Option<BufferId>,
    /// Contributions still to come.
    pub(super) left: usize,
    /// Read elsewhere instead.
    pub(super) lazy: Option<GradRef>,
    /// Per-image sums made with the last contribution.
    pub(super) sums: Option<GradientSums>,
    /// The a, b, c of the batch norms of a view, in the order of its terms.
    pub(super) coefficients: [Option<BufferId>; 2],
}

/// Per-image sums of a gradient.
#[derive(Clone, Copy)]
pub(super) struct GradientSums {
    pub(super) out: BufferId,
    /// The batch norm they are for; none: a bias.
    pub(super) norm: Option<NormId>,
}

/// A bias whose gradient is the sum of the gradient of a value.
#[derive(Clone, Copy)]
struct SummedBias {
    conv: ValueId,
    bias: ParamId,
    /// A batch norm with running statistics between: its scale multiplies the sum.
    norm: Option<NormId>,
}

/// Results of the segments of a filter.
pub(super) struct FilterParts {
    /// All results, if there is more than one.
    pub(super) buffer: Option<BufferId>,
    pub(super) count: usize,
    /// The first result that no step has yet.
    pub(super) next: usize,
}

/// A backward pass in the making.
pub(super) struct BackwardBuilder<'b, 'a> {
    pub(super) build: &'b mut PlanBuilder<'a>,
    pub(super) gradients: Vec<Gradient>,
    /// Units that have yet to read a gradient buffer lazily.
    pub(super) waiting: HashMap<BufferId, Vec<usize>>,
    /// Vector parameters that have a gradient already.
    pub(super) seen: HashSet<ParamId>,
    pub(super) parts: HashMap<ParamId, FilterParts>,
}

impl BackwardBuilder<'_, '_> {
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

    /// A contribution to `id` that is in `buffer`, ungated, because a kernel without a sink wrote it or because it was
    /// there. The buffer becomes that of the value's gradient.
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
    pub(super) fn gradient(&self, id: ValueId) -> GradRef {
        let gradient = &self.gradients[id.0];
        match (gradient.lazy, gradient.buffer) {
            (Some(lazy), _) => lazy,
            (None, Some(g)) => GradRef { g, norm: None },
            (None, None) => unreachable!("{} has no gradient", self.build.value_label(id)),
        }
    }

    /// Where the ReLU of a value was open.
    pub(super) fn gate(&self, id: ValueId) -> GateRef {
        let value = self.build.value(id);
        let Some(view) = value.view.filter(|view| view.activation == FusedActivation::Relu) else {
            return GateRef::Open;
        };
        match (view.add, view.main.norm) {
            (None, Some(norm)) => {
                let affine = self.build.affine(norm);
                GateRef::Affine { y: self.build.place(view.main.value), affine }
            }
            // positive exactly where its ReLU is
            (None, None) => GateRef::Stored(self.build.place(view.main.value)),
            (Some(_), _) => GateRef::Stored(self.build.place(id)),
        }
    }

    /// The sums that the maker of `id` needs of its gradient: those of a batch norm or, in the first row, of a bias.
    fn last_sums(&mut self, id: ValueId) -> Option<SinkSumsRef> {
        let norm =
            self.build.value(id).view.and_then(|view| {
                view.terms().filter_map(|term| term.norm).find(|norm| self.needs_sums(*norm))
            });
        if let Some(norm) = norm {
            let sums = self.norm_sums(id, norm);
            self.gradients[id.0].sums = Some(GradientSums { out: sums.sums.out, norm: Some(norm) });
            return Some(sums);
        }
        let conv = self.biases(id).first()?.conv;
        let out = self.build.sums(format!("{}.bias_sums", self.build.value_label(id)), id);
        self.gradients[id.0].sums = Some(GradientSums { out, norm: None });
        let y = self.build.place(conv);
        Some(SinkSumsRef { y, sums: SumsRef { shift: self.build.zeros(), out } })
    }

    fn norm_sums(&mut self, id: ValueId, norm: NormId) -> SinkSumsRef {
        let label = self.build.label(self.build.lowered.norm(norm).node);
        let out = self.build.sums(format!("{label}.grad_sums"), id);
        // shifted by the batch mean, which the first saved vector is
        let shift = self.build.norm_buffers(norm).saved;
        let y = self.build.place(self.build.lowered.norm(norm).input);
        SinkSumsRef { y, sums: SumsRef { shift, out } }
    }

    /// Whether something of a batch norm's backward pass follows from the sums of the gradient behind it.
    fn needs_sums(&self, norm: NormId) -> bool {
        let norm = self.build.lowered.norm(norm);
        norm.learns || (!norm.running && self.build.value(norm.input).learns)
    }

    /// Convolutions whose bias gradient follows from the sum of the gradient of `id`: the one that makes it, or those whose
    /// outputs it adds up. A batch norm with batch statistics between takes the bias away again.
    fn biases(&self, id: ValueId) -> Vec<SummedBias> {
        let bias_of = |conv: ValueId, norm| match &self.build.lowered.units[self.build.value(conv).unit] {
            LoweredUnit::Conv { filter, .. } => {
                let bias = filter.bias.filter(|bias| self.build.learning.learns(*bias))?;
                Some(SummedBias { conv, bias, norm })
            }
            _ => None,
        };
        let passes = |norm: NormId| self.build.lowered.norm(norm).running;
        match self.build.value(id).view {
            None => bias_of(id, None).into_iter().collect(),
            Some(view) => view
                .terms()
                .filter(|term| term.norm.is_none_or(passes) && self.is_lazy(*term))
                .filter_map(|term| bias_of(term.value, term.norm))
                .collect(),
        }
    }

    /// Whether the maker of a view's term can read the view's gradient itself. The view must be its only reader, and the
    /// maker must know how to look through the batch norm, if there is one.
    pub(super) fn is_lazy(&self, term: LoweredTerm) -> bool {
        let value = self.build.value(term.value);
        let output = self.build.graph.output();
        let only_reader = value.readers.len() == 1
            && self.build.lowered.of_node[output.index()].is_none_or(|output| output != term.value);
        only_reader
            && value.learns
            && match self.build.lowered.units[value.unit] {
                LoweredUnit::Conv { .. } => true,
                LoweredUnit::MaxPool2d { .. }
                | LoweredUnit::AvgPool2d { .. }
                | LoweredUnit::Subsample { .. }
                | LoweredUnit::GlobalAvgPool2d { .. }
                | LoweredUnit::Sigmoid { .. }
                | LoweredUnit::Multiply { .. }
                | LoweredUnit::Concat { .. } => term.norm.is_none(),
                LoweredUnit::Images(_) | LoweredUnit::Norm(_) | LoweredUnit::View(_) => false,
            }
    }

    fn grad_to(&mut self, param: ParamId) -> GradTo {
        GradTo { param, add: !self.seen.insert(param) }
    }

    /// As [`BackwardBuilder::grad_to`], if the parameter learns.
    fn learnt(&mut self, param: ParamId) -> Option<GradTo> {
        self.build.learning.learns(param).then(|| self.grad_to(param))
    }

    /// The gradient of `id` is complete: what follows from its sums.
    fn complete(&mut self, id: ValueId) {
        let biases = self.biases(id);
        let norms: Vec<(usize, NormId)> = self.build.value(id).view.map_or_else(Vec::new, |view| {
            view.terms().enumerate().filter_map(|(index, term)| Some((index, term.norm?))).collect()
        });
        for (index, norm) in norms {
            if !self.needs_sums(norm) {
                if self.build.value(self.build.lowered.norm(norm).input).learns {
                    self.gradients[id.0].coefficients[index] = Some(self.fixed_norm_backward(norm));
                }
                continue;
            }
            let sums = match self.gradients[id.0].sums {
                Some(GradientSums { out, norm: Some(made_for) }) if made_for == norm => out,
                _ => self.more_sums(id, norm),
            };
            self.gradients[id.0].coefficients[index] = Some(self.norm_backward(norm, sums));
        }
        for SummedBias { bias, norm, .. } in biases {
            let Some(GradientSums { out: sums, .. }) = self.gradients[id.0].sums else {
                unreachable!("a bias's sums were made with the gradient");
            };
            let pitch = self.build.value(id).pitch;
            let label = self.build.graph.param(bias).name.clone();
            let totals = self.build.totals(format!("{label}.totals"), pitch);
            let scale = norm.map(|norm| self.build.norm_buffers(norm).affine);
            let work = ChannelWork::BiasBackward { pitch, sums, totals, scale, bias: self.grad_to(bias) };
            self.build.push_plain(format!("{label} gradient"), only("reduce"), PieceGrid::single(), work);
        }
    }

    /// Sums for another batch norm of the same view.
    fn more_sums(&mut self, id: ValueId, norm: NormId) -> BufferId {
        let sums = self.norm_sums(id, norm);
        let dst = self.buffer(id);
        let sink = SinkRef { dst, accumulate: true, gate: GateRef::Open, sums: Some(sums) };
        self.push_sink(id, None, sink);
        sums.sums.out
    }

    fn fixed_norm_backward(&mut self, id: NormId) -> BufferId {
        let norm = self.build.lowered.norm(id);
        let (label, pitch) = (self.build.label(norm.node), self.build.value(norm.input).pitch);
        let coefficients = self.build.vectors(format!("{label}.coefficients"), 4, pitch);
        let affine = self.build.norm_buffers(id).affine;
        let work = ChannelWork::FixedNormBackward { affine, coefficients };
        self.build.push_plain(format!("{label} backward"), only("copy"), PieceGrid::single(), work);
        coefficients
    }

    fn norm_backward(&mut self, id: NormId, sums: BufferId) -> BufferId {
        let norm = self.build.lowered.norm(id);
        let (label, pitch) = (self.build.label(norm.node), self.build.value(norm.input).pitch);
        let totals = self.build.totals(format!("{label}.grad_totals"), pitch);
        let coefficients = self.build.vectors(format!("{label}.coefficients"), 4, pitch);
        let work = ChannelWork::NormBackward {
            norm: self.build.norm_ref(id),
            sums,
            totals,
            saved: self.build.norm_buffers(id).saved,
            coefficients,
            running: norm.running,
            gamma: self.learnt(norm.gamma),
            beta: self.learnt(norm.beta),
        };
        self.build.push_plain(format!("{label} backward"), only("finalize"), PieceGrid::single(), work);
        coefficients
    }
}
