//! Runs a plan: each step borrows its buffers from the arena, cuts them into the pieces' parts, and hands the pieces to
//! the threads.

mod channel;
mod conv;
mod learn;
mod map;
mod memory;
mod pool;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use plusx_model::executor::Sgd;

use crate::arena::{Arena, Floats};
use crate::params::Held;
use crate::plan::step::PlanStep;
use crate::plan::work::StepWork;
use crate::plan::{IMAGES, Plan, Tap};
use crate::profile::Profile;
use crate::threads::Threads;

use self::memory::Memory;

/// What a plan is run with, from call to call.
#[derive(Debug)]
pub(crate) struct RunResources<'a> {
    pub(crate) arena: &'a mut Arena,
    pub(crate) threads: &'a mut Threads,
    pub(crate) store: Held<'a>,
    /// What was made of the parameters before and lies outside the arena, by buffer; nothing if it is all in there.
    pub(crate) made: &'a [Option<Arc<Floats>>],
    pub(crate) profile: Option<&'a mut Profile>,
}

/// What belongs to one call.
#[derive(Debug)]
pub(crate) struct RunBatch<'a> {
    pub(crate) images: &'a [f32],
    /// Empty if there is no loss.
    pub(crate) labels: &'a [u32],
    pub(crate) losses: &'a mut [f32],
    pub(crate) predictions: &'a mut [u32],
    pub(crate) update: Option<&'a Sgd>,
}

impl<'a> RunBatch<'a> {
    /// Images that nothing is learnt from.
    pub(crate) fn forward(images: &'a [f32]) -> Self {
        Self { images, labels: &[], losses: &mut [], predictions: &mut [], update: None }
    }
}

/// Runs the steps `steps` of `plan`.
pub(crate) fn run(
    plan: &Plan,
    steps: Range<usize>,
    mut resources: RunResources<'_>,
    batch: &mut RunBatch<'_>,
) {
    for step in &plan.steps[steps] {
        let start = resources.profile.is_some().then(Instant::now);
        run_step(plan, step, &mut resources, batch);
        if let (Some(profile), Some(start)) = (&mut resources.profile, start) {
            profile.add(plan, step, start.elapsed());
        }
    }
}

fn run_step(plan: &Plan, step: &PlanStep, resources: &mut RunResources<'_>, batch: &mut RunBatch<'_>) {
    let mut memory = Memory::new(plan, resources.arena.lend(step.marks()), batch.images, resources.made);
    let (memory, threads, store) = (&mut memory, &mut *resources.threads, &mut resources.store);
    match &step.work {
        StepWork::Map(work) => map::run(work, step, memory, threads),
        StepWork::Pool(work) => pool::run(work, step, memory, threads),
        StepWork::Channel(work) => channel::run(work, memory, store),
        StepWork::Conv(work) => conv::run(work, step, memory, threads, store),
        StepWork::Loss(work) => learn::loss(work, memory, batch),
        StepWork::Update => {
            if let Some(sgd) = batch.update {
                learn::update(step.kernel.entry, sgd, threads, store.own());
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
