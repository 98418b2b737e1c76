//! Every entry of the tables of concatenation against the reference over the edge shapes: values and gradients are copies,
//! so nothing may differ.

mod support;

use plusx_kernels::args::{FusedActivation, MapSource};
use plusx_kernels::concat::{BACKWARD, ConcatBackwardArgs, ConcatForwardArgs, FORWARD};
use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::ConcatShape;
use support::sinks::{SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, check, edges};

/// Channels before and after: whole vectors, halves, odd ones, nothing.
const PLACES: [[usize; 2]; 6] = [[16, 16], [8, 8], [5, 0], [0, 3], [31, 2], [0, 0]];

const FORMS: [SourceForm; 3] = [
    SourceForm { affine: false, add: false, add_affine: false, activation: FusedActivation::None },
    SourceForm { affine: true, add: false, add_affine: false, activation: FusedActivation::Relu },
    SourceForm { affine: true, add: true, add_affine: true, activation: FusedActivation::None },
];

/// What stands in the channels of other maps.
const OTHER: f32 = 0.625;

fn forward(
    run: fn(ConcatForwardArgs<'_>),
    shape: &ConcatShape,
    images: usize,
    src: MapSource<'_>,
) -> Vec<f32> {
    let pitch = shape.k_pitch();
    let mut map = vec![OTHER; images * shape.pixels * pitch];
    run(ConcatForwardArgs { shape, images, src, dst: RowsMut::new(&mut map, pitch, 0, pitch).into() });
    map
}

#[test]
fn forward_is_the_reference() {
    let mut random = Random(91);
    for (c, [h, w], images) in edges() {
        for [before, after] in PLACES {
            let shape = ConcatShape { c, pixels: h * w, before, after };
            for (form, exact) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
                let data = SourceData::new(&mut random, [c, shape.pixels, images], exact);
                let largest = data.bounds(form).into_iter().fold(0.0, f64::max);
                let len = images * shape.pixels * shape.k_pitch();
                let bounds = Bounds { map: vec![largest; len], sums: Vec::new() };
                check(FORWARD, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                    let map = forward(*run, &shape, piece.len(), data.piece(form, piece));
                    KernelOutput { map, ..KernelOutput::default() }
                });
            }
        }
    }
}

/// By hand: which channel goes where, what stays, and which tails become 0.
#[test]
fn every_value_is_where_it_belongs() {
    for [before, after] in PLACES {
        let shape = ConcatShape { c: 19, pixels: 3, before, after };
        let mut data = vec![0.0; 3 * 32];
        for (index, value) in data.iter_mut().enumerate().filter(|(index, _)| index % 32 < 19) {
            *value = 1.0 + index as f32;
        }
        for entry in FORWARD.iter().filter(|entry| entry.level.supported()) {
            let map = forward(entry.run, &shape, 1, MapSource::plain(&data));
            for (index, found) in map.into_iter().enumerate() {
                let (pixel, channel) = (index / shape.k_pitch(), index % shape.k_pitch());
                let want = match channel.checked_sub(before) {
                    Some(own) if own < 19 => data[pixel * 32 + own],
                    Some(_) if after == 0 => 0.0,
                    _ => OTHER,
                };
                assert_eq!(found, want, "{}: pixel {pixel}, channel {channel}, {shape:?}", entry.name);
            }
        }
    }
}

#[test]
fn backward_is_the_reference() {
    let mut random = Random(92);
    for (c, [h, w], images) in edges() {
        for [before, after] in PLACES {
            let shape = ConcatShape { c, pixels: h * w, before, after };
            let (pixels, k_pitch) = (shape.pixels, shape.k_pitch());
            for (form, exact) in SinkForm::all().flat_map(|form| [(form, true), (form, false)]) {
                let data = SinkData::new(&mut random, [c, pixels, images], exact);
                let g = random.map(images * pixels, before + c + after, exact);
                let sizes = vec![2.0; images * pixels * pitch(c)];
                let bounds = data.bounds(images, &sizes, &vec![0.0; sizes.len()]);
                check(BACKWARD, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                    let g = &g[piece.start * pixels * k_pitch..piece.end * pixels * k_pitch];
                    let images = piece.len();
                    data.fill(form, piece, |sink| {
                        run(ConcatBackwardArgs { shape: &shape, images, g: g.into(), sink })
                    })
                });
            }
        }
    }
}
