//! One step of a plan: its work, its kernel and its pieces.

use plusx_kernels::shape::ConvShape;

use super::method::Method;
use super::pieces::PieceGrid;
use super::work::{ConvWork, StepWork};

/// A kernel of a table: its place there, and its name for reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KernelRef {
    pub(crate) entry: usize,
    pub(crate) name: &'static str,
}

/// Floating-point operations of a step, a multiply-add counted as two; for taps inside the map only.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flops {
    /// What the kernel does; of a Winograd algorithm the products of its points, without the transforms, of tiles the products
    /// of all pieces.
    pub(crate) real: u64,
    /// What a direct convolution would do.
    pub(crate) direct: u64,
}

impl Flops {
    /// Of `images` images.
    pub(super) fn new(shape: &ConvShape, images: usize, method: Method) -> Self {
        let of = |method: Method| 2 * (method.macs(shape) * images) as u64;
        Self { real: of(method), direct: of(Method::Direct) }
    }
}

/// One step: pieces that may run on any thread in any order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PlanStep {
    /// Layer and direction ("conv5 forward").
    pub(crate) label: String,
    pub(crate) kernel: KernelRef,
    pub(crate) pieces: PieceGrid,
    /// Scratch of one thread, in values.
    pub(crate) scratch: usize,
    /// Floating-point operations; counted for convolutions only.
    pub(crate) flops: Flops,
    pub(crate) work: StepWork,
}

/// Maps that a step cuts into windows at most: a convolution its output, the evaluated source it keeps, and its sums.
const MOST_CUT: usize = 3;

impl PlanStep {
    /// Words of bits that mark which windows of its maps are taken.
    pub(crate) fn marks(&self) -> usize {
        let windows = match &self.work {
            // each part is a row of its own, and other steps write the others
            StepWork::Conv(ConvWork::BackwardWeights { parts: Some(parts), .. }) => {
                parts.count * self.pieces.columns()
            }
            _ => self.pieces.windows(),
        };
        MOST_CUT * windows.div_ceil(64)
    }

    /// Without scratch, of pieces that are not counted.
    pub(crate) fn plain(
        label: String,
        kernel: KernelRef,
        pieces: PieceGrid,
        work: impl Into<StepWork>,
    ) -> Self {
        let work = work.into();
        Self { label, kernel, pieces, scratch: 0, flops: Flops::default(), work }
    }
}
