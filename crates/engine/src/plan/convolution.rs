//! How each pass of a convolution is computed: on tiles where the precision asks for them and the shape allows, else by a
//! Winograd algorithm where one fits and plans are not exact, else direct.

use plusx_kernels::conv::tiles::{self, Pieces};
use plusx_kernels::conv::{self, winograd};
use plusx_kernels::shape::ConvShape;

use super::buffer::{ElementType, Lasting};
use super::build::{MOST_PREPARED, PlanBuilder, blocks, only, pick};
use super::method::{Method, Pass};
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

/// The same of a gradient of filters.
pub(super) struct WeightsChoice {
    pub(super) kernel: KernelRef,
    pub(super) pieces: PieceGrid,
    pub(super) scratch: usize,
    pub(super) flops: Flops,
    pub(super) method: Method,
}

impl PlanBuilder<'_> {
    /// Whether a plan is for inference on a few images.
    fn latency(&self) -> bool {
        !self.mode.backward && self.batch <= LATENCY_IMAGES
    }

    /// The method of a pass of `f32` products. The shape alone decides, except in inference on a few images: there, reading
    /// the transformed filters of a small map would take longer than the convolution.
    fn single_method(&self, shape: &ConvShape) -> Method {
        let fits = !self.kernels.exact && winograd::fits(shape);
        if fits && !(self.latency() && self.batch * winograd::tiles(shape) < LATENCY_TILES) {
            Method::Winograd
        } else {
            Method::Direct
        }
    }

    /// The method of the forward pass. Filters as tiles take no more memory than the plain ones. Where they are too large to
    /// be prepared, every run makes them, which a few images are not worth.
    fn forward_method(&self, shape: &ConvShape) -> Method {
        let single = self.single_method(shape);
        match self.kernels.precision.pieces() {
            Some(pieces) if tiles::fits(shape) => {
                let words = tiles::filters_block_len(shape, pieces) * blocks(shape.k);
                let remade = self.latency() && words > MOST_PREPARED;
                if remade { single } else { single.on_tiles(pieces, shape, Pass::Maps) }
            }
            _ => single,
        }
    }

    /// The method of the gradient of the input.
    fn backward_data_method(&self, shape: &ConvShape) -> Method {
        let single = self.single_method(shape);
        match self.kernels.precision.pieces() {
            Some(pieces) if tiles::fits_backward_data(shape) => single.on_tiles(pieces, shape, Pass::Maps),
            _ => single,
        }
    }

    /// The method of the gradient of the filters.
    fn backward_weights_method(&self, shape: &ConvShape) -> Method {
        let single = self.single_method(shape);
        match self.kernels.precision.pieces() {
            Some(pieces) if tiles::fits(shape) => single.on_tiles(pieces, shape, Pass::Filters),
            _ => single,
        }
    }

    /// The forward pass. Filters other than the parameter as it is are made by a step before it. `keeps` says that it
    /// stores its evaluated source, too.
    pub(super) fn choose_forward(&mut self, label: &str, filter: &LoweredFilter, keeps: bool) -> ConvChoice {
        let (shape, level) = (&filter.shape, self.kernels.level);
        let method = self.forward_method(shape);
        let flops = Flops::new(shape, self.batch, method);
        // of a single image, bands of rows are the pieces
        let bands = self.mode.inference() && self.batch == 1 && !keeps;
        let all = blocks(shape.k);
        let even_bands = || {
            let rows = shape.oh.div_ceil(MOST_BANDS).max(BAND_PIXELS.div_ceil(shape.ow));
            Bands::new(shape.oh, 1, rows)
        };
        let (kernel, pieces, scratch, filters) = match method {
            Method::Direct => {
                let pieces = if bands {
                    PieceGrid::bands(even_bands(), ChannelBlocks { count: all, widest: all })
                } else {
                    PieceGrid::grid(self.batch, conv::forward_images(shape), all)
                };
                let scratch = conv::forward_scratch_len(shape, if bands { 1 } else { pieces.image_step() });
                (pick(conv::FORWARD, level, shape), pieces, scratch, FilterRef::Parameter)
            }
            Method::Winograd => {
                let filters = self.transformed(label, filter, false);
                let (images, widest) = (winograd::images(shape), winograd::forward_blocks(shape));
                let pieces = if bands {
                    let [_, columns] = winograd::grid(shape);
                    let bands = Bands::new(shape.oh, winograd::rows(shape), BAND_TILES / columns);
                    PieceGrid::bands(bands, ChannelBlocks { count: all, widest })
                } else {
                    PieceGrid::at_most(self.batch, images, ChannelBlocks { count: all, widest })
                };
                let scratch = winograd::forward_scratch_len(shape, pieces.block_step());
                (pick(winograd::FORWARD, level, shape), pieces, scratch, filters)
            }
            Method::Tiles(numbers) => {
                let filters = self.packed_tiles(label, filter, numbers, false);
                let (pieces, scratch) = if bands {
                    let bands = even_bands();
                    let rows = bands.rows(0).len();
                    let scratch = tiles::forward_scratch_len(shape, numbers, 1, rows);
                    (PieceGrid::loaded_bands(bands, all), scratch)
                } else {
                    let images = tiles::forward_images(shape, numbers, self.batch);
                    let pieces = PieceGrid::loaded(self.batch, images, all);
                    (pieces, tiles::forward_scratch_len(shape, numbers, pieces.image_step(), shape.oh))
                };
                (pick(tiles::forward(numbers), level, shape), pieces, scratch, filters)
            }
        };
        ConvChoice { kernel, pieces, scratch, flops, filters }
    }

    /// The gradient of the input. Its filters are made by a step before it.
    pub(super) fn choose_backward_data(&mut self, label: &str, filter: &LoweredFilter) -> ConvChoice {
        let (shape, level) = (&filter.shape, self.kernels.level);
        let method = self.backward_data_method(shape);
        let flops = Flops::new(shape, self.batch, method);
        let all = blocks(shape.c);
        let (kernel, pieces, scratch, filters) = match method {
            Method::Direct => {
                let filters = self.transposed(label, filter);
                let pieces = PieceGrid::grid(self.batch, conv::backward_data_images(shape), all);
                let scratch = conv::backward_data_scratch_len(shape, pieces.image_step());
                (pick(conv::BACKWARD_DATA, level, shape), pieces, scratch, filters)
            }
            Method::Winograd => {
                let filters = self.transformed(label, filter, true);
                let (images, widest) = (winograd::images(shape), winograd::backward_data_blocks(shape));
                let pieces = PieceGrid::at_most(self.batch, images, ChannelBlocks { count: all, widest });
                let scratch = winograd::backward_data_scratch_len(shape, pieces.block_step());
                (pick(winograd::BACKWARD_DATA, level, shape), pieces, scratch, filters)
            }
            Method::Tiles(numbers) => {
                let filters = self.packed_tiles(label, filter, numbers, true);
                let images = tiles::backward_data_images(shape, numbers, self.batch);
                let pieces = PieceGrid::loaded(self.batch, images, all);
                let scratch = tiles::backward_data_scratch_len(shape, numbers, pieces.image_step());
                (pick(tiles::backward_data(numbers), level, shape), pieces, scratch, filters)
            }
        };
        ConvChoice { kernel, pieces, scratch, flops, filters }
    }

    /// Images of a segment of a gradient of filters: a rule on the layer and its method.
    pub(super) fn weight_segment(&self, shape: &ConvShape) -> usize {
        match self.backward_weights_method(shape) {
            Method::Tiles(_) => tiles::weight_segment(shape),
            _ => conv::weight_segment(shape),
        }
    }

    /// The gradient of the filters, which reads no filters.
    pub(super) fn choose_backward_weights(&self, filter: &LoweredFilter) -> WeightsChoice {
        let (shape, level) = (&filter.shape, self.kernels.level);
        let method = self.backward_weights_method(shape);
        let widest = match method {
            Method::Direct => conv::weight_blocks(shape),
            Method::Winograd => TILE_BLOCKS,
            Method::Tiles(_) => tiles::WEIGHT_BLOCKS,
        };
        let (segment, cut) = (self.weight_segment(shape), ChannelBlocks { count: blocks(shape.k), widest });
        let pieces = match method {
            Method::Tiles(_) => PieceGrid::loaded_segments(self.batch, segment, cut),
            _ => PieceGrid::segments(self.batch, segment, cut),
        };
        let width = pieces.block_step();
        let (kernel, scratch) = match method {
            Method::Direct => {
                let kernel = pick(conv::BACKWARD_WEIGHTS, level, shape);
                (kernel, conv::backward_weights_scratch_len(shape, width))
            }
            Method::Winograd => {
                let kernel = pick(winograd::BACKWARD_WEIGHTS, level, shape);
                (kernel, winograd::backward_weights_scratch_len(shape, width))
            }
            Method::Tiles(numbers) => {
                let kernel = pick(tiles::backward_weights(numbers), level, shape);
                (kernel, tiles::backward_weights_scratch_len(shape, numbers, width))
            }
        };
        let flops = Flops::new(shape, self.batch, method);
        WeightsChoice { kernel, pieces, scratch, flops, method }
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

    /// Filters as tiles of bf16 values.
    fn packed_tiles(
        &mut self,
        label: &str,
        filter: &LoweredFilter,
        pieces: Pieces,
        backward: bool,
    ) -> FilterRef {
        let (shape, level) = (filter.shape, self.kernels.level);
        let (kernel, block, all, scratch, name) = if backward {
            let kernel = pick(tiles::backward_filters(pieces), level, &shape);
            let block = tiles::backward_filters_block_len(&shape, pieces);
            (kernel, block, blocks(shape.c), conv::backward_block_len(&shape), "tiles backward")
        } else {
            let kernel = pick(tiles::filters(pieces), level, &shape);
            (kernel, tiles::filters_block_len(&shape, pieces), blocks(shape.k), 0, "tiles")
        };
        let len = all * block;
        let dst = self.buffer(format!("{label}.tiles"), ElementType::F32, len, len);
        let step = PlanStep {
            label: format!("{label} {name}"),
            kernel,
            pieces: PieceGrid::chunks(all),
            scratch,
            flops: Flops::default(),
            work: ConvWork::PackTiles { shape, weight: filter.weight, pieces, backward, dst }.into(),
        };
        self.push_prepared(step, &[(dst, Lasting::Tiles(filter.weight, shape))]);
        FilterRef::Tiles(pieces, dst)
    }
}
