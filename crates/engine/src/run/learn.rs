//! Loss and update.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use plusx_kernels::adamw::{self, AdamWArgs, AdamWStep};
use plusx_kernels::loss::{LossArgs, softmax_cross_entropy};
use plusx_kernels::sgd::{self, SgdArgs, SgdStep};
use plusx_kernels::squares::sum_of_squares;
use plusx_model::graph::ParamId;
use plusx_model::update::{Rule, Update};

use super::memory::Memory;
use super::resources::RunBatch;
use crate::params::{Chunk, Remembered, Store};
use crate::plan::work::{LossWork, UpdateWork};
use crate::threads::Threads;

/// Losses, predictions and the gradient of the logits.
pub(super) fn loss(work: &LossWork, memory: &mut Memory<'_>, batch: &mut RunBatch<'_>) {
    softmax_cross_entropy(LossArgs {
        classes: work.classes,
        pitch: work.pitch,
        images: batch.losses.len(),
        logits: memory.read(work.logits),
        targets: batch.targets,
        loss: batch.losses,
        predictions: batch.predictions,
        gradient: memory.write(work.gradient),
    });
}

/// Values of an average, or of gradients, that one thread takes at a time.
const RUN: usize = 1 << 16;

/// One run of parameters, until a thread takes it.
type Slot<T> = Mutex<Option<T>>;

/// Moves every parameter along its gradient.
pub(super) fn update(work: &UpdateWork, update: &Update<'_>, threads: &mut Threads, store: &mut Store) {
    let mut scale = update.scale;
    if let Some(most) = update.max_norm {
        scale *= clip(most, scale.abs() * gradient_norm(threads, store));
    }
    let chunks = &store.learning_chunks()[..];
    let Store { layout, weights, gradients, remembered, learning, .. } = store;
    let rule_of = |chunk: &Chunk| {
        let rule = update.of_param(chunk.param.index(), layout.role(chunk.param));
        let weight_decay = if rule.decays { update.weight_decay } else { 0.0 };
        (update.lr * rule.lr_scale, weight_decay)
    };
    let parts = cut(weights, chunks).into_iter().zip(chunks);
    let parts = parts.map(|(w, chunk)| (w, &gradients[chunk.range.clone()], chunk));
    match (update.rule, remembered) {
        (Rule::AdamW { beta1, beta2, eps }, Remembered::Moments { first, second, steps }) => {
            for (index, count) in steps.iter_mut().enumerate() {
                let id = ParamId(index as u32);
                *count += u64::from(layout.role(id).trainable() && learning.learns(id));
            }
            let moments = cut(first, chunks).into_iter().zip(cut(second, chunks));
            let arguments = parts.zip(moments).map(|((w, g, chunk), (m, v))| {
                let (lr, weight_decay) = rule_of(chunk);
                let t = steps[chunk.param.index()];
                let step = AdamWStep {
                    scale: scale as f32,
                    keep: (1.0 - lr * weight_decay) as f32,
                    first: (1.0 - beta1) as f32,
                    old: beta2 as f32,
                    second: (1.0 - beta2) as f32,
                    step: (lr / (1.0 - power(beta1, t))) as f32,
                    correction: (1.0 - power(beta2, t)).sqrt() as f32,
                    eps: eps as f32,
                };
                AdamWArgs { w, g, m, v, step }
            });
            on_threads(threads, arguments, adamw::UPDATE[work.adamw].run);
        }
        (Rule::Sgd { momentum, nesterov }, remembered) => {
            let mut velocity = match remembered {
                Remembered::Velocity(velocity) if momentum != 0.0 => cut(velocity, chunks).into_iter(),
                _ => Vec::new().into_iter(),
            };
            let arguments = parts.map(|(w, g, chunk)| {
                let (lr, weight_decay) = rule_of(chunk);
                let step = SgdStep {
                    lr: lr as f32,
                    momentum: momentum as f32,
                    nesterov,
                    weight_decay: weight_decay as f32,
                    scale: scale as f32,
                };
                SgdArgs { w, g, v: velocity.next(), step }
            });
            on_threads(threads, arguments, sgd::UPDATE[work.sgd].run);
        }
        (Rule::AdamW { .. }, _) => unreachable!("the moments were made before the step"),
    }
}

/// `base` to the power of `count` by repeated squaring: plain products, so no C library has a say in the bytes.
fn power(mut base: f64, mut count: u64) -> f64 {
    let mut product = 1.0;
    while count > 0 {
        if count % 2 == 1 {
            product *= base;
        }
        base *= base;
        count /= 2;
    }
    product
}

/// What gradients of this norm are multiplied by: `clip_grad_norm_` of PyTorch.
fn clip(most: f64, norm: f64) -> f64 {
    let factor = most / (norm + 1e-6);
    // no number stays no number
    if factor >= 1.0 { 1.0 } else { factor }
}

/// L2 norm of the summed gradients: the squares of each chunk by one thread, then the chunks in order.
fn gradient_norm(threads: &mut Threads, store: &Store) -> f64 {
    let chunks = store.learning_chunks();
    let sums: Vec<AtomicU64> = chunks.iter().map(|_| AtomicU64::new(0)).collect();
    threads.run(chunks.len(), 0, &|index, _| {
        let sum = sum_of_squares(&store.gradients[chunks[index].range.clone()]);
        sums[index].store(sum.to_bits(), Ordering::Relaxed);
    });
    sums.into_iter().map(|sum| f64::from_bits(sum.into_inner())).sum::<f64>().sqrt()
}

/// Adds the gradients that are held to those of this step.
pub(super) fn add_held(threads: &mut Threads, store: &mut Store) {
    let Store { gradients, held, .. } = store;
    let runs = held.chunks(RUN).zip(gradients.chunks_mut(RUN));
    on_threads(threads, runs, |(held, sum)| plusx_kernels::average::add(held, sum));
}

/// Moves the average, if there is one, towards parameters and running statistics. Those that do not learn are their own average,
/// and rounding must not move it away from them.
pub(crate) fn move_average(decay: f64, threads: &mut Threads, store: &mut Store) {
    let (learning, following) = (store.learning_chunks(), store.running_chunks());
    let Store { weights, running, average: Some(average), .. } = store else { return };
    let now = learning.iter().map(|chunk| &weights[chunk.range.clone()]);
    let now = now.chain(following.iter().map(|chunk| &running[chunk.range.clone()]));
    let average =
        cut(&mut average.weights, &learning).into_iter().chain(cut(&mut average.running, &following));
    on_threads(threads, now.zip(average), |(now, average)| {
        plusx_kernels::average::move_average(decay, now, average);
    });
}

/// Runs a kernel on each of the arguments.
fn on_threads<T: Send>(threads: &mut Threads, arguments: impl Iterator<Item = T>, run: impl Fn(T) + Sync) {
    let slots: Vec<Slot<T>> = arguments.map(|arguments| Mutex::new(Some(arguments))).collect();
    threads.run(slots.len(), 0, &|index, _| {
        if let Some(arguments) = slots[index].lock().unwrap_or_else(PoisonError::into_inner).take() {
            run(arguments);
        }
    });
}

/// The values of each chunk; chunks are in order.
fn cut<'a>(mut values: &'a mut [f32], chunks: &[Chunk]) -> Vec<&'a mut [f32]> {
    let mut start = 0;
    chunks
        .iter()
        .map(|chunk| {
            let rest = std::mem::take(&mut values);
            let (_, rest) = rest.split_at_mut(chunk.range.start - start);
            let (part, rest) = rest.split_at_mut(chunk.range.len());
            values = rest;
            start = chunk.range.end;
            part
        })
        .collect()
}
