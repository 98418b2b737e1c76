//! Runs a plan: each step borrows its buffers from the arena, cuts them into the pieces' parts, and hands the pieces to
//! the pool.

mod channel;
mod conv;
mod learn;
mod map;
mod memory;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use plusx_model::executor::Sgd;

use crate::arena::{Arena, Floats};
use crate::params::Held;
use crate::plan::step::{Step, Work};
use crate::plan::{IMAGES, Plan, Tap};
use crate::pool::Pool;
use crate::profile::Profile;

use self::memory::Memory;

/// What a plan is run with, from call to call.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) arena: &'a mut Arena,
    pub(crate) pool: &'a mut Pool,
    pub(crate) store: Held<'a>,
    /// What was made of the parameters before and lies outside the arena, by buffer; nothing if it is all in there.
    pub(crate) made: &'a [Option<Arc<Floats>>],
    pub(crate) profile: Option<&'a mut Profile>,
}

/// What belongs to one call.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) images: &'a [f32],
    /// Empty if there is no loss.
    pub(crate) labels: &'a [u32],
    pub(crate) losses: &'a mut [f32],
    pub(crate) predictions: &'a mut [u32],
    pub(crate) update: Option<&'a Sgd>,
}

impl<'a> Batch<'a> {
    /// Images that nothing is learnt from.
    pub(crate) fn forward(images: &'a [f32]) -> Self {
        Self { images, labels: &[], losses: &mut [], predictions: &mut [], update: None }
    }
}

/// Runs the steps `steps` of `plan`.
pub(crate) fn run(plan: &Plan, steps: Range<usize>, mut machine: Machine<'_>, batch: &mut Batch<'_>) {
    for step in &plan.steps[steps] {
        let start = machine.profile.is_some().then(Instant::now);
        run_step(plan, step, &mut machine, batch);
        if let (Some(profile), Some(start)) = (&mut machine.profile, start) {
            profile.add(plan, step, start.elapsed());
        }
    }
}

fn run_step(plan: &Plan, step: &Step, machine: &mut Machine<'_>, batch: &mut Batch<'_>) {
    let mut memory = Memory::new(plan, machine.arena.lend(step.marks()), batch.images, machine.made);
    let (memory, pool, store) = (&mut memory, &mut *machine.pool, &mut machine.store);
    match &step.work {
        Work::Load { .. }
        | Work::Stats { .. }
        | Work::Evaluate { .. }
        | Work::Sink { .. }
        | Work::MaxForward { .. }
        | Work::MaxBackward { .. }
        | Work::AvgPoolForward { .. }
        | Work::AvgPoolBackward { .. }
        | Work::SubsampleForward { .. }
        | Work::SubsampleBackward { .. }
        | Work::AvgForward { .. }
        | Work::AvgBackward { .. } => map::run(step, memory, pool),
        Work::Shifts { .. }
        | Work::RunningAffines { .. }
        | Work::NormForward { .. }
        | Work::NormBackward { .. }
        | Work::BiasBackward { .. } => channel::run(&step.work, memory, store),
        Work::ConvForward { .. }
        | Work::ConvBackwardWeights { .. }
        | Work::PackBackward { .. }
        | Work::Transform { .. }
        | Work::ConvBackwardData { .. }
        | Work::SumTree { .. } => conv::run(step, (memory, pool), store),
        Work::Loss { classes, pitch, logits, gradient } => {
            learn::loss([*classes, *pitch], (memory.read(*logits), memory.write(*gradient)), batch);
        }
        Work::Update => {
            if let Some(sgd) = batch.update {
                learn::update(plan.kernels.level, sgd, pool, store.own());
            }
        }
    }
}

/// Copies what `tap` holds after a run to `dst`, channels without padding.
pub(crate) fn read_tap(plan: &Plan, tap: &Tap, (arena, images): (&mut Arena, &[f32]), dst: &mut [f32]) {
    let buffer = &plan.buffers[tap.buffer.0];
    let src = match buffer.offset {
        None => images,
        Some(offset) => arena.lend(0).read(offset, buffer.len),
    };
    debug_assert!(buffer.offset.is_some() || tap.buffer == IMAGES);
    for (dst, src) in dst.chunks_exact_mut(tap.shape.c).zip(src.chunks_exact(buffer.pitch)) {
        dst.copy_from_slice(&src[..tap.shape.c]);
    }
}
