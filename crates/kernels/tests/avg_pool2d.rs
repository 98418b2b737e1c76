//! Every entry of the tables of average pooling against the reference over the edge shapes and many windows, some of them
//! cut off by the end of the map, and its gradient against finite differences.

mod support;

use plusx_kernels::args::{FusedActivation, MapSource};
use plusx_kernels::pooling::avg_pool2d::{
    AvgPool2dBackwardArgs, AvgPool2dForward, AvgPool2dForwardArgs, BACKWARD, FORWARD,
};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::PoolShape;
use plusx_kernels::{Level, pitch, select};
use support::sinks::{GateForm, SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, U, check, differences, edges};

/// Kernel, stride, padding: halving, overlapping, with gaps, lopsided, one of more taps than a chain may have.
const WINDOWS: [[[usize; 2]; 3]; 6] = [
    [[2, 2], [2, 2], [0, 0]],
    [[3, 3], [2, 2], [1, 1]],
    [[3, 3], [1, 1], [1, 1]],
    [[1, 1], [2, 3], [0, 0]],
    [[3, 2], [1, 3], [2, 0]],
    [[9, 8], [4, 5], [5, 3]],
];

/// All windows that fit, with sizes rounded down and up.
fn pools(c: usize, [h, w]: [usize; 2]) -> impl Iterator<Item = PoolShape> {
    let windows = WINDOWS.into_iter().flat_map(|window| [(window, false), (window, true)]);
    windows.filter_map(move |([kernel, stride, padding], ceil)| {
        // counted by moving a window
        let count = |axis: usize, size: usize| {
            let fits = |start: usize| {
                let whole = start + kernel[axis] <= size + 2 * padding[axis];
                whole || ceil && start + kernel[axis] < size + 2 * padding[axis] + stride[axis]
            };
            let begins = |start: usize| start < size + padding[axis];
            let starts = (0..).map(|o| o * stride[axis]);
            Some(starts.take_while(|start| fits(*start) && begins(*start)).count()).filter(|count| *count > 0)
        };
        Some(PoolShape { c, h, w, oh: count(0, h)?, ow: count(1, w)?, kernel, stride, padding })
    })
}

const FORMS: [SourceForm; 3] = [
    SourceForm { affine: false, add: false, add_affine: false, activation: FusedActivation::None },
    SourceForm { affine: true, add: false, add_affine: false, activation: FusedActivation::Relu },
    SourceForm { affine: true, add: true, add_affine: true, activation: FusedActivation::None },
];

/// Means of `src`, from `run`.
fn means(run: AvgPool2dForward, shape: &PoolShape, images: usize, src: MapSource<'_>) -> Vec<f32> {
    let pitch = pitch(shape.c);
    let mut map = vec![f32::NAN; images * shape.oh * shape.ow * pitch];
    run(AvgPool2dForwardArgs { shape, images, src, dst: RowsMut::new(&mut map, pitch, 0, pitch).into() });
    map
}

#[test]
fn forward_is_the_reference() {
    let mut random = Random(21);
    let reference = FORWARD[FORWARD.len() - 1].run;
    for (c, map, images) in edges() {
        for shape in pools(c, map) {
            let taps = (shape.kernel[0] * shape.kernel[1]) as f64;
            for form in FORMS {
                let data = SourceData::new(&mut random, [c, shape.h * shape.w, images], false);
                // the bound of a value is four half-ulps of its parts; a chain costs one more for each tap
                let largest = data.bounds(form).into_iter().fold(0.0, f64::max);
                let bound = largest * (1.0 + (taps + 2.0) / 4.0);
                let bounds =
                    Bounds { map: vec![bound; images * shape.oh * shape.ow * pitch(c)], sums: Vec::new() };
                check(FORWARD, &shape, images, Some(&bounds), |run, piece| {
                    let map = means(*run, &shape, piece.len(), data.piece(form, piece));
                    KernelOutput { map, ..KernelOutput::default() }
                });
            }
            // the mean of ones is one in every window, and tails stay zero
            let ones: Vec<f32> = (0..images * shape.h * shape.w * pitch(c))
                .map(|index| if index % pitch(c) < c { 1.0 } else { 0.0 })
                .collect();
            let src = MapSource::plain(&ones);
            for run in [reference, select(FORWARD, Level::detect(), &shape).run] {
                for (index, mean) in means(run, &shape, images, src).into_iter().enumerate() {
                    let want = if index % pitch(c) < c { 1.0 } else { 0.0 };
                    assert!((mean - want).abs() < 1e-6, "{shape:?}: {mean} instead of {want}");
                }
            }
        }
    }
}

#[test]
fn backward_is_the_reference() {
    let mut random = Random(22);
    let reference = BACKWARD[BACKWARD.len() - 1].run;
    for (c, map, images) in edges() {
        for shape in pools(c, map) {
            let (pitch, pixels, outputs) = (pitch(c), shape.h * shape.w, shape.oh * shape.ow);
            for form in [
                SinkForm { gate: GateForm::Affine, accumulate: true, sums: true },
                SinkForm { gate: GateForm::Stored, accumulate: false, sums: true },
                SinkForm { gate: GateForm::Open, accumulate: false, sums: false },
            ] {
                let data = SinkData::new(&mut random, [c, pixels, images], false);
                let g = random.map(images * outputs, c, false);
                let absolute: Vec<f32> = g.iter().map(|g| g.abs()).collect();
                let plain = SinkForm { gate: GateForm::Open, accumulate: false, sums: false };
                let size = data.fill(plain, 0..images, |sink| {
                    reference(AvgPool2dBackwardArgs { shape: &shape, images, g: (&absolute).into(), sink });
                });
                let sizes: Vec<f64> = size.map.iter().map(|size| f64::from(*size)).collect();
                let windows = (shape.kernel[0] * shape.kernel[1]) as f64;
                // reciprocal and product round beside each addition
                let errors: Vec<f64> = sizes.iter().map(|size| (windows + 2.0) * U * size).collect();
                let bounds = data.bounds(images, &sizes, &errors);
                check(BACKWARD, &shape, images, Some(&bounds), |run, piece| {
                    let g = &g[piece.start * outputs * pitch..piece.end * outputs * pitch];
                    let images = piece.len();
                    data.fill(form, piece, |sink| {
                        run(AvgPool2dBackwardArgs { shape: &shape, images, g: g.into(), sink })
                    })
                });
            }
        }
    }
}

#[test]
fn gradient_is_the_difference() {
    let mut random = Random(23);
    for shape in pools(3, [5, 4]) {
        let pixels = shape.h * shape.w;
        let data = random.map(pixels, 3, false);
        let r = random.map(shape.oh * shape.ow, 3, false);
        let x: Vec<f64> = data.iter().map(|value| f64::from(*value)).collect();
        let forward = select(FORWARD, Level::detect(), &shape).run;
        let numeric = differences(&x, 0.25, |x| {
            let data: Vec<f32> = x.iter().map(|value| *value as f32).collect();
            let src = MapSource::plain(&data);
            let map = means(forward, &shape, 1, src);
            map.iter().zip(&r).map(|(y, r)| f64::from(*y) * f64::from(*r)).sum()
        });
        let sink = SinkData::new(&mut random, [3, pixels, 1], false);
        let form = SinkForm { gate: GateForm::Open, accumulate: false, sums: false };
        let run = select(BACKWARD, Level::detect(), &shape).run;
        let analytic = sink.fill(form, 0..1, |sink| {
            run(AvgPool2dBackwardArgs { shape: &shape, images: 1, g: (&r).into(), sink })
        });
        // a linear function: nothing but rounding, of means of at most 72 values below 2.25, over two steps
        for (analytic, numeric) in analytic.map.iter().zip(&numeric) {
            assert!(
                (f64::from(*analytic) - numeric).abs() < 20.0 * 74.0 * 2.25 * U / 0.25,
                "{analytic} {numeric}"
            );
        }
    }
}
