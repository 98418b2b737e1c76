//! Poolings and their gradients: pieces are images, or bands of rows of a single one.

use plusx_kernels::avg_pool;
use plusx_kernels::pool::{self, AvgBackwardArgs, AvgForwardArgs, MaxBackwardArgs, MaxForwardArgs};

use super::memory::{Memory, part};
use crate::plan::step::PlanStep;
use crate::plan::work::PoolWork;
use crate::threads::Threads;

pub(super) fn run(work: &PoolWork, step: &PlanStep, memory: &mut Memory<'_>, threads: &mut Threads) {
    let (pieces, entry, batch) = (step.pieces, step.kernel.entry, memory.batch());
    match work {
        PoolWork::MaxPoolForward { shape, src, dst, winner } => {
            let src = memory.source(src);
            let pixels = pieces.window_pixels(shape.oh, shape.ow);
            let dst = memory.windows(*dst, pixels, &pieces);
            let winner = winner.map(|winner| memory.windows::<u8>(winner, pixels, &pieces));
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (pool::MAX_FORWARD[entry].run)(MaxForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    rows: piece.rows.clone().unwrap_or(0..shape.oh),
                    dst: dst.take_rows(piece.windows.clone(), piece.column),
                    winner: winner.as_ref().map(|winner| winner.take(piece.row, piece.column)),
                });
            });
        }
        PoolWork::MaxPoolBackward { shape, g, winner, sink } => {
            let g = memory.read(*g);
            let winner = memory.read_as::<u8>(*winner);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (pool::MAX_BACKWARD[entry].run)(MaxBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    winner: part(winner, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        PoolWork::AvgPoolForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.windows(*dst, shape.oh * shape.ow, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (avg_pool::FORWARD[entry].run)(avg_pool::ForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        PoolWork::AvgPoolBackward { shape, g, sink } => {
            let g = memory.read(*g);
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (avg_pool::BACKWARD[entry].run)(avg_pool::BackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
        PoolWork::GlobalAvgPoolForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.windows(*dst, 1, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (pool::AVG_FORWARD[entry].run)(AvgForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        PoolWork::GlobalAvgPoolBackward { shape, g, sink } => {
            let g = memory.read(*g);
            let sink = memory.sink(sink, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (pool::AVG_BACKWARD[entry].run)(AvgBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
    }
}
