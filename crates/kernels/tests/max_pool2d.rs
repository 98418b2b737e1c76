//! Every entry of the tables of max pooling against the reference over the edge shapes and many windows, and its gradient
//! against finite differences.

mod support;

use plusx_kernels::args::{FusedActivation, MapSource};
use plusx_kernels::pooling::max_pool2d::{BACKWARD, FORWARD, MaxPool2dBackwardArgs, MaxPool2dForwardArgs};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::PoolShape;
use plusx_kernels::{Level, pitch, select};
use support::sinks::{GateForm, SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, U, check, differences, edges};

/// Kernel, stride, padding: ResNet's, halving, overlapping, tiling, one with gaps, lopsided ones.
const WINDOWS: [[[usize; 2]; 3]; 7] = [
    [[3, 3], [2, 2], [1, 1]],
    [[2, 2], [2, 2], [0, 0]],
    [[3, 3], [1, 1], [1, 1]],
    [[3, 3], [3, 3], [0, 0]],
    [[1, 1], [2, 2], [0, 0]],
    [[3, 2], [1, 3], [2, 0]],
    [[2, 4], [2, 1], [1, 3]],
];

fn pools(c: usize, [h, w]: [usize; 2]) -> impl Iterator<Item = PoolShape> {
    WINDOWS.into_iter().filter_map(move |[kernel, stride, padding]| {
        let size = |axis: usize, size: usize| {
            Some((size + 2 * padding[axis]).checked_sub(kernel[axis])? / stride[axis] + 1)
        };
        Some(PoolShape { c, h, w, oh: size(0, h)?, ow: size(1, w)?, kernel, stride, padding })
    })
}

const FORMS: [SourceForm; 3] = [
    SourceForm { affine: false, add: false, add_affine: false, activation: FusedActivation::None },
    SourceForm { affine: true, add: false, add_affine: false, activation: FusedActivation::Relu },
    SourceForm { affine: true, add: true, add_affine: true, activation: FusedActivation::None },
];

/// Values and winners of `src`, from the reference.
fn winners(shape: &PoolShape, images: usize, src: MapSource<'_>) -> (Vec<f32>, Vec<u8>) {
    let pitch = pitch(shape.c);
    let len = images * shape.oh * shape.ow * pitch;
    let (mut map, mut bytes) = (vec![0.0; len], vec![0; len]);
    let winner = Some(RowsMut::new(&mut bytes, pitch, 0, pitch));
    let dst = RowsMut::new(&mut map, pitch, 0, pitch).into();
    (FORWARD[FORWARD.len() - 1].run)(MaxPool2dForwardArgs {
        shape,
        images,
        src,
        rows: 0..shape.oh,
        dst,
        winner,
    });
    (map, bytes)
}

#[test]
fn forward_is_the_reference() {
    let mut random = Random(11);
    for (c, map, images) in edges() {
        for shape in pools(c, map) {
            let pitch = pitch(c);
            for (form, exact) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
                let data = SourceData::new(&mut random, [c, shape.h * shape.w, images], exact);
                let outputs = shape.oh * shape.ow * pitch;
                // a maximum is one of the values: its error is at most the largest of theirs
                let largest = data.bounds(form).into_iter().fold(0.0, f64::max);
                let bounds = Bounds { map: vec![largest; images * outputs], sums: Vec::new() };
                for train in [true, false] {
                    check(FORWARD, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                        let mut map = vec![f32::NAN; piece.len() * outputs];
                        let mut bytes = vec![255; if train { map.len() } else { 0 }];
                        let dst = RowsMut::new(&mut map, pitch, 0, pitch).into();
                        let winner = RowsMut::new(&mut bytes, pitch, 0, pitch);
                        let (images, src) = (piece.len(), data.piece(form, piece));
                        run(MaxPool2dForwardArgs {
                            shape: &shape,
                            images,
                            src,
                            rows: 0..shape.oh,
                            dst,
                            winner: train.then_some(winner),
                        });
                        KernelOutput { map, bytes, ..KernelOutput::default() }
                    });
                }
            }
        }
    }
}

#[test]
fn bands_of_rows_are_the_whole() {
    let mut random = Random(12);
    for (c, map, _) in edges() {
        for shape in pools(c, map).filter(|shape| shape.oh > 1) {
            let pitch = pitch(c);
            let data = SourceData::new(&mut random, [c, shape.h * shape.w, 1], true);
            let src = data.piece(FORMS[1], 0..1);
            let (map, bytes) = winners(&shape, 1, src);
            let cut = shape.oh / 2;
            for entry in FORWARD.iter().filter(|entry| entry.level.supported()) {
                for rows in [0..cut, cut..shape.oh] {
                    let [from, to] = [rows.start, rows.end].map(|row| row * shape.ow * pitch);
                    let (mut part, mut winner) = (vec![f32::NAN; to - from], vec![255; to - from]);
                    (entry.run)(MaxPool2dForwardArgs {
                        shape: &shape,
                        images: 1,
                        src,
                        rows,
                        dst: RowsMut::new(&mut part, pitch, 0, pitch).into(),
                        winner: Some(RowsMut::new(&mut winner, pitch, 0, pitch)),
                    });
                    assert!(part == map[from..to] && winner == bytes[from..to], "{} {shape:?}", entry.name);
                }
            }
        }
    }
}

#[test]
fn max_shows_nan_and_infinity() {
    let shape = PoolShape { c: 1, h: 2, w: 2, oh: 1, ow: 1, kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let windows: [([f32; 4], f32, u8); 6] = [
        ([1.0, nan, 2.0, 0.0], nan, 0),
        ([nan, 3.0, 2.0, inf], nan, 0),
        ([-inf, -inf, -inf, -inf], -inf, 0),
        ([-inf, -1.0, -inf, -1.0], -1.0, 1),
        ([0.0, inf, inf, 0.0], inf, 1),
        ([0.0, -0.0, 0.0, -0.0], 0.0, 0),
    ];
    for entry in FORWARD.iter().filter(|entry| entry.level.supported()) {
        for (values, want, position) in windows {
            let mut data = [0.0; 4 * 16];
            for (pixel, value) in values.into_iter().enumerate() {
                data[pixel * 16] = value;
            }
            let (mut map, mut bytes) = ([0.0; 16], [9; 16]);
            (entry.run)(MaxPool2dForwardArgs {
                shape: &shape,
                images: 1,
                src: MapSource::plain(&data),
                rows: 0..1,
                dst: RowsMut::new(&mut map, 16, 0, 16).into(),
                winner: Some(RowsMut::new(&mut bytes, 16, 0, 16)),
            });
            let right = if want.is_nan() { map[0].is_nan() } else { map[0] == want && bytes[0] == position };
            assert!(right, "{}: {values:?} gives {} at {}", entry.name, map[0], bytes[0]);
        }
    }
}

#[test]
fn backward_is_the_reference() {
    let mut random = Random(12);
    for (c, map, images) in edges() {
        for shape in pools(c, map) {
            let (pitch, pixels, outputs) = (pitch(c), shape.h * shape.w, shape.oh * shape.ow);
            let source = SourceData::new(&mut random, [c, pixels, images], true);
            let (_, winner) = winners(&shape, images, source.piece(FORMS[1], 0..images));
            let reference = BACKWARD[BACKWARD.len() - 1].run;
            for (form, exact) in [
                (SinkForm { gate: GateForm::Affine, accumulate: false, sums: true }, true),
                (SinkForm { gate: GateForm::Affine, accumulate: true, sums: true }, false),
                (SinkForm { gate: GateForm::Open, accumulate: false, sums: false }, false),
            ] {
                let data = SinkData::new(&mut random, [c, pixels, images], exact);
                let g = random.map(images * outputs, c, exact);
                let absolute: Vec<f32> = g.iter().map(|g| g.abs()).collect();
                let plain = SinkForm { gate: GateForm::Open, accumulate: false, sums: false };
                let size = data.fill(plain, 0..images, |sink| {
                    reference(MaxPool2dBackwardArgs {
                        shape: &shape,
                        images,
                        g: (&absolute).into(),
                        winner: &winner,
                        sink,
                    });
                });
                let sizes: Vec<f64> = size.map.iter().map(|size| f64::from(*size)).collect();
                let windows = (shape.kernel[0] * shape.kernel[1]) as f64;
                let errors: Vec<f64> = sizes.iter().map(|size| windows * U * size).collect();
                let bounds = data.bounds(images, &sizes, &errors);
                check(BACKWARD, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                    let range = piece.start * outputs * pitch..piece.end * outputs * pitch;
                    let (g, winner, images) = (&g[range.clone()], &winner[range], piece.len());
                    data.fill(form, piece, |sink| {
                        run(MaxPool2dBackwardArgs { shape: &shape, images, g: g.into(), winner, sink });
                    })
                });
            }
        }
    }
}

#[test]
fn gradient_is_the_difference() {
    let mut random = Random(13);
    for shape in pools(3, [5, 4]) {
        let pixels = shape.h * shape.w;
        // far apart, so that no step of the differences changes a winner
        let mut data = vec![0.0f32; pixels * 16];
        for pixel in 0..pixels {
            for lane in 0..3 {
                data[pixel * 16 + lane] = ((pixel * (7 + 2 * lane)) % 23) as f32 * 0.25 - 2.0;
            }
        }
        let r = random.map(shape.oh * shape.ow, 3, false);
        let x: Vec<f64> = data.iter().map(|value| f64::from(*value)).collect();
        let numeric = differences(&x, 1e-2, |x| {
            let data: Vec<f32> = x.iter().map(|value| *value as f32).collect();
            let src = MapSource::plain(&data);
            let (map, _) = winners(&shape, 1, src);
            map.iter().zip(&r).map(|(y, r)| f64::from(*y) * f64::from(*r)).sum()
        });
        let src = MapSource::plain(&data);
        let (_, winner) = winners(&shape, 1, src);
        let sink = SinkData::new(&mut random, [3, pixels, 1], false);
        let form = SinkForm { gate: GateForm::Open, accumulate: false, sums: false };
        let run = select(BACKWARD, Level::detect(), &shape).run;
        let analytic = sink.fill(form, 0..1, |sink| {
            run(MaxPool2dBackwardArgs { shape: &shape, images: 1, g: (&r).into(), winner: &winner, sink });
        });
        // the step of 1e-2 is rounded to f32 on top of values up to 4: 4 U / 1e-2, twice, times at most nine of |r| <= 2
        for (analytic, numeric) in analytic.map.iter().zip(&numeric) {
            assert!((f64::from(*analytic) - numeric).abs() < 18.0 * 8.0 * U / 1e-2, "{analytic} {numeric}");
        }
    }
}
