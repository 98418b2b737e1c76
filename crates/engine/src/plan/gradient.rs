//! What becomes of the gradient of one value: its gate, its sums, and what follows from them once it is complete; how
//! a view passes it on.

use plusx_kernels::args::FusedActivation;
use plusx_kernels::elementwise;
use plusx_model::graph::ParamId;

use super::backward::BackwardBuilder;
use super::build::{only, pick};
use super::pieces::PieceGrid;
use super::refs::{
    BufferId, GateRef, GradNormRef, GradRef, GradTo, PairRef, SinkRef, SourceRef, SumsRef, TermRef,
};
use super::work::{ChannelWork, MapWork};
use crate::lower::{LoweredTerm, LoweredUnit, NormId, ValueId};

impl BackwardBuilder<'_, '_> {
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

    /// The sums that whoever is behind `id` needs of its gradient: a batch norm's, or just the first row, a bias's.
    pub(super) fn last_sums(&mut self, id: ValueId) -> Option<(BufferId, SumsRef)> {
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
            LoweredUnit::Conv { filter, .. } => filter.bias.map(|bias| (id, bias)),
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
    fn is_lazy(&self, term: LoweredTerm) -> bool {
        let value = self.build.value(term.value);
        let output = self.build.graph.output();
        let only_reader = value.readers.len() == 1
            && self.build.lowered.of_node[output.index()].is_none_or(|output| output != term.value);
        only_reader
            && value.learns
            && match self.build.lowered.units[value.unit] {
                LoweredUnit::Conv { .. } => true,
                LoweredUnit::MaxPool { .. }
                | LoweredUnit::AvgPool { .. }
                | LoweredUnit::Subsample { .. }
                | LoweredUnit::GlobalAvgPool { .. } => term.norm.is_none(),
                LoweredUnit::Images(_) | LoweredUnit::Norm(_) | LoweredUnit::View(_) => false,
            }
    }

    fn grad_to(&mut self, param: ParamId) -> GradTo {
        GradTo { param, add: !self.seen.insert(param) }
    }

    /// The gradient of `id` is complete: what follows from its sums.
    pub(super) fn complete(&mut self, id: ValueId) {
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
            let work = ChannelWork::BiasBackward { pitch, sums, totals, bias: self.grad_to(bias) };
            self.build.push_plain(format!("{label} gradient"), only("reduce"), PieceGrid::single(), work);
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
        let work = ChannelWork::NormBackward {
            norm: self.build.norm_ref(id),
            sums,
            totals,
            saved: self.build.norm_buffers(id).saved,
            coefficients,
            gamma: self.grad_to(norm.gamma),
            beta: self.grad_to(norm.beta),
        };
        self.build.push_plain(format!("{label} backward"), only("finalize"), PieceGrid::single(), work);
        coefficients
    }

    /// Passes the gradient of a view on to its terms.
    pub(super) fn view(&mut self, id: ValueId) {
        let value = self.build.value(id);
        let (Some(view), true) = (value.view, value.learns) else {
            return;
        };
        let g = self.buffer(id);
        let mut terms: Vec<(usize, LoweredTerm)> = view.terms().enumerate().collect();
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
    fn can_alias(&self, id: ValueId, term: LoweredTerm, terms: &[(usize, LoweredTerm)]) -> bool {
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
            activation: FusedActivation::None,
        };
        let shape = self.build.value(id).map_shape();
        let kernel = pick(elementwise::EVALUATE, self.build.kernels.level, &shape);
        let pieces = self.build.by_values(id);
        let work = MapWork::Evaluate { shape, src, dst };
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
