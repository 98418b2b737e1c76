//! A plan as it is run: steps, buffers, and what can be read after.

use plusx_model::shape::ImageShape;

use super::buffer::Buffer;
use super::mode::{Kernels, Mode};
use super::refs::BufferId;
use super::step::PlanStep;

/// Bytes of maps that inference keeps at a time. Of a ResNet-50 on 224x224 in bf16, parts of 8 images (35 MB) were 1.15 times as fast as
/// 32 at once.
const NEAR_MAPS: usize = 36 << 20;

/// Images of a part at least: each step of a part has work for some cores.
const FEW_IMAGES: usize = 8;

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
    /// Whether each run makes something of parameters only anew.
    pub(crate) remakes: bool,
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

    /// Images that inference takes at a time: so few that their maps stay near the processor. No result depends on it. Parts of a
    /// batch are equal if they can be nearly as large, since a part of another size makes filters ready anew.
    pub(crate) fn images_at_a_time(&self) -> usize {
        let lasting = self.buffers.iter().filter(|buffer| buffer.lasting.is_some());
        let maps = self.arena_bytes - lasting.map(Buffer::bytes).sum::<usize>().min(self.arena_bytes);
        if !self.mode.inference() || self.remakes || maps <= NEAR_MAPS {
            return self.batch;
        }
        let most = (self.batch * (NEAR_MAPS >> 10) / (maps >> 10)).max(FEW_IMAGES).min(self.batch);
        (most.div_ceil(2)..=most).rev().find(|part| self.batch.is_multiple_of(*part)).unwrap_or(most)
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
