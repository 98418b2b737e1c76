//! Convolution: forward, gradient of the input, gradient of the filter.

use std::ops::Range;

use crate::args::{Grad, Sink, Source, Sums};
use crate::shape::ConvShape;
use crate::view::RowsMut;

/// Arguments of [`Forward`]: images `src`, channels `blocks` of the output.
#[derive(Debug)]
pub struct ForwardArgs<'a> {
    /// The sizes.
    pub shape: &'a ConvShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is convolved.
    pub src: Source<'a>,
    /// If set, the evaluated source is stored here too (all channels; `images * h * w` rows).
    pub keep: Option<RowsMut<'a, f32>>,
    /// All packed filters, see [`packed_len`].
    pub weights: &'a [f32],
    /// Added to every output, `pitch(k)` long.
    pub bias: Option<&'a [f32]>,
    /// The piece's output channels, in blocks of [`crate::LANES`].
    pub blocks: Range<usize>,
    /// `images * oh * ow` rows; columns are the piece's channels.
    pub dst: RowsMut<'a, f32>,
    /// Statistics of the output.
    pub sums: Option<Sums<'a>>,
    /// [`forward_scratch_len`] values.
    pub scratch: &'a mut [f32],
}

/// Arguments of [`BackwardData`]: gradient of `blocks` of the input channels.
#[derive(Debug)]
pub struct BackwardDataArgs<'a> {
    /// The sizes.
    pub shape: &'a ConvShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the output.
    pub grad: Grad<'a>,
    /// All filters packed by [`pack_backward`].
    pub weights: &'a [f32],
    /// The piece's input channels, in blocks of [`crate::LANES`].
    pub blocks: Range<usize>,
    /// Where the gradient of the input goes.
    pub sink: Sink<'a>,
    /// [`backward_data_scratch_len`] values.
    pub scratch: &'a mut [f32],
}

/// Arguments of [`BackwardWeights`]: gradient of the filters of `blocks` of the output channels, summed over the
/// images of the piece (at most one segment of 64).
#[derive(Debug)]
pub struct BackwardWeightsArgs<'a> {
    /// The sizes.
    pub shape: &'a ConvShape,
    /// How many images the piece has.
    pub images: usize,
    /// What was convolved.
    pub src: Source<'a>,
    /// Gradient at the output.
    pub grad: Grad<'a>,
    /// The piece's output channels, in blocks of [`crate::LANES`].
    pub blocks: Range<usize>,
    /// Packed gradient of those blocks (`blocks.len() * packed_block_len(shape)` values); overwritten.
    pub dst: &'a mut [f32],
    /// [`backward_weights_scratch_len`] values.
    pub scratch: &'a mut [f32],
}

/// Forward kernel.
pub type Forward = fn(ForwardArgs<'_>);
/// Backward-data kernel.
pub type BackwardData = fn(BackwardDataArgs<'_>);
/// Backward-weights kernel.
pub type BackwardWeights = fn(BackwardWeightsArgs<'_>);
