//! Every entry of the tables of the product by channel against the reference over the edge shapes.

mod support;

use plusx_kernels::args::{FusedActivation, SUM_RUN};
use plusx_kernels::multiply::{
    BACKWARD_MAP, BACKWARD_SCALE, FORWARD, MultiplyBackwardMapArgs, MultiplyBackwardScaleArgs,
    MultiplyForwardArgs,
};
use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::MapShape;
use support::sinks::{SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, U, check, edges};

const PLAIN: SourceForm =
    SourceForm { affine: false, add: false, add_affine: false, activation: FusedActivation::None };

const FORMS: [SourceForm; 3] = [
    PLAIN,
    SourceForm { affine: true, activation: FusedActivation::Relu, ..PLAIN },
    SourceForm { affine: true, add: true, add_affine: true, ..PLAIN },
];

/// Size of a source: its bound is four half-ulps of it.
fn sizes(data: &SourceData, form: SourceForm) -> Vec<f64> {
    data.bounds(form).into_iter().map(|bound| bound / (4.0 * U)).collect()
}

#[test]
fn products_are_the_reference() {
    let mut random = Random(81);
    for (c, [h, w], images) in edges() {
        let shape = MapShape { c, pitch: pitch(c), pixels: h * w };
        for (form, exact) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
            let data = SourceData::new(&mut random, [c, shape.pixels, images], exact);
            let scale = SourceData::new(&mut random, [c, 1, images], exact);
            let scales = sizes(&scale, form);
            let mut bounds = Bounds { map: sizes(&data, form), sums: Vec::new() };
            for (index, bound) in bounds.map.iter_mut().enumerate() {
                let at = index / (shape.pixels * shape.pitch) * shape.pitch + index % shape.pitch;
                *bound *= scales[at] * 9.0 * U;
            }
            // products of two exact affines have too many bits
            let bounds = (!exact || form.affine).then_some(&bounds);
            check(FORWARD, &shape, images, bounds, |run, piece| {
                let mut map = vec![f32::NAN; piece.len() * shape.pixels * shape.pitch];
                let dst = RowsMut::new(&mut map, shape.pitch, 0, shape.pitch).into();
                let (images, src, scale) =
                    (piece.len(), data.piece(form, piece.clone()), scale.piece(form, piece));
                run(MultiplyForwardArgs { shape: &shape, images, src, scale, dst });
                KernelOutput { map, ..KernelOutput::default() }
            });
        }
    }
}

#[test]
fn gradients_are_the_reference() {
    let mut random = Random(82);
    for (c, [h, w], images) in edges() {
        let shape = MapShape { c, pitch: pitch(c), pixels: h * w };
        let size = shape.pixels * shape.pitch;
        for (sink_form, form) in SinkForm::all().flat_map(|sink| FORMS.map(|form| (sink, form))) {
            let source = SourceData::new(&mut random, [c, shape.pixels, images], false);
            let scale = SourceData::new(&mut random, [c, 1, images], false);
            let g = random.map(images * shape.pixels, c, false);
            let own = |index: usize| index / size * shape.pitch + index % shape.pitch;

            let scales = sizes(&scale, form);
            let products: Vec<f64> =
                (0..images * size).map(|index| f64::from(g[index].abs()) * scales[own(index)]).collect();
            let errors: Vec<f64> = products.iter().map(|product| 6.0 * U * product).collect();
            let data = SinkData::new(&mut random, [c, shape.pixels, images], false);
            let bounds = data.bounds(images, &products, &errors);
            check(BACKWARD_MAP, &shape, images, Some(&bounds), |run, piece| {
                let g = &g[piece.start * size..piece.end * size];
                let (images, scale) = (piece.len(), scale.piece(form, piece.clone()));
                data.fill(sink_form, piece, |sink| {
                    run(MultiplyBackwardMapArgs { shape: &shape, images, g: g.into(), scale, sink })
                })
            });

            let mut totals = vec![0.0; images * shape.pitch];
            for (index, x) in sizes(&source, form).into_iter().enumerate() {
                totals[own(index)] += f64::from(g[index].abs()) * x;
            }
            let errors: Vec<f64> = totals.iter().map(|total| (SUM_RUN + 6) as f64 * U * total).collect();
            let data = SinkData::new(&mut random, [c, 1, images], false);
            let bounds = data.bounds(images, &totals, &errors);
            check(BACKWARD_SCALE, &shape, images, Some(&bounds), |run, piece| {
                let g = &g[piece.start * size..piece.end * size];
                let (images, src) = (piece.len(), source.piece(form, piece.clone()));
                data.fill(sink_form, piece, |sink| {
                    run(MultiplyBackwardScaleArgs { shape: &shape, images, g: g.into(), src, sink })
                })
            });
        }
    }
}
