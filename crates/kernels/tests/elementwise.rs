//! Every entry of `EVALUATE`, `SINK` and `STATS` against the reference, over the edge shapes and every form of source
//! and sink.

mod support;

use plusx_kernels::args::{FusedActivation, MapSource, MapTerm, SUM_RUN, Sums};
use plusx_kernels::elementwise::{EVALUATE, EvaluateArgs, SINK, SinkArgs};
use plusx_kernels::norm::{STATS, StatsArgs};
use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::MapShape;
use support::sinks::{SinkData, SinkForm, SourceData, SourceForm};
use support::{Bounds, KernelOutput, Random, U, check, edges};

fn map_shape(c: usize, [h, w]: [usize; 2]) -> MapShape {
    MapShape { c, pitch: pitch(c), pixels: h * w }
}

#[test]
fn evaluate_is_the_reference() {
    let mut random = Random(1);
    for (c, map, images) in edges() {
        let shape = map_shape(c, map);
        for (form, exact) in SourceForm::all().flat_map(|form| [(form, true), (form, false)]) {
            let data = SourceData::new(&mut random, [c, shape.pixels, images], exact);
            let bounds = Bounds { map: data.bounds(form), sums: Vec::new() };
            check(EVALUATE, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                let mut map = vec![f32::NAN; piece.len() * shape.pixels * shape.pitch];
                let dst = RowsMut::new(&mut map, shape.pitch, 0, shape.pitch).into();
                let (images, src) = (piece.len(), data.piece(form, piece));
                run(EvaluateArgs { shape: &shape, images, src, dst });
                KernelOutput { map, ..KernelOutput::default() }
            });
        }
    }
}

#[test]
fn evaluate_pads_the_network_input() {
    let shape = MapShape { c: 3, pitch: 3, pixels: 4 };
    let data: Vec<f32> = (0..2 * 4 * 3).map(|value| value as f32 - 12.0).collect();
    let run = plusx_kernels::select(EVALUATE, plusx_kernels::Level::detect(), &shape).run;
    let mut map = vec![f32::NAN; 2 * 4 * 16];
    let src = MapSource {
        main: MapTerm { data: (&data).into(), affine: None },
        add: None,
        activation: FusedActivation::Relu,
    };
    run(EvaluateArgs { shape: &shape, images: 2, src, dst: RowsMut::new(&mut map, 16, 0, 16).into() });
    for (row, pixel) in map.chunks(16).zip(data.chunks(3)) {
        for (lane, value) in row.iter().enumerate() {
            assert_eq!(*value, pixel.get(lane).map_or(0.0, |value| value.max(0.0)));
        }
    }
}

#[test]
fn relu_shows_nan() {
    let shape = MapShape { c: 16, pitch: 16, pixels: 1 };
    let mut data = [-1.0f32; 16];
    data[3] = f32::NAN;
    for entry in EVALUATE.iter().filter(|entry| entry.level.supported()) {
        let mut map = [1.0f32; 16];
        let src = MapSource {
            main: MapTerm { data: (&data).into(), affine: None },
            add: None,
            activation: FusedActivation::Relu,
        };
        (entry.run)(EvaluateArgs {
            shape: &shape,
            images: 1,
            src,
            dst: RowsMut::new(&mut map, 16, 0, 16).into(),
        });
        assert!(map[3].is_nan() && map[2] == 0.0, "{}", entry.name);
    }
}

#[test]
fn sink_is_the_reference() {
    let mut random = Random(2);
    for (c, map, images) in edges() {
        let shape = map_shape(c, map);
        let size = shape.pixels * shape.pitch;
        for (form, exact) in SinkForm::all().flat_map(|form| [(form, true), (form, false)]) {
            let data = SinkData::new(&mut random, [c, shape.pixels, images], exact);
            let g = random.map(images * shape.pixels, c, exact);
            let sizes: Vec<f64> = g.iter().map(|g| f64::from(g.abs())).collect();
            let bounds = data.bounds(images, &sizes, &vec![0.0; sizes.len()]);
            for with in [true, false] {
                if !with && !form.accumulate {
                    continue;
                }
                check(SINK, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                    let g = with.then(|| g[piece.start * size..piece.end * size].into());
                    let images = piece.len();
                    data.fill(form, piece, |sink| run(SinkArgs { shape: &shape, images, g, sink }))
                });
            }
        }
    }
}

#[test]
fn stats_are_the_reference() {
    let mut random = Random(3);
    for (c, map, images) in edges() {
        let shape = map_shape(c, map);
        let size = shape.pixels * shape.pitch;
        for exact in [true, false] {
            let data = random.map(images * shape.pixels, c, exact);
            let shift = random.map(1, c, exact);
            let mut bounds = Bounds { map: Vec::new(), sums: vec![0.0; images * 2 * shape.pitch] };
            for (index, value) in data.iter().enumerate() {
                let (image, lane) = (index / size, index % shape.pitch);
                let value = f64::from(value.abs()) + f64::from(shift[lane].abs());
                let chain = (SUM_RUN + 3) as f64 * U * value;
                bounds.sums[image * 2 * shape.pitch + lane] += chain;
                bounds.sums[(image * 2 + 1) * shape.pitch + lane] += chain * value;
            }
            check(STATS, &shape, images, (!exact).then_some(&bounds), |run, piece| {
                let mut sums = vec![f64::NAN; piece.len() * 2 * shape.pitch];
                let out = RowsMut::new(&mut sums, shape.pitch, 0, shape.pitch);
                let data = data[piece.start * size..piece.end * size].into();
                run(StatsArgs {
                    shape: &shape,
                    images: piece.len(),
                    data,
                    sums: Sums { shift: &shift, out },
                });
                KernelOutput { sums, ..KernelOutput::default() }
            });
        }
    }
}
