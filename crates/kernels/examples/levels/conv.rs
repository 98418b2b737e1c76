//! The convolution in all three directions, over the shapes where its code takes another path.

use std::ops::Range;

use plusx_kernels::args::{Finish, Grad, GradNorm, Sums};
use plusx_kernels::conv::winograd::{self, FilterTransform, TRANSFORM, TRANSFORM_BACKWARD, TransformArgs};
use plusx_kernels::conv::{
    BACKWARD_DATA, BACKWARD_WEIGHTS, ConvBackwardData, ConvBackwardDataArgs, ConvBackwardWeights,
    ConvBackwardWeightsArgs, ConvForward, ConvForwardArgs, FORWARD, backward_block_len, backward_data_images,
    backward_data_scratch_len, backward_len, backward_weights_scratch_len, forward_images,
    forward_scratch_len, pack, pack_backward, packed_block_len, packed_len,
};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::ConvShape;
use plusx_kernels::{KernelEntry, LANES, Level, pitch, select};

use crate::LevelReport;
use crate::data::{Fnv, Random, RandomMaps, SinkMemory, Variant};

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

/// Shapes and numbers of images. An AVX-512 tile is 6 positions by 64 channels: tails of both, one and several tiles.
fn shapes() -> Vec<(ConvShape, usize)> {
    let grouped = |groups, shape: ConvShape| ConvShape { groups, ..shape };
    let thin = |shape: ConvShape| ConvShape { c_pitch: shape.c, ..shape };
    let dilated = ConvShape { dilation: [2; 2], oh: 8, ow: 8, ..conv(6, 70, [8, 8], 3, 1, 2) };
    vec![
        // small maps: tiles over images
        (conv(1, 1, [1, 1], 3, 1, 1), 5),
        (conv(3, 6, [2, 3], 3, 2, 1), 13),
        (conv(6, 17, [7, 7], 3, 1, 1), 7),
        (conv(17, 64, [6, 6], 1, 2, 0), 5),
        (conv(64, 64, [3, 3], 3, 1, 1), 13),
        (conv(16, 144, [5, 5], 3, 1, 1), 6),
        (conv(40, 80, [6, 6], 3, 2, 1), 11),
        // big maps: tiles over pixels
        (conv(16, 16, [8, 8], 3, 1, 1), 2),
        // several chains and chunks of channels, groups of tiles that are part of a map
        (conv(150, 20, [6, 5], 3, 1, 1), 13),
        (conv(20, 150, [13, 13], 3, 1, 1), 3),
        (conv(16, 33, [30, 42], 3, 1, 1), 1),
        (conv(33, 80, [9, 9], 3, 1, 1), 2),
        (conv(20, 96, [17, 15], 3, 2, 1), 2),
        (conv(5, 70, [11, 13], 5, 3, 2), 2),
        (conv(4, 65, [9, 9], 2, 2, 0), 3),
        (conv(16, 80, [12, 40], 3, 1, 1), 1),
        (dilated, 2),
        // too big to be loaded at once: bands
        (conv(80, 68, [40, 40], 1, 1, 0), 1),
        // the network's input: unpadded pixels
        (thin(conv(1, 64, [28, 28], 7, 2, 3)), 2),
        (thin(conv(3, 70, [9, 9], 7, 2, 3)), 2),
        (thin(conv(2, 8, [8, 8], 8, 1, 0)), 7),
        // groups that share vectors: full and cut tiles of rows, both strides, several blocks; other kernels; bands
        (grouped(9, conv(36, 36, [7, 7], 3, 1, 1)), 5),
        (grouped(16, conv(128, 128, [14, 15], 3, 2, 1)), 2),
        (grouped(20, conv(20, 20, [9, 11], 5, 1, 2)), 2),
        (grouped(24, conv(48, 48, [13, 9], 3, 1, 1)), 3),
        (grouped(16, conv(64, 64, [40, 37], 3, 1, 1)), 1),
        // groups of whole vectors
        (grouped(5, conv(80, 80, [7, 7], 3, 1, 1)), 7),
        (grouped(2, conv(64, 160, [12, 9], 3, 2, 1)), 2),
        // dense layers
        (conv(130, 10, [1, 1], 1, 1, 0), 13),
        (conv(20, 100, [4, 4], 4, 1, 0), 7),
    ]
}

pub(crate) fn all(report: &mut LevelReport) {
    for (shape, images) in shapes() {
        let case = ConvCase::new(shape, images);
        // form 0: nothing but the convolution; form 15: everything around it
        for form in [0, 15] {
            let name = format!(
                "c={} k={} groups={} {}x{} kernel={} stride={} dilation={} pitch={} n={images} form={form}",
                shape.c,
                shape.k,
                shape.groups,
                shape.h,
                shape.w,
                shape.kernel[0],
                shape.stride[0],
                shape.dilation[0],
                shape.c_pitch
            );
            let direct = case.direct();
            report.check(FORWARD, &shape, &name, |run, pieces| {
                case.forward(*run, Variant { form, in_pieces: pieces }, &direct)
            });
            report.check(BACKWARD_DATA, &shape, &name, |run, pieces| {
                case.backward_data(*run, Variant { form, in_pieces: pieces }, &direct)
            });
            let scratch = backward_weights_scratch_len;
            report.check(BACKWARD_WEIGHTS, &shape, &name, |run, pieces| {
                case.backward_weights(*run, Variant { form, in_pieces: pieces }, scratch)
            });
            if winograd::fits(&shape) {
                case.winograd(report, form, &name);
            }
        }
    }
}

/// What the kernels of one method are given: direct, or a Winograd algorithm.
struct ConvFilters {
    forward: Vec<f32>,
    backward: Vec<f32>,
    /// Images of a piece, of forward and of backward data.
    images: [usize; 2],
    scratch: usize,
}

struct ConvCase {
    shape: ConvShape,
    images: usize,
    x: RandomMaps,
    y: RandomMaps,
    weights: Vec<f32>,
    transposed: Vec<f32>,
    coefficients: [Vec<f32>; 5],
}

impl ConvCase {
    fn new(shape: ConvShape, images: usize) -> Self {
        let mut random = Random(shape.macs() as u64);
        let oihw = random.values(shape.k * shape.c / shape.groups * shape.kernel[0] * shape.kernel[1]);
        let mut weights = vec![f32::NAN; packed_len(&shape)];
        pack(&shape, &oihw, &mut weights);
        let mut transposed = vec![f32::NAN; backward_len(&shape)];
        pack_backward(&shape, &weights, 0..shape.c.div_ceil(LANES), &mut transposed);
        let k = shape.k_pitch();
        Self {
            shape,
            images,
            x: RandomMaps::at_pitch(&mut random, [shape.c, shape.h * shape.w, images], shape.c_pitch),
            y: RandomMaps::at_pitch(&mut random, [shape.k, shape.oh * shape.ow, images], k),
            weights,
            transposed,
            coefficients: std::array::from_fn(|_| random.map(1, shape.k, k)),
        }
    }

    /// What the direct kernels need.
    fn direct(&self) -> ConvFilters {
        let shape = &self.shape;
        ConvFilters {
            forward: self.weights.clone(),
            backward: self.transposed.clone(),
            images: [forward_images(shape), backward_data_images(shape)],
            scratch: forward_scratch_len(shape, self.images)
                .max(backward_data_scratch_len(shape, self.images)),
        }
    }

    /// The Winograd tables; their filters are made at the level of the kernel that reads them.
    fn winograd(&self, report: &mut LevelReport, form: usize, name: &str) {
        let shape = &self.shape;
        let transformed = |table: &[KernelEntry<ConvShape, FilterTransform>], level: Level| {
            let backward = table[0].name.starts_with("winograd_filters_backward");
            let len =
                if backward { winograd::backward_filters_len(shape) } else { winograd::filters_len(shape) };
            let mut dst = vec![f32::NAN; len];
            (select(table, level, shape).run)(TransformArgs {
                shape,
                packed: &self.weights,
                blocks: 0..if backward { shape.c } else { shape.k }.div_ceil(LANES),
                dst: &mut dst,
                scratch: &mut vec![f32::NAN; backward_block_len(shape)],
            });
            dst
        };
        for table in [TRANSFORM, TRANSFORM_BACKWARD] {
            report.check_entries(table, shape, name, |entry, _| {
                Fnv::new().singles(&transformed(table, entry.level))
            });
        }
        let [k, c] = [shape.k_pitch() / LANES, shape.c_pitch / LANES];
        let scratch =
            winograd::forward_scratch_len(shape, k).max(winograd::backward_data_scratch_len(shape, c));
        let method = |level| ConvFilters {
            forward: transformed(TRANSFORM, level),
            backward: transformed(TRANSFORM_BACKWARD, level),
            images: [winograd::images(shape); 2],
            scratch,
        };
        report.check_entries(winograd::FORWARD, shape, name, |entry, pieces| {
            self.forward(entry.run, Variant { form, in_pieces: pieces }, &method(entry.level))
        });
        report.check_entries(winograd::BACKWARD_DATA, shape, name, |entry, pieces| {
            self.backward_data(entry.run, Variant { form, in_pieces: pieces }, &method(entry.level))
        });
        report.check(winograd::BACKWARD_WEIGHTS, shape, name, |run, pieces| {
            self.backward_weights(
                *run,
                Variant { form, in_pieces: pieces },
                winograd::backward_weights_scratch_len,
            )
        });
    }

    fn grad(&self, form: usize, images: &Range<usize>) -> Grad<'_> {
        let part = self.y.part(images);
        let [a, b, c, ..] = &self.coefficients;
        let norm = (form != 0).then(|| GradNorm { y: (&self.y.u[part.clone()]).into(), a, b, c });
        Grad { g: (&self.y.x[part]).into(), norm }
    }

    /// Pieces of the batch and of `all` blocks: everything at once, or a thread's share at a time, three blocks wide.
    fn pieces(&self, in_pieces: bool, images: usize, all: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let (images, width) = if in_pieces { (images, 3) } else { (self.images, all) };
        let cut = |len: usize, step: usize| {
            (0..len).step_by(step).map(move |start| start..len.min(start + step)).collect::<Vec<_>>()
        };
        let blocks = cut(all, width);
        cut(self.images, images)
            .into_iter()
            .flat_map(|part| blocks.iter().map(move |range| (part.clone(), range.clone())))
            .collect()
    }

    fn forward(&self, run: ConvForward, variant: Variant, method: &ConvFilters) -> Fnv {
        let Variant { form, in_pieces } = variant;
        let (shape, k) = (&self.shape, self.shape.k_pitch());
        let mut values = vec![f32::NAN; self.y.x.len()];
        let mut kept = vec![0.0; self.x.x.len()];
        let mut sums = vec![0.0; self.images * 2 * k];
        let mut scratch = vec![f32::NAN; method.scratch];
        for (part, blocks) in self.pieces(in_pieces, method.images[0], k / LANES) {
            let (start, width) = (blocks.start * LANES, blocks.len() * LANES);
            let kept = &mut kept[self.x.part(&part)];
            // what a source of the output's size would do to it, done on the way out
            let out = self.y.source(form, &part);
            let finish = Finish { affine: out.main.affine, add: out.add, activation: out.activation };
            let sums_of = &mut sums[part.start * 2 * k..part.end * 2 * k];
            run(ConvForwardArgs {
                shape,
                images: part.len(),
                src: self.x.source(form, &part),
                keep: (form != 0 && start == 0)
                    .then(|| RowsMut::new(kept, shape.c_pitch, 0, shape.c_pitch).into()),
                weights: &method.forward,
                bias: (form != 0).then_some(&self.coefficients[3]),
                finish,
                rows: 0..shape.oh,
                blocks,
                dst: RowsMut::new(&mut values[self.y.part(&part)], k, start, width).into(),
                sums: (form != 0).then(|| Sums {
                    shift: &self.coefficients[4],
                    out: RowsMut::new(sums_of, k, start, width),
                }),
                scratch: &mut scratch,
            });
        }
        Fnv::new().singles(&values).singles(&kept).doubles(&sums)
    }

    fn backward_data(&self, run: ConvBackwardData, variant: Variant, method: &ConvFilters) -> Fnv {
        let Variant { form, in_pieces } = variant;
        let (shape, c) = (&self.shape, self.shape.c_pitch);
        let mut values = self.x.u.clone();
        let mut sums = vec![0.0; self.images * 2 * c];
        let mut scratch = vec![f32::NAN; method.scratch];
        // accumulate, sums, affine gate
        let sink = if form == 0 { 0 } else { 11 };
        for (part, blocks) in self.pieces(in_pieces, method.images[1], c / LANES) {
            let columns = blocks.start * LANES..blocks.end * LANES;
            let own = &mut values[self.x.part(&part)];
            let sums_of = &mut sums[part.start * 2 * c..part.end * 2 * c];
            run(ConvBackwardDataArgs {
                shape,
                images: part.len(),
                grad: self.grad(form, &part),
                weights: &method.backward,
                blocks,
                sink: self.x.sink(sink, &part, columns, SinkMemory { dst: own, sums: sums_of }),
                scratch: &mut scratch,
            });
        }
        Fnv::new().singles(&values).doubles(&sums)
    }

    fn backward_weights(
        &self,
        run: ConvBackwardWeights,
        variant: Variant,
        scratch_len: fn(&ConvShape, usize) -> usize,
    ) -> Fnv {
        let Variant { form, in_pieces } = variant;
        let (shape, len) = (&self.shape, packed_block_len(&self.shape));
        let mut values = vec![f32::NAN; packed_len(shape)];
        // a segment is summed as a whole: only the blocks are cut
        for (part, blocks) in self.pieces(in_pieces, self.images, shape.k_pitch() / LANES) {
            let mut scratch = vec![f32::NAN; scratch_len(shape, blocks.len())];
            run(ConvBackwardWeightsArgs {
                shape,
                images: part.len(),
                src: self.x.source(form, &part),
                grad: self.grad(form, &part),
                blocks: blocks.clone(),
                dst: &mut values[blocks.start * len..blocks.end * len],
                scratch: &mut scratch,
            });
        }
        Fnv::new().singles(&values)
    }
}
