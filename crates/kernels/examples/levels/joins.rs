//! Sigmoid, product by channel and concatenation, forward and backward.

use plusx_kernels::concat::{self, ConcatBackwardArgs, ConcatForwardArgs};
use plusx_kernels::multiply::{
    self, MultiplyBackwardMapArgs, MultiplyBackwardScaleArgs, MultiplyForwardArgs,
};
use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::{ConcatShape, MapShape};
use plusx_kernels::sigmoid::{self, SigmoidBackwardArgs, SigmoidForwardArgs};

use crate::LevelReport;
use crate::data::{Fnv, Random, RandomMaps, Variant, cut};
use crate::maps::{SIZES, into_sink};

pub(crate) fn all(report: &mut LevelReport) {
    for [c, pixels, images] in SIZES {
        let mut random = Random((c * pixels * images) as u64);
        let shape = MapShape { c, pitch: pitch(c), pixels };
        let maps = RandomMaps::new(&mut random, [c, pixels, images]);
        let g = RandomMaps::new(&mut random, [c, pixels, images]);
        let scale = RandomMaps::new(&mut random, [c, 1, images]);
        let case = format!("c={c} pixels={pixels} n={images}");
        forward(report, &shape, &maps, &scale, &case);
        let special = format!("{case} specials");
        forward(report, &shape, &maps.with_specials(c), &scale, &special);
        let maps = RandomMaps::new(&mut random, [c, pixels, images]);
        backward(report, &shape, [&maps, &g, &scale], &case);
        for [before, after] in [[0, 5], [8, 8], [16, 0], [3, 0]] {
            concatenation(report, &ConcatShape { c, pixels, before, after }, &maps, &case);
        }
    }
}

fn forward(report: &mut LevelReport, shape: &MapShape, maps: &RandomMaps, scale: &RandomMaps, case: &str) {
    let (pitch, size) = (shape.pitch, shape.pixels * shape.pitch);
    let images = maps.x.len() / size;
    for form in 0..16 {
        let case = format!("{case} form={form}");
        report.check(sigmoid::FORWARD, shape, &case, |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![f32::NAN; part.len() * size];
                let rows = RowsMut::new(&mut dst, pitch, 0, pitch).into();
                run(SigmoidForwardArgs {
                    shape,
                    images: part.len(),
                    src: maps.source(form, part),
                    dst: rows,
                });
                hash.singles(&dst)
            })
        });
        report.check(multiply::FORWARD, shape, &case, |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![f32::NAN; part.len() * size];
                let rows = RowsMut::new(&mut dst, pitch, 0, pitch).into();
                run(MultiplyForwardArgs {
                    shape,
                    images: part.len(),
                    src: maps.source(form, part),
                    scale: scale.source(form, part),
                    dst: rows,
                });
                hash.singles(&dst)
            })
        });
    }
}

fn backward(report: &mut LevelReport, shape: &MapShape, maps: [&RandomMaps; 3], case: &str) {
    let [maps, g, scale] = maps;
    let images = maps.x.len() / (shape.pixels * shape.pitch);
    for form in 0..12 {
        let case = format!("{case} form={form}");
        report.check(sigmoid::BACKWARD, shape, &case, |run, pieces| {
            into_sink(maps, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let (g, y) = (&g.x[maps.part(part)], &g.u[maps.part(part)]);
                run(SigmoidBackwardArgs { shape, images: part.len(), g: g.into(), y: y.into(), sink });
            })
        });
        report.check(multiply::BACKWARD_MAP, shape, &case, |run, pieces| {
            into_sink(maps, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let (g, scale) = (&g.x[maps.part(part)], scale.source(form, part));
                run(MultiplyBackwardMapArgs { shape, images: part.len(), g: g.into(), scale, sink });
            })
        });
        report.check(multiply::BACKWARD_SCALE, shape, &case, |run, pieces| {
            into_sink(scale, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let (g, src) = (&g.x[maps.part(part)], maps.source(form, part));
                run(MultiplyBackwardScaleArgs { shape, images: part.len(), g: g.into(), src, sink });
            })
        });
    }
}

fn concatenation(report: &mut LevelReport, shape: &ConcatShape, maps: &RandomMaps, case: &str) {
    let k_pitch = shape.k_pitch();
    let (size, images) = (shape.pixels * k_pitch, maps.x.len() / (shape.pixels * maps.pitch));
    let case = format!("{case} before={} after={}", shape.before, shape.after);
    for form in [0, 15] {
        report.check(concat::FORWARD, shape, &format!("{case} form={form}"), |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![0.5; part.len() * size];
                let rows = RowsMut::new(&mut dst, k_pitch, 0, k_pitch).into();
                run(ConcatForwardArgs { shape, images: part.len(), src: maps.source(form, part), dst: rows });
                hash.singles(&dst)
            })
        });
    }
    let channels = shape.before + shape.c + shape.after;
    let g = Random(channels as u64).map(images * shape.pixels, channels, k_pitch);
    for form in 0..12 {
        report.check(concat::BACKWARD, shape, &format!("{case} form={form}"), |run, pieces| {
            into_sink(maps, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let g = &g[part.start * size..part.end * size];
                run(ConcatBackwardArgs { shape, images: part.len(), g: g.into(), sink });
            })
        });
    }
}
