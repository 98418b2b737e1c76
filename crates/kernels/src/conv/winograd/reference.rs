//! The reference entries: plain loops in `f64` over the matrices of both algorithms, written out as exact fractions.
//! The gradient of the filters reads no transformed ones, so its reference is that of the direct table.

use std::ops::Range;

use super::filters::TransformArgs;
use super::sizes::PassSizes;
use super::tiling::Algorithm;
use crate::LANES;
use crate::conv::args::{ConvBackwardDataArgs, ConvForwardArgs};
use crate::conv::reference;

/// A^T (M x N), B^T (N x N) and G (N x 3), row by row.
struct Matrices {
    at: &'static [f64],
    bt: &'static [f64],
    g: &'static [f64],
}

#[rustfmt::skip]
const F43: Matrices = Matrices {
    at: &[
        1.0, 1.0, 1.0, 1.0, 1.0, 0.0,
        0.0, 2.0 / 3.0, -2.0 / 3.0, 3.0 / 2.0, -3.0 / 2.0, 0.0,
        0.0, 4.0 / 9.0, 4.0 / 9.0, 9.0 / 4.0, 9.0 / 4.0, 0.0,
        0.0, 8.0 / 27.0, -8.0 / 27.0, 27.0 / 8.0, -27.0 / 8.0, 1.0,
    ],
    bt: &[
        1.0, 0.0, -97.0 / 36.0, 0.0, 1.0, 0.0,
        0.0, -3.0 / 2.0, -9.0 / 4.0, 2.0 / 3.0, 1.0, 0.0,
        0.0, 3.0 / 2.0, -9.0 / 4.0, -2.0 / 3.0, 1.0, 0.0,
        0.0, -2.0 / 3.0, -4.0 / 9.0, 3.0 / 2.0, 1.0, 0.0,
        0.0, 2.0 / 3.0, -4.0 / 9.0, -3.0 / 2.0, 1.0, 0.0,
        0.0, 1.0, 0.0, -97.0 / 36.0, 0.0, 1.0,
    ],
    g: &[
        1.0, 0.0, 0.0,
        -81.0 / 130.0, -27.0 / 65.0, -18.0 / 65.0,
        -81.0 / 130.0, 27.0 / 65.0, -18.0 / 65.0,
        8.0 / 65.0, 12.0 / 65.0, 18.0 / 65.0,
        8.0 / 65.0, -12.0 / 65.0, 18.0 / 65.0,
        0.0, 0.0, 1.0,
    ],
};

#[rustfmt::skip]
const F33: Matrices = Matrices {
    at: &[
        1.0, 1.0, 1.0, 1.0, 0.0,
        3.0 / 8.0, -3.0 / 8.0, 5.0 / 4.0, -5.0 / 4.0, 0.0,
        9.0 / 64.0, 9.0 / 64.0, 25.0 / 16.0, 25.0 / 16.0, 1.0,
    ],
    bt: &[
        -75.0 / 128.0, -25.0 / 16.0, 3.0 / 8.0, 1.0, 0.0,
        75.0 / 128.0, -25.0 / 16.0, -3.0 / 8.0, 1.0, 0.0,
        -45.0 / 256.0, -9.0 / 64.0, 5.0 / 4.0, 1.0, 0.0,
        45.0 / 256.0, -9.0 / 64.0, -5.0 / 4.0, 1.0, 0.0,
        225.0 / 1024.0, 0.0, -109.0 / 64.0, 0.0, 1.0,
    ],
    g: &[
        -256.0 / 273.0, -32.0 / 91.0, -12.0 / 91.0,
        256.0 / 273.0, -32.0 / 91.0, 12.0 / 91.0,
        128.0 / 455.0, 32.0 / 91.0, 40.0 / 91.0,
        -128.0 / 455.0, 32.0 / 91.0, -40.0 / 91.0,
        0.0, 0.0, 1.0,
    ],
};

impl Matrices {
    fn of(algorithm: Algorithm) -> &'static Self {
        match algorithm {
            Algorithm::F43 => &F43,
            Algorithm::F33 => &F33,
        }
    }
}

/// `matrix x matrix^T` of a square `x` with `columns` rows and columns; the matrix has as many columns.
fn both_sides(matrix: &[f64], columns: usize, x: impl Fn(usize, usize) -> f64) -> [f64; 36] {
    let rows = matrix.len() / columns;
    let mut result = [0.0; 36];
    for (i, j) in square(rows) {
        for (p, q) in square(columns) {
            result[i * rows + j] += matrix[i * columns + p] * x(p, q) * matrix[j * columns + q];
        }
    }
    result
}

/// All pairs below `n`, the second running faster.
fn square(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n * n).map(move |at| (at / n, at % n))
}

/// Filters of the forward pass.
pub(super) fn transform(args: TransformArgs<'_>) {
    let shape = *args.shape;
    transform_pass(&PassSizes::forward(&shape), args, |filter, channel, tap| {
        reference::weight_at(&shape, filter, channel, tap)
    });
}

/// Filters of the gradient of the input: channels exchanged, taps turned by half a turn.
pub(super) fn transform_backward(args: TransformArgs<'_>) {
    let shape = *args.shape;
    transform_pass(&PassSizes::backward(&shape), args, |filter, channel, tap| {
        reference::weight_at(&shape, channel, filter, 8 - tap)
    });
}

/// `at` tells where the packed filters hold a tap.
fn transform_pass(pass: &PassSizes, args: TransformArgs<'_>, at: impl Fn(usize, usize, usize) -> usize) {
    let [inner, outer] = pass.channels;
    let (points, width) = (pass.algorithm.n() * pass.algorithm.n(), pass.channel_blocks() * LANES);
    args.dst.fill(0.0);
    for (index, block) in args.blocks.enumerate() {
        let filters = block * LANES..outer.min((block + 1) * LANES);
        for (lane, filter) in filters.enumerate() {
            for channel in 0..inner {
                let tap = |r, s| f64::from(args.packed[at(filter, channel, 3 * r + s)]);
                let u = both_sides(Matrices::of(pass.algorithm).g, 3, tap);
                for (point, value) in u[..points].iter().enumerate() {
                    args.dst[((index * points + point) * width + channel) * LANES + lane] = *value as f32;
                }
            }
        }
    }
}

/// Forward.
pub(super) fn forward(mut args: ConvForwardArgs<'_>) {
    args.check_maps();
    let kept = reference::keep(&mut args);
    let (pass, first, src) = (PassSizes::forward(args.shape), args.blocks.start, args.src);
    let work =
        ReferencePass { sizes: &pass, images: args.images, u: args.weights, blocks: args.blocks.clone() };
    let (bias, finish, before) = (args.bias, args.finish, args.rows.start * args.shape.ow);
    let (pitch, pixels) = (args.shape.k_pitch(), args.dst.rows());
    work.run(
        |pixel, channel| reference::source(&src, pixel * pass.pitch + channel, channel, kept),
        |pixel, column, value| {
            if (before..before + pixels).contains(&pixel) {
                let (channel, value) = (first * LANES + column, value);
                let value = value + bias.map_or(0.0, |bias| f64::from(bias[channel]));
                let value = reference::finish(&finish, value, [pixel * pitch, channel]);
                args.dst.set(pixel - before, column, value as f32);
            }
        },
    );
    reference::sum_stored(&mut args);
}

/// Gradient of the input.
pub(super) fn backward_data(mut args: ConvBackwardDataArgs<'_>) {
    args.check();
    let (pass, grad) = (PassSizes::backward(args.shape), args.grad);
    let work =
        ReferencePass { sizes: &pass, images: args.images, u: args.weights, blocks: args.blocks.clone() };
    work.run(
        |pixel, channel| reference::gradient(&grad, pixel * pass.pitch + channel, channel),
        |pixel, column, value| {
            reference::add(&mut args.sink, [pixel, column], value);
        },
    );
    reference::gate_and_sum(&mut args);
}

/// One piece of work.
struct ReferencePass<'a> {
    sizes: &'a PassSizes,
    images: usize,
    u: &'a [f32],
    blocks: Range<usize>,
}

impl ReferencePass<'_> {
    /// Reads value (pixel, channel) of the maps, writes value (pixel, column of the piece).
    fn run(&self, read: impl Fn(usize, usize) -> f64, mut write: impl FnMut(usize, usize, f64)) {
        let PassSizes { algorithm, tiling, map: [height, width], .. } = *self.sizes;
        let (m, n, matrices) = (algorithm.m(), algorithm.n(), Matrices::of(algorithm));
        let channels = self.sizes.channel_blocks() * LANES;
        let tiles = tiling.tiles[0] * tiling.tiles[1];
        for (image, tile) in (0..self.images).flat_map(|image| (0..tiles).map(move |tile| (image, tile))) {
            let [top, left] = [tile / tiling.tiles[1] * m, tile % tiling.tiles[1] * m];
            for (index, block) in self.blocks.clone().enumerate() {
                let mut products = [[0.0; 36]; LANES];
                for channel in 0..self.sizes.channels[0] {
                    let v = both_sides(matrices.bt, n, |i, j| {
                        // the border is one pixel wide
                        let inside = (1..=height).contains(&(top + i)) && (1..=width).contains(&(left + j));
                        let at = |y: usize, x: usize| (image * height + y) * width + x;
                        if inside { read(at(top + i - 1, left + j - 1), channel) } else { 0.0 }
                    });
                    for (lane, products) in products.iter_mut().enumerate() {
                        for point in 0..n * n {
                            let u = ((block * n * n + point) * channels + channel) * LANES + lane;
                            products[point] += v[point] * f64::from(self.u[u]);
                        }
                    }
                }
                for (lane, products) in products.iter().enumerate() {
                    let y = both_sides(matrices.at, n, |i, j| products[i * n + j]);
                    for (i, j) in square(m).filter(|(i, j)| top + i < height && left + j < width) {
                        let pixel = (image * height + top + i) * width + left + j;
                        write(pixel, index * LANES + lane, y[i * m + j]);
                    }
                }
            }
        }
    }
}
