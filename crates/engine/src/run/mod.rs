//! Runs a plan: each step borrows its buffers from the arena, cuts them into the pieces' parts, and hands the pieces to
//! the pool.

mod channel;
mod conv;
mod learn;
mod map;
mod memory;

use std::time::Instant;

use plusx_model::executor::Sgd;

use crate::arena::Block;
use crate::params::Store;
use crate::plan::Plan;
use crate::plan::step::{Step, Work};
use crate::pool::Pool;
use crate::profile::Profile;

use self::memory::Memory;

/// What belongs to the engine.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) arena: &'a mut Block,
    pub(crate) store: &'a mut Store,
    pub(crate) pool: &'a mut Pool,
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

/// Runs the steps of `plan` from number `first` on.
pub(crate) fn run(plan: &Plan, first: usize, mut machine: Machine<'_>, batch: &mut Batch<'_>) {
    for step in &plan.steps[first..] {
        let start = machine.profile.is_some().then(Instant::now);
        run_step(plan, step, &mut machine, batch);
        if let (Some(profile), Some(start)) = (&mut machine.profile, start) {
            profile.add(plan, step, start.elapsed());
        }
    }
}

fn run_step(plan: &Plan, step: &Step, machine: &mut Machine<'_>, batch: &mut Batch<'_>) {
    let mut memory = Memory::new(plan, machine.arena.lend(), batch.images);
    let (memory, pool, store) = (&mut memory, &mut *machine.pool, &mut *machine.store);
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
                learn::update(plan.kernels.level, sgd, pool, store);
            }
        }
    }
}
