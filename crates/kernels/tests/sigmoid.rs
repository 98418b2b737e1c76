//! Every entry of the tables of the logistic function against the reference over the edge shapes.

mod support;

use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::MapShape;
use plusx_kernels::sigmoid::{BACKWARD, FORWARD, SigmoidBackwardArgs, SigmoidForwardArgs};
use support::sinks::{SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, U, check, edges};

#[test]
fn values_and_gradients_are_the_reference() {
    let mut random = Random(71);
    for (c, [h, w], images) in edges() {
        let shape = MapShape { c, pitch: pitch(c), pixels: h * w };
        for form in SourceForm::all() {
            let data = SourceData::new(&mut random, [c, shape.pixels, images], false);
            // the slope is at most a quarter; the result is at most 1 and rounded once
            let bounds = data.bounds(form).into_iter().map(|error| error / 4.0 + U).collect();
            let bounds = Bounds { map: bounds, sums: Vec::new() };
            check(FORWARD, &shape, images, Some(&bounds), |run, piece| {
                let mut map = vec![f32::NAN; piece.len() * shape.pixels * shape.pitch];
                let dst = RowsMut::new(&mut map, shape.pitch, 0, shape.pitch).into();
                let (images, src) = (piece.len(), data.piece(form, piece));
                run(SigmoidForwardArgs { shape: &shape, images, src, dst });
                assert!(map.chunks(shape.pitch).all(|row| row[c..].iter().all(|tail| *tail == 0.0)));
                KernelOutput { map, ..KernelOutput::default() }
            });
        }
        for form in SinkForm::all() {
            let data = SinkData::new(&mut random, [c, shape.pixels, images], false);
            let g = random.map(images * shape.pixels, c, false);
            let mut y = random.map(images * shape.pixels, c, false);
            y.iter_mut().for_each(|y| *y = y.abs() / 2.0);
            let sizes: Vec<f64> =
                g.iter().zip(&y).map(|(g, y)| f64::from(g.abs() * y * (1.0 - y).abs())).collect();
            let errors: Vec<f64> = sizes.iter().map(|size| 4.0 * U * size).collect();
            let bounds = data.bounds(images, &sizes, &errors);
            check(BACKWARD, &shape, images, Some(&bounds), |run, piece| {
                let size = shape.pixels * shape.pitch;
                let own = piece.start * size..piece.end * size;
                let (g, y, images) = (&g[own.clone()], &y[own], piece.len());
                data.fill(form, piece, |sink| {
                    run(SigmoidBackwardArgs { shape: &shape, images, g: g.into(), y: y.into(), sink })
                })
            });
        }
    }
}

/// Far from 0 the function ends at 0 and 1 without overflow, and what is not a number stays so.
#[test]
fn ends_are_exact() {
    let x = [0.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -80.0, 80.0];
    let mut data = [0.0; 16];
    data[..x.len()].copy_from_slice(&x);
    let shape = MapShape { c: x.len(), pitch: 16, pixels: 1 };
    for entry in FORWARD.iter().filter(|entry| entry.level.supported()) {
        let mut map = [f32::NAN; 16];
        let dst = RowsMut::new(&mut map, 16, 0, 16).into();
        let src = plusx_kernels::args::MapSource::plain(&data);
        (entry.run)(SigmoidForwardArgs { shape: &shape, images: 1, src, dst });
        assert_eq!(map[..5], [0.5, 1.0, 0.0, 1.0, 0.0], "{}", entry.name);
        assert!(map[5].is_nan(), "{}", entry.name);
        assert_eq!(map[6], (-80.0f64).exp() as f32, "{}", entry.name);
        assert_eq!(map[7..], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], "{}", entry.name);
    }
}
