//! Every entry of the tables of subsampling against the reference over the edge shapes, strides and channels of zeros:
//! values and gradients are copies, so nothing may differ.

mod support;

use plusx_kernels::args::{FusedActivation, MapSource};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::SubsampleShape;
use plusx_kernels::subsample::{BACKWARD, FORWARD, SubsampleBackwardArgs, SubsampleForwardArgs};
use plusx_kernels::{Level, pitch, select};
use support::sinks::{GateForm, SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, check, edges};

/// Strides, channels before and after: ResNet's with half a vector and a whole one, lopsided ones, nothing at all.
const CASES: [([usize; 2], [usize; 2]); 5] =
    [([2, 2], [8, 8]), ([2, 2], [16, 16]), ([1, 3], [1, 0]), ([3, 2], [0, 5]), ([1, 1], [0, 0])];

fn shapes(c: usize, [h, w]: [usize; 2]) -> impl Iterator<Item = SubsampleShape> {
    CASES.into_iter().map(move |(stride, [before, after])| {
        let (oh, ow) = (h.div_ceil(stride[0]), w.div_ceil(stride[1]));
        SubsampleShape { c, h, w, oh, ow, stride, before, after }
    })
}

const FORMS: [SourceForm; 3] = [
    SourceForm { affine: false, add: false, add_affine: false, activation: FusedActivation::None },
    SourceForm { affine: true, add: false, add_affine: false, activation: FusedActivation::Relu },
    SourceForm { affine: true, add: true, add_affine: true, activation: FusedActivation::None },
];

fn forward(
    run: fn(SubsampleForwardArgs<'_>),
    shape: &SubsampleShape,
    images: usize,
    src: MapSource<'_>,
) -> Vec<f32> {
    let pitch = shape.k_pitch();
    let mut map = vec![f32::NAN; images * shape.oh * shape.ow * pitch];
    run(SubsampleForwardArgs { shape, images, src, dst: RowsMut::new(&mut map, pitch, 0, pitch).into() });
    map
}

#[test]
fn forward_is_the_reference() {
    let mut random = Random(31);
    for (c, map, images) in edges() {
        for shape in shapes(c, map) {
            for (form, exact) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
                let data = SourceData::new(&mut random, [c, shape.h * shape.w, images], exact);
                let largest = data.bounds(form).into_iter().fold(0.0, f64::max);
                let len = images * shape.oh * shape.ow * shape.k_pitch();
                let bounds = Bounds { map: vec![largest; len], sums: Vec::new() };
                check(FORWARD, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                    let map = forward(*run, &shape, piece.len(), data.piece(form, piece));
                    KernelOutput { map, ..KernelOutput::default() }
                });
            }
        }
    }
}

/// By hand: which pixel goes where, and zeros everywhere else.
#[test]
fn every_value_is_where_it_belongs() {
    let shape = SubsampleShape { c: 17, h: 5, w: 4, oh: 3, ow: 2, stride: [2, 2], before: 3, after: 20 };
    let value = |y: usize, x: usize, c: usize| (1 + c + 100 * x + 1000 * y) as f32;
    let mut data = vec![0.0; 5 * 4 * 32];
    for (y, x, c) in (0..5).flat_map(|y| (0..4).flat_map(move |x| (0..17).map(move |c| (y, x, c)))) {
        data[(y * 4 + x) * 32 + c] = value(y, x, c);
    }
    for entry in FORWARD.iter().filter(|entry| entry.level.supported()) {
        let src = MapSource::plain(&data);
        let map = forward(entry.run, &shape, 1, src);
        for (index, found) in map.into_iter().enumerate() {
            let (pixel, channel) = (index / 48, index % 48);
            let inside = (3..20).contains(&channel);
            let want = if inside { value(pixel / 2 * 2, pixel % 2 * 2, channel - 3) } else { 0.0 };
            assert_eq!(found, want, "{}: pixel {pixel}, channel {channel}", entry.name);
        }
    }
}

/// Forward and backward are each other's transpose: r . A x = A^T r . x.
#[test]
fn gradient_is_the_transpose() {
    let mut random = Random(32);
    for (c, map, images) in edges() {
        for shape in shapes(c, map) {
            let (pixels, outputs) = (shape.h * shape.w, shape.oh * shape.ow);
            let x = random.map(images * pixels, c, true);
            let r = random.map(images * outputs, shape.before + c + shape.after, true);
            let src = MapSource::plain(&x);
            let y = forward(select(FORWARD, Level::detect(), &shape).run, &shape, images, src);
            let sink = SinkData::new(&mut random, [c, pixels, images], true);
            let form = SinkForm { gate: GateForm::Open, accumulate: false, sums: false };
            let run = select(BACKWARD, Level::detect(), &shape).run;
            let dx = sink.fill(form, 0..images, |sink| {
                run(SubsampleBackwardArgs { shape: &shape, images, g: (&r).into(), sink })
            });
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            // multiples of 1/256, so both sums are exact
            assert_eq!(dot(&y, &r), dot(&dx.map, &x), "{shape:?}");
            assert!(dx.map.chunks(pitch(c)).all(|row| row[c..].iter().all(|tail| *tail == 0.0)));
        }
    }
}

#[test]
fn backward_is_the_reference() {
    let mut random = Random(33);
    for (c, map, images) in edges() {
        for shape in shapes(c, map) {
            let (pixels, outputs, k_pitch) = (shape.h * shape.w, shape.oh * shape.ow, shape.k_pitch());
            for (form, exact) in SinkForm::all().flat_map(|form| [(form, true), (form, false)]) {
                let data = SinkData::new(&mut random, [c, pixels, images], exact);
                let g = random.map(images * outputs, shape.before + c + shape.after, exact);
                let sizes = vec![2.0; images * pixels * pitch(c)];
                let bounds = data.bounds(images, &sizes, &vec![0.0; sizes.len()]);
                check(BACKWARD, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                    let g = &g[piece.start * outputs * k_pitch..piece.end * outputs * k_pitch];
                    let images = piece.len();
                    data.fill(form, piece, |sink| {
                        run(SubsampleBackwardArgs { shape: &shape, images, g: g.into(), sink })
                    })
                });
            }
        }
    }
}
