//! How each pass of a convolution is computed: by a Winograd algorithm where one fits and plans are not exact, else direct.

use plusx_kernels::conv::{self, winograd};
use plusx_kernels::shape::ConvShape;

use super::buffer::{ElementType, Lasting};
use super::build::{PlanBuilder, blocks, only, pick};
use super::pieces::{Bands, ChannelBlocks, MOST_BANDS, PieceGrid, TILE_BLOCKS};
use super::refs::FilterRef;
use super::step::{Flops, KernelRef, PlanStep};
use super::work::ConvWork;
use crate::lower::LoweredFilter;

/// Inference on at most this many images is planned for latency. Its logits may differ in the last places from those of the
/// same images in a larger batch.
const LATENCY_IMAGES: usize = 4;

/// Tiles below which such a plan takes the direct method. Transformed filters take 4 times the memory of the plain ones and
/// are read once for each register tile of 6. Where they are too large to be prepared, every run transforms them, and the
/// two methods are equally fast from here to about 32 tiles.
const LATENCY_TILES: usize = 16;

/// Most tiles in a band of a single image.
const BAND_TILES: usize = 32;

/// Pixels in such a band, about, if the method is direct.
const BAND_PIXELS: usize = 96;

/// What a step of a convolution is made of, beside its maps.
pub(super) struct ConvChoice {
    pub(super) kernel: KernelRef,
    pub(super) pieces: PieceGrid,
    pub(super) scratch: usize,
    pub(super) flops: Flops,
    pub(super) filters: FilterRef,
}

impl PlanBuilder<'_> {
    /// Whether a convolution is computed by a Winograd algorithm. Its shape alone decides, except in inference on a few
    /// images: there, reading the transformed filters of a small map would take longer than the convolution.
    pub(super) fn winograd(&self, shape: &ConvShape) -> bool {
        let latency = !self.mode.backward && self.batch <= LATENCY_IMAGES;
        let fits = !self.kernels.exact && winograd::fits(shape);
        fits && !(latency && self.batch * winograd::tiles(shape) < LATENCY_TILES)
    }

    /// The forward pass. Filters other than the parameter as it is are made by a step before it. `keeps` says that it
    /// stores its evaluated source, too.
    pub(super) fn choose_forward(&mut self, label: &str, filter: &LoweredFilter, keeps: bool) -> ConvChoice {
        let (shape, level) = (&filter.shape, self.kernels.level);
        let flops = Flops::new(shape, self.batch, self.winograd(shape));
        // of a single image, bands of rows are the pieces
        let bands = self.mode.inference() && self.batch == 1 && !keeps;
        if self.winograd(shape) {
            let filters = self.transformed(label, filter, false);
            let (images, widest) = (winograd::images(shape), winograd::forward_blocks(shape));
            let pieces = if bands {
                let [_, columns] = winograd::grid(shape);
                let bands = Bands::new(shape.oh, winograd::rows(shape), BAND_TILES / columns);
                PieceGrid::bands(bands, ChannelBlocks { count: blocks(shape.k), widest })
            } else {
                PieceGrid::at_most(self.batch, images, ChannelBlocks { count: blocks(shape.k), widest })
            };
            let scratch = winograd::forward_scratch_len(shape, pieces.block_step());
            return ConvChoice {
                kernel: pick(winograd::FORWARD, level, shape),
                pieces,
                scratch,
                flops,
                filters,
            };
        }
        let pieces = if bands {
            let rows = shape.oh.div_ceil(MOST_BANDS).max(BAND_PIXELS.div_ceil(shape.ow));
            let bands = Bands::new(shape.oh, 1, rows);
            PieceGrid::bands(bands, ChannelBlocks { count: blocks(shape.k), widest: blocks(shape.k) })
        } else {
            PieceGrid::grid(self.batch, conv::forward_images(shape), blocks(shape.k))
        };
        let scratch = conv::forward_scratch_len(shape, if bands { 1 } else { pieces.image_step() });
        let kernel = pick(conv::FORWARD, level, shape);
        ConvChoice { kernel, pieces, scratch, flops, filters: FilterRef::Parameter }
    }

    /// The gradient of the input. Its filters are made by a step before it.
    pub(super) fn choose_backward_data(&mut self, label: &str, filter: &LoweredFilter) -> ConvChoice {
        let (shape, level) = (&filter.shape, self.kernels.level);
        let flops = Flops::new(shape, self.batch, self.winograd(shape));
        if self.winograd(shape) {
            let filters = self.transformed(label, filter, true);
            let (images, widest) = (winograd::images(shape), winograd::backward_data_blocks(shape));
            let pieces =
                PieceGrid::at_most(self.batch, images, ChannelBlocks { count: blocks(shape.c), widest });
            let scratch = winograd::backward_data_scratch_len(shape, pieces.block_step());
            let kernel = pick(winograd::BACKWARD_DATA, level, shape);
            return ConvChoice { kernel, pieces, scratch, flops, filters };
        }
        let filters = self.transposed(label, filter);
        let pieces = PieceGrid::grid(self.batch, conv::backward_data_images(shape), blocks(shape.c));
        let scratch = conv::backward_data_scratch_len(shape, pieces.image_step());
        ConvChoice { kernel: pick(conv::BACKWARD_DATA, level, shape), pieces, scratch, flops, filters }
    }

    /// The gradient of the filters, which reads no filters.
    pub(super) fn choose_backward_weights(&self, filter: &LoweredFilter) -> ConvChoice {
        let (shape, level) = (&filter.shape, self.kernels.level);
        let winograd = self.winograd(shape);
        let widest = if winograd { TILE_BLOCKS } else { conv::weight_blocks(shape) };
        let pieces = PieceGrid::segments(
            self.batch,
            conv::weight_segment(shape),
            ChannelBlocks { count: blocks(shape.k), widest },
        );
        let (kernel, scratch) = if winograd {
            let scratch = winograd::backward_weights_scratch_len(shape, pieces.block_step());
            (pick(winograd::BACKWARD_WEIGHTS, level, shape), scratch)
        } else {
            let scratch = conv::backward_weights_scratch_len(shape, pieces.block_step());
            (pick(conv::BACKWARD_WEIGHTS, level, shape), scratch)
        };
        let flops = Flops::new(shape, self.batch, winograd);
        ConvChoice { kernel, pieces, scratch, flops, filters: FilterRef::Parameter }
    }

    /// Filters transposed for a direct gradient of the input.
    fn transposed(&mut self, label: &str, filter: &LoweredFilter) -> FilterRef {
        let len = conv::backward_len(&filter.shape);
        let dst = self.buffer(format!("{label}.transposed"), ElementType::F32, len, len);
        let work = ConvWork::PackBackward { shape: filter.shape, weight: filter.weight, dst };
        let pieces = PieceGrid::chunks(blocks(filter.shape.c));
        self.push_plain(format!("{label} transpose"), only("pack_backward"), pieces, work);
        FilterRef::Transposed(dst)
    }

    /// Filters of a Winograd algorithm.
    fn transformed(&mut self, label: &str, filter: &LoweredFilter, backward: bool) -> FilterRef {
        let (shape, level) = (filter.shape, self.kernels.level);
        let (kernel, len, all, scratch, name) = if backward {
            let kernel = pick(winograd::TRANSFORM_BACKWARD, level, &shape);
            let scratch = conv::backward_block_len(&shape);
            (kernel, winograd::backward_filters_len(&shape), shape.c, scratch, "transform backward")
        } else {
            let kernel = pick(winograd::TRANSFORM, level, &shape);
            (kernel, winograd::filters_len(&shape), shape.k, 0, "transform")
        };
        let dst = self.buffer(format!("{label}.transformed"), ElementType::F32, len, len);
        let step = PlanStep {
            label: format!("{label} {name}"),
            kernel,
            pieces: PieceGrid::chunks(blocks(all)),
            scratch,
            flops: Flops::default(),
            work: ConvWork::Transform { shape, weight: filter.weight, backward, dst }.into(),
        };
        self.push_prepared(step, &[(dst, Lasting::Filters(filter.weight, shape))]);
        FilterRef::Transformed(dst)
    }
}
