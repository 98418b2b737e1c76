//! Every entry of the tables of global average pooling against the reference over the edge shapes.

mod support;

use plusx_kernels::args::{FusedActivation, SUM_RUN};
use plusx_kernels::pitch;
use plusx_kernels::pooling::global_avg_pool2d::{
    BACKWARD, FORWARD, GlobalAvgPool2dBackwardArgs, GlobalAvgPool2dForwardArgs,
};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::MapShape;
use support::sinks::{SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, U, check, edges};

const FORMS: [SourceForm; 3] = [
    SourceForm { affine: false, add: false, add_affine: false, activation: FusedActivation::None },
    SourceForm { affine: true, add: false, add_affine: false, activation: FusedActivation::Relu },
    SourceForm { affine: true, add: true, add_affine: true, activation: FusedActivation::None },
];

#[test]
fn means_and_gradients_are_the_reference() {
    let mut random = Random(14);
    for (c, [h, w], images) in edges() {
        let shape = MapShape { c, pitch: pitch(c), pixels: h * w };
        for (form, exact) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
            let data = SourceData::new(&mut random, [c, shape.pixels, images], exact);
            let mut bounds = Bounds { map: vec![0.0; images * shape.pitch], sums: Vec::new() };
            for (index, error) in data.bounds(form).into_iter().enumerate() {
                let at = index / (shape.pixels * shape.pitch) * shape.pitch + index % shape.pitch;
                // `error` is four half-ulps of the value's parts: a chain costs at most SUM_RUN of them
                bounds.map[at] += error * (SUM_RUN as f64 / 4.0 + 2.0) / shape.pixels as f64;
            }
            check(FORWARD, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                let mut map = vec![f32::NAN; piece.len() * shape.pitch];
                let dst = RowsMut::new(&mut map, shape.pitch, 0, shape.pitch).into();
                let (images, src) = (piece.len(), data.piece(form, piece));
                run(GlobalAvgPool2dForwardArgs { shape: &shape, images, src, dst });
                KernelOutput { map, ..KernelOutput::default() }
            });
        }
        for form in SinkForm::all() {
            let data = SinkData::new(&mut random, [c, shape.pixels, images], false);
            let g = random.map(images, c, false);
            let share = |index: usize| {
                let at = index / (shape.pixels * shape.pitch) * shape.pitch + index % shape.pitch;
                f64::from(g[at].abs()) / shape.pixels as f64
            };
            let sizes: Vec<f64> = (0..data.y.len()).map(share).collect();
            let errors: Vec<f64> = sizes.iter().map(|size| U * size).collect();
            let bounds = data.bounds(images, &sizes, &errors);
            check(BACKWARD, &shape, images, Some(&bounds), |run, piece| {
                let g = &g[piece.start * shape.pitch..piece.end * shape.pitch];
                let images = piece.len();
                data.fill(form, piece, |sink| {
                    run(GlobalAvgPool2dBackwardArgs { shape: &shape, images, g: g.into(), sink })
                })
            });
        }
    }
}
