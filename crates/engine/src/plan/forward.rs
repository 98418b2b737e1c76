//! The forward half of a plan: one unit after the other, statistics made where the values are, views written by their
//! first reader.

use plusx_kernels::pooling::{avg_pool2d, global_avg_pool2d, max_pool2d};
use plusx_kernels::{elementwise, norm, subsample};

use super::build::{Builder, NormBuffers, only, pick};
use super::convolution::Choice;
use super::pieces::{Bands, MOST_BANDS, Pieces};
use super::step::{FinishRef, Kernel, Step, SumsRef, Work};
use super::{Kind, Lasting, Statistics};
use crate::lower::{Filter, NormId, Unit, ValueId};

impl Builder<'_> {
    /// Emits the forward pass.
    pub(super) fn forward(&mut self) {
        self.norm_vectors();
        for index in 0..self.lowered.units.len() {
            match &self.lowered.units[index] {
                Unit::Images(value) => self.images(*value),
                Unit::Conv { src, dst, filter, raw } => self.conv_forward(*src, (*dst, *raw), filter),
                Unit::MaxPool { src, dst, shape } => {
                    let source = self.source(*src);
                    let out = self.store(*dst);
                    let winner = (self.mode.backward && self.value(*src).learns).then(|| {
                        let value = self.value(*dst);
                        let name = format!("{}.winner", self.value_label(*dst));
                        self.buffer(name, Kind::U8, self.batch * value.len(), value.pitch)
                    });
                    self.winners[index] = winner;
                    let kernel = pick(max_pool2d::FORWARD, self.kernels.level, shape);
                    let work = Work::MaxForward { shape: *shape, src: source, dst: out, winner };
                    let pieces = if self.mode.inference() && self.batch == 1 {
                        Pieces::bands(Bands::new(shape.oh, 1, shape.oh.div_ceil(MOST_BANDS)), (1, 1))
                    } else {
                        self.by_values(*src)
                    };
                    self.push_plain(format!("{} forward", self.value_label(*dst)), kernel, pieces, work);
                }
                Unit::AvgPool { src, dst, shape } => {
                    let (source, out) = (self.source(*src), self.store(*dst));
                    let kernel = pick(avg_pool2d::FORWARD, self.kernels.level, shape);
                    let work = Work::AvgPoolForward { shape: *shape, src: source, dst: out };
                    self.push_map([*src, *dst], kernel, work);
                }
                Unit::Subsample { src, dst, shape } => {
                    let (source, out) = (self.source(*src), self.store(*dst));
                    let kernel = pick(subsample::FORWARD, self.kernels.level, shape);
                    let work = Work::SubsampleForward { shape: *shape, src: source, dst: out };
                    self.push_map([*src, *dst], kernel, work);
                }
                Unit::Average { src, dst } => {
                    let shape = self.value(*src).map_shape();
                    let source = self.source(*src);
                    let out = self.store(*dst);
                    let kernel = pick(global_avg_pool2d::FORWARD, self.kernels.level, &shape);
                    self.push_map([*src, *dst], kernel, Work::AvgForward { shape, src: source, dst: out });
                }
                Unit::Norm(norm) => self.norm_forward(*norm),
                Unit::View(value) => self.view(*value, index),
            }
        }
    }

    /// The vectors of every batch norm, and the step that fills those known before the pass.
    fn norm_vectors(&mut self) {
        let running = self.mode.statistics == Statistics::Running;
        let (mut means, mut norms, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..self.lowered.norms.len() {
            let norm = self.lowered.norm(NormId(index));
            let (label, pitch) = (self.label(norm.node), self.value(norm.input).pitch);
            let affine = self.vectors(format!("{label}.affine"), 2, pitch);
            let (mut shift, mut saved) = (affine, affine);
            if running {
                norms.push((self.norm_ref(NormId(index)), affine));
                made.push((affine, Lasting::Affine(norm.node)));
            } else {
                shift = self.vectors(format!("{label}.shift"), 1, pitch);
                saved = self.vectors(format!("{label}.saved"), 2, pitch);
                means.push((norm.mean, shift));
            }
            self.norms[index] = Some(NormBuffers { shift, saved, affine });
        }
        match running {
            true if norms.is_empty() => {}
            true => {
                let work = Work::RunningAffines { norms };
                let step =
                    Step::plain("running statistics".to_owned(), only("affine"), Pieces::single(), work);
                self.push_prepared(step, &made);
            }
            // always there: the backward pass may still ask for zeros
            false => {
                let work = Work::Shifts { means, zeros: None };
                self.push_plain("shifts".to_owned(), only("copy"), Pieces::single(), work);
            }
        }
    }

    fn images(&mut self, value: ValueId) {
        if self.place_images(value) {
            let (shape, dst) = (self.value(value).map_shape(), self.place(value));
            let label = format!("{} load", self.value_label(value));
            self.push_plain(label, only("copy"), self.by_values(value), Work::Load { dst, shape });
        }
    }

    /// A step that makes value `dst` of value `src`, image by image.
    fn push_map(&mut self, [src, dst]: [ValueId; 2], kernel: Kernel, work: Work) {
        let label = format!("{} forward", self.value_label(dst));
        self.push_plain(label, kernel, self.by_values(src), work);
    }

    /// Memory for value `id`.
    fn store(&mut self, id: ValueId) -> super::BufferId {
        let buffer = self.map(self.value_label(id).to_owned(), id);
        self.stored[id.0] = Some(buffer);
        buffer
    }

    fn conv_forward(&mut self, src: ValueId, (dst, raw): (ValueId, Option<ValueId>), filter: &Filter) {
        let source = self.source(src);
        let keep = std::mem::take(&mut self.unwritten[src.0]).then(|| self.place(src));
        let out = self.store(dst);
        let norm = self.fused_norm(dst);
        let sums = norm.map(|norm| {
            let name = format!("{}.sums", self.label(self.lowered.norm(norm).node));
            SumsRef { shift: self.norm_buffers(norm).shift, out: self.sums(name, dst) }
        });
        if let (Some(norm), Some(sums)) = (norm, sums) {
            self.norm_sums[norm.0] = Some(sums);
        }
        let finish = match (raw, &self.value(dst).view) {
            (Some(raw), Some(view)) => {
                let (own, other) = view.around(raw);
                let affine = own.norm.map(|norm| self.affine(norm));
                FinishRef { affine, add: other.map(|other| self.term(other)), relu: view.relu }
            }
            _ => FinishRef::default(),
        };
        let label = self.value_label(raw.unwrap_or(dst));
        let Choice { kernel, pieces, scratch, flops, filters } =
            self.choose_forward(label, filter, keep.is_some());
        self.push(Step {
            label: format!("{label} forward"),
            kernel,
            pieces,
            scratch,
            flops,
            work: Work::ConvForward {
                shape: filter.shape,
                src: source,
                keep,
                weight: filter.weight,
                filters,
                bias: filter.bias,
                finish,
                dst: out,
                sums,
            },
        });
    }

    /// The batch norm whose statistics the convolution that makes `id` takes along: the first that reads it.
    fn fused_norm(&self, id: ValueId) -> Option<NormId> {
        if self.mode.statistics == Statistics::Running {
            return None;
        }
        self.lowered.norms.iter().position(|norm| norm.input == id).map(NormId)
    }

    fn norm_forward(&mut self, id: NormId) {
        let Statistics::Batch { update_running } = self.mode.statistics else {
            return;
        };
        let norm = self.lowered.norm(id);
        let label = self.label(norm.node);
        let sums = match self.norm_sums[id.0] {
            Some(sums) => sums,
            None => {
                let out = self.sums(format!("{label}.sums"), norm.input);
                let sums = SumsRef { shift: self.norm_buffers(id).shift, out };
                let shape = self.value(norm.input).map_shape();
                let kernel = pick(norm::STATS, self.kernels.level, &shape);
                let work = Work::Stats { shape, src: self.place(norm.input), sums };
                self.push_plain(format!("{label} statistics"), kernel, self.by_values(norm.input), work);
                sums
            }
        };
        let totals = self.totals(format!("{label}.totals"), self.value(norm.input).pitch);
        let NormBuffers { saved, affine, .. } = self.norm_buffers(id);
        let norm = self.norm_ref(id);
        let work = Work::NormForward { norm, sums, totals, saved, affine, update_running };
        self.push_plain(format!("{label} forward"), only("finalize"), Pieces::single(), work);
    }

    /// A view comes into being at unit `index`: a stored one is written by its first reader if that is a
    /// convolution, else here.
    fn view(&mut self, id: ValueId, index: usize) {
        // a convolution may have stored it
        if !self.value(id).stored || self.stored[id.0].is_some() {
            return;
        }
        let source = self.source(id);
        let dst = self.store(id);
        let touches = |unit: &Unit| match unit {
            Unit::Norm(norm) => self.lowered.norm(*norm).input == id,
            Unit::Conv { src, raw, dst, .. } => *src == id || self.added(*dst, *raw) == Some(id),
            Unit::MaxPool { src, .. }
            | Unit::AvgPool { src, .. }
            | Unit::Subsample { src, .. }
            | Unit::Average { src, .. } => *src == id,
            Unit::View(view) => {
                self.value(*view).view.is_some_and(|view| view.terms().any(|t| t.value == id))
            }
            Unit::Images(_) => false,
        };
        let first = self.lowered.units[index + 1..].iter().find(|unit| touches(unit));
        let by_conv = |unit: &Unit| match unit {
            Unit::Conv { raw, dst, .. } => self.added(*dst, *raw) != Some(id),
            _ => false,
        };
        if first.is_some_and(by_conv) {
            self.unwritten[id.0] = true;
            return;
        }
        let shape = self.value(id).map_shape();
        let kernel = pick(elementwise::EVALUATE, self.kernels.level, &shape);
        let label = format!("{} forward", self.value_label(id));
        self.push_plain(label, kernel, self.by_values(id), Work::Evaluate { shape, src: source, dst });
    }

    /// The value that a convolution adds to its output `raw` before it stores `dst`.
    fn added(&self, dst: ValueId, raw: Option<ValueId>) -> Option<ValueId> {
        self.value(dst).view.and_then(|view| view.around(raw?).1).map(|term| term.value)
    }
}
