//! What a convolution does on the way out (statistics, gate, sums) gives the same bytes as the standalone steps, so that
//! a plan may fuse or not without changing a result.

mod support;

use plusx_kernels::args::{Finish, Gate, Grad, MapSource, Sink, Sums};
use plusx_kernels::conv::{self, ConvBackwardDataArgs, ConvForwardArgs};
use plusx_kernels::elementwise::{SINK, SinkArgs};
use plusx_kernels::norm::{STATS, StatsArgs};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::{ConvShape, MapShape};
use plusx_kernels::{LANES, Level, select};
use support::sinks::{SinkData, SinkForm};
use support::{Random, conv_shape};

/// Shapes on both sides of the border between the walks by pixel and by image, and beyond one run of 64 pixels.
fn shapes() -> Vec<ConvShape> {
    vec![
        conv_shape([3, 17, 1, 3, 1, 1]),
        conv_shape([16, 6, 4, 3, 1, 1]),
        conv_shape([17, 64, 7, 3, 2, 1]),
        conv_shape([6, 33, 9, 3, 1, 1]),
        conv_shape([16, 16, 12, 3, 2, 1]),
        ConvShape { groups: 9, ..conv_shape([36, 36, 9, 3, 1, 1]) },
        ConvShape { groups: 2, ..conv_shape([64, 64, 6, 3, 2, 1]) },
    ]
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.supported())
}

fn bits(sums: &[f64]) -> Vec<u64> {
    sums.iter().map(|sum| sum.to_bits()).collect()
}

#[test]
fn statistics_fused_or_not() {
    let mut random = Random(61);
    for (shape, level) in shapes().into_iter().flat_map(|shape| levels().map(move |level| (shape, level))) {
        let (images, pixels, k) = (5, shape.oh * shape.ow, shape.k_pitch());
        let data = random.map(images * shape.h * shape.w, shape.c, false);
        let filters: Vec<f32> = (0..shape.k * shape.c / shape.groups * 9).map(|_| random.real()).collect();
        let mut weights = vec![0.0; conv::packed_len(&shape)];
        conv::pack(&shape, &filters, &mut weights);
        let shift = random.map(1, shape.k, false);
        let mut map = vec![f32::NAN; images * pixels * k];
        let mut sums = vec![f64::NAN; images * 2 * k];
        (select(conv::FORWARD, level, &shape).run)(ConvForwardArgs {
            shape: &shape,
            images,
            src: MapSource::plain(&data),
            keep: None,
            weights: &weights,
            bias: None,
            finish: Finish::default(),
            rows: 0..shape.oh,
            blocks: 0..k / LANES,
            dst: RowsMut::new(&mut map, k, 0, k).into(),
            sums: Some(Sums { shift: &shift, out: RowsMut::new(&mut sums, k, 0, k) }),
            scratch: &mut vec![0.0; conv::forward_scratch_len(&shape, images)],
        });
        let stored = MapShape { c: shape.k, pitch: k, pixels };
        let mut apart = vec![f64::NAN; images * 2 * k];
        let out = RowsMut::new(&mut apart, k, 0, k);
        let run = select(STATS, level, &stored).run;
        run(StatsArgs { shape: &stored, images, data: (&map).into(), sums: Sums { shift: &shift, out } });
        assert_eq!(bits(&sums), bits(&apart), "{level} {shape:?}");
    }
}

#[test]
fn gates_and_sums_fused_or_not() {
    let mut random = Random(62);
    for (shape, level) in shapes().into_iter().flat_map(|shape| levels().map(move |level| (shape, level))) {
        let (images, pixels, c) = (5, shape.h * shape.w, shape.c_pitch);
        let g = random.map(images * shape.oh * shape.ow, shape.k, false);
        let filters: Vec<f32> = (0..shape.k * shape.c / shape.groups * 9).map(|_| random.real()).collect();
        let mut packed = vec![0.0; conv::packed_len(&shape)];
        conv::pack(&shape, &filters, &mut packed);
        let mut weights = vec![0.0; conv::backward_len(&shape)];
        conv::pack_backward(&shape, &packed, 0..c / LANES, &mut weights);
        let data = SinkData::new(&mut random, [shape.c, pixels, images], false);
        let convolve = |sink: Sink<'_>| {
            (select(conv::BACKWARD_DATA, level, &shape).run)(ConvBackwardDataArgs {
                shape: &shape,
                images,
                grad: Grad { g: (&g).into(), norm: None },
                weights: &weights,
                blocks: 0..c / LANES,
                sink,
                scratch: &mut vec![0.0; conv::backward_data_scratch_len(&shape, images)],
            });
        };
        for form in SinkForm::all() {
            let fused = data.fill(form, 0..images, convolve);
            let apart = data.fill(form, 0..images, |mut sink| {
                let plain = Sink {
                    dst: sink.dst.reborrow(),
                    accumulate: form.accumulate,
                    gate: Gate::Open,
                    sums: None,
                };
                convolve(plain);
                sink.accumulate = true;
                let shape = MapShape { c: shape.c, pitch: c, pixels };
                (select(SINK, level, &shape).run)(SinkArgs { shape: &shape, images, g: None, sink });
            });
            let same =
                fused.map.iter().zip(&apart.map).all(|(fused, apart)| fused.to_bits() == apart.to_bits());
            assert!(same, "{level} {form:?} {shape:?}");
            assert_eq!(bits(&fused.sums), bits(&apart.sums), "{level} {form:?} {shape:?}");
        }
    }
}
