//! The backward half of a plan.
//!
//! Gradients live at values. Each reader of a value *contributes* to the value's gradient, the last reader first. The last
//! contribution is gated by the value's ReLU and summed for the batch norms behind it on its way out
//! ([`plusx_kernels::args::Sink`]). So no step passes over the gradient again. Two shortcuts avoid most copies:
//! - *Lazy*: a convolution whose output one view reads has no gradient of its own. It reads the view's, through the batch
//!   norm if there is one ([`plusx_kernels::args::Grad`]).
//! - *Alias*: a value that a sum passes on unchanged (the skip) goes on accumulating in the sum's own gradient buffer, once
//!   every reader of what is there has read it.

use std::collections::{HashMap, HashSet};

use plusx_kernels::pooling::{avg_pool2d, global_avg_pool2d, max_pool2d};
use plusx_kernels::{LANES, conv};
use plusx_kernels::{adamw, concat, multiply, sgd, sigmoid, subsample};

use super::buffer::ElementType;
use super::build::{PlanBuilder, only, pick};
use super::convolution::{ConvChoice, WeightsChoice};
use super::gradient::{BackwardBuilder, FilterParts, Gradient};
use super::pieces::PieceGrid;
use super::refs::{BufferId, GradRef, SinkRef};
use super::step::{KernelRef, PlanStep};
use super::work::{CombineWork, ConvWork, LossWork, MapWork, PoolingWork, StepWork, UpdateWork, WeightParts};
use crate::lower::{LoweredFilter, LoweredPart, LoweredUnit, ValueId};
use crate::params::ParamLayout;

/// Values that one piece of a sum over segments has at least.
const CHUNK_LEAST: usize = 1 << 10;

/// Values that it has at most.
const CHUNK_MOST: usize = 1 << 16;

/// Pieces of such a sum, within these limits.
const CHUNKS: usize = 64;

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
            if let LoweredUnit::Conv { filter, .. } = unit
                && self.learning.learns(filter.weight)
            {
                let parts =
                    parts.entry(filter.weight).or_insert(FilterParts { buffer: None, count: 0, next: 0 });
                parts.count += self.batch.div_ceil(self.weight_segment(&filter.shape));
            }
        }
        let mut backward =
            BackwardBuilder { build: self, gradients, waiting: HashMap::new(), seen: HashSet::new(), parts };
        backward.loss();
        for index in (0..lowered.units.len()).rev() {
            match &lowered.units[index] {
                LoweredUnit::Images(_) | LoweredUnit::Norm(_) => {}
                LoweredUnit::Conv { src, dst, filter, .. } => backward.conv(*src, *dst, filter),
                LoweredUnit::MaxPool2d { src, dst, shape } => {
                    // forward kept the winners if the gradient is wanted
                    if let Some(winner) = backward.build.winners[index] {
                        let kernel = pick(max_pool2d::BACKWARD, level, shape);
                        let shape = *shape;
                        backward.map(*src, *dst, kernel, |g, sink| PoolingWork::MaxPool2dBackward {
                            shape,
                            g,
                            winner,
                            sink,
                        });
                    }
                }
                LoweredUnit::AvgPool2d { src, dst, shape } => {
                    let kernel = pick(avg_pool2d::BACKWARD, level, shape);
                    let shape = *shape;
                    backward.map(*src, *dst, kernel, |g, sink| PoolingWork::AvgPool2dBackward {
                        shape,
                        g,
                        sink,
                    });
                }
                LoweredUnit::Subsample { src, dst, shape } => {
                    let kernel = pick(subsample::BACKWARD, level, shape);
                    let shape = *shape;
                    backward.map(*src, *dst, kernel, |g, sink| MapWork::SubsampleBackward { shape, g, sink });
                }
                LoweredUnit::GlobalAvgPool2d { src, dst } => {
                    let shape = lowered.value(*src).map_shape();
                    let kernel = pick(global_avg_pool2d::BACKWARD, level, &shape);
                    backward.map(*src, *dst, kernel, |g, sink| PoolingWork::GlobalAvgPool2dBackward {
                        shape,
                        g,
                        sink,
                    });
                }
                LoweredUnit::Sigmoid { src, dst } => {
                    let shape = lowered.value(*src).map_shape();
                    let (kernel, y) = (pick(sigmoid::BACKWARD, level, &shape), backward.build.place(*dst));
                    backward.map(*src, *dst, kernel, |g, sink| MapWork::SigmoidBackward {
                        shape,
                        g,
                        y,
                        sink,
                    });
                }
                LoweredUnit::Multiply { src, scale, dst } => backward.multiply(*src, *scale, *dst),
                LoweredUnit::Concat { parts, dst } => {
                    // the last first, as everywhere in this pass
                    for LoweredPart { src, shape } in parts.iter().rev() {
                        let kernel = pick(concat::BACKWARD, level, shape);
                        let shape = *shape;
                        backward.map(*src, *dst, kernel, |g, sink| CombineWork::ConcatBackward {
                            shape,
                            g,
                            sink,
                        });
                    }
                }
                LoweredUnit::View(value) => backward.view(*value),
            }
        }
        let pieces = PieceGrid::chunks(layout.chunks().len());
        let longest = layout.chunks().iter().map(|chunk| chunk.range.len()).max().unwrap_or(0);
        let [sgd, adamw] = [pick(sgd::UPDATE, level, &longest), pick(adamw::UPDATE, level, &longest)];
        let work = StepWork::Update(UpdateWork { sgd: sgd.entry, adamw: adamw.entry });
        // the rule is that of the step; sgd's name also says the level
        self.push_plain("update".to_owned(), sgd, pieces, work);
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
        if value.learns {
            self.arrived(output, gradient);
        }
    }

    fn conv(&mut self, src: ValueId, dst: ValueId, filter: &LoweredFilter) {
        if !self.build.value(dst).learns {
            return;
        }
        let grad = self.gradient(dst);
        let label = self.build.value_label(dst);
        if self.build.learning.learns(filter.weight) {
            self.backward_weights(src, filter, label, grad);
        }
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

    fn backward_weights(&mut self, src: ValueId, filter: &LoweredFilter, label: &str, grad: GradRef) {
        let build = &mut *self.build;
        let len = conv::packed_len(&filter.shape);
        let segments = build.batch.div_ceil(build.weight_segment(&filter.shape));
        let Some(parts) = self.parts.get_mut(&filter.weight) else {
            unreachable!("every filter was counted");
        };
        if parts.count > 1 && parts.buffer.is_none() {
            let name = format!("{label}.weight_parts");
            parts.buffer = Some(build.buffer(name, ElementType::F32, parts.count * len, len));
        }
        let place = parts.buffer.map(|buffer| WeightParts { buffer, first: parts.next, count: parts.count });
        parts.next += segments;
        let WeightsChoice { kernel, pieces, scratch, flops, method } = build.choose_backward_weights(filter);
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
                method,
                parts: place,
            }
            .into(),
        });
        if let (Some(buffer), true) = (parts.buffer, parts.next == parts.count) {
            let chunk = len.div_ceil(CHUNKS).next_multiple_of(LANES).clamp(CHUNK_LEAST, CHUNK_MOST);
            let pieces = PieceGrid::chunks(len.div_ceil(chunk));
            let work =
                ConvWork::SumTree { parts: buffer, count: parts.count, len, chunk, weight: filter.weight };
            build.push_plain(format!("{label} sum weights"), only("sum_tree"), pieces, work);
        }
    }

    /// The steps behind a product: one for each factor that learns, the second first.
    fn multiply(&mut self, src: ValueId, scale: ValueId, dst: ValueId) {
        let (shape, level) = (self.build.value(src).map_shape(), self.build.kernels.level);
        let (map, numbers) = (self.build.source(src), self.build.source(scale));
        let kernel = pick(multiply::BACKWARD_SCALE, level, &shape);
        self.map(scale, dst, kernel, |g, sink| CombineWork::MultiplyBackwardScale {
            shape,
            g,
            src: map,
            sink,
        });
        let kernel = pick(multiply::BACKWARD_MAP, level, &shape);
        self.map(src, dst, kernel, |g, sink| CombineWork::MultiplyBackwardMap {
            shape,
            g,
            scale: numbers,
            sink,
        });
    }

    /// The step behind a unit without parameters that makes `dst` of `src`; `work` is given the gradient of `dst` and
    /// where that of `src` goes.
    fn map<W: Into<StepWork>>(
        &mut self,
        src: ValueId,
        dst: ValueId,
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
