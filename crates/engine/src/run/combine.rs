//! Products by channel, concatenations and their gradients: pieces are images.

use plusx_kernels::concat::{self, ConcatBackwardArgs, ConcatForwardArgs};
use plusx_kernels::multiply::{
    self, MultiplyBackwardMapArgs, MultiplyBackwardScaleArgs, MultiplyForwardArgs,
};

use super::memory::{Memory, part};
use crate::plan::step::PlanStep;
use crate::plan::work::CombineWork;
use crate::threads::Threads;

pub(super) fn run(work: &CombineWork, step: &PlanStep, memory: &mut Memory<'_>, threads: &mut Threads) {
    let (pieces, entry, batch) = (step.pieces, step.kernel.entry, memory.batch());
    match work {
        CombineWork::MultiplyForward { shape, src, scale, dst } => {
            let (src, scale) = (memory.source(src), memory.source(scale));
            let dst = memory.map_windows(*dst, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (multiply::FORWARD[entry].run)(MultiplyForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    scale: scale.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        CombineWork::MultiplyBackwardMap { shape, g, scale, sink } => {
            let (g, scale) = (memory.map(*g), memory.source(scale));
            let sink = memory.sink(sink, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (multiply::BACKWARD_MAP[entry].run)(MultiplyBackwardMapArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    scale: scale.part(&piece.images),
                    sink: sink.part(&piece),
                });
            });
        }
        CombineWork::MultiplyBackwardScale { shape, g, src, sink } => {
            let (g, src) = (memory.map(*g), memory.source(src));
            let sink = memory.sink(sink, 1, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (multiply::BACKWARD_SCALE[entry].run)(MultiplyBackwardScaleArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    src: src.part(&piece.images),
                    sink: sink.part(&piece),
                });
            });
        }
        CombineWork::ConcatForward { shape, src, dst } => {
            let src = memory.source(src);
            let dst = memory.map_windows(*dst, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (concat::FORWARD[entry].run)(ConcatForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    dst: dst.take(piece.row, piece.column),
                });
            });
        }
        CombineWork::ConcatBackward { shape, g, sink } => {
            let g = memory.map(*g);
            let sink = memory.sink(sink, shape.pixels, &pieces);
            threads.run(pieces.count(), 0, &|index, _| {
                let piece = pieces.get(index);
                (concat::BACKWARD[entry].run)(ConcatBackwardArgs {
                    shape,
                    images: piece.images.len(),
                    g: part(g, &piece.images, batch),
                    sink: sink.part(&piece),
                });
            });
        }
    }
}
