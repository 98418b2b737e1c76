//! How a view passes its gradient on to its terms.

use plusx_kernels::args::FusedActivation;
use plusx_kernels::elementwise;

use super::build::pick;
use super::gradient::BackwardBuilder;
use super::refs::{BufferId, GateRef, GradNormRef, GradRef, PairRef, SourceRef, TermRef};
use super::work::MapWork;
use crate::lower::{LoweredTerm, ValueId};

impl BackwardBuilder<'_, '_> {
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
