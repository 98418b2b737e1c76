//! Forward on tiles.
//!
//! ```text
//! if keep: store the evaluated source first, then read that
//! for groups of images, or bands of rows of one:
//!     load them as planes of bf16
//!     for two blocks of filters:
//!         for 32 outputs: sums over blocks of channels and taps; bias, batch norm, join and ReLU; store
//!     statistics of what was stored
//! ```

use super::filters::{Reduction, panels};
use super::gather;
use super::grid::MadeAxis;
use super::groups::{forward_group, stack_sizes};
use super::in_place::InPlace;
use super::load::{self, LoadedPart};
use super::numbers::Numbers;
use super::pieces::Pieces;
use super::places::{ReadAhead, TilePlaces};
use super::rules::fits;
use super::sizes::{PLACE_BYTES, TileSizes};
use super::stack::Way;
use super::sweep::{Outputs, Sweep};
use crate::LANES;
use crate::args::SUM_RUN;
use crate::conv::args::ConvForwardArgs;
use crate::conv::finish::Finishing;
use crate::conv::passes::{kept, sum_pixels};
use crate::conv::windows::thin;
use crate::simd::tiles::TileUnit;
use crate::simd::{Isa, Kernel};

/// Forward with products of a [`TileUnit`].
pub(crate) struct TileForwardKernel<'a, U> {
    pub(crate) args: ConvForwardArgs<'a>,
    pub(crate) pieces: Pieces,
    pub(crate) unit: std::marker::PhantomData<U>,
}

impl<U: TileUnit> Kernel for TileForwardKernel<'_, U> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { mut args, pieces, .. } = self;
        args.check_maps();
        let shape = *args.shape;
        assert!(fits(&shape), "a shape that has no tiles");
        let panel_bytes = Reduction::forward(&shape).panel_bytes(pieces);
        let filters = panels(args.weights, panel_bytes, &args.blocks);
        let src = kept(isa, &mut args);
        let unit = U::enter();
        let whole = args.rows.len() == shape.oh;
        let in_place = InPlace::new(&shape, pieces, &src);
        let all_rows = args.rows.clone();
        let [group, band] = forward_group(&shape, pieces, args.images, all_rows.len());
        let pixels = shape.oh * shape.ow;
        let finish = Finishing::new(args.bias, &args.finish, args.blocks.start * LANES);
        let mut summed = 0;
        for image in (0..args.images).step_by(group) {
            let images = group.min(args.images - image);
            for first in all_rows.clone().step_by(band) {
                let rows = band.min(all_rows.end - first);
                let stacked =
                    stack_sizes(&shape, Way::Forward, pieces, images).filter(|_| whole && images > 1);
                let mut sizes = TileSizes::forward(&shape, pieces, images, rows);
                let scratch = sizes.cut(args.scratch);
                let planes = &sizes.planes.clone();
                let made = [
                    MadeAxis::forward(&shape, 0, &planes.axes[0], rows),
                    MadeAxis::forward(&shape, 1, &planes.axes[1], shape.ow),
                ];
                let (mut places, mut ahead) =
                    (TilePlaces::whole(scratch.planes, sizes.place_bytes), [ReadAhead::NONE; 2]);
                let part = LoadedPart {
                    image,
                    row: first * shape.stride[0],
                    size: [shape.h, shape.w],
                    end: shape.h,
                    channel: 0,
                    pitch: shape.c_pitch,
                };
                let (mut stack, mut steps) = (None, &[][..]);
                // SAFETY: `check_maps` established the maps, `cut` the scratch; the places of `sizes` are those of its steps.
                unsafe {
                    if let Some(stacked) = &stacked {
                        sizes = stacked.tiles(&sizes);
                        stacked.load(isa, &src, &part, (&sizes, scratch.planes));
                        let (images, all) = stacked.write_steps(&sizes, &scratch);
                        (stack, steps) = (Some(images), all);
                        places.bytes = PLACE_BYTES;
                    } else if let Some(map) = &in_place {
                        sizes = map.sizes(&sizes);
                        let some = [image * pixels + first * shape.ow, planes.numbers(&made)];
                        places = map.places(some, &scratch);
                        ahead = map.ahead(some, &finish, (args.blocks.len(), args.dst.pitch()));
                    } else if thin(&shape) {
                        gather::taps(isa, &src, &shape, [image, first, rows], (&sizes, &scratch));
                    } else {
                        load::planes(isa, &src, &part, &sizes, scratch.planes);
                    }
                    if stack.is_none() {
                        let count = sizes.write_steps(&made, shape.kernel[1], scratch.steps);
                        steps = std::slice::from_raw_parts(scratch.steps, count);
                    }
                    let sweep = Sweep {
                        places,
                        ahead,
                        panels: filters,
                        panel_bytes,
                        steps,
                        sums: scratch.sums,
                        blocks: args.blocks.len(),
                    };
                    let pitch = args.dst.pitch();
                    let numbers = match &stack {
                        Some(stack) => Numbers::Stack { stack, pixels, first: image },
                        None => {
                            let (size, first) = ([shape.oh, shape.ow], [image, first]);
                            Numbers::Planes { planes, made, size, first }
                        }
                    };
                    let outputs = Outputs {
                        numbers,
                        // pixels are those of whole images
                        dst: args.dst.ptr().offset(-((all_rows.start * shape.ow * pitch) as isize)),
                        pitch,
                        finish,
                        accumulate: false,
                    };
                    sweep.run(isa, &unit, &outputs);
                }
                // whole runs only, but at the end of an image
                let done = image * pixels + (first + rows) * shape.ow;
                let done = if images > 1 { (image + images) * pixels } else { done };
                let ends = first + rows == all_rows.end;
                let stop =
                    if ends { done } else { image * pixels + (done - image * pixels) / SUM_RUN * SUM_RUN };
                sum_pixels(isa, &mut args, summed, stop);
                summed = stop;
            }
        }
    }
}
