//! The forward half of a plan, one unit after the other. Statistics are made where the values are made. Views are written
//! by their first reader.

use plusx_kernels::pooling::{avg_pool2d, global_avg_pool2d, max_pool2d};
use plusx_kernels::{concat, elementwise, multiply, norm, sigmoid, subsample};

use super::buffer::{ElementType, Lasting};
use super::build::{NormBuffers, PlanBuilder, only, pick};
use super::convolution::ConvChoice;
use super::mode::Statistics;
use super::pieces::{Bands, ChannelBlocks, MOST_BANDS, PieceGrid};
use super::refs::{BufferId, FinishRef, SumsRef};
use super::step::{KernelRef, PlanStep};
use super::work::{ChannelWork, CombineWork, ConvWork, MapWork, PoolingWork, RunningAffine, StepWork};
use crate::lower::{LoweredFilter, LoweredPart, LoweredUnit, NormId, ValueId};

impl PlanBuilder<'_> {
    /// Emits the forward pass.
    pub(super) fn forward(&mut self) {
        self.norm_vectors();
        for index in 0..self.lowered.units.len() {
            match &self.lowered.units[index] {
                LoweredUnit::Images(value) => self.images(*value),
                LoweredUnit::Conv { src, dst, filter, raw } => self.conv_forward(*src, *dst, *raw, filter),
                LoweredUnit::MaxPool2d { src, dst, shape } => {
                    let source = self.source(*src);
                    let out = self.store(*dst);
                    let winner = (self.mode.backward && self.value(*src).learns).then(|| {
                        let value = self.value(*dst);
                        let name = format!("{}.winner", self.value_label(*dst));
                        self.buffer(name, ElementType::U8, self.batch * value.len(), value.pitch)
                    });
                    self.winners[index] = winner;
                    let kernel = pick(max_pool2d::FORWARD, self.kernels.level, shape);
                    let work = PoolingWork::MaxPool2dForward { shape: *shape, src: source, dst: out, winner };
                    let pieces = if self.mode.inference() && self.batch == 1 {
                        PieceGrid::bands(
                            Bands::new(shape.oh, 1, shape.oh.div_ceil(MOST_BANDS)),
                            ChannelBlocks::ONE,
                        )
                    } else {
                        self.by_values(*src)
                    };
                    self.push_plain(format!("{} forward", self.value_label(*dst)), kernel, pieces, work);
                }
                LoweredUnit::AvgPool2d { src, dst, shape } => {
                    let (source, out) = (self.source(*src), self.store(*dst));
                    let kernel = pick(avg_pool2d::FORWARD, self.kernels.level, shape);
                    let work = PoolingWork::AvgPool2dForward { shape: *shape, src: source, dst: out };
                    self.push_map(*src, *dst, kernel, work);
                }
                LoweredUnit::Subsample { src, dst, shape } => {
                    let (source, out) = (self.source(*src), self.store(*dst));
                    let kernel = pick(subsample::FORWARD, self.kernels.level, shape);
                    let work = MapWork::SubsampleForward { shape: *shape, src: source, dst: out };
                    self.push_map(*src, *dst, kernel, work);
                }
                LoweredUnit::GlobalAvgPool2d { src, dst } => {
                    let shape = self.value(*src).map_shape();
                    let source = self.source(*src);
                    let out = self.store(*dst);
                    let kernel = pick(global_avg_pool2d::FORWARD, self.kernels.level, &shape);
                    self.push_map(
                        *src,
                        *dst,
                        kernel,
                        PoolingWork::GlobalAvgPool2dForward { shape, src: source, dst: out },
                    );
                }
                LoweredUnit::Sigmoid { src, dst } => {
                    let shape = self.value(*src).map_shape();
                    let (source, out) = (self.source(*src), self.store(*dst));
                    let kernel = pick(sigmoid::FORWARD, self.kernels.level, &shape);
                    let work = MapWork::SigmoidForward { shape, src: source, dst: out };
                    self.push_map(*src, *dst, kernel, work);
                }
                LoweredUnit::Multiply { src, scale, dst } => {
                    let shape = self.value(*src).map_shape();
                    let (source, numbers) = (self.source(*src), self.source(*scale));
                    let out = self.store(*dst);
                    let kernel = pick(multiply::FORWARD, self.kernels.level, &shape);
                    let work = CombineWork::MultiplyForward { shape, src: source, scale: numbers, dst: out };
                    self.push_map(*src, *dst, kernel, work);
                }
                LoweredUnit::Concat { parts, dst } => {
                    let out = self.store(*dst);
                    for LoweredPart { src, shape } in parts {
                        let source = self.source(*src);
                        let kernel = pick(concat::FORWARD, self.kernels.level, shape);
                        let work = CombineWork::ConcatForward { shape: *shape, src: source, dst: out };
                        self.push_map(*src, *dst, kernel, work);
                    }
                }
                LoweredUnit::Norm(norm) => self.norm_forward(*norm),
                LoweredUnit::View(value) => self.view(*value, index),
            }
        }
    }

    /// The vectors of every batch norm, and the step that fills those known before the pass.
    fn norm_vectors(&mut self) {
        let inference = self.mode.statistics == Statistics::Running;
        let (mut means, mut norms, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..self.lowered.norms.len() {
            let norm = self.lowered.norm(NormId(index));
            let (label, pitch) = (self.label(norm.node), self.value(norm.input).pitch);
            let affine = self.vectors(format!("{label}.affine"), 2, pitch);
            let (shift, saved);
            if norm.running {
                shift = affine;
                let kept = self.mode.backward && norm.learns;
                let kept = kept.then(|| self.vectors(format!("{label}.saved"), 2, pitch));
                saved = kept.unwrap_or(affine);
                norms.push(RunningAffine { norm: self.norm_ref(NormId(index)), affine, saved: kept });
                made.push((affine, Lasting::Affine(norm.node)));
            } else {
                shift = self.vectors(format!("{label}.shift"), 1, pitch);
                saved = self.vectors(format!("{label}.saved"), 2, pitch);
                means.push((norm.mean, shift));
            }
            self.norms[index] = Some(NormBuffers { shift, saved, affine });
        }
        if !inference {
            // always there: the backward pass may still ask for zeros
            let work = ChannelWork::Shifts { means, zeros: None };
            self.push_plain("shifts".to_owned(), only("copy"), PieceGrid::single(), work);
        }
        if !norms.is_empty() {
            let work = ChannelWork::RunningAffines { norms };
            let step =
                PlanStep::plain("running statistics".to_owned(), only("affine"), PieceGrid::single(), work);
            self.push_prepared(step, &made);
        }
    }

    fn images(&mut self, value: ValueId) {
        if self.place_images(value) {
            let (shape, dst) = (self.value(value).map_shape(), self.place(value));
            let label = format!("{} load", self.value_label(value));
            self.push_plain(label, only("copy"), self.by_values(value), MapWork::Load { dst, shape });
        }
    }

    /// A step that makes value `dst` of value `src`, image by image.
    fn push_map(&mut self, src: ValueId, dst: ValueId, kernel: KernelRef, work: impl Into<StepWork>) {
        let label = format!("{} forward", self.value_label(dst));
        self.push_plain(label, kernel, self.by_values(src), work);
    }

    /// Memory for value `id`.
    fn store(&mut self, id: ValueId) -> BufferId {
        let buffer = self.map(self.value_label(id).to_owned(), id);
        self.stored[id.0] = Some(buffer);
        buffer
    }

    fn conv_forward(&mut self, src: ValueId, dst: ValueId, raw: Option<ValueId>, filter: &LoweredFilter) {
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
                FinishRef { affine, add: other.map(|other| self.term(other)), activation: view.activation }
            }
            _ => FinishRef::default(),
        };
        let label = self.value_label(raw.unwrap_or(dst));
        let ConvChoice { kernel, pieces, scratch, flops, filters } =
            self.choose_forward(label, filter, keep.is_some());
        self.push(PlanStep {
            label: format!("{label} forward"),
            kernel,
            pieces,
            scratch,
            flops,
            work: ConvWork::Forward {
                shape: filter.shape,
                src: source,
                keep,
                weight: filter.weight,
                filters,
                bias: filter.bias,
                finish,
                dst: out,
                sums,
            }
            .into(),
        });
    }

    /// The batch norm whose statistics the convolution that makes `id` takes along: the first that reads it.
    fn fused_norm(&self, id: ValueId) -> Option<NormId> {
        self.lowered.norms.iter().position(|norm| norm.input == id && !norm.running).map(NormId)
    }

    fn norm_forward(&mut self, id: NormId) {
        let Statistics::Batch { update_running } = self.mode.statistics else {
            return;
        };
        let norm = self.lowered.norm(id);
        if norm.running {
            return;
        }
        let label = self.label(norm.node);
        let sums = match self.norm_sums[id.0] {
            Some(sums) => sums,
            None => {
                let out = self.sums(format!("{label}.sums"), norm.input);
                let sums = SumsRef { shift: self.norm_buffers(id).shift, out };
                let shape = self.value(norm.input).map_shape();
                let kernel = pick(norm::STATS, self.kernels.level, &shape);
                let work = MapWork::Stats { shape, src: self.place(norm.input), sums };
                self.push_plain(format!("{label} statistics"), kernel, self.by_values(norm.input), work);
                sums
            }
        };
        let totals = self.totals(format!("{label}.totals"), self.value(norm.input).pitch);
        let NormBuffers { saved, affine, .. } = self.norm_buffers(id);
        let norm = self.norm_ref(id);
        let work = ChannelWork::NormForward { norm, sums, totals, saved, affine, update_running };
        self.push_plain(format!("{label} forward"), only("finalize"), PieceGrid::single(), work);
    }

    /// A view comes into being at unit `index`. A stored one is written by its first reader if that is a convolution, else
    /// here.
    fn view(&mut self, id: ValueId, index: usize) {
        // a convolution may have stored it
        if !self.value(id).stored || self.stored[id.0].is_some() {
            return;
        }
        let source = self.source(id);
        let dst = self.store(id);
        let touches = |unit: &LoweredUnit| match unit {
            LoweredUnit::Norm(norm) => self.lowered.norm(*norm).input == id,
            LoweredUnit::Conv { src, raw, dst, .. } => *src == id || self.added(*dst, *raw) == Some(id),
            LoweredUnit::MaxPool2d { src, .. }
            | LoweredUnit::AvgPool2d { src, .. }
            | LoweredUnit::Subsample { src, .. }
            | LoweredUnit::GlobalAvgPool2d { src, .. }
            | LoweredUnit::Sigmoid { src, .. } => *src == id,
            LoweredUnit::Multiply { src, scale, .. } => *src == id || *scale == id,
            LoweredUnit::Concat { parts, .. } => parts.iter().any(|part| part.src == id),
            LoweredUnit::View(view) => {
                self.value(*view).view.is_some_and(|view| view.terms().any(|t| t.value == id))
            }
            LoweredUnit::Images(_) => false,
        };
        let first = self.lowered.units[index + 1..].iter().find(|unit| touches(unit));
        let by_conv = |unit: &LoweredUnit| match unit {
            LoweredUnit::Conv { raw, dst, .. } => self.added(*dst, *raw) != Some(id),
            _ => false,
        };
        if first.is_some_and(by_conv) {
            self.unwritten[id.0] = true;
            return;
        }
        let shape = self.value(id).map_shape();
        let kernel = pick(elementwise::EVALUATE, self.kernels.level, &shape);
        let label = format!("{} forward", self.value_label(id));
        self.push_plain(label, kernel, self.by_values(id), MapWork::Evaluate { shape, src: source, dst });
    }

    /// The value that a convolution adds to its output `raw` before it stores `dst`.
    fn added(&self, dst: ValueId, raw: Option<ValueId>) -> Option<ValueId> {
        self.value(dst).view.and_then(|view| view.around(raw?).1).map(|term| term.value)
    }
}
