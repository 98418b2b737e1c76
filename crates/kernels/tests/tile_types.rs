//! Convolutions on tiles of stored maps of bf16: they may be read where they are, or copied, or stacked. All of that gives the bytes
//! that the same values in a map of `f32` give.

mod support;

use plusx_kernels::args::{Finish, FusedActivation, Gate, Grad, MapSource, MapTerm, Sink};
use plusx_kernels::bf16::Bf16;
use plusx_kernels::conv::tiles::{self, Pieces, TileFilters};
use plusx_kernels::conv::{self, ConvBackwardDataArgs, ConvForwardArgs};
use plusx_kernels::maps::{MapRef, MapRowsMut};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::ConvShape;
use plusx_kernels::{LANES, Level, select};
use support::{Random, conv_shape};

/// Values that bf16 holds, as both types.
struct Map {
    wide: Vec<f32>,
    narrow: Vec<Bf16>,
}

impl Map {
    fn new(random: &mut Random, pixels: usize, channels: usize) -> Self {
        let narrow: Vec<Bf16> = random.map(pixels, channels, false).into_iter().map(Bf16::from_f32).collect();
        Self { wide: narrow.iter().map(|value| value.to_f32()).collect(), narrow }
    }

    fn get(&self, narrow: bool) -> MapRef<'_> {
        if narrow { (&self.narrow[..]).into() } else { (&self.wide[..]).into() }
    }
}

/// A layer, its maps, and filters as tiles for both directions.
struct Layer {
    shape: ConvShape,
    images: usize,
    level: Level,
    x: Map,
    skip: Map,
    packed: Vec<f32>,
}

impl Layer {
    fn filters(&self, pieces: Pieces, backward: bool) -> Vec<f32> {
        let shape = &self.shape;
        let (table, channels, len) = if backward {
            (tiles::backward_filters(pieces), shape.c, tiles::backward_filters_block_len(shape, pieces))
        } else {
            (tiles::filters(pieces), shape.k, tiles::filters_block_len(shape, pieces))
        };
        let blocks = 0..channels.div_ceil(LANES);
        let mut dst = vec![f32::NAN; blocks.len() * len];
        let scratch = &mut vec![f32::NAN; conv::backward_block_len(shape)];
        (select(table, self.level, shape).run)(TileFilters {
            shape,
            packed: &self.packed,
            blocks,
            dst: &mut dst,
            scratch,
        });
        dst
    }

    /// Rows `rows` of all images, with or without a join.
    fn forward(
        &self,
        pieces: Pieces,
        [narrow, join]: [bool; 2],
        rows: std::ops::Range<usize>,
        dst: MapRowsMut<'_>,
    ) {
        let shape = &self.shape;
        let add = join.then(|| MapTerm { data: self.skip.get(narrow), affine: None });
        let scratch = tiles::forward_scratch_len(shape, pieces, self.images, rows.len());
        (select(tiles::forward(pieces), self.level, shape).run)(ConvForwardArgs {
            shape,
            images: self.images,
            src: MapSource::plain(self.x.get(narrow)),
            keep: None,
            weights: &self.filters(pieces, false),
            bias: None,
            finish: Finish { affine: None, add, activation: FusedActivation::Relu },
            rows,
            blocks: 0..shape.k.div_ceil(LANES),
            dst,
            sums: None,
            scratch: &mut vec![f32::NAN; scratch],
        });
    }

    /// The gradient of the input, of what is taken for one of the output.
    fn backward_data(&self, pieces: Pieces, narrow: bool, dst: MapRowsMut<'_>) {
        let shape = &self.shape;
        (select(tiles::backward_data(pieces), self.level, shape).run)(ConvBackwardDataArgs {
            shape,
            images: self.images,
            grad: Grad { g: self.skip.get(narrow), norm: None },
            weights: &self.filters(pieces, true),
            blocks: 0..shape.c.div_ceil(LANES),
            sink: Sink { dst, accumulate: false, gate: Gate::Open, sums: None },
            scratch: &mut vec![f32::NAN; tiles::backward_data_scratch_len(shape, pieces, self.images)],
        });
    }
}

/// Runs `run` for `pixels` pixels of `channels` channels and returns what it wrote.
fn written(pixels: usize, channels: usize, run: impl FnOnce(MapRowsMut<'_>)) -> Vec<f32> {
    let pitch = plusx_kernels::pitch(channels);
    let mut values = vec![f32::NAN; pixels * pitch];
    run(RowsMut::new(&mut values, pitch, 0, pitch).into());
    values
}

#[test]
fn stored_maps_of_bf16_give_the_bytes_of_the_same_values_in_f32() {
    let mut random = Random(19);
    // 1x1 in whole and in half blocks of 32 channels; maps that are stacked and that are not
    let shapes = [
        [32, 40, 5, 1, 1, 0],
        [96, 80, 3, 1, 1, 0],
        [48, 64, 4, 1, 1, 0],
        [64, 32, 6, 1, 2, 0],
        [64, 48, 3, 3, 1, 1],
        [40, 64, 7, 3, 2, 1],
    ];
    let mut stacked = 0;
    for (shape, images) in shapes.map(conv_shape).into_iter().flat_map(|shape| [1, 3, 37].map(|n| (shape, n)))
    {
        stacked += usize::from(images == 37 && tiles::forward_images(&shape, Pieces::One, images) > 16);
        let (map, out) = (images * shape.h * shape.w, images * shape.oh * shape.ow);
        let filters = 0..shape.k * shape.c * shape.kernel[0] * shape.kernel[1];
        let filters: Vec<f32> = filters.map(|_| random.real() / 8.0).collect();
        let mut packed = vec![0.0; conv::packed_len(&shape)];
        conv::pack(&shape, &filters, &mut packed);
        let (x, skip) = (Map::new(&mut random, map, shape.c), Map::new(&mut random, out, shape.k));
        let mut layer = Layer { shape, images, level: Level::Portable, x, skip, packed };
        let levels = [Level::Amx, Level::Avx512, Level::Avx2].into_iter().filter(|level| level.supported());
        for (level, pieces) in levels.flat_map(|level| [Pieces::One, Pieces::Two].map(|p| (level, p))) {
            layer.level = level;
            let what = format!("{shape:?}, {images} images, {level}, {pieces:?}");
            for join in [false, true] {
                let run = |narrow| {
                    written(out, shape.k, |dst| layer.forward(pieces, [narrow, join], 0..shape.oh, dst))
                };
                let whole = run(false);
                assert!(whole.iter().all(|value| value.is_finite()), "{what}");
                assert!(run(true) == whole, "{what}, join: {join}");
                if images == 1 && shape.oh > 1 {
                    let rows = 1..shape.oh;
                    let band = written((shape.oh - 1) * shape.ow, shape.k, |dst| {
                        layer.forward(pieces, [true, join], rows, dst);
                    });
                    assert!(band == whole[whole.len() - band.len()..], "a band of {what}");
                }
            }
            let run = |narrow| written(map, shape.c, |dst| layer.backward_data(pieces, narrow, dst));
            assert!(run(true) == run(false), "the gradient of {what}");
        }
    }
    assert!(stacked > 0, "no shape was stacked");
}
