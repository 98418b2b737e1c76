//! Everything that works pixel by pixel, and the update: elementwise, statistics, pooling, subsampling, SGD.

use plusx_kernels::args::Sums;
use plusx_kernels::elementwise::{EVALUATE, EvaluateArgs, SINK, SinkArgs};
use plusx_kernels::norm::{STATS, StatsArgs};
use plusx_kernels::pooling::avg_pool2d::{self, AvgPool2dBackwardArgs, AvgPool2dForwardArgs};
use plusx_kernels::pooling::global_avg_pool2d::{
    self, GlobalAvgPool2dBackwardArgs, GlobalAvgPool2dForwardArgs,
};
use plusx_kernels::pooling::max_pool2d::{self, MaxPool2dBackwardArgs, MaxPool2dForwardArgs};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::sgd::{SgdArgs, SgdStep, UPDATE};
use plusx_kernels::shape::{MapShape, PoolShape, SubsampleShape};
use plusx_kernels::subsample::{self, SubsampleBackwardArgs, SubsampleForwardArgs};
use plusx_kernels::{pitch, select};

use crate::LevelReport;
use crate::data::{Fnv, Random, RandomMaps, SinkMemory, Variant, cut};

/// Channels around one and several vectors, and maps that end inside, on and behind a 64-pixel run.
pub(crate) const SIZES: [[usize; 3]; 5] = [[1, 1, 3], [16, 64, 1], [17, 81, 2], [64, 130, 2], [70, 6, 5]];

pub(crate) fn all(report: &mut LevelReport) {
    for [c, pixels, images] in SIZES {
        let mut random = Random((c * pixels * images) as u64);
        let shape = MapShape { c, pitch: pitch(c), pixels };
        let maps = RandomMaps::new(&mut random, [c, pixels, images]);
        let g = RandomMaps::new(&mut random, [c, pixels, images]);
        let case = format!("c={c} pixels={pixels} n={images}");
        map_ops(report, &shape, &maps, &g, &case);
        map_ops(report, &shape, &maps.with_specials(c), &g.with_specials(c), &format!("{case} specials"));
    }
    for (c, size, kernel, stride, padding) in
        [(1, [4, 4], 2, 2, 0), (17, [9, 9], 3, 2, 1), (64, [7, 5], 3, 1, 1), (6, [6, 11], 3, 3, 0)]
    {
        let out = |x: usize| (x + 2 * padding - kernel) / stride + 1;
        let (kernel, stride, padding) = ([kernel; 2], [stride; 2], [padding; 2]);
        let [h, w] = size;
        let shape = PoolShape { c, h, w, oh: out(h), ow: out(w), kernel, stride, padding };
        max_pool2d(report, &shape);
        avg_pool2d(report, &shape);
        let (oh, ow) = (h.div_ceil(stride[0]), w.div_ceil(stride[1]));
        subsample(report, &SubsampleShape { c, h, w, oh, ow, stride, before: c / 2, after: c - c / 2 });
    }
    update(report);
}

/// Evaluate, sink, statistics, global average pooling.
fn map_ops(report: &mut LevelReport, shape: &MapShape, maps: &RandomMaps, g: &RandomMaps, case: &str) {
    let (pitch, size) = (shape.pitch, shape.pixels * shape.pitch);
    let images = maps.x.len() / size;
    for form in 0..16 {
        let case = format!("{case} form={form}");
        report.check(EVALUATE, shape, &case, |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![f32::NAN; part.len() * size];
                let rows = RowsMut::new(&mut dst, pitch, 0, pitch).into();
                run(EvaluateArgs { shape, images: part.len(), src: maps.source(form, part), dst: rows });
                hash.singles(&dst)
            })
        });
        report.check(global_avg_pool2d::FORWARD, shape, &case, |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![f32::NAN; part.len() * pitch];
                let rows = RowsMut::new(&mut dst, pitch, 0, pitch).into();
                run(GlobalAvgPool2dForwardArgs {
                    shape,
                    images: part.len(),
                    src: maps.source(form, part),
                    dst: rows,
                });
                hash.singles(&dst)
            })
        });
        if form >= 12 {
            continue;
        }
        for contribution in [true, false] {
            let case = format!("{case} g={contribution}");
            let form = if contribution { form } else { form | 1 };
            report.check(SINK, shape, &case, |run, pieces| {
                into_sink(maps, images, Variant { form, in_pieces: pieces }, |part, sink| {
                    let g = contribution.then(|| g.x[maps.part(part)].into());
                    run(SinkArgs { shape, images: part.len(), g, sink });
                })
            });
        }
        report.check(global_avg_pool2d::BACKWARD, shape, &case, |run, pieces| {
            into_sink(maps, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let g = &g.x[part.start * pitch..part.end * pitch];
                run(GlobalAvgPool2dBackwardArgs { shape, images: part.len(), g: g.into(), sink });
            })
        });
    }
    report.check(STATS, shape, case, |run, pieces| {
        cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
            let mut sums = vec![f64::NAN; part.len() * 2 * pitch];
            let sums_of = Sums { shift: &g.x[..pitch], out: RowsMut::new(&mut sums, pitch, 0, pitch) };
            run(StatsArgs { shape, images: part.len(), data: maps.x[maps.part(part)].into(), sums: sums_of });
            hash.doubles(&sums)
        })
    });
}

/// Runs `kernel` for every piece with a sink that already holds something; the hash of maps and sums.
pub(crate) fn into_sink(
    maps: &RandomMaps,
    images: usize,
    variant: Variant,
    kernel: impl Fn(&std::ops::Range<usize>, plusx_kernels::args::Sink<'_>),
) -> Fnv {
    cut(images, variant.in_pieces).iter().fold(Fnv::new(), |hash, part| {
        let mut dst = maps.u[maps.part(part)].to_vec();
        let mut sums = vec![0.0; part.len() * 2 * maps.pitch];
        kernel(
            part,
            maps.sink(variant.form, part, 0..maps.pitch, SinkMemory { dst: &mut dst, sums: &mut sums }),
        );
        part.clone().fold(hash, |hash, image| {
            let (image, size, row) = (image - part.start, maps.pixels * maps.pitch, 2 * maps.pitch);
            hash.singles(&dst[image * size..][..size]).doubles(&sums[image * row..][..row])
        })
    })
}

fn max_pool2d(report: &mut LevelReport, shape: &PoolShape) {
    let (mut random, images, pitch) = (Random(shape.c as u64), 3, pitch(shape.c));
    let plain = RandomMaps::new(&mut random, [shape.c, shape.h * shape.w, images]);
    let special = RandomMaps::new(&mut random, [shape.c, shape.h * shape.w, images]).with_specials(shape.c);
    let (size, [kernel, _], [stride, _]) = (shape.oh * shape.ow * pitch, shape.kernel, shape.stride);
    let case = format!("c={} {}x{} kernel={kernel} stride={stride} n={images}", shape.c, shape.h, shape.w);
    for (maps, form, note) in [(&plain, 0, ""), (&plain, 15, " source"), (&special, 8, " specials")] {
        report.check(max_pool2d::FORWARD, shape, &format!("{case}{note}"), |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![f32::NAN; part.len() * size];
                let mut winner = vec![255; part.len() * size];
                run(MaxPool2dForwardArgs {
                    shape,
                    images: part.len(),
                    src: maps.source(form, part),
                    rows: 0..shape.oh,
                    dst: RowsMut::new(&mut dst, pitch, 0, pitch).into(),
                    winner: Some(RowsMut::new(&mut winner, pitch, 0, pitch)),
                });
                part.clone().fold(hash, |hash, image| {
                    let at = (image - part.start) * size;
                    hash.singles(&dst[at..at + size]).bytes(&winner[at..at + size])
                })
            })
        });
    }
    let (mut dst, mut winner) = (vec![0.0; images * size], vec![0; images * size]);
    (select(max_pool2d::FORWARD, plusx_kernels::Level::Portable, shape).run)(MaxPool2dForwardArgs {
        shape,
        images,
        src: plain.source(0, &(0..images)),
        rows: 0..shape.oh,
        dst: RowsMut::new(&mut dst, pitch, 0, pitch).into(),
        winner: Some(RowsMut::new(&mut winner, pitch, 0, pitch)),
    });
    let g = random.map(images * shape.oh * shape.ow, shape.c, pitch);
    for form in 0..12 {
        report.check(max_pool2d::BACKWARD, shape, &format!("{case} form={form}"), |run, pieces| {
            into_sink(&plain, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let own = part.start * size..part.end * size;
                let (g, winner) = (&g[own.clone()], &winner[own]);
                run(MaxPool2dBackwardArgs { shape, images: part.len(), g: g.into(), winner, sink });
            })
        });
    }
}

fn avg_pool2d(report: &mut LevelReport, shape: &PoolShape) {
    let (mut random, images, pitch) = (Random(shape.c as u64), 3, pitch(shape.c));
    let maps = RandomMaps::new(&mut random, [shape.c, shape.h * shape.w, images]);
    let (size, [kernel, _], [stride, _]) = (shape.oh * shape.ow * pitch, shape.kernel, shape.stride);
    let case = format!("c={} {}x{} kernel={kernel} stride={stride} n={images}", shape.c, shape.h, shape.w);
    for form in [0, 15] {
        report.check(avg_pool2d::FORWARD, shape, &format!("{case} form={form}"), |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![f32::NAN; part.len() * size];
                let rows = RowsMut::new(&mut dst, pitch, 0, pitch).into();
                let src = maps.source(form, part);
                run(AvgPool2dForwardArgs { shape, images: part.len(), src, dst: rows });
                hash.singles(&dst)
            })
        });
    }
    let g = random.map(images * shape.oh * shape.ow, shape.c, pitch);
    for form in 0..12 {
        report.check(avg_pool2d::BACKWARD, shape, &format!("{case} form={form}"), |run, pieces| {
            into_sink(&maps, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let g = &g[part.start * size..part.end * size];
                run(AvgPool2dBackwardArgs { shape, images: part.len(), g: g.into(), sink });
            })
        });
    }
}

fn subsample(report: &mut LevelReport, shape: &SubsampleShape) {
    let (mut random, images, k_pitch) = (Random(shape.c as u64), 3, shape.k_pitch());
    let maps = RandomMaps::new(&mut random, [shape.c, shape.h * shape.w, images]);
    let size = shape.oh * shape.ow * k_pitch;
    let case = format!("c={} {}x{} stride={} n={images}", shape.c, shape.h, shape.w, shape.stride[0]);
    for form in [0, 15] {
        report.check(subsample::FORWARD, shape, &format!("{case} form={form}"), |run, pieces| {
            cut(images, pieces).iter().fold(Fnv::new(), |hash, part| {
                let mut dst = vec![f32::NAN; part.len() * size];
                let rows = RowsMut::new(&mut dst, k_pitch, 0, k_pitch).into();
                let src = maps.source(form, part);
                run(SubsampleForwardArgs { shape, images: part.len(), src, dst: rows });
                hash.singles(&dst)
            })
        });
    }
    let g = random.map(images * shape.oh * shape.ow, shape.before + shape.c + shape.after, k_pitch);
    for form in 0..12 {
        report.check(subsample::BACKWARD, shape, &format!("{case} form={form}"), |run, pieces| {
            into_sink(&maps, images, Variant { form, in_pieces: pieces }, |part, sink| {
                let g = &g[part.start * size..part.end * size];
                run(SubsampleBackwardArgs { shape, images: part.len(), g: g.into(), sink });
            })
        });
    }
}

fn update(report: &mut LevelReport) {
    for len in [1usize, 15, 16, 17, 100, 1000] {
        let mut random = Random(len as u64);
        let [w, g, v] = [random.values(len), random.values(len), random.values(len)];
        for form in 0..8 {
            let (momentum, nesterov) = (if form & 1 != 0 { 0.9 } else { 0.0 }, form & 2 != 0);
            let weight_decay = if form & 4 != 0 { 5e-4 } else { 0.0 };
            let step = SgdStep { lr: 0.05, momentum, nesterov, weight_decay, scale: 1.0 / 96.0 };
            report.check(UPDATE, &len, &format!("len={len} form={form}"), |run, pieces| {
                let [mut w, mut v] = [w.clone(), v.clone()];
                for part in cut(len, pieces) {
                    let (w, v) = (&mut w[part.clone()], &mut v[part.clone()]);
                    run(SgdArgs { w, g: &g[part], v: (form & 3 != 0).then_some(v), step });
                }
                Fnv::new().singles(&w).singles(&v)
            });
        }
    }
}
