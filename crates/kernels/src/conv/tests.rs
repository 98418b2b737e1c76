//! Every entry of the three tables against the `f64` reference, and against itself cut into other pieces.

use std::ops::Range;

use super::tiles::Pieces::{One, Two};
use super::*;
use crate::args::{Affine, Finish, FusedActivation, Gate, Grad, GradNorm, MapSource, MapTerm, Sink, Sums};
use crate::rows::RowsMut;
use crate::{LANES, pitch};

/// Pseudo-random values in [-1, 1): a linear congruential generator is random enough for sums.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }

    /// A map with zeros in the tail channels.
    fn map(&mut self, pixels: usize, channels: usize, pitch: usize) -> Vec<f32> {
        (0..pixels * pitch).map(|i| if i % pitch < channels { self.next() } else { 0.0 }).collect()
    }
}

/// Everything a convolution can be asked for, on random values.
struct Case {
    shape: ConvShape,
    images: usize,
    x: Vec<f32>,
    skip: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    weights: Vec<f32>,
    transposed: Vec<f32>,
    bias: Vec<f32>,
    y_shift: Vec<f32>,
    g: Vec<f32>,
    y: Vec<f32>,
    coefficients: [Vec<f32>; 3],
    held: Vec<f32>,
}

/// A pass that stores a map and sums of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Forward,
    BackwardData,
}

/// How many bf16 values stand for a number, of an entry on tiles.
fn pieces<Run>(entry: &KernelEntry<ConvShape, Run>) -> Option<tiles::Pieces> {
    match entry.name.split('_').next() {
        Some("bf16") => Some(tiles::Pieces::One),
        Some("bf16x2") => Some(tiles::Pieces::Two),
        _ => None,
    }
}

/// What a product of an entry may be off by, relative to its factors: what rounding both of them, and what dropping the least
/// product of pieces, leaves. A sum has that of its chain.
fn precision<Run>(entry: &KernelEntry<ConvShape, Run>) -> f32 {
    match pieces(entry) {
        Some(tiles::Pieces::One) => 1.0 / 128.0,
        Some(tiles::Pieces::Two) => 1.0 / 32768.0,
        None => f32::EPSILON,
    }
}

/// Whether an entry would take too long: products of tiles one value at a time.
fn takes_long<Run>(entry: &KernelEntry<ConvShape, Run>, shape: &ConvShape) -> bool {
    pieces(entry).is_some() && entry.level == Level::Portable && shape.macs() > 20_000
}

fn is_winograd<Run>(entry: &KernelEntry<ConvShape, Run>) -> bool {
    entry.name.starts_with("winograd")
}

/// What a kernel produced.
#[derive(Clone, PartialEq, Debug)]
struct Produced {
    values: Vec<f32>,
    keep: Vec<f32>,
    sums: Vec<f64>,
}

impl Case {
    fn new(shape: ConvShape, images: usize) -> Self {
        let mut random = Random(shape.macs() as u64 + images as u64);
        let (x_pixels, y_pixels) = (images * shape.h * shape.w, images * shape.oh * shape.ow);
        let oihw = random.values(shape.k * shape.c / shape.groups * shape.kernel[0] * shape.kernel[1]);
        let mut weights = vec![f32::NAN; packed_len(&shape)];
        pack(&shape, &oihw, &mut weights);
        let mut back = vec![0.0; oihw.len()];
        unpack(&shape, &weights, &mut back);
        assert_eq!(back, oihw, "packing is undone");
        let mut transposed = vec![f32::NAN; backward_len(&shape)];
        pack_backward(&shape, &weights, 0..shape.c.div_ceil(LANES), &mut transposed);
        let (c, k) = (shape.c_pitch, shape.k_pitch());
        Self {
            shape,
            images,
            x: random.map(x_pixels, shape.c, c),
            skip: random.map(x_pixels, shape.c, c),
            scale: random.map(1, shape.c, c),
            shift: random.map(1, shape.c, c),
            weights,
            transposed,
            bias: random.map(1, shape.k, k),
            y_shift: random.map(1, shape.k, k),
            g: random.map(y_pixels, shape.k, k),
            y: random.map(y_pixels, shape.k, k),
            coefficients: [random.map(1, shape.k, k), random.map(1, shape.k, k), random.map(1, shape.k, k)],
            held: random.map(x_pixels, shape.c, c),
        }
    }

    fn source(&self, images: Range<usize>) -> MapSource<'_> {
        let map = self.shape.h * self.shape.w * self.shape.c_pitch;
        let part = images.start * map..images.end * map;
        let affine = Some(Affine { scale: &self.scale, shift: &self.shift });
        let add = Some(MapTerm { data: (&self.skip[part.clone()]).into(), affine: None });
        MapSource {
            main: MapTerm { data: (&self.x[part]).into(), affine },
            add,
            activation: FusedActivation::Relu,
        }
    }

    fn grad(&self, images: Range<usize>) -> Grad<'_> {
        let map = self.shape.oh * self.shape.ow * self.shape.k_pitch();
        let part = images.start * map..images.end * map;
        let [a, b, c] = &self.coefficients;
        Grad {
            g: (&self.g[part.clone()]).into(),
            norm: Some(GradNorm { y: (&self.y[part]).into(), a, b, c }),
        }
    }

    /// The filters and the scratch (of a direct kernel: `scratch`) of an entry of a pass over `blocks` blocks.
    fn prepared<Run>(
        &self,
        entry: &KernelEntry<ConvShape, Run>,
        pass: Pass,
        blocks: usize,
        scratch: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        let shape = &self.shape;
        if let Some(pieces) = pieces(entry) {
            return self.as_tiles(entry.level, pass, pieces);
        }
        if !is_winograd(entry) {
            let filters = if pass == Pass::BackwardData { &self.transposed } else { &self.weights };
            return (filters.clone(), vec![f32::NAN; scratch]);
        }
        let (table, len, scratch) = if pass == Pass::BackwardData {
            let scratch = winograd::backward_data_scratch_len(shape, blocks);
            (winograd::TRANSFORM_BACKWARD, winograd::backward_filters_len(shape), scratch)
        } else {
            (winograd::TRANSFORM, winograd::filters_len(shape), winograd::forward_scratch_len(shape, blocks))
        };
        let mut filters = vec![f32::NAN; len];
        let level = |made: &&KernelEntry<ConvShape, winograd::FilterTransform>| {
            made.level == entry.level
                && made.name.ends_with("/reference") == entry.name.ends_with("/reference")
        };
        (table.iter().find(level).unwrap().run)(winograd::TransformArgs {
            shape,
            packed: &self.weights,
            blocks: 0..if pass == Pass::BackwardData { shape.c } else { shape.k }.div_ceil(LANES),
            dst: &mut filters,
            scratch: &mut vec![f32::NAN; backward_block_len(shape)],
        });
        (filters, vec![f32::NAN; scratch])
    }

    /// Filters as tiles, and scratch for a piece of all images.
    fn as_tiles(&self, level: Level, pass: Pass, pieces: tiles::Pieces) -> (Vec<f32>, Vec<f32>) {
        let (shape, images) = (&self.shape, self.images);
        let (table, channels, len, scratch) = match pass {
            Pass::Forward => (
                tiles::filters(pieces),
                shape.k,
                tiles::filters_block_len(shape, pieces),
                tiles::forward_scratch_len(shape, pieces, images, shape.oh),
            ),
            Pass::BackwardData => (
                tiles::backward_filters(pieces),
                shape.c,
                tiles::backward_filters_block_len(shape, pieces),
                tiles::backward_data_scratch_len(shape, pieces, images),
            ),
        };
        let blocks = 0..channels.div_ceil(LANES);
        let mut filters = vec![f32::NAN; blocks.len() * len];
        (crate::select(table, level, shape).run)(tiles::TileFilters {
            shape,
            packed: &self.weights,
            blocks,
            dst: &mut filters,
            scratch: &mut vec![f32::NAN; backward_block_len(shape)],
        });
        (filters, vec![f32::NAN; scratch])
    }

    /// Forward in pieces of `images` images and `blocks` blocks.
    fn forward(&self, entry: &KernelEntry<ConvShape, ConvForward>, images: usize, blocks: usize) -> Produced {
        let (shape, run) = (&self.shape, entry.run);
        let (weights, mut scratch) =
            self.prepared(entry, Pass::Forward, blocks, forward_scratch_len(shape, images));
        let (map, k) = (shape.oh * shape.ow, shape.k_pitch());
        let mut values = vec![f32::NAN; self.images * map * k];
        let mut keep = vec![f32::NAN; self.x.len()];
        let mut sums = vec![f64::NAN; self.images * 2 * k];
        let kept = shape.h * shape.w * shape.c_pitch;
        for first in (0..self.images).step_by(images) {
            let part = first..self.images.min(first + images);
            for block in (0..k / LANES).step_by(blocks) {
                let range = block..(k / LANES).min(block + blocks);
                let (start, width) = (block * LANES, range.len() * LANES);
                let keep = &mut keep[part.start * kept..part.end * kept];
                run(ConvForwardArgs {
                    shape,
                    images: part.len(),
                    src: self.source(part.clone()),
                    keep: (block == 0).then(|| RowsMut::new(keep, shape.c_pitch, 0, shape.c_pitch).into()),
                    weights: &weights,
                    bias: Some(&self.bias),
                    finish: Finish::default(),
                    rows: 0..shape.oh,
                    blocks: range,
                    dst: RowsMut::new(&mut values[part.start * map * k..part.end * map * k], k, start, width)
                        .into(),
                    sums: Some(Sums {
                        shift: &self.y_shift,
                        out: RowsMut::new(&mut sums[part.start * 2 * k..part.end * 2 * k], k, start, width),
                    }),
                    scratch: &mut scratch,
                });
            }
        }
        Produced { values, keep, sums }
    }

    fn backward_data(
        &self,
        entry: &KernelEntry<ConvShape, ConvBackwardData>,
        images: usize,
        blocks: usize,
    ) -> Produced {
        let (shape, run) = (&self.shape, entry.run);
        let (weights, mut scratch) =
            self.prepared(entry, Pass::BackwardData, blocks, backward_data_scratch_len(shape, images));
        let (map, c) = (shape.h * shape.w, shape.c_pitch);
        let mut values = self.held.clone();
        let mut sums = vec![f64::NAN; self.images * 2 * c];
        for first in (0..self.images).step_by(images) {
            let part = first..self.images.min(first + images);
            let own = part.start * map * c..part.end * map * c;
            for block in (0..c / LANES).step_by(blocks) {
                let range = block..(c / LANES).min(block + blocks);
                let (start, width) = (block * LANES, range.len() * LANES);
                let affine = Affine { scale: &self.scale, shift: &self.shift };
                run(ConvBackwardDataArgs {
                    shape,
                    images: part.len(),
                    grad: self.grad(part.clone()),
                    weights: &weights,
                    blocks: range,
                    sink: Sink {
                        dst: RowsMut::new(&mut values[own.clone()], c, start, width).into(),
                        accumulate: true,
                        gate: Gate::Affine { y: (&self.x[own.clone()]).into(), affine },
                        sums: Some((
                            (&self.skip[own.clone()]).into(),
                            Sums {
                                shift: &self.shift,
                                out: RowsMut::new(
                                    &mut sums[part.start * 2 * c..part.end * 2 * c],
                                    c,
                                    start,
                                    width,
                                ),
                            },
                        )),
                    },
                    scratch: &mut scratch,
                });
            }
        }
        Produced { values, keep: Vec::new(), sums }
    }

    fn backward_weights(
        &self,
        entry: &KernelEntry<ConvShape, ConvBackwardWeights>,
        blocks: usize,
    ) -> Produced {
        let (shape, run) = (&self.shape, entry.run);
        let len = packed_block_len(shape);
        let mut values = vec![f32::NAN; packed_len(shape)];
        let scratch = match pieces(entry) {
            Some(pieces) => tiles::backward_weights_scratch_len(shape, pieces, blocks),
            None if is_winograd(entry) => winograd::backward_weights_scratch_len(shape, blocks),
            None => backward_weights_scratch_len(shape, blocks),
        };
        let mut scratch = vec![f32::NAN; scratch];
        let all = shape.k_pitch() / LANES;
        for block in (0..all).step_by(blocks) {
            let range = block..all.min(block + blocks);
            run(ConvBackwardWeightsArgs {
                shape,
                images: self.images,
                src: self.source(0..self.images),
                grad: self.grad(0..self.images),
                blocks: range.clone(),
                dst: &mut values[range.start * len..range.end * len],
                scratch: &mut scratch,
            });
        }
        Produced { values, keep: Vec::new(), sums: Vec::new() }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "dozens of shapes, one below the other, read as rows of a table"
)]
fn conv(c: usize, k: usize, size: [usize; 2], kernel: usize, stride: usize, padding: usize) -> ConvShape {
    let out = |x: usize| (x + 2 * padding - kernel) / stride + 1;
    ConvShape {
        c,
        k,
        h: size[0],
        w: size[1],
        oh: out(size[0]),
        ow: out(size[1]),
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [1; 2],
        groups: 1,
        c_pitch: pitch(c),
    }
}

/// Edge shapes: channels around the vector, maps from one pixel to several bands, every stride and kernel of a ResNet.
fn shapes() -> Vec<ConvShape> {
    let mut shapes = Vec::new();
    for (c, k) in [(1, 1), (3, 6), (6, 17), (16, 16), (17, 64), (64, 16), (64, 80)] {
        for size in [[1, 1], [2, 3], [3, 3], [6, 6], [7, 7], [8, 8], [9, 9]] {
            shapes.push(conv(c, k, size, 3, 1, 1));
            shapes.push(conv(c, k, size, 3, 2, 1));
            shapes.push(conv(c, k, size, 1, 1, 0));
            shapes.push(conv(c, k, size, 1, 2, 0));
        }
    }
    shapes.push(conv(5, 7, [11, 13], 5, 3, 2));
    // several chains and chunks of channels; a map of several groups of tiles, with cut tiles at both edges
    shapes.push(conv(150, 20, [6, 5], 3, 1, 1));
    shapes.push(conv(20, 150, [13, 13], 3, 1, 1));
    shapes.push(conv(16, 33, [30, 42], 3, 1, 1));
    shapes.push(conv(4, 4, [9, 9], 2, 2, 0));
    // windows that lie outside the map altogether
    let wide = ConvShape { stride: [1, 20], padding: [0, 25], ow: 3, ..conv(6, 20, [60, 1], 1, 1, 0) };
    shapes.extend([wide, ConvShape { c: 3, c_pitch: 3, ..wide }]);
    // the last piece of a gradient of the filters has a longer band than the others
    shapes.push(conv(64, 80, [32, 32], 5, 1, 2));
    shapes.push(conv(16, 16, [12, 40], 3, 1, 1));
    shapes.push(conv(16, 32, [20, 20], 4, 2, 3));
    shapes.push(conv(70, 20, [40, 40], 3, 1, 1));
    shapes.push(ConvShape { dilation: [2, 2], oh: 8, ow: 8, ..conv(6, 10, [8, 8], 3, 1, 2) });
    shapes.push(ConvShape { dilation: [2, 2], oh: 4, ow: 4, ..conv(6, 10, [8, 8], 3, 2, 2) });
    // The network's input: unpadded pixels.
    for (c, size, kernel, stride, padding) in [
        (1, [20, 20], 7, 2, 3),
        (3, [9, 9], 7, 2, 3),
        (3, [6, 6], 3, 1, 1),
        (17, [4, 4], 3, 1, 1),
        (2, [8, 8], 8, 1, 0),
    ] {
        shapes.push(ConvShape { c_pitch: c, ..conv(c, 10, size, kernel, stride, padding) });
    }
    // A dense layer, alone and on a whole map.
    shapes.push(conv(64, 10, [1, 1], 1, 1, 0));
    shapes.push(conv(20, 33, [4, 4], 4, 1, 0));
    shapes.extend(grouped_shapes());
    shapes
}

/// Groups: their channels around what shares a vector, blocks that are full and that are not.
fn grouped_shapes() -> Vec<ConvShape> {
    let group = |groups: usize, shape| ConvShape { groups, ..shape };
    let mut shapes = Vec::new();
    // channels of a group, groups
    let groups = [(1, 20), (2, 9), (3, 6), (4, 4), (4, 9), (8, 2), (8, 5), (16, 3), (24, 2), (32, 3)];
    for (channels, groups) in groups.map(|(channels, groups)| (channels * groups, groups)) {
        for size in [[1, 1], [3, 3], [7, 7], [14, 14]] {
            shapes.extend([1, 2].map(|stride| group(groups, conv(channels, channels, size, 3, stride, 1))));
        }
    }
    // other numbers of filters than of channels: whole blocks, of which one group's tiles take several, and neither
    shapes.push(group(3, conv(48, 96, [8, 8], 3, 1, 1)));
    shapes.push(group(2, conv(128, 160, [5, 6], 3, 2, 1)));
    shapes.push(group(4, conv(16, 32, [6, 5], 3, 1, 1)));
    shapes.push(group(2, conv(6, 4, [5, 5], 3, 1, 1)));
    // other kernels, strides and borders, at the widths of tiles
    for (channels, groups) in [(40, 10), (32, 2)] {
        shapes.push(group(groups, conv(channels, channels, [9, 17], 5, 1, 2)));
        shapes.push(group(groups, conv(channels, channels, [16, 15], 1, 2, 0)));
        shapes.push(group(groups, conv(channels, channels, [11, 13], 3, 3, 0)));
        shapes.push(group(groups, conv(channels, channels, [4, 9], 2, 2, 1)));
        let dilated =
            ConvShape { dilation: [2, 2], oh: 8, ow: 8, ..conv(channels, channels, [8, 8], 3, 1, 2) };
        let strided = ConvShape { dilation: [2, 1], stride: [1, 2], ow: 4, ..dilated };
        shapes.extend([dilated, ConvShape { padding: [2, 1], ..strided }].map(|shape| group(groups, shape)));
    }
    // more than is loaded at once: bands, and parts of a piece
    shapes.push(group(24, conv(96, 96, [40, 37], 3, 1, 1)));
    shapes.push(group(6, conv(96, 96, [37, 40], 3, 2, 1)));
    // the network's input, which no vector kernel does
    shapes.push(ConvShape { c_pitch: 4, ..group(2, conv(4, 6, [5, 5], 3, 1, 1)) });
    shapes
}

/// Batches of a shape: the big ones for small shapes only, so that the `f64` loops end.
fn batches(shape: &ConvShape, sizes: [usize; 4]) -> impl Iterator<Item = usize> {
    let macs = shape.macs();
    sizes.into_iter().filter(move |images| *images == 1 || macs * images < 20_000_000)
}

/// |got - want| <= terms eps max|a| max|b|, the hard bound of a chain of `terms` products whose factors are at most 3
/// (source: scale + shift + skip) and 1, or 3 and 3.
fn close(got: &[f32], want: &[f32], (terms, precision): (usize, f32), what: &str) {
    let bound = terms as f32 * precision * 9.0 + f32::EPSILON;
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= bound, "{what}: value {index} is {got}, not {want} (bound {bound:e})");
    }
}

/// The sums of what a kernel stored, by the rule of [`Sums`] and the arithmetic of its level: the same bytes.
fn exact_sums(case: &Case, got: &Produced, pass: Pass, level: Level, what: &str) {
    let (pixels, pitch, shift) = match pass {
        Pass::Forward => (case.shape.oh * case.shape.ow, case.shape.k_pitch(), &case.y_shift),
        Pass::BackwardData => (case.shape.h * case.shape.w, case.shape.c_pitch, &case.shift),
    };
    let fused = level.profile() == Level::Avx2.profile();
    for (image, channel) in (0..case.images).flat_map(|image| (0..pitch).map(move |channel| (image, channel)))
    {
        let mut total = [0.0f64; 2];
        for start in (0..pixels).step_by(crate::args::SUM_RUN) {
            let mut chain = [0.0f32; 2];
            for pixel in start..pixels.min(start + crate::args::SUM_RUN) {
                let at = (image * pixels + pixel) * pitch + channel;
                let (v, reference) = match pass {
                    Pass::Forward => (got.values[at] - shift[channel], got.values[at] - shift[channel]),
                    Pass::BackwardData => (got.values[at], case.skip[at] - shift[channel]),
                };
                let second = if fused { v.mul_add(reference, chain[1]) } else { v * reference + chain[1] };
                chain = [chain[0] + v, second];
            }
            total = [total[0] + f64::from(chain[0]), total[1] + f64::from(chain[1])];
        }
        for (row, total) in total.into_iter().enumerate() {
            let sum = got.sums[(2 * image + row) * pitch + channel];
            assert!(
                sum == total,
                "{what}: sum {row} of image {image}, channel {channel} is {sum}, not {total}"
            );
        }
    }
}

/// Runs every supported entry of both tables that fits, and the reference; checks values, splits and equality inside a
/// profile.
fn check<Run: Copy>(
    tables: [&[KernelEntry<ConvShape, Run>]; 4],
    shape: &ConvShape,
    splits: &[[usize; 2]],
    run: impl Fn(&KernelEntry<ConvShape, Run>, [usize; 2]) -> Produced,
    (sums, terms): (impl Fn(&Produced, Level, &str), usize),
) {
    let want = run(tables[0].last().expect("a reference"), splits[0]);
    for table in tables {
        check_entries(table, shape, splits, &run, (&want, &sums, terms));
    }
}

fn check_entries<Run: Copy>(
    entries: &[KernelEntry<ConvShape, Run>],
    shape: &ConvShape,
    splits: &[[usize; 2]],
    run: impl Fn(&KernelEntry<ConvShape, Run>, [usize; 2]) -> Produced,
    (want, sums, terms): (&Produced, impl Fn(&Produced, Level, &str), usize),
) {
    let mut of_profile: Vec<(&str, Produced)> = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.name.ends_with("/reference")) {
        if !entry.level.supported() || !(entry.fits)(shape) || takes_long(entry, shape) {
            continue;
        }
        let what = format!("{} on {shape:?}", entry.name);
        let got = run(entry, splits[0]);
        close(&got.values, &want.values, (terms, precision(entry)), &what);
        close(&got.keep, &want.keep, (2, f32::EPSILON), &what);
        sums(&got, entry.level, &what);
        for split in &splits[1..] {
            assert!(run(entry, *split) == got, "{what}: pieces of {split:?} give other bytes");
        }
        if let Some((_, first)) = of_profile.iter().find(|(profile, _)| *profile == entry.level.profile()) {
            assert!(*first == got, "{what}: other bytes than another level of {}", entry.level.profile());
        }
        of_profile.push((entry.level.profile(), got));
    }
}

#[test]
fn forward_agrees_with_the_reference() {
    for shape in shapes() {
        for images in batches(&shape, [1, 2, 5, 37]) {
            let case = Case::new(shape, images);
            let sums = |got: &_, level, what: &_| exact_sums(&case, got, Pass::Forward, level, what);
            let terms = shape.c / shape.groups * shape.kernel[0] * shape.kernel[1] + 1;
            let all = shape.k_pitch() / LANES;
            let splits = [[images, all], [1, 1], [2, 3]];
            check(
                [FORWARD, winograd::FORWARD, tiles::forward(One), tiles::forward(Two)],
                &shape,
                &splits,
                |run, [i, b]| case.forward(run, i, b),
                (sums, terms),
            );
        }
    }
}

#[test]
fn backward_data_agrees_with_the_reference() {
    for shape in shapes().into_iter().filter(|shape| shape.c_pitch == pitch(shape.c)) {
        for images in batches(&shape, [1, 2, 5, 37]) {
            let case = Case::new(shape, images);
            let sums = |got: &_, level, what: &_| exact_sums(&case, got, Pass::BackwardData, level, what);
            let terms = shape.k / shape.groups * shape.kernel[0] * shape.kernel[1] + 1;
            let all = shape.c_pitch / LANES;
            let splits = [[images, all], [1, 1], [2, 3]];
            check(
                [
                    BACKWARD_DATA,
                    winograd::BACKWARD_DATA,
                    tiles::backward_data(One),
                    tiles::backward_data(Two),
                ],
                &shape,
                &splits,
                |run, [i, b]| case.backward_data(run, i, b),
                (sums, terms),
            );
        }
    }
}

#[test]
fn backward_weights_agrees_with_the_reference() {
    for shape in shapes() {
        for images in batches(&shape, [1, 2, 5, 19]) {
            let case = Case::new(shape, images);
            let terms = images * shape.oh * shape.ow;
            let all = shape.k_pitch() / LANES;
            let splits = [[images, all], [images, 1], [images, 3], [images, 4]];
            check(
                [
                    BACKWARD_WEIGHTS,
                    winograd::BACKWARD_WEIGHTS,
                    tiles::backward_weights(One),
                    tiles::backward_weights(Two),
                ],
                &shape,
                &splits,
                |run, [_, b]| case.backward_weights(run, b),
                (|_: &_, _, _: &_| {}, terms),
            );
        }
    }
}

/// Enough images for stacks of them: some whole, and one that is not.
#[test]
fn backward_weights_of_stacked_images_agrees_with_the_reference() {
    for (c, k, size, stride) in [(20, 33, [3, 3], 1), (17, 64, [4, 3], 2), (40, 16, [7, 7], 1)] {
        let shape = conv(c, k, size, 3, stride, 1);
        for images in [24, 45] {
            let case = Case::new(shape, images);
            let all = shape.k_pitch() / LANES;
            check(
                [BACKWARD_WEIGHTS, tiles::backward_weights(One), tiles::backward_weights(Two), &[]],
                &shape,
                &[[images, all], [images, 1], [images, 3]],
                |run, [_, b]| case.backward_weights(run, b),
                (|_: &_, _, _: &_| {}, images * shape.oh * shape.ow),
            );
        }
    }
}

/// A plan gives a step the scratch of its largest piece: no smaller one may need more.
#[test]
fn scratch_for_tiles_does_for_smaller_pieces_too() {
    for (c, side) in [(64, 161), (64, 168), (256, 56), (96, 75), (512, 29), (1024, 14), (48, 300)] {
        for (kernel, padding) in [(3, 1), (1, 0)] {
            let shape = conv(c, 64, [side, side], kernel, 1, padding);
            for pieces in [One, Two] {
                let len = |rows| tiles::forward_scratch_len(&shape, pieces, 1, rows);
                assert!((2..=side).all(|rows| len(rows - 1) <= len(rows)), "{shape:?}");
            }
        }
    }
}

/// The references of the Winograd tables are other code than their kernels and than the direct reference.
#[test]
fn the_references_of_both_methods_agree() {
    for shape in shapes().into_iter().filter(winograd::fits).step_by(3) {
        let case = Case::new(shape, 2);
        let [k, c] = [shape.k_pitch() / LANES, shape.c_pitch / LANES];
        let exactly = (shape.c.max(shape.k) * 9 + 1, f32::EPSILON);
        let (direct, other) = (FORWARD.last().unwrap(), winograd::FORWARD.last().unwrap());
        close(&case.forward(other, 2, k).values, &case.forward(direct, 2, k).values, exactly, other.name);
        let (direct, other) = (BACKWARD_DATA.last().unwrap(), winograd::BACKWARD_DATA.last().unwrap());
        let [got, want] = [other, direct].map(|entry| case.backward_data(entry, 2, c).values);
        close(&got, &want, exactly, other.name);
    }
}

#[test]
fn a_shape_no_vector_kernel_does_falls_to_the_reference() {
    let shape = ConvShape { groups: 2, ..conv(6, 4, [5, 5], 3, 1, 1) };
    for level in Level::ALL {
        assert_eq!(crate::select(FORWARD, level, &shape).name, "conv_forward/reference");
        assert_eq!(crate::select(BACKWARD_DATA, level, &shape).name, "conv_backward_data/reference");
    }
    for (groups, name) in [(1, "conv_forward/avx2"), (4, "conv_forward/avx2"), (8, "grouped_forward/avx2")] {
        let shape = ConvShape { groups, ..conv(64, 64, [5, 5], 3, 1, 1) };
        assert_eq!(crate::select(FORWARD, Level::Avx2, &shape).name, name);
    }
}
