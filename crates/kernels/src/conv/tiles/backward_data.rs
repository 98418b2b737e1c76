//! Gradient of the input on tiles: a convolution of the output's gradient. A stride splits the inputs into classes with taps of
//! their own, so no inserted zero is multiplied.

use std::ops::Range;

use super::filters::{Reduction, panels};
use super::grid::MadeAxis;
use super::groups::{backward_group, stack_sizes};
use super::load::{self, LoadedPart};
use super::numbers::Numbers;
use super::pieces::Pieces;
use super::places::{ReadAhead, TilePlaces};
use super::rules::fits_backward_data;
use super::sizes::{PLACE_BYTES, TileSizes};
use super::stack::Way;
use super::sweep::{Outputs, Sweep};
use crate::conv::args::ConvBackwardDataArgs;
use crate::conv::finish::Finishing;
use crate::conv::passes::finish_images;
use crate::simd::tiles::TileUnit;
use crate::simd::{Isa, Kernel};

/// Gradient of the input with products of a [`TileUnit`].
pub(crate) struct TileBackwardDataKernel<'a, U> {
    pub(crate) args: ConvBackwardDataArgs<'a>,
    pub(crate) pieces: Pieces,
    pub(crate) unit: std::marker::PhantomData<U>,
}

impl<U: TileUnit> Kernel for TileBackwardDataKernel<'_, U> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { mut args, pieces, .. } = self;
        args.check();
        assert!(fits_backward_data(args.shape), "a shape that has no tiles");
        let unit = U::enter();
        let group = backward_group(args.shape, pieces, args.images);
        for image in (0..args.images).step_by(group) {
            let images = image..args.images.min(image + group);
            some_images(isa, &unit, &mut args, pieces, &images);
            finish_images(isa, &mut args, &images);
        }
    }
}

/// The images that are loaded together. The arguments must have been checked.
#[inline(always)]
fn some_images<I: Isa, U: TileUnit>(
    isa: I,
    unit: &U,
    args: &mut ConvBackwardDataArgs<'_>,
    pieces: Pieces,
    images: &Range<usize>,
) {
    let shape = *args.shape;
    let panel_bytes = Reduction::backward(&shape).panel_bytes(pieces);
    let filters = panels(args.weights, panel_bytes, &args.blocks);
    let sizes = TileSizes::backward(&shape, pieces, images.len());
    let scratch = sizes.cut(args.scratch);
    let planes = &sizes.planes;
    let part = LoadedPart {
        image: images.start,
        row: 0,
        size: [shape.oh, shape.ow],
        end: shape.oh,
        channel: 0,
        pitch: shape.k_pitch(),
    };
    let stacked = stack_sizes(&shape, Way::Backward, pieces, images.len()).filter(|_| images.len() > 1);
    let mut places = TilePlaces::whole(scratch.planes, sizes.place_bytes);
    let (mut stack, mut steps) = (None, &[][..]);
    // what is stacked is not sorted by remainders
    let mut classes = [shape.stride[0].min(shape.h), shape.stride[1].min(shape.w)];
    // SAFETY: `check` established the maps, `cut` the scratch; the places of `sizes` are those of its steps.
    unsafe {
        if let Some(stacked) = &stacked {
            let sizes = stacked.tiles(&sizes);
            stacked.load(isa, &args.grad, &part, (&sizes, scratch.planes));
            let (images, all) = stacked.write_steps(&sizes, &scratch);
            (stack, steps) = (Some(images), all);
            places.bytes = PLACE_BYTES;
            classes = [1; 2];
        } else {
            load::planes(isa, &args.grad, &part, &sizes, scratch.planes);
        }
        for row in 0..classes[0] {
            for column in 0..classes[1] {
                let made = [
                    MadeAxis::backward(&shape, 0, &planes.axes[0], row),
                    MadeAxis::backward(&shape, 1, &planes.axes[1], column),
                ];
                let numbers = match &stack {
                    Some(stack) => Numbers::Stack { stack, pixels: shape.h * shape.w, first: images.start },
                    None => {
                        let count = sizes.write_steps(&made, shape.kernel[1], scratch.steps);
                        steps = std::slice::from_raw_parts(scratch.steps, count);
                        let (size, first) = ([shape.h, shape.w], [images.start, 0]);
                        Numbers::Planes { planes, made, size, first }
                    }
                };
                let sweep = Sweep {
                    places,
                    ahead: [ReadAhead::NONE; 2],
                    panels: filters,
                    panel_bytes,
                    steps,
                    sums: scratch.sums,
                    blocks: args.blocks.len(),
                };
                let dst = &mut args.sink.dst;
                let outputs = Outputs {
                    numbers,
                    dst: dst.ptr(),
                    pitch: dst.pitch(),
                    finish: Finishing::default(),
                    accumulate: args.sink.accumulate,
                };
                sweep.run(isa, unit, &outputs);
            }
        }
    }
}
