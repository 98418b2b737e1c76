//! The plan: what happens, in which order, where in memory, by which kernel. Data: printable, and equal for equal
//! inputs.
//!
//! A plan is built from a graph, a mode, a batch size and an instruction level by pure functions. [`forward`] emits the
//! steps of the forward pass. [`backward`] emits those of the gradients, with [`gradient`] for what becomes of each
//! value's and [`view_gradient`] for those of views. [`memory`] gives the buffers their place. Thread count and timing have
//! no part in it.

mod access;
mod backward;
mod buffer;
mod build;
mod convolution;
mod display;
mod finished;
mod forward;
mod gradient;
mod memory;
pub(crate) mod method;
mod mode;
pub(crate) mod pieces;
pub(crate) mod refs;
pub(crate) mod step;
mod view_gradient;
pub(crate) mod work;

use plusx_model::graph::Graph;

use self::build::PlanBuilder;
use crate::lower::{fuse_views, lower};
use crate::params::ParamLayout;

pub(crate) use self::buffer::{Buffer, ElementType, IMAGES, Lasting};
pub use self::finished::Plan;
pub(crate) use self::finished::Tap;
pub use self::mode::Mode;
pub(crate) use self::mode::{Kernels, PlanSettings, Statistics};

impl Plan {
    /// Plans a checked graph.
    pub(crate) fn new(
        graph: &Graph,
        layout: &ParamLayout,
        mode: &Mode,
        batch: usize,
        settings: &PlanSettings<'_>,
    ) -> Self {
        let learning = settings.learning;
        let mut roots = mode.taps.clone();
        if mode.backward {
            roots.push(graph.output());
        }
        let mut lowered = lower(graph, &roots, mode, learning);
        if mode.backward || mode.inference() {
            fuse_views(&mut lowered, &roots, mode.backward);
        }
        let mut builder = PlanBuilder::new(graph, &lowered, mode, batch, settings);
        builder.forward();
        if mode.backward {
            builder.backward(layout);
        }
        builder.finish(layout)
    }
}
