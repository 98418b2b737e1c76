//! What a run is given.

use std::sync::Arc;

use plusx_kernels::loss::LossTargets;
use plusx_model::update::Update;

use crate::arena::{Arena, Floats};
use crate::params::Held;
use crate::profile::Profile;
use crate::threads::Threads;

/// What a plan is run with, from call to call.
#[derive(Debug)]
pub(crate) struct RunResources<'a> {
    pub(crate) arena: &'a mut Arena,
    pub(crate) threads: &'a mut Threads,
    pub(crate) store: Held<'a>,
    /// What was made of parameters before and lies outside the arena, by buffer. Empty if all of it is in the arena.
    pub(crate) made: &'a [Option<Arc<Floats>>],
    pub(crate) profile: Option<&'a mut Profile>,
}

/// What belongs to one call.
#[derive(Debug)]
pub(crate) struct RunBatch<'a> {
    pub(crate) images: &'a [f32],
    /// Of no image if there is no loss.
    pub(crate) targets: LossTargets<'a>,
    pub(crate) losses: &'a mut [f32],
    pub(crate) predictions: &'a mut [u32],
    pub(crate) update: Option<&'a Update<'a>>,
}

impl<'a> RunBatch<'a> {
    /// Images that nothing is learnt from.
    pub(crate) fn forward(images: &'a [f32]) -> Self {
        Self {
            images,
            targets: LossTargets::Classes(&[]),
            losses: &mut [],
            predictions: &mut [],
            update: None,
        }
    }
}
