//! Elementwise steps, sigmoids, subsamplings and statistics: pieces are images.

use plusx_kernels::elementwise::{self, EvaluateArgs, SinkArgs};
use plusx_kernels::norm::{self, StatsArgs};
use plusx_kernels::sigmoid::{self, SigmoidBackwardArgs, SigmoidForwardArgs};
use plusx_kernels::subsample::{self, SubsampleBackwardArgs, SubsampleForwardArgs};

use super::memory::{Memory, part, part_of};
use crate::plan::IMAGES;
use crate::plan::step::PlanStep;
use crate::plan::work::MapWork;
use crate::threads::Threads;

pub(super) fn run(work: &MapWork, step: &PlanStep, memory: &mut Memory<'_>, threads: &mut Threads) {
    let (pieces, entry, batch) = (step.pieces, step.kernel.entry, memory.batch());
    match work {
        MapWork::Load { dst, shape } => {
            let images = memory.read(IMAGES);
            let dst = memory.windows::<f32>(*dst, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                let dst = dst.take_slice(piece.row, piece.column);
                let src = part_of(images, &piece.images, batch);
                for (dst, src) in dst.chunks_exact_mut(shape.pitch).zip(src.chunks_exact(shape.c)) {
                    dst[..shape.c].copy_from_slice(src);
                    dst[shape.c..].fill(0.0);
                }
            });
        }
        MapWork::Stats { shape, src, sums } => {
            let data = memory.map(*src);
            let sums = memory.sums(sums, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                let data = part(data, &piece.images, batch);
                let sums = sums.part(&piece);
                (norm::STATS[entry].run)(StatsArgs { shape, images: piece.images.len(), data, sums });
            });
        }
        MapWork::Evaluate { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.map_windows(*dst, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (elementwise::EVALUATE[entry].run)(EvaluateArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        MapWork::Sink { shape, g, sink } => {
            let g = g.map(|g| memory.map(g));
            let sink = memory.sink(sink, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (elementwise::SINK[entry].run)(SinkArgs {
                    shape,
                    images: piece.images.len(),
                    g: g.map(|g| part(g, &piece.images, batch)),
                    sink: sink.part(&piece),
                });
            });
        }
        MapWork::SubsampleForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.map_windows(*dst, shape.oh * shape.ow, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (subsample::FORWARD[entry].run)(SubsampleForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        MapWork::SubsampleBackward { shape, g, sink } => {
            let g = memory.map(*g);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (subsample::BACKWARD[entry].run)(SubsampleBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        MapWork::SigmoidForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.map_windows(*dst, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (sigmoid::FORWARD[entry].run)(SigmoidForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        MapWork::SigmoidBackward { shape, g, y, sink } => {
            let (g, y) = (memory.map(*g), memory.map(*y));
            let sink = memory.sink(sink, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (sigmoid::BACKWARD[entry].run)(SigmoidBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    y: part(y, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
    }
}
