//! Times every convolution kernel of this machine on the shapes of the d2l ResNet-18 at 1x96x96, and on 1x1 and
//! strided layers of ResNet-50 at 3x224x224, one thread.
//!
//! `cargo xtask bench kernels` runs it and keeps the result; by hand: `cargo bench -p plusx-kernels --bench conv -- avx2`
//! prints CSV lines of the kernels and layers whose name contains the text. The reference (f64 loops) is left out. The
//! source is a plain map, without batch norm and ReLU on the way: arithmetic is what is measured.

use std::ops::{Deref, DerefMut, Range};
use std::time::Instant;

use plusx_kernels::args::{Finish, Gate, Grad, MapSource, Sink};
use plusx_kernels::conv::tiles::{self, Pieces, TileFilters};
use plusx_kernels::conv::winograd::{self, TransformArgs};
use plusx_kernels::conv::{self, ConvBackwardDataArgs, ConvBackwardWeightsArgs, ConvForwardArgs};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::ConvShape;
use plusx_kernels::simd::peak_gflops;
use plusx_kernels::{KernelEntry, LANES, Level, pitch};

/// Images of a run: a whole number of the groups that kernels take together, and few enough to be quick.
const IMAGES: usize = 36;
/// Blocks of filters in one piece of their gradient: the widest register tile spans four.
const WEIGHT_BLOCKS: usize = 4;
/// A measurement ends after this many seconds, but has at least [`LEAST`] runs.
const SECONDS: f64 = 0.2;
const LEAST: usize = 3;

/// (name, input channels, filters, input size, output size, kernel, stride, padding)
const LAYERS: &[(&str, [usize; 7])] = &[
    ("conv1", [1, 64, 96, 48, 7, 2, 3]),
    ("layer1 3x3", [64, 64, 24, 24, 3, 1, 1]),
    ("layer2 3x3/2", [64, 128, 24, 12, 3, 2, 1]),
    ("layer2 1x1/2", [64, 128, 24, 12, 1, 2, 0]),
    ("layer2 3x3", [128, 128, 12, 12, 3, 1, 1]),
    ("layer3 3x3/2", [128, 256, 12, 6, 3, 2, 1]),
    ("layer3 1x1/2", [128, 256, 12, 6, 1, 2, 0]),
    ("layer3 3x3", [256, 256, 6, 6, 3, 1, 1]),
    ("layer4 3x3/2", [256, 512, 6, 3, 3, 2, 1]),
    ("layer4 1x1/2", [256, 512, 6, 3, 1, 2, 0]),
    ("layer4 3x3", [512, 512, 3, 3, 3, 1, 1]),
    ("fc", [512, 10, 1, 1, 1, 1, 0]),
    ("reduce1 1x1", [256, 64, 56, 56, 1, 1, 0]),
    ("expand1 1x1", [64, 256, 56, 56, 1, 1, 0]),
    ("reduce2 1x1", [512, 128, 28, 28, 1, 1, 0]),
    ("expand2 1x1", [128, 512, 28, 28, 1, 1, 0]),
    ("expand2 1x1/2", [256, 512, 56, 28, 1, 2, 0]),
    ("reduce3 1x1", [1024, 256, 14, 14, 1, 1, 0]),
    ("expand3 1x1", [256, 1024, 14, 14, 1, 1, 0]),
    ("reduce4 1x1", [2048, 512, 7, 7, 1, 1, 0]),
    ("expand4 1x1", [512, 2048, 7, 7, 1, 1, 0]),
    ("strided2 3x3/2", [128, 128, 56, 28, 3, 2, 1]),
    ("strided3 3x3/2", [256, 256, 28, 14, 3, 2, 1]),
    ("strided4 3x3/2", [512, 512, 14, 7, 3, 2, 1]),
];

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    println!("layer,kernel,images,ms,gflops,peak_gflops,share,direct");
    for &(layer, [c, k, size, output, kernel, stride, padding]) in LAYERS {
        // the network's input is not padded to whole vectors
        let c_pitch = if layer == "conv1" { c } else { pitch(c) };
        let shape = ConvShape {
            c,
            k,
            h: size,
            w: size,
            oh: output,
            ow: output,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            dilation: [1; 2],
            groups: 1,
            c_pitch,
        };
        let mut bench = Bench::new(layer, shape, &filter);
        each(conv::FORWARD, &mut bench, |bench, run| bench.forward(run));
        if layer != "conv1" {
            each(conv::BACKWARD_DATA, &mut bench, |bench, run| bench.backward_data(run));
        }
        each(conv::BACKWARD_WEIGHTS, &mut bench, |bench, run| bench.backward_weights(run));
        for pieces in [Pieces::One, Pieces::Two].into_iter().filter(|_| tiles::fits(&shape)) {
            let mut bench = Bench::new(layer, shape, &filter).tiles(pieces);
            each(tiles::filters(pieces), &mut bench, |bench, run| bench.tile_filters(run));
            each(tiles::forward(pieces), &mut bench, |bench, run| bench.forward(run));
            if tiles::fits_backward_data(&shape) {
                each(tiles::backward_filters(pieces), &mut bench, |bench, run| {
                    bench.tile_backward_filters(run);
                });
                each(tiles::backward_data(pieces), &mut bench, |bench, run| bench.backward_data(run));
            }
            each(tiles::backward_weights(pieces), &mut bench, |bench, run| bench.backward_weights(run));
        }
        if winograd::fits(&shape) {
            let mut bench = bench.winograd();
            each(winograd::TRANSFORM, &mut bench, |bench, run| bench.transform(run));
            each(winograd::FORWARD, &mut bench, |bench, run| bench.forward(run));
            each(winograd::TRANSFORM_BACKWARD, &mut bench, |bench, run| bench.transform_backward(run));
            each(winograd::BACKWARD_DATA, &mut bench, |bench, run| bench.backward_data(run));
            each(winograd::BACKWARD_WEIGHTS, &mut bench, |bench, run| bench.backward_weights(run));
        }
    }
}

/// Measures the entries of a table that this machine supports and the filter names.
fn each<Run: Copy>(
    table: &[KernelEntry<ConvShape, Run>],
    bench: &mut Bench<'_>,
    mut pass: impl FnMut(&mut Bench<'_>, Run),
) {
    for entry in table.iter().filter(|entry| entry.level.supported() && !entry.name.ends_with("/reference")) {
        let named = entry.name.contains(bench.filter) || bench.layer.contains(bench.filter);
        if named && (entry.fits)(&bench.shape) {
            let seconds = best_seconds(|| pass(bench, entry.run));
            bench.report(entry.name, entry.level, seconds);
        }
    }
}

/// The quickest of many runs, after one to warm up: what the kernel can do, whatever else the machine does.
fn best_seconds(mut run: impl FnMut()) -> f64 {
    run();
    let (begin, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < LEAST || begin.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}

/// One layer with its maps and filters.
struct Bench<'a> {
    layer: &'a str,
    filter: &'a str,
    shape: ConvShape,
    x: Floats,
    y: Floats,
    dx: Floats,
    packed: Floats,
    weights: Floats,
    transposed: Floats,
    gradient: Floats,
    scratch: Floats,
    /// Images in a piece: of forward, of backward data.
    piece: [usize; 2],
}

impl<'a> Bench<'a> {
    fn new(layer: &'a str, shape: ConvShape, filter: &'a str) -> Self {
        let source = IMAGES * shape.h * shape.w * shape.c_pitch;
        let output = IMAGES * shape.oh * shape.ow * shape.k_pitch();
        let filters = values(shape.k * shape.c * shape.kernel[0] * shape.kernel[1]);
        let mut weights = Floats::zeros(conv::packed_len(&shape));
        conv::pack(&shape, &filters, &mut weights);
        let c_blocks = shape.c.div_ceil(LANES);
        let mut transposed = Floats::zeros(conv::backward_len(&shape));
        conv::pack_backward(&shape, &weights, 0..c_blocks, &mut transposed);
        let scratch = conv::forward_scratch_len(&shape, IMAGES)
            .max(conv::backward_data_scratch_len(&shape, IMAGES))
            .max(conv::backward_weights_scratch_len(&shape, WEIGHT_BLOCKS));
        Self {
            layer,
            filter,
            x: values(source),
            y: values(output),
            dx: Floats::zeros(source),
            gradient: Floats::zeros(weights.len()),
            packed: Floats::zeros(0),
            weights,
            transposed,
            scratch: Floats::zeros(scratch),
            piece: [conv::forward_images(&shape), conv::backward_data_images(&shape)],
            shape,
        }
    }

    /// The same layer with transformed filters.
    fn winograd(self) -> Self {
        let shape = self.shape;
        let [k, c] = [shape.k, shape.c].map(|channels| channels.div_ceil(LANES));
        let scratch = winograd::forward_scratch_len(&shape, k)
            .max(winograd::backward_data_scratch_len(&shape, c))
            .max(winograd::backward_weights_scratch_len(&shape, WEIGHT_BLOCKS))
            .max(conv::backward_block_len(&shape));
        let mut bench = Self {
            packed: self.weights,
            weights: Floats::zeros(winograd::filters_len(&shape)),
            transposed: Floats::zeros(winograd::backward_filters_len(&shape)),
            scratch: Floats::zeros(scratch),
            piece: [winograd::images(&shape); 2],
            ..self
        };
        bench.transform(plusx_kernels::select(winograd::TRANSFORM, Level::Portable, &shape).run);
        bench
    }

    /// The same layer with filters as tiles.
    fn tiles(self, pieces: Pieces) -> Self {
        let shape = self.shape;
        let [k, c] = [shape.k, shape.c].map(|channels| channels.div_ceil(LANES));
        let (backward, scratch) = if tiles::fits_backward_data(&shape) {
            let scratch = tiles::backward_data_scratch_len(&shape, pieces, IMAGES);
            (tiles::backward_filters_block_len(&shape, pieces) * c, scratch)
        } else {
            (0, 0)
        };
        let scratch = tiles::forward_scratch_len(&shape, pieces, IMAGES, shape.oh)
            .max(scratch)
            .max(tiles::backward_weights_scratch_len(&shape, pieces, WEIGHT_BLOCKS))
            .max(conv::backward_block_len(&shape));
        let mut bench = Self {
            packed: self.weights,
            weights: Floats::zeros(tiles::filters_block_len(&shape, pieces) * k),
            transposed: Floats::zeros(backward),
            scratch: Floats::zeros(scratch),
            piece: [IMAGES; 2],
            ..self
        };
        bench.tile_filters(plusx_kernels::select(tiles::filters(pieces), Level::Portable, &shape).run);
        bench
    }

    fn tile_filters(&mut self, run: tiles::TileTransform) {
        run(TileFilters {
            shape: &self.shape,
            packed: &self.packed,
            blocks: 0..self.shape.k.div_ceil(LANES),
            dst: &mut self.weights,
            scratch: &mut [],
        });
    }

    fn tile_backward_filters(&mut self, run: tiles::TileTransform) {
        run(TileFilters {
            shape: &self.shape,
            packed: &self.packed,
            blocks: 0..self.shape.c.div_ceil(LANES),
            dst: &mut self.transposed,
            scratch: &mut self.scratch,
        });
    }

    fn transform(&mut self, run: winograd::FilterTransform) {
        let blocks = 0..self.shape.k.div_ceil(LANES);
        run(TransformArgs {
            shape: &self.shape,
            packed: &self.packed,
            blocks,
            dst: &mut self.weights,
            scratch: &mut [],
        });
    }

    fn transform_backward(&mut self, run: winograd::FilterTransform) {
        run(TransformArgs {
            shape: &self.shape,
            packed: &self.packed,
            blocks: 0..self.shape.c.div_ceil(LANES),
            dst: &mut self.transposed,
            scratch: &mut self.scratch,
        });
    }

    /// GFLOP/s as really done (none by a transform of filters, which is no part of the convolution), and the speedup over a
    /// direct convolution at the whole peak.
    fn report(&self, kernel: &str, level: Level, seconds: f64) {
        let direct = self.shape.macs_inside();
        let (real, direct) = match kernel {
            name if name.contains("filters") => (0, 0),
            name if name.starts_with("bf16x2") => (3 * direct, direct),
            name if name.starts_with("winograd") => (winograd::macs(&self.shape), direct),
            _ => (direct, direct),
        };
        let rate = |macs: usize| 2.0 * (macs * IMAGES) as f64 / seconds / 1e9;
        let (peak, ms) = (peak_gflops(level), seconds * 1e3);
        let figures =
            format!("{:.2},{peak:.2},{:.3},{:.3}", rate(real), rate(real) / peak, rate(direct) / peak);
        println!("{},{kernel},{IMAGES},{ms:.3},{figures}", self.layer);
    }

    fn forward(&mut self, run: conv::ConvForward) {
        let (shape, pitch) = (&self.shape, self.shape.k_pitch());
        let (source_len, output_len) = (shape.h * shape.w * shape.c_pitch, shape.oh * shape.ow * pitch);
        for first in (0..IMAGES).step_by(self.piece[0]) {
            let images = self.piece[0].min(IMAGES - first);
            let output = &mut self.y[first * output_len..(first + images) * output_len];
            run(ConvForwardArgs {
                shape,
                images,
                src: plain(&self.x[first * source_len..(first + images) * source_len]),
                keep: None,
                weights: &self.weights,
                bias: None,
                finish: Finish::default(),
                rows: 0..shape.oh,
                blocks: 0..shape.k.div_ceil(LANES),
                dst: RowsMut::new(output, pitch, 0, pitch).into(),
                sums: None,
                scratch: &mut self.scratch,
            });
        }
    }

    fn backward_data(&mut self, run: conv::ConvBackwardData) {
        let (shape, pitch) = (&self.shape, self.shape.c_pitch);
        let (source_len, output_len) =
            (shape.h * shape.w * pitch, shape.oh * shape.ow * self.shape.k_pitch());
        for first in (0..IMAGES).step_by(self.piece[1]) {
            let images = self.piece[1].min(IMAGES - first);
            let dx = &mut self.dx[first * source_len..(first + images) * source_len];
            run(ConvBackwardDataArgs {
                shape,
                images,
                grad: Grad {
                    g: (&self.y[first * output_len..(first + images) * output_len]).into(),
                    norm: None,
                },
                weights: &self.transposed,
                blocks: 0..shape.c.div_ceil(LANES),
                sink: Sink {
                    dst: RowsMut::new(dx, pitch, 0, pitch).into(),
                    accumulate: false,
                    gate: Gate::Open,
                    sums: None,
                },
                scratch: &mut self.scratch,
            });
        }
    }

    fn backward_weights(&mut self, run: conv::ConvBackwardWeights) {
        let shape = &self.shape;
        let all = shape.k.div_ceil(LANES);
        for first in (0..all).step_by(WEIGHT_BLOCKS) {
            let blocks = first..all.min(first + WEIGHT_BLOCKS);
            let len = conv::packed_block_len(shape);
            run(ConvBackwardWeightsArgs {
                shape,
                images: IMAGES,
                src: plain(&self.x),
                grad: Grad { g: self.y[..].into(), norm: None },
                dst: &mut self.gradient[blocks.start * len..blocks.end * len],
                blocks,
                scratch: &mut self.scratch,
            });
        }
    }
}

fn plain(data: &[f32]) -> MapSource<'_> {
    MapSource::plain(data)
}

/// Numbers between -0.5 and 0.5, far from denormals.
fn values(len: usize) -> Floats {
    let mut floats = Floats::zeros(len);
    // multiples of an irrational number, modulo 1, are spread evenly (Weyl)
    for (i, value) in floats.iter_mut().enumerate() {
        *value = (i as f64 * 0.618_033_988_749_895).fract() as f32 - 0.5;
    }
    floats
}

/// Values that start on a cache line, as the engine's do.
struct Floats {
    values: Vec<f32>,
    range: Range<usize>,
}

impl Floats {
    fn zeros(len: usize) -> Self {
        let values = vec![0.0; len + LANES];
        let start = values.as_ptr().align_offset(LANES * size_of::<f32>());
        Self { values, range: start..start + len }
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.range.clone()]
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.range.clone()]
    }
}
