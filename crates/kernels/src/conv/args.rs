//! What the convolution kernels of every method are given, and the checks that their loops rely on.

use std::ops::Range;

use super::geometry::{backward_data_scratch_len, backward_weights_scratch_len, forward_scratch_len};
use super::layout::{backward_len, packed_block_len, packed_len};
use super::windows;
use crate::args::{Finish, Gate, Grad, MapSource, Sink, Sums};
use crate::maps::MapRowsMut;
use crate::shape::ConvShape;
use crate::{LANES, check, pitch};

/// Arguments of [`ConvForward`]: images `src`, channels `blocks` of the output.
#[derive(Debug)]
pub struct ConvForwardArgs<'a> {
    /// The sizes.
    pub shape: &'a ConvShape,
    /// How many images the piece has.
    pub images: usize,
    /// What is convolved.
    pub src: MapSource<'a>,
    /// If set, the evaluated source is stored here too (all channels; `images * h * w` rows).
    pub keep: Option<MapRowsMut<'a>>,
    /// All packed filters, see [`packed_len`]; for [`super::winograd::FORWARD`] those that [`super::winograd::TRANSFORM`] made.
    pub weights: &'a [f32],
    /// Added to every output, `pitch(k)` long.
    pub bias: Option<&'a [f32]>,
    /// What happens to outputs before they are stored.
    pub finish: Finish<'a>,
    /// The piece's output rows: all, or, of a single image, some ([`super::winograd::FORWARD`]: whole [`super::winograd::rows`]).
    pub rows: Range<usize>,
    /// The piece's output channels, in blocks of [`crate::LANES`].
    pub blocks: Range<usize>,
    /// `images * rows.len() * ow` rows; columns are the piece's channels.
    pub dst: MapRowsMut<'a>,
    /// Statistics of the output.
    pub sums: Option<Sums<'a>>,
    /// [`forward_scratch_len`] values ([`super::winograd::forward_scratch_len`]).
    pub scratch: &'a mut [f32],
}

/// Arguments of [`ConvBackwardData`]: gradient of `blocks` of the input channels.
#[derive(Debug)]
pub struct ConvBackwardDataArgs<'a> {
    /// The sizes.
    pub shape: &'a ConvShape,
    /// How many images the piece has.
    pub images: usize,
    /// Gradient at the output.
    pub grad: Grad<'a>,
    /// All filters, packed by [`pack_backward`](super::pack_backward); for [`super::winograd::BACKWARD_DATA`] those that [`super::winograd::TRANSFORM_BACKWARD`] made.
    pub weights: &'a [f32],
    /// The piece's input channels, in blocks of [`crate::LANES`].
    pub blocks: Range<usize>,
    /// Where the gradient of the input goes.
    pub sink: Sink<'a>,
    /// [`backward_data_scratch_len`] values ([`super::winograd::backward_data_scratch_len`]).
    pub scratch: &'a mut [f32],
}

/// Arguments of [`ConvBackwardWeights`]: gradient of the filters of `blocks` of the output channels, summed over the
/// images of the piece (at most one segment, see [`weight_segment`](super::weight_segment)).
#[derive(Debug)]
pub struct ConvBackwardWeightsArgs<'a> {
    /// The sizes.
    pub shape: &'a ConvShape,
    /// How many images the piece has.
    pub images: usize,
    /// What was convolved.
    pub src: MapSource<'a>,
    /// Gradient at the output.
    pub grad: Grad<'a>,
    /// The piece's output channels, in blocks of [`crate::LANES`].
    pub blocks: Range<usize>,
    /// Packed gradient of those blocks (`blocks.len() * packed_block_len(shape)` values); overwritten.
    pub dst: &'a mut [f32],
    /// [`backward_weights_scratch_len`] values ([`super::winograd::backward_weights_scratch_len`]).
    pub scratch: &'a mut [f32],
}

/// Forward kernel.
pub type ConvForward = fn(ConvForwardArgs<'_>);
/// Backward-data kernel.
pub type ConvBackwardData = fn(ConvBackwardDataArgs<'_>);
/// Backward-weights kernel.
pub type ConvBackwardWeights = fn(ConvBackwardWeightsArgs<'_>);

impl ConvForwardArgs<'_> {
    #[track_caller]
    pub(crate) fn check(&self) {
        self.check_maps();
        assert_eq!(self.weights.len(), packed_len(self.shape), "packed filters");
        assert!(self.scratch.len() >= forward_scratch_len(self.shape, self.images), "scratch");
    }

    /// As [`ConvForwardArgs::check`], for kernels with filters and scratch of their own.
    #[track_caller]
    pub(crate) fn check_maps(&self) {
        let shape = self.shape;
        windows::check(shape);
        check::source(&self.src, self.images * shape.h * shape.w, shape.c_pitch);
        if let Some(keep) = &self.keep {
            let rows = self.images * shape.h * shape.w;
            assert!(keep.rows() == rows && keep.width() == shape.c_pitch && keep.pitch() == shape.c_pitch);
        }
        assert!(self.bias.is_none_or(|bias| bias.len() == shape.k_pitch()), "bias length");
        let width = self.blocks.len() * LANES;
        assert!(self.blocks.end * LANES <= shape.k_pitch(), "output blocks {:?}", self.blocks);
        let whole = self.rows == (0..shape.oh);
        assert!(whole || self.images == 1 && self.sums.is_none() && self.rows.end <= shape.oh, "some rows");
        let pixels = self.rows.len() * shape.ow;
        assert!(self.dst.rows() == self.images * pixels && self.dst.width() == width);
        check::finish(&self.finish, [self.images * shape.oh * shape.ow, shape.k_pitch()], self.dst.pitch());
        if let Some(sums) = &self.sums {
            assert!(sums.shift.len() == shape.k_pitch(), "shift of the sums");
            assert!(sums.out.rows() == 2 * self.images && sums.out.width() == width, "sums");
        }
    }
}

#[track_caller]
fn check_gradient(grad: &Grad<'_>, shape: &ConvShape, images: usize) {
    let (values, k) = (images * shape.oh * shape.ow * shape.k_pitch(), shape.k_pitch());
    assert_eq!(grad.g.len(), values, "gradient of the output");
    if let Some(norm) = &grad.norm {
        assert_eq!(norm.y.len(), values, "stored output");
        assert!(
            [norm.a, norm.b, norm.c].iter().all(|slice| slice.len() == k),
            "coefficients of the batch norm"
        );
    }
}

#[track_caller]
fn check_sink(sink: &Sink<'_>, shape: &ConvShape, images: usize, width: usize) {
    let (rows, pitch) = (images * shape.h * shape.w, shape.c_pitch);
    assert!(sink.dst.rows() == rows && sink.dst.width() == width, "sink of {rows} rows");
    match &sink.gate {
        Gate::Open => {}
        Gate::Stored(z) => assert_eq!(z.len(), rows * pitch, "gate"),
        Gate::Affine { y, affine } => {
            assert!(
                y.len() == rows * pitch && affine.scale.len() == pitch && affine.shift.len() == pitch,
                "gate"
            );
        }
    }
    if let Some((y, sums)) = &sink.sums {
        assert!(y.len() == rows * pitch && sums.shift.len() == pitch, "sums");
        assert!(sums.out.rows() == 2 * images && sums.out.width() == width, "sums");
    }
}

impl ConvBackwardDataArgs<'_> {
    #[track_caller]
    pub(crate) fn check(&self) {
        let shape = self.shape;
        check_gradient(&self.grad, shape, self.images);
        assert!(self.blocks.end * LANES <= pitch(shape.c), "input blocks {:?}", self.blocks);
        check_sink(&self.sink, shape, self.images, self.blocks.len() * LANES);
    }

    /// As [`ConvBackwardDataArgs::check`], for kernels with filters of [`super::pack_backward`].
    #[track_caller]
    pub(super) fn check_direct(&self) {
        self.check();
        let shape = self.shape;
        assert_eq!(self.weights.len(), backward_len(shape), "transposed filters");
        assert!(self.scratch.len() >= backward_data_scratch_len(shape, self.images), "scratch");
        assert_eq!(shape.c_pitch, pitch(shape.c), "the gradient of an unpadded map");
    }
}

impl ConvBackwardWeightsArgs<'_> {
    #[track_caller]
    pub(crate) fn check(&self) {
        let shape = self.shape;
        windows::check(shape);
        check::source(&self.src, self.images * shape.h * shape.w, shape.c_pitch);
        check_gradient(&self.grad, shape, self.images);
        assert!(self.blocks.end * LANES <= shape.k_pitch(), "output blocks {:?}", self.blocks);
        assert_eq!(self.dst.len(), self.blocks.len() * packed_block_len(shape), "gradient of the filters");
    }

    /// As [`ConvBackwardWeightsArgs::check`], for the kernels of this module and its neighbours.
    #[track_caller]
    pub(super) fn check_direct(&self) {
        self.check();
        let scratch = backward_weights_scratch_len(self.shape, self.blocks.len());
        assert!(self.scratch.len() >= scratch, "scratch");
    }
}
