//! U = G g G^T of all filters, `[block of 16 filters][point][channel][16]`, once per step.

use std::ops::Range;

use super::points::{F33, F43, Filter, WinogradPoints};
use super::sizes::PassSizes;
use super::tiling::Algorithm;
use super::transform::{self, Square};
use crate::LANES;
use crate::conv::layout::{backward_block_len, pack_backward, packed_block_len, panel_offset};
use crate::shape::ConvShape;
use crate::simd::{Isa, Kernel};

/// Arguments of a [`super::FilterTransform`].
#[derive(Debug)]
pub struct TransformArgs<'a> {
    /// The sizes of the convolution.
    pub shape: &'a ConvShape,
    /// All packed filters.
    pub packed: &'a [f32],
    /// Blocks of output channels (forward) or of input channels (backward).
    pub blocks: Range<usize>,
    /// The transformed filters of those blocks.
    pub dst: &'a mut [f32],
    /// [`crate::conv::backward_block_len`] values for [`super::TRANSFORM_BACKWARD`], none for [`super::TRANSFORM`].
    pub scratch: &'a mut [f32],
}

/// For the forward pass.
pub(crate) struct TransformKernel<'a>(pub(crate) TransformArgs<'a>);

/// For the gradient of the input: channels exchanged, taps turned by half a turn.
pub(crate) struct TransformBackwardKernel<'a>(pub(crate) TransformArgs<'a>);

impl Kernel for TransformKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let args = self.0;
        let pass = PassSizes::forward(args.shape);
        let (from, to) = (packed_block_len(args.shape), pass.filters_block_len());
        assert_eq!(args.dst.len(), args.blocks.len() * to, "transformed filters");
        for (dst, block) in args.dst.chunks_exact_mut(to).zip(args.blocks) {
            let filters = PackedFilters { panel: &args.packed[block * from..][..from], turned: false };
            panel(isa, &pass, filters, dst);
        }
    }
}

impl Kernel for TransformBackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let args = self.0;
        let pass = PassSizes::backward(args.shape);
        let (from, to) = (backward_block_len(args.shape), pass.filters_block_len());
        assert_eq!(args.dst.len(), args.blocks.len() * to, "transformed filters");
        let transposed = &mut args.scratch[..from];
        for (dst, block) in args.dst.chunks_exact_mut(to).zip(args.blocks) {
            pack_backward(args.shape, args.packed, block..block + 1, transposed);
            panel(isa, &pass, PackedFilters { panel: transposed, turned: true }, dst);
        }
    }
}

/// One block of filters.
#[derive(Clone, Copy)]
struct PackedFilters<'a> {
    panel: &'a [f32],
    /// Whether the taps are turned by half a turn.
    turned: bool,
}

/// Transforms one block of filters, from a panel of [`panel_offset`]'s layout.
#[inline(always)]
fn panel<I: Isa>(isa: I, pass: &PassSizes, from: PackedFilters<'_>, dst: &mut [f32]) {
    match pass.algorithm {
        Algorithm::F43 => channels::<I, F43, 6, 4>(isa, pass, from, dst),
        Algorithm::F33 => channels::<I, F33, 5, 3>(isa, pass, from, dst),
    }
}

#[inline(always)]
fn channels<I: Isa, P: WinogradPoints<N, M>, const N: usize, const M: usize>(
    isa: I,
    pass: &PassSizes,
    from: PackedFilters<'_>,
    dst: &mut [f32],
) {
    let PackedFilters { panel, turned } = from;
    let (channels, step) = (pass.channels[0], pass.channel_blocks() * LANES * LANES);
    assert!(panel.len() == 9 * channels * LANES && dst.len() == N * N * step, "a block of filters");
    let dst = dst.as_mut_ptr();
    for channel in 0..pass.channel_blocks() * LANES {
        // SAFETY: a panel holds nine taps of every channel, `dst` every channel at N x N points, padding included.
        unsafe {
            let to = dst.add(channel * LANES);
            if channel >= channels {
                for point in 0..N * N {
                    isa.store(to.add(point * step), isa.zero());
                }
                continue;
            }
            let first = panel_offset(9, channels, 0, channel);
            let tap = panel_offset(9, channels, 1, channel) - first;
            let taps = Square::points::<3>(panel[first..].as_ptr(), tap);
            // half a turn: from the last tap backwards
            let turn = Square { first: taps.first.add(8 * tap), step: taps.step.map(|step| -step) };
            let from = if turned { turn } else { taps };
            transform::square::<I, Filter<P, N, M>, 3, N>(isa, from, Square::points::<N>(to, step));
        }
    }
}
