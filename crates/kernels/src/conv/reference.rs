//! The last row of every table: plain loops over logical indices, sums in `f64`. Slow, complete (groups, dilation,
//! any size), and the oracle of the tests.

use super::args::{ConvBackwardDataArgs, ConvBackwardWeightsArgs, ConvForwardArgs};
use super::layout::{backward_block_len, filter_channels, packed_block_len, panel_offset};
use crate::args::{Finish, FusedActivation, Grad, MapSource, SUM_RUN, Sink};
use crate::bf16::Bf16;
use crate::elementwise;
use crate::maps::MapRowsMut;
use crate::shape::ConvShape;
use crate::{LANES, pitch};

/// The input coordinate of tap `tap` at output `out`, if it lies inside the map.
fn input_at(shape: &ConvShape, axis: usize, out: usize, tap: usize) -> Option<usize> {
    let size = if axis == 0 { shape.h } else { shape.w };
    (out * shape.stride[axis] + tap * shape.dilation[axis])
        .checked_sub(shape.padding[axis])
        .filter(|&x| x < size)
}

/// Calls `visit(output pixel, input pixel, tap)` for every tap inside the map, outputs in row-major order.
fn for_taps(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    for oy in 0..shape.oh {
        for ox in 0..shape.ow {
            for r in 0..shape.kernel[0] {
                let Some(y) = input_at(shape, 0, oy, r) else { continue };
                for s in 0..shape.kernel[1] {
                    let Some(x) = input_at(shape, 1, ox, s) else { continue };
                    visit(oy * shape.ow + ox, y * shape.w + x, r * shape.kernel[1] + s);
                }
            }
        }
    }
}

/// Index of a filter value in the packed filters.
pub(super) fn weight_at(shape: &ConvShape, k: usize, c: usize, tap: usize) -> usize {
    let taps = shape.kernel[0] * shape.kernel[1];
    k / LANES * packed_block_len(shape) + panel_offset(taps, filter_channels(shape), tap, c) + k % LANES
}

/// What a source is rounded to before it is convolved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rounded {
    F32,
    Bf16,
}

/// Source value `index`, rounded as if this table's own `keep` had stored it. A view that another kernel stores may differ
/// in the last place: that one rounds every operation, this one once.
pub(super) fn source(src: &MapSource<'_>, index: usize, channel: usize, rounded: Rounded) -> f64 {
    let value = elementwise::evaluate(src, index, channel) as f32;
    f64::from(match rounded {
        Rounded::F32 => value,
        Rounded::Bf16 => Bf16::from_f32(value).to_f32(),
    })
}

/// A value on its way out, channel `channel` of the pixel that starts at `pixel`.
pub(super) fn finish(finish: &Finish<'_>, value: f64, [pixel, channel]: [usize; 2]) -> f64 {
    let mut value = match &finish.affine {
        Some(affine) => value * f64::from(affine.scale[channel]) + f64::from(affine.shift[channel]),
        None => value,
    };
    if let Some(add) = &finish.add {
        value += elementwise::term(add, pixel + channel, channel);
    }
    if finish.activation == FusedActivation::Relu && value < 0.0 { 0.0 } else { value }
}

/// Gradient at output value `index` (pixel times pitch plus channel).
pub(super) fn gradient(grad: &Grad<'_>, index: usize, channel: usize) -> f64 {
    let g = f64::from(grad.g.get(index));
    match &grad.norm {
        Some(norm) => {
            f64::from(norm.a[channel]) * g
                + f64::from(norm.b[channel]) * f64::from(norm.y.get(index))
                + f64::from(norm.c[channel])
        }
        None => g,
    }
}

/// Forward.
pub(crate) fn forward(mut args: ConvForwardArgs<'_>) {
    args.check();
    let shape = *args.shape;
    let (channels, per_group) = (filter_channels(&shape), shape.k / shape.groups);
    let kept = keep(&mut args);
    for image in 0..args.images {
        for (column, k) in (args.blocks.start * LANES..args.blocks.end * LANES).enumerate() {
            for row in 0..args.rows.len() * shape.ow {
                args.dst.set(image * args.rows.len() * shape.ow + row, column, 0.0);
            }
            if k >= shape.k {
                continue;
            }
            let first_channel = k / per_group * channels;
            let bias = args.bias.map_or(0.0, |bias| f64::from(bias[k]));
            let mut at = 0;
            let mut sum = 0.0;
            let mut store = |pixel: usize, sum: f64| {
                if args.rows.contains(&(pixel / shape.ow)) {
                    let pixel = image * shape.oh * shape.ow + pixel;
                    let value = finish(&args.finish, sum + bias, [pixel * shape.k_pitch(), k]);
                    args.dst.set(pixel - args.rows.start * shape.ow, column, value as f32);
                }
            };
            for_taps(&shape, |out, input, tap| {
                while at < out {
                    store(at, sum);
                    (at, sum) = (at + 1, 0.0);
                }
                for c in 0..channels {
                    let channel = first_channel + c;
                    let index = (image * shape.h * shape.w + input) * shape.c_pitch + channel;
                    sum += source(&args.src, index, channel, kept)
                        * f64::from(args.weights[weight_at(&shape, k, c, tap)]);
                }
            });
            while at < shape.oh * shape.ow {
                store(at, sum);
                (at, sum) = (at + 1, 0.0);
            }
        }
    }
    sum_stored(&mut args);
}

/// Stores the evaluated source, if that is wanted; says how.
pub(super) fn keep(args: &mut ConvForwardArgs<'_>) -> Rounded {
    let (Some(keep), pitch) = (&mut args.keep, args.shape.c_pitch) else { return Rounded::F32 };
    for row in 0..keep.rows() {
        for channel in 0..pitch {
            let value = elementwise::evaluate(&args.src, row * pitch + channel, channel) as f32;
            keep.set(row, channel, value);
        }
    }
    match keep {
        MapRowsMut::F32(_) => Rounded::F32,
        MapRowsMut::Bf16(_) => Rounded::Bf16,
    }
}

/// Stores a contribution to a gradient, with what is there if that is wanted.
pub(super) fn add(sink: &mut Sink<'_>, [row, column]: [usize; 2], contribution: f64) {
    let mut value = contribution as f32;
    if sink.accumulate {
        value += sink.dst.get(row, column);
    }
    sink.dst.set(row, column, value);
}

/// Statistics of what was stored, by the rule of [`crate::args::Sums`], if they are wanted.
pub(super) fn sum_stored(args: &mut ConvForwardArgs<'_>) {
    let Some(sums) = &mut args.sums else { return };
    let (dst, first_channel) = (&mut args.dst, args.blocks.start * LANES);
    let pixels = dst.rows() / args.images;
    for image in 0..args.images {
        for column in 0..dst.width() {
            let shift = sums.shift[first_channel + column];
            let mut total = [0.0f64; 2];
            for start in (0..pixels).step_by(SUM_RUN) {
                let mut run = [0.0f32; 2];
                for pixel in start..pixels.min(start + SUM_RUN) {
                    let v = dst.get(image * pixels + pixel, column) - shift;
                    run = [run[0] + v, v * v + run[1]];
                }
                total = [total[0] + f64::from(run[0]), total[1] + f64::from(run[1])];
            }
            for (row, total) in total.into_iter().enumerate() {
                sums.out.row(2 * image + row)[column] = total;
            }
        }
    }
}

/// Gradient of the input, with transposed filters.
pub(crate) fn backward_data(mut args: ConvBackwardDataArgs<'_>) {
    args.check();
    let shape = *args.shape;
    let (taps, channels) = (shape.kernel[0] * shape.kernel[1], filter_channels(&shape));
    let per_group = shape.k / shape.groups;
    let (map, k_pitch) = (shape.h * shape.w, shape.k_pitch());
    for image in 0..args.images {
        for (column, c) in (args.blocks.start * LANES..args.blocks.end * LANES).enumerate() {
            if !args.sink.accumulate {
                for pixel in 0..map {
                    args.sink.dst.set(image * map + pixel, column, 0.0);
                }
            }
            if c >= shape.c {
                continue;
            }
            for pixel in 0..map {
                let mut sum = 0.0;
                let at = [pixel / shape.w, pixel % shape.w];
                for tap in 0..taps {
                    let Some(out) = output_at(&shape, at, [tap / shape.kernel[1], tap % shape.kernel[1]])
                    else {
                        continue;
                    };
                    let first_k = c / channels * per_group;
                    for k in first_k..first_k + per_group {
                        let weight = c / LANES * backward_block_len(&shape)
                            + panel_offset(taps, per_group, tap, k - first_k)
                            + c % LANES;
                        let index = (image * shape.oh * shape.ow + out) * k_pitch + k;
                        sum += gradient(&args.grad, index, k) * f64::from(args.weights[weight]);
                    }
                }
                add(&mut args.sink, [image * map + pixel, column], sum);
            }
        }
    }
    gate_and_sum(&mut args);
}

/// The output pixel whose tap `tap` is at input `at`.
fn output_at(shape: &ConvShape, at: [usize; 2], tap: [usize; 2]) -> Option<usize> {
    let mut out = [0; 2];
    for axis in 0..2 {
        let reach = (at[axis] + shape.padding[axis]).checked_sub(tap[axis] * shape.dilation[axis])?;
        let size = if axis == 0 { shape.oh } else { shape.ow };
        if !reach.is_multiple_of(shape.stride[axis]) || reach / shape.stride[axis] >= size {
            return None;
        }
        out[axis] = reach / shape.stride[axis];
    }
    Some(out[0] * shape.ow + out[1])
}

/// Gates and sums what was stored, by the rule of [`crate::args::Sink`].
pub(super) fn gate_and_sum(args: &mut ConvBackwardDataArgs<'_>) {
    let c_pitch = pitch(args.shape.c);
    let map = args.shape.h * args.shape.w;
    let first = args.blocks.start * LANES;
    let sink = &mut args.sink;
    for image in 0..args.images {
        for column in 0..sink.dst.width() {
            let channel = first + column;
            let mut total = [0.0f64; 2];
            for start in (0..map).step_by(SUM_RUN) {
                let mut run = [0.0f32; 2];
                for pixel in start..map.min(start + SUM_RUN) {
                    let index = (image * map + pixel) * c_pitch + channel;
                    if !elementwise::open(&sink.gate, index, channel) {
                        sink.dst.set(image * map + pixel, column, 0.0);
                    }
                    let v = sink.dst.get(image * map + pixel, column);
                    if let Some((y, sums)) = &sink.sums {
                        run = [run[0] + v, v * (y.get(index) - sums.shift[channel]) + run[1]];
                    }
                }
                total = [total[0] + f64::from(run[0]), total[1] + f64::from(run[1])];
            }
            if let Some((_, sums)) = &mut sink.sums {
                for (row, total) in total.into_iter().enumerate() {
                    sums.out.row(2 * image + row)[column] = total;
                }
            }
        }
    }
}

/// Gradient of the filters.
pub(crate) fn backward_weights(args: ConvBackwardWeightsArgs<'_>) {
    args.check();
    let shape = *args.shape;
    let (channels, per_group) = (filter_channels(&shape), shape.k / shape.groups);
    let first = args.blocks.start * packed_block_len(&shape);
    args.dst.fill(0.0);
    for k in args.blocks.start * LANES..shape.k.min(args.blocks.end * LANES) {
        for c in 0..channels {
            let channel = k / per_group * channels + c;
            for tap in 0..shape.kernel[0] * shape.kernel[1] {
                let mut sum = 0.0;
                for image in 0..args.images {
                    for out in 0..shape.oh * shape.ow {
                        let [r, s] = [tap / shape.kernel[1], tap % shape.kernel[1]];
                        let (Some(y), Some(x)) =
                            (input_at(&shape, 0, out / shape.ow, r), input_at(&shape, 1, out % shape.ow, s))
                        else {
                            continue;
                        };
                        let index = (image * shape.h * shape.w + y * shape.w + x) * shape.c_pitch + channel;
                        let g = (image * shape.oh * shape.ow + out) * shape.k_pitch() + k;
                        sum += gradient(&args.grad, g, k) * source(&args.src, index, channel, Rounded::F32);
                    }
                }
                args.dst[weight_at(&shape, k, c, tap) - first] = sum as f32;
            }
        }
    }
}
