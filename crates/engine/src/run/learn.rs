//! Loss and update.

use std::sync::{Mutex, PoisonError};

use plusx_kernels::loss::{LossArgs, softmax_cross_entropy};
use plusx_kernels::sgd::{self, SgdArgs, SgdStep};
use plusx_model::executor::Sgd;

use super::memory::Memory;
use super::resources::RunBatch;
use crate::params::{Chunk, Store};
use crate::plan::work::LossWork;
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

/// One run of parameters, until a thread takes it.
type Slot<'a> = Mutex<Option<SgdArgs<'a>>>;

/// Moves every parameter along its gradient, by kernel `entry` of the table.
pub(super) fn update(entry: usize, numbers: &Sgd, threads: &mut Threads, store: &mut Store) {
    let chunks = store.layout.chunks();
    let momentum = numbers.momentum != 0.0;
    let mut velocity = cut(&mut store.velocity, if momentum { chunks } else { &[] }).into_iter();
    let gradients = &store.gradients;
    let slots: Vec<Slot<'_>> = cut(&mut store.weights, chunks)
        .into_iter()
        .zip(chunks)
        .map(|(w, chunk)| {
            let decays = chunk.filter || numbers.decay_all;
            let step = SgdStep {
                lr: numbers.lr,
                momentum: numbers.momentum,
                nesterov: numbers.nesterov,
                weight_decay: if decays { numbers.weight_decay } else { 0.0 },
                scale: numbers.scale,
            };
            Mutex::new(Some(SgdArgs { w, g: &gradients[chunk.range.clone()], v: velocity.next(), step }))
        })
        .collect();
    threads.run(slots.len(), 0, &|index, _| {
        if let Some(args) = slots[index].lock().unwrap_or_else(PoisonError::into_inner).take() {
            (sgd::UPDATE[entry].run)(args);
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
