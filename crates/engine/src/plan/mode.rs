//! What a plan is for: training or inference, whose statistics, which kernels.

use plusx_kernels::Level;
use plusx_model::graph::NodeId;
use plusx_model::learning::Learning;

use crate::precision::Precision;

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
    /// No Winograd algorithms.
    pub(crate) exact: bool,
    /// How products are computed, and what maps are stored as.
    pub(crate) precision: Precision,
}

/// What plans of one engine have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanSettings<'a> {
    pub(crate) kernels: Kernels,
    /// Which parameters learn.
    pub(crate) learning: &'a Learning,
}
