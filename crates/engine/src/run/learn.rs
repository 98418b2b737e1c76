//! Loss and update.

use std::sync::{Mutex, PoisonError};

use plusx_kernels::loss::{LossArgs, softmax_cross_entropy};
use plusx_kernels::sgd::{self, SgdArgs, SgdStep};
use plusx_kernels::{Level, select};
use plusx_model::executor::Sgd;

use super::Batch;
use crate::params::{Chunk, Store};
use crate::pool::Pool;

/// Losses, predictions and the gradient of the logits.
pub(super) fn loss(
    [classes, pitch]: [usize; 2],
    (logits, gradient): (&[f32], &mut [f32]),
    batch: &mut Batch<'_>,
) {
    softmax_cross_entropy(LossArgs {
        classes,
        pitch,
        images: batch.labels.len(),
        logits,
        labels: batch.labels,
        loss: batch.losses,
        predictions: batch.predictions,
        gradient,
    });
}

/// One run of parameters, until a thread takes it.
type Slot<'a> = Mutex<Option<SgdArgs<'a>>>;

/// Moves every parameter along its gradient.
pub(super) fn update(level: Level, sgd: &Sgd, pool: &mut Pool, store: &mut Store) {
    let chunks = store.layout.chunks();
    let momentum = sgd.momentum != 0.0;
    let mut velocity = cut(&mut store.velocity, if momentum { chunks } else { &[] }).into_iter();
    let gradients = &store.gradients;
    let slots: Vec<Slot<'_>> = cut(&mut store.weights, chunks)
        .into_iter()
        .zip(chunks)
        .map(|(w, chunk)| {
            let decays = chunk.filter || sgd.decay_all;
            let step = SgdStep {
                lr: sgd.lr,
                momentum: sgd.momentum,
                nesterov: sgd.nesterov,
                weight_decay: if decays { sgd.weight_decay } else { 0.0 },
                scale: sgd.scale,
            };
            Mutex::new(Some(SgdArgs { w, g: &gradients[chunk.range.clone()], v: velocity.next(), step }))
        })
        .collect();
    pool.run(slots.len(), 0, &|index, _| {
        if let Some(args) = slots[index].lock().unwrap_or_else(PoisonError::into_inner).take() {
            (select(sgd::UPDATE, level, &args.w.len()).run)(args);
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
