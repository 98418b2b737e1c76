//! A plan as it is run: steps, buffers, and what can be read after.

use plusx_model::shape::ImageShape;

use super::buffer::Buffer;
use super::mode::{Kernels, Mode};
use super::refs::BufferId;
use super::step::PlanStep;

/// A node whose value can be read after the run.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Tap {
    pub(crate) buffer: BufferId,
    pub(crate) shape: ImageShape,
}

/// A network made ready to run on a batch of one size: steps, buffers, memory. `Display` prints all of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    pub(crate) mode: Mode,
    pub(crate) batch: usize,
    pub(crate) kernels: Kernels,
    /// How many parameters learn, of those that could.
    pub(crate) learning: [usize; 2],
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) steps: Vec<PlanStep>,
    /// How many steps at the start read parameters only. What they write lives as long as the plan's turn in the arena, so
    /// another run of it may leave them out.
    pub(crate) prepared: usize,
    /// In the order of the mode's taps.
    pub(crate) taps: Vec<Tap>,
    pub(crate) arena_bytes: usize,
    pub(crate) param_bytes: usize,
}

impl Plan {
    /// Images in a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// How many steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Bytes of the arena: all feature maps, gradients of feature maps and workspaces.
    pub fn arena_bytes(&self) -> usize {
        self.arena_bytes
    }

    /// Bytes of scratch that each thread needs.
    pub fn scratch_bytes(&self) -> usize {
        self.scratch() * size_of::<f32>()
    }

    /// Values of scratch that each thread needs.
    pub(crate) fn scratch(&self) -> usize {
        self.steps.iter().map(|step| step.scratch).max().unwrap_or(0)
    }

    /// Bytes that running this plan takes beside the program and its input: the arena, the parameters and, for
    /// training, their gradients. A velocity and the scratch of every thread are not counted.
    pub fn memory_bytes(&self) -> usize {
        self.arena_bytes + self.param_bytes
    }

    /// Floating-point operations of one run, two for each multiply-accumulate of a convolution or dense layer as a
    /// direct convolution does it.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|step| step.flops.direct).sum()
    }
}
