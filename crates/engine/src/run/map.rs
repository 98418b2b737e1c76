//! Elementwise steps, poolings, subsamplings and statistics: pieces are images.

use plusx_kernels::elementwise::{self, EvaluateArgs, SinkArgs};
use plusx_kernels::norm::{self, StatsArgs};
use plusx_kernels::pooling::avg_pool2d::{self, AvgPool2dBackwardArgs, AvgPool2dForwardArgs};
use plusx_kernels::pooling::global_avg_pool2d::{
    self, GlobalAvgPool2dBackwardArgs, GlobalAvgPool2dForwardArgs,
};
use plusx_kernels::pooling::max_pool2d::{self, MaxPool2dBackwardArgs, MaxPool2dForwardArgs};
use plusx_kernels::subsample::{self, SubsampleBackwardArgs, SubsampleForwardArgs};

use super::memory::{Memory, part};
use crate::plan::IMAGES;
use crate::plan::step::{Step, Work};
use crate::pool::Pool;

pub(super) fn run(step: &Step, memory: &mut Memory<'_>, pool: &mut Pool) {
    let (pieces, entry, batch) = (step.pieces, step.kernel.entry, memory.batch());
    match &step.work {
        Work::Load { dst, shape } => {
            let images = memory.read(IMAGES);
            let dst = memory.tiles::<f32>(*dst, shape.pixels, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                let dst = dst.take_slice(piece.row, piece.column);
                let src = part(images, &piece.images, batch);
                for (dst, src) in dst.chunks_exact_mut(shape.pitch).zip(src.chunks_exact(shape.c)) {
                    dst[..shape.c].copy_from_slice(src);
                    dst[shape.c..].fill(0.0);
                }
            });
        }
        Work::Stats { shape, src, sums } => {
            let data = memory.read(*src);
            let sums = memory.sums(sums, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                let data = part(data, &piece.images, batch);
                let sums = sums.part(&piece);
                (norm::STATS[entry].run)(StatsArgs { shape, images: piece.images.len(), data, sums });
            });
        }
        Work::Evaluate { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.tiles(*dst, shape.pixels, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (elementwise::EVALUATE[entry].run)(EvaluateArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        Work::Sink { shape, g, sink } => {
            let g = g.map(|g| memory.read(g));
            let sink = memory.sink(sink, shape.pixels, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (elementwise::SINK[entry].run)(SinkArgs {
                    shape,
                    images: piece.images.len(),
                    g: g.map(|g| part(g, &piece.images, batch)),
                    sink: sink.part(&piece),
                });
            });
        }
        Work::AvgForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.tiles(*dst, 1, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (global_avg_pool2d::FORWARD[entry].run)(GlobalAvgPool2dForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        Work::AvgBackward { shape, g, sink } => {
            let g = memory.read(*g);
            let sink = memory.sink(sink, shape.pixels, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (global_avg_pool2d::BACKWARD[entry].run)(GlobalAvgPool2dBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        Work::MaxForward { shape, src, dst, winner } => {
            let src = memory.source(src);
            let pixels = pieces.window_pixels([shape.oh, shape.ow]);
            let dst = memory.tiles(*dst, pixels, &pieces);
            let winner = winner.map(|winner| memory.tiles::<u8>(winner, pixels, &pieces));
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (max_pool2d::FORWARD[entry].run)(MaxPool2dForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    rows: piece.rows.clone().unwrap_or(0..shape.oh),
                    dst: dst.take_rows(piece.windows.clone(), piece.column),
                    winner: winner.as_ref().map(|winner| winner.take(piece.row, piece.column)),
                });
            });
        }
        Work::MaxBackward { shape, g, winner, sink } => {
            let g = memory.read(*g);
            let winner = memory.read_as::<u8>(*winner);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (max_pool2d::BACKWARD[entry].run)(MaxPool2dBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    winner: part(winner, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        Work::AvgPoolForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.tiles(*dst, shape.oh * shape.ow, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (avg_pool2d::FORWARD[entry].run)(AvgPool2dForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        Work::AvgPoolBackward { shape, g, sink } => {
            let g = memory.read(*g);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (avg_pool2d::BACKWARD[entry].run)(AvgPool2dBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        Work::SubsampleForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.tiles(*dst, shape.oh * shape.ow, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (subsample::FORWARD[entry].run)(SubsampleForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        Work::SubsampleBackward { shape, g, sink } => {
            let g = memory.read(*g);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            pool.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (subsample::BACKWARD[entry].run)(SubsampleBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        _ => unreachable!("{} is not a map step", step.label),
    }
}
