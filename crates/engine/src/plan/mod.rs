//! The plan: what happens, in which order, where in memory, by which kernel. Data: printable, and equal for equal
//! inputs.
//!
//! A plan is built from a graph, a mode, a batch size and an instruction level by pure functions: [`forward`] and
//! [`backward`] (with [`gradient`]) emit steps over buffers, [`memory`] gives the buffers their place. Thread count and timing have no
//! part in it.

mod access;
mod backward;
mod build;
mod convolution;
mod display;
mod forward;
mod gradient;
mod memory;
pub(crate) mod pieces;
pub(crate) mod refs;
pub(crate) mod step;
pub(crate) mod work;

use plusx_kernels::Level;
use plusx_kernels::shape::ConvShape;
use plusx_model::graph::{Graph, NodeId, ParamId};
use plusx_model::shape::ImageShape;

use self::build::PlanBuilder;
use self::refs::BufferId;
use self::step::PlanStep;
use crate::lower::{fuse, lower};
use crate::params::ParamLayout;

/// Which statistics batch norms use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Statistics {
    /// Of the batch; with `update_running` the running ones move towards them.
    Batch {
        /// Whether running statistics learn.
        update_running: bool,
    },
    /// The running ones.
    Running,
}

/// What a plan is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mode {
    /// Whether loss, gradients and update follow the forward pass.
    pub(crate) backward: bool,
    /// Which statistics batch norms use.
    pub(crate) statistics: Statistics,
    /// Nodes whose values are wanted; in training the output is always computed.
    pub(crate) taps: Vec<NodeId>,
    /// Whether what is made of parameters alone is moved out of the arena, once, for all runs to read.
    pub(crate) shared: bool,
}

impl Mode {
    /// A training step: batch statistics, loss, gradients, update.
    pub fn train() -> Self {
        let statistics = Statistics::Batch { update_running: true };
        Self { backward: true, statistics, taps: Vec::new(), shared: false }
    }

    /// Values of `taps` with running statistics.
    pub fn infer(taps: &[NodeId]) -> Self {
        Self { backward: false, statistics: Statistics::Running, taps: taps.to_vec(), shared: false }
    }

    /// The output with running statistics, for many callers at a time.
    pub(crate) fn shared(output: NodeId) -> Self {
        Self { shared: true, ..Self::infer(&[output]) }
    }

    /// Values of `taps` with batch statistics; running statistics stay.
    pub fn forward_training(taps: &[NodeId]) -> Self {
        let statistics = Statistics::Batch { update_running: false };
        Self { backward: false, statistics, taps: taps.to_vec(), shared: false }
    }
}

impl Mode {
    /// Whether parameters and statistics stay as they are, so that what is made of them alone can be kept.
    pub(crate) fn inference(&self) -> bool {
        !self.backward && self.statistics == Statistics::Running
    }
}

/// Which kernels a plan may choose from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kernels {
    /// Instructions.
    pub(crate) level: Level,
    /// Only direct convolutions: no Winograd algorithms.
    pub(crate) exact: bool,
}

/// What the values of a buffer are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ElementType {
    F32,
    F64,
    U8,
}

impl ElementType {
    fn bytes(self) -> usize {
        match self {
            ElementType::F32 => 4,
            ElementType::F64 => 8,
            ElementType::U8 => 1,
        }
    }
}

/// What a buffer that is made of parameters alone holds: equal for all plans of a network and a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lasting {
    /// Scale and shift of a batch norm, from running statistics.
    Affine(NodeId),
    /// Filters of a Winograd algorithm.
    Filters(ParamId, ConvShape),
}

/// Memory of a plan.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Buffer {
    pub(crate) name: String,
    pub(crate) kind: ElementType,
    /// Values.
    pub(crate) len: usize,
    /// Distance between its rows.
    pub(crate) pitch: usize,
    /// First byte in the arena; the caller's images have none.
    pub(crate) offset: Option<usize>,
    /// What a step before the others puts there, if it may stay.
    pub(crate) lasting: Option<Lasting>,
    /// The first and the last step that touch it.
    pub(crate) life: [usize; 2],
}

impl Buffer {
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.kind.bytes()
    }
}

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
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) steps: Vec<PlanStep>,
    /// How many steps at the start read parameters only, and write what lives as long as the plan's turn in the arena:
    /// another run of it may leave them out.
    pub(crate) prepared: usize,
    /// In the order of the mode's taps.
    pub(crate) taps: Vec<Tap>,
    pub(crate) arena_bytes: usize,
    pub(crate) param_bytes: usize,
}

/// The buffer that stands for the images as the caller passes them.
pub(crate) const IMAGES: BufferId = BufferId(0);

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
    /// training, their gradients (a velocity, and the scratch of every thread, come on top of it).
    pub fn memory_bytes(&self) -> usize {
        self.arena_bytes + self.param_bytes
    }

    /// Floating-point operations of one run, two for each multiply-accumulate of a convolution or dense layer as a
    /// direct convolution does it.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|step| step.flops.direct).sum()
    }

    /// Plans a checked graph.
    pub(crate) fn new(
        graph: &Graph,
        layout: &ParamLayout,
        mode: &Mode,
        batch: usize,
        kernels: Kernels,
    ) -> Self {
        let mut roots = mode.taps.clone();
        if mode.backward {
            roots.push(graph.output());
        }
        let mut lowered = lower(graph, &roots, mode.backward);
        if mode.inference() {
            fuse(&mut lowered, &roots);
        }
        let mut builder = PlanBuilder::new(graph, &lowered, mode, batch, kernels);
        builder.forward();
        if mode.backward {
            builder.backward(layout);
        }
        builder.finish(layout)
    }
}
