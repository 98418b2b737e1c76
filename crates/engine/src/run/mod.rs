//! Runs a plan. Each step borrows its buffers from the arena, cuts them into the pieces' parts, and hands the pieces to
//! the threads.

mod channel;
mod combine;
mod conv;
mod learn;
mod map;
mod memory;
mod pooling;
mod resources;

use std::ops::Range;
use std::time::Instant;

use plusx_kernels::bf16::Bf16;
use plusx_kernels::maps::MapRef;
use plusx_model::executor::NodeValue;

use crate::arena::Arena;
use crate::plan::step::PlanStep;
use crate::plan::work::StepWork;
use crate::plan::{ElementType, IMAGES, Plan, Tap};

pub(crate) use self::learn::move_average;
use self::memory::Memory;
pub(crate) use self::resources::{RunBatch, RunResources};

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
        StepWork::Pooling(work) => pooling::run(work, step, memory, threads),
        StepWork::Combine(work) => combine::run(work, step, memory, threads),
        StepWork::Channel(work) => channel::run(work, memory, store),
        StepWork::Conv(work) => conv::run(work, step, memory, threads, store),
        StepWork::Loss(work) => learn::loss(work, memory, batch),
        StepWork::Update(work) => {
            if batch.accumulate {
                learn::add_held(threads, store.own());
            }
            if let Some(update) = batch.update {
                learn::update(work, update, threads, store.own());
            }
        }
    }
}

/// Copies what `tap` holds after a run to `dst`, channels without padding.
pub(crate) fn read_tap(plan: &Plan, tap: &Tap, arena: &mut Arena, images: &[f32], dst: &mut [f32]) {
    let buffer = &plan.buffers[tap.buffer.0];
    let src: MapRef<'_> = match (buffer.offset, buffer.kind) {
        (None, _) => images.into(),
        (Some(offset), ElementType::Bf16) => arena.lend(0).read::<Bf16>(offset, buffer.len).into(),
        (Some(offset), _) => arena.lend(0).read::<f32>(offset, buffer.len).into(),
    };
    debug_assert!(buffer.offset.is_some() || tap.buffer == IMAGES);
    for (row, dst) in dst.chunks_exact_mut(tap.shape.c).enumerate() {
        src.read(row * buffer.pitch, dst);
    }
}

/// Adds the values of more images to those of the images before them, node by node.
pub(crate) fn append(values: &mut Vec<NodeValue>, more: Vec<NodeValue>) {
    if values.is_empty() {
        *values = more;
        return;
    }
    for (held, value) in values.iter_mut().zip(more) {
        held.n += value.n;
        held.data.extend(value.data);
    }
}
