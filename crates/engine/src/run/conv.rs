//! Convolution steps: pieces are images by blocks of channels.

use plusx_kernels::conv::tiles::{self, TileFilters};
use plusx_kernels::conv::winograd::{self, TransformArgs};
use plusx_kernels::conv::{self, ConvBackwardDataArgs, ConvBackwardWeightsArgs, ConvForwardArgs};
use plusx_kernels::sum::sum_tree;
use plusx_model::graph::ParamId;

use super::memory::Memory;
use crate::arena::WindowSize;
use crate::params::{Held, Store};
use crate::plan::method::Method;
use crate::plan::refs::FilterRef;
use crate::plan::step::PlanStep;
use crate::plan::work::ConvWork;
use crate::threads::Threads;

pub(super) fn run(
    work: &ConvWork,
    step: &PlanStep,
    memory: &mut Memory<'_>,
    threads: &mut Threads,
    store: &mut Held<'_>,
) {
    let (pieces, entry, scratch) = (step.pieces, step.kernel.entry, step.scratch);
    match work {
        ConvWork::Forward { shape, src, keep, weight, filters, bias, finish, dst, sums } => {
            let src = memory.source(src);
            let keep = keep.map(|keep| {
                // only the pieces of the first blocks write it, all channels
                let pitch = memory.pitch(keep);
                let rows = shape.h * shape.w * pieces.image_step();
                memory.cut_map(keep, WindowSize { rows, columns: pitch })
            });
            let dst = memory.map_windows(*dst, pieces.window_pixels(shape.oh, shape.ow), &pieces);
            let finish = memory.finish(finish);
            let sums = sums.map(|sums| memory.sums(&sums, &pieces));
            let weights = weights(*filters, *weight, memory, store);
            let run = match filters.method() {
                Method::Direct => conv::FORWARD,
                Method::Winograd => winograd::FORWARD,
                Method::Tiles(pieces) => tiles::forward(pieces),
            }[entry]
                .run;
            let bias = bias.map(|bias| &store.weights[store.layout.range(bias)]);
            threads.run(pieces.count(), scratch, &|index, scratch| {
                let piece = pieces.get(index);
                let first = piece.blocks.start == 0;
                run(ConvForwardArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    keep: keep.as_ref().filter(|_| first).map(|keep| keep.take(piece.row, 0)),
                    weights,
                    bias,
                    finish: finish.part(&piece.images),
                    rows: piece.rows.clone().unwrap_or(0..shape.oh),
                    blocks: piece.blocks.clone(),
                    dst: dst.take_rows(piece.windows.clone(), piece.column),
                    sums: sums.as_ref().map(|sums| sums.part(&piece)),
                    scratch,
                });
            });
        }
        ConvWork::BackwardWeights { shape, src, grad, weight, method, parts } => {
            let run = match *method {
                Method::Direct => conv::BACKWARD_WEIGHTS,
                Method::Winograd => winograd::BACKWARD_WEIGHTS,
                Method::Tiles(numbers) => tiles::backward_weights(numbers),
            }[entry]
                .run;
            let src = memory.source(src);
            let grad = memory.grad(grad);
            let (block, len) = (conv::packed_block_len(shape), conv::packed_len(shape));
            let (dst, first) = match parts {
                Some(parts) => (memory.write(parts.buffer), parts.first),
                None => (gradient(store.own(), *weight), 0),
            };
            let dst = memory.cut(dst, len, WindowSize { rows: 1, columns: block * pieces.block_step() });
            threads.run(pieces.count(), scratch, &|index, scratch| {
                let piece = pieces.get(index);
                run(ConvBackwardWeightsArgs {
                    shape,
                    images: piece.images.len(),
                    src: src.part(&piece.images),
                    grad: grad.part(&piece.images),
                    blocks: piece.blocks.clone(),
                    dst: dst.take_slice(first + piece.row, piece.column),
                    scratch,
                });
            });
        }
        ConvWork::SumTree { parts, count, len, chunk, weight } => {
            let parts = memory.read(*parts);
            let dst = memory.chunks(gradient(store.own(), *weight), *chunk);
            threads.run(pieces.count(), 0, &|index, _| {
                let range = index * chunk..((index + 1) * chunk).min(*len);
                sum_tree(parts, *count, range, dst.take_slice(0, index));
            });
        }
        ConvWork::PackBackward { shape, weight, dst } => {
            let packed = &store.weights[store.layout.range(*weight)];
            let dst = memory.write(*dst);
            let dst = memory.chunks(dst, conv::backward_block_len(shape));
            threads.run(pieces.count(), 0, &|index, _| {
                conv::pack_backward(shape, packed, index..index + 1, dst.take_slice(0, index));
            });
        }
        ConvWork::Transform { shape, weight, backward, dst } => {
            let packed = &store.weights[store.layout.range(*weight)];
            let (table, len) = if *backward {
                (winograd::TRANSFORM_BACKWARD, winograd::backward_filters_block_len(shape))
            } else {
                (winograd::TRANSFORM, winograd::filters_block_len(shape))
            };
            let dst = memory.write(*dst);
            let dst = memory.chunks(dst, len);
            threads.run(pieces.count(), scratch, &|index, scratch| {
                let (blocks, dst) = (index..index + 1, dst.take_slice(0, index));
                (table[entry].run)(TransformArgs { shape, packed, blocks, dst, scratch });
            });
        }
        ConvWork::PackTiles { shape, weight, pieces: numbers, backward, dst } => {
            let packed = &store.weights[store.layout.range(*weight)];
            let (table, len) = if *backward {
                (tiles::backward_filters(*numbers), tiles::backward_filters_block_len(shape, *numbers))
            } else {
                (tiles::filters(*numbers), tiles::filters_block_len(shape, *numbers))
            };
            let dst = memory.write(*dst);
            let dst = memory.chunks(dst, len);
            threads.run(pieces.count(), scratch, &|index, scratch| {
                let (blocks, dst) = (index..index + 1, dst.take_slice(0, index));
                (table[entry].run)(TileFilters { shape, packed, blocks, dst, scratch });
            });
        }
        ConvWork::BackwardData { shape, grad, weight, filters, sink } => {
            let grad = memory.grad(grad);
            let weights = weights(*filters, *weight, memory, store);
            let run = match filters.method() {
                Method::Direct => conv::BACKWARD_DATA,
                Method::Winograd => winograd::BACKWARD_DATA,
                Method::Tiles(pieces) => tiles::backward_data(pieces),
            }[entry]
                .run;
            let sink = memory.sink(sink, shape.h * shape.w, &pieces);
            threads.run(pieces.count(), scratch, &|index, scratch| {
                let piece = pieces.get(index);
                run(ConvBackwardDataArgs {
                    shape,
                    images: piece.images.len(),
                    grad: grad.part(&piece.images),
                    weights,
                    blocks: piece.blocks.clone(),
                    sink: sink.part(&piece),
                    scratch,
                });
            });
        }
    }
}

/// What a kernel reads of a layer's filters.
fn weights<'b, 'a: 'b>(
    filters: FilterRef,
    weight: ParamId,
    memory: &mut Memory<'a>,
    store: &'b Held<'_>,
) -> &'b [f32] {
    match filters {
        FilterRef::Parameter => &store.weights[store.layout.range(weight)],
        FilterRef::Transposed(buffer) | FilterRef::Transformed(buffer) | FilterRef::Tiles(_, buffer) => {
            memory.read(buffer)
        }
    }
}

/// The gradient of a filter.
fn gradient(store: &mut Store, weight: ParamId) -> &mut [f32] {
    &mut store.gradients[store.layout.range(weight)]
}
