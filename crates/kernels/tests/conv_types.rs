//! Convolutions of maps of either type, in any mix: see `types.rs`.

mod support;

use plusx_kernels::args::{
    Affine, Finish, FusedActivation, Gate, Grad, GradNorm, MapSource, MapTerm, Sink, Sums,
};
use plusx_kernels::bf16::Bf16;
use plusx_kernels::conv::{self, ConvBackwardDataArgs, ConvBackwardWeightsArgs, ConvForwardArgs, winograd};
use plusx_kernels::maps::MapRowsMut;
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::{ConvShape, MapShape};
use plusx_kernels::{LANES, Level, elementwise, norm, select};
use support::types::{Both, IMAGES, SinkMaps, Types, check, source};
use support::{Random, conv_shape};

/// A convolution with everything it reads.
struct Conv {
    shape: ConvShape,
    src: Both,
    add: Both,
    skip: Both,
    y: Both,
    g: Both,
    c_vectors: [Vec<f32>; 2],
    k_vectors: [Vec<f32>; 3],
    sink: SinkMaps,
    packed: Vec<f32>,
    transposed: Vec<f32>,
}

impl Conv {
    fn new(random: &mut Random, shape: ConvShape) -> Self {
        let (map, out) = (shape.h * shape.w, shape.oh * shape.ow);
        let taps = shape.kernel[0] * shape.kernel[1];
        let filters: Vec<f32> =
            (0..shape.k * shape.c / shape.groups * taps).map(|_| random.real() / 8.0).collect();
        let mut packed = vec![0.0; conv::packed_len(&shape)];
        conv::pack(&shape, &filters, &mut packed);
        let mut transposed = vec![0.0; conv::backward_len(&shape)];
        conv::pack_backward(&shape, &packed, 0..shape.c.div_ceil(LANES), &mut transposed);
        Self {
            shape,
            src: Both::new(random, map, shape.c),
            add: Both::new(random, map, shape.c),
            skip: Both::new(random, out, shape.k),
            y: Both::new(random, out, shape.k),
            g: Both::new(random, out, shape.k),
            c_vectors: [random.map(1, shape.c, false), random.map(1, shape.c, false)],
            k_vectors: [0; 3].map(|_| random.map(1, shape.k, false)),
            sink: SinkMaps::new(random, map, shape.c),
            packed,
            transposed,
        }
    }

    fn forward_scratch(&self) -> usize {
        conv::forward_scratch_len(&self.shape, IMAGES)
    }

    fn source(&self, types: Types, plain: bool) -> MapSource<'_> {
        let main = self.src.get(types.half(0));
        if plain {
            MapSource::plain(main)
        } else {
            source(main, self.add.get(types.half(1)), &self.c_vectors)
        }
    }

    fn grad(&self, types: Types, plain: bool) -> Grad<'_> {
        let [a, b, c] = &self.k_vectors;
        let y = self.y.get(types.half(3));
        Grad { g: self.g.get(types.half(2)), norm: (!plain).then_some(GradNorm { y, a, b, c }) }
    }

    fn forward(
        &self,
        (run, weights, scratch): (conv::ConvForward, &[f32], usize),
        types: Types,
        plain: bool,
        sums: Option<Sums<'_>>,
    ) -> Vec<f32> {
        let (shape, images, k) = (&self.shape, IMAGES, self.shape.k_pitch());
        let affine = Some(Affine { scale: &self.k_vectors[0], shift: &self.k_vectors[1] });
        let add = Some(MapTerm { data: self.skip.get(types.half(2)), affine });
        let finish =
            if plain { Finish::default() } else { Finish { affine, add, activation: FusedActivation::Relu } };
        self.g.stored(types.written, k, |dst| {
            run(ConvForwardArgs {
                shape,
                images,
                src: self.source(types, plain),
                keep: None,
                weights,
                bias: Some(&self.k_vectors[2]),
                finish,
                rows: 0..shape.oh,
                blocks: 0..k / LANES,
                dst,
                sums,
                scratch: &mut vec![f32::NAN; scratch],
            });
        })
    }

    fn backward_data(
        &self,
        (run, weights, scratch): (conv::ConvBackwardData, &[f32], usize),
        types: Types,
        plain: bool,
    ) -> Vec<f32> {
        let (shape, images) = (&self.shape, IMAGES);
        // maps 2 and 3 are those of the gradient
        let own = Types { read: types.read << 2, ..types };
        self.sink.fill(types, 2, |sink| {
            run(ConvBackwardDataArgs {
                shape,
                images,
                grad: self.grad(own, plain),
                weights,
                blocks: 0..shape.c_pitch / LANES,
                sink: Sink { accumulate: !plain, ..sink },
                scratch: &mut vec![f32::NAN; scratch],
            });
        })
    }

    fn backward_weights(
        &self,
        run: conv::ConvBackwardWeights,
        scratch: usize,
        types: Types,
        plain: bool,
    ) -> Vec<f32> {
        let (shape, images) = (&self.shape, IMAGES);
        let mut dst = vec![f32::NAN; conv::packed_len(shape)];
        run(ConvBackwardWeightsArgs {
            shape,
            images,
            src: self.source(types, plain),
            grad: self.grad(types, plain),
            blocks: 0..shape.k_pitch() / LANES,
            dst: &mut dst,
            scratch: &mut vec![f32::NAN; scratch],
        });
        dst
    }
}

/// Maps on both sides of the border between the walks by pixel and by image; 1x1; groups of whole blocks, narrow ones, others.
fn convolutions() -> Vec<ConvShape> {
    vec![
        conv_shape([17, 33, 9, 3, 2, 1]),
        conv_shape([16, 80, 4, 3, 1, 1]),
        conv_shape([48, 70, 9, 1, 1, 0]),
        conv_shape([33, 40, 9, 1, 2, 0]),
        ConvShape { groups: 9, ..conv_shape([36, 36, 9, 3, 1, 1]) },
        ConvShape { groups: 4, ..conv_shape([32, 32, 9, 3, 2, 1]) },
        ConvShape { groups: 2, ..conv_shape([64, 64, 8, 3, 2, 1]) },
        ConvShape { groups: 3, ..conv_shape([15, 15, 5, 3, 1, 1]) },
        // a reduction in several parts
        conv_shape([80, 32, 10, 3, 1, 1]),
    ]
}

#[test]
fn direct_convolutions() {
    let mut random = Random(105);
    for shape in convolutions() {
        let conv = Conv::new(&mut random, shape);
        for plain in [false, true] {
            let scratch = conv::forward_scratch_len(&shape, IMAGES);
            check(conv::FORWARD, &shape, 3, |run, types| {
                conv.forward((*run, &conv.packed, scratch), types, plain, None)
            });
            let scratch = conv::backward_data_scratch_len(&shape, IMAGES);
            check(conv::BACKWARD_DATA, &shape, 3, |run, types| {
                conv.backward_data((*run, &conv.transposed, scratch), types, plain)
            });
            let scratch = conv::backward_weights_scratch_len(&shape, shape.k_pitch() / LANES);
            check(conv::BACKWARD_WEIGHTS, &shape, 4, |run, types| {
                // its result is no map
                conv.backward_weights(*run, scratch, Types { written: false, ..types }, plain)
                    .into_iter()
                    .map(|value| if types.written { Bf16::from_f32(value).to_f32() } else { value })
                    .collect()
            });
        }
    }
}

/// The network's images are thin, and `f32`; what is made of them may be bf16.
#[test]
fn first_layers() {
    let mut random = Random(106);
    let shape = ConvShape { c_pitch: 3, ..conv_shape([3, 40, 12, 7, 2, 3]) };
    let mut conv = Conv::new(&mut random, ConvShape { c_pitch: 16, ..shape });
    conv.shape = shape;
    for both in [&mut conv.src, &mut conv.add] {
        both.full = both.full.chunks(16).flat_map(|pixel| pixel[..3].to_vec()).collect();
        both.half = both.half.chunks(16).flat_map(|pixel| pixel[..3].to_vec()).collect();
    }
    conv.c_vectors.iter_mut().for_each(|vector| vector.truncate(3));
    for plain in [false, true] {
        let scratch = conv::forward_scratch_len(&shape, IMAGES);
        check(conv::FORWARD, &shape, 3, |run, types| {
            conv.forward((*run, &conv.packed, scratch), types, plain, None)
        });
    }
}

#[test]
fn winograd_convolutions() {
    let mut random = Random(107);
    for sizes in [[64, 48, 12, 3, 1, 1], [64, 64, 9, 3, 1, 1]] {
        let shape = conv_shape(sizes);
        assert!(winograd::fits(&shape), "{shape:?}");
        let conv = Conv::new(&mut random, shape);
        let filters = |backward: bool| {
            let (len, table, blocks) = if backward {
                (winograd::backward_filters_len(&shape), winograd::TRANSFORM_BACKWARD, shape.c / LANES)
            } else {
                (winograd::filters_len(&shape), winograd::TRANSFORM, shape.k / LANES)
            };
            let mut made = vec![0.0; len];
            (table[table.len() - 1].run)(winograd::TransformArgs {
                shape: &shape,
                packed: &conv.packed,
                blocks: 0..blocks,
                dst: &mut made,
                scratch: &mut vec![0.0; conv::backward_block_len(&shape)],
            });
            made
        };
        let [there, back] = [filters(false), filters(true)];
        for plain in [false, true] {
            let scratch = winograd::forward_scratch_len(&shape, shape.k / LANES);
            check(winograd::FORWARD, &shape, 3, |run, types| {
                conv.forward((*run, &there, scratch), types, plain, None)
            });
            let scratch = winograd::backward_data_scratch_len(&shape, shape.c / LANES);
            check(winograd::BACKWARD_DATA, &shape, 3, |run, types| {
                conv.backward_data((*run, &back, scratch), types, plain)
            });
        }
    }
}

/// What a convolution does on the way out gives the bytes of the steps that do the same to what it stored.
#[test]
fn fused_or_not() {
    let mut random = Random(108);
    let types = Types { read: 15, written: true };
    for shape in convolutions() {
        let conv = Conv::new(&mut random, shape);
        for level in Level::ALL.into_iter().filter(|level| level.supported()) {
            // loops without fused multiply-adds do not round as the vectors of the steps do
            if select(conv::FORWARD, level, &shape).name.ends_with("/reference") {
                continue;
            }
            let k = shape.k_pitch();
            let map = MapShape { c: shape.k, pitch: k, pixels: shape.oh * shape.ow };
            let shift = &conv.k_vectors[0];
            let mut sums = [vec![f64::NAN; 2 * IMAGES * k], vec![f64::NAN; 2 * IMAGES * k]];
            let [fused, apart] = &mut sums;
            let run = (select(conv::FORWARD, level, &shape).run, &conv.packed[..], conv.forward_scratch());
            let out = RowsMut::new(fused, k, 0, k);
            let stored = conv.forward(run, types, false, Some(Sums { shift, out }));
            (select(norm::STATS, level, &map).run)(norm::StatsArgs {
                shape: &map,
                images: IMAGES,
                data: (&stored).into(),
                sums: Sums { shift, out: RowsMut::new(apart, k, 0, k) },
            });
            assert_eq!(bits(fused), bits(apart), "{level} {shape:?}");

            let (c, map) =
                (shape.c_pitch, MapShape { c: shape.c, pitch: shape.c_pitch, pixels: shape.h * shape.w });
            let run = select(conv::BACKWARD_DATA, level, &shape).run;
            let sink = |kernels: &dyn Fn(Sink<'_>)| {
                let mut sums = vec![f64::NAN; 2 * IMAGES * c];
                let stored = conv.sink.held.stored(true, c, |dst| {
                    let out = RowsMut::new(&mut sums, c, 0, c);
                    let sums = Some((conv.sink.y.get(true), Sums { shift: &conv.c_vectors[0], out }));
                    kernels(Sink { dst, accumulate: true, gate: Gate::Stored(conv.src.get(true)), sums });
                });
                (stored, bits(&sums))
            };
            let convolve = |sink: Sink<'_>| {
                run(ConvBackwardDataArgs {
                    shape: &shape,
                    images: IMAGES,
                    grad: conv.grad(types, false),
                    weights: &conv.transposed,
                    blocks: 0..c / LANES,
                    sink,
                    scratch: &mut vec![f32::NAN; conv::backward_data_scratch_len(&shape, IMAGES)],
                });
            };
            let fused = sink(&convolve);
            let apart = sink(&|mut sink| {
                convolve(Sink { dst: sink.dst.reborrow(), accumulate: true, gate: Gate::Open, sums: None });
                let run = select(elementwise::SINK, level, &map).run;
                sink.accumulate = true;
                run(elementwise::SinkArgs { shape: &map, images: IMAGES, g: None, sink });
            });
            assert_eq!(fused, apart, "{level} {shape:?}");
        }
    }
}

/// A convolution that keeps its source reads what it kept.
#[test]
fn sources_are_read_as_they_are_kept() {
    let mut random = Random(109);
    for shape in convolutions() {
        let conv = Conv::new(&mut random, shape);
        for entry in conv::FORWARD.iter().filter(|entry| entry.level.supported() && (entry.fits)(&shape)) {
            let run = |src: MapSource<'_>, keep: Option<MapRowsMut<'_>>| {
                let (k, mut map) = (shape.k_pitch(), vec![f32::NAN; conv.y.full.len()]);
                (entry.run)(ConvForwardArgs {
                    shape: &shape,
                    images: IMAGES,
                    src,
                    keep,
                    weights: &conv.packed,
                    bias: None,
                    finish: Finish::default(),
                    rows: 0..shape.oh,
                    blocks: 0..k / LANES,
                    dst: RowsMut::new(&mut map, k, 0, k).into(),
                    sums: None,
                    scratch: &mut vec![f32::NAN; conv.forward_scratch()],
                });
                map
            };
            let mut kept = vec![Bf16::default(); conv.src.half.len()];
            let keep = RowsMut::new(&mut kept, shape.c_pitch, 0, shape.c_pitch).into();
            let first = run(conv.source(Types { read: 3, written: true }, false), Some(keep));
            assert!(kept.iter().any(|value| value.to_f32() > 0.0), "{}", entry.name);
            assert_eq!(first, run(MapSource::plain(&kept[..]), None), "{} {shape:?}", entry.name);
        }
    }
}

fn bits(sums: &[f64]) -> Vec<u64> {
    sums.iter().map(|sum| sum.to_bits()).collect()
}
