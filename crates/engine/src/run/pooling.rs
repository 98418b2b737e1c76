//! Poolings and their gradients: pieces are images, or bands of rows of a single one.

use plusx_kernels::pooling::avg_pool2d::{self, AvgPool2dBackwardArgs, AvgPool2dForwardArgs};
use plusx_kernels::pooling::global_avg_pool2d::{
    self, GlobalAvgPool2dBackwardArgs, GlobalAvgPool2dForwardArgs,
};
use plusx_kernels::pooling::max_pool2d::{self, MaxPool2dBackwardArgs, MaxPool2dForwardArgs};

use super::memory::{Memory, part, part_of};
use crate::plan::step::PlanStep;
use crate::plan::work::PoolingWork;
use crate::threads::Threads;

pub(super) fn run(work: &PoolingWork, step: &PlanStep, memory: &mut Memory<'_>, threads: &mut Threads) {
    let (pieces, entry, batch) = (step.pieces, step.kernel.entry, memory.batch());
    match work {
        PoolingWork::MaxPool2dForward { shape, src, dst, winner } => {
            let src = memory.source(src);
            let pixels = pieces.window_pixels(shape.oh, shape.ow);
            let dst = memory.map_windows(*dst, pixels, &pieces);
            let winner = winner.map(|winner| memory.windows::<u8>(winner, pixels, &pieces));
            threads.run(pieces.count(), 0, &|index, _| {
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
        PoolingWork::MaxPool2dBackward { shape, g, winner, sink } => {
            let g = memory.map(*g);
            let winner = memory.read_as::<u8>(*winner);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (max_pool2d::BACKWARD[entry].run)(MaxPool2dBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    winner: part_of(winner, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        PoolingWork::AvgPool2dForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.map_windows(*dst, shape.oh * shape.ow, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (avg_pool2d::FORWARD[entry].run)(AvgPool2dForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        PoolingWork::AvgPool2dBackward { shape, g, sink } => {
            let g = memory.map(*g);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (avg_pool2d::BACKWARD[entry].run)(AvgPool2dBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        PoolingWork::GlobalAvgPool2dForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.map_windows(*dst, 1, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (global_avg_pool2d::FORWARD[entry].run)(GlobalAvgPool2dForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        PoolingWork::GlobalAvgPool2dBackward { shape, g, sink } => {
            let g = memory.map(*g);
            let sink = memory.sink(sink, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (global_avg_pool2d::BACKWARD[entry].run)(GlobalAvgPool2dBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
    }
}
