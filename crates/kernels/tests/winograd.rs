//! How well the Winograd kernels round: beside a direct convolution in one sequential `f32` chain, both measured against
//! `f64`. Filters are He-normal, inputs normal or rectified normal, channels 64 to 512 (the sizes of a ResNet-18).

mod support;

use plusx_kernels::args::{Finish, Gate, Grad, MapSource, Sink};
use plusx_kernels::conv::winograd::{self, TransformArgs};
use plusx_kernels::conv::{self, ConvBackwardDataArgs, ConvBackwardWeightsArgs, ConvForwardArgs};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::ConvShape;
use plusx_kernels::{LANES, Level, select};
use support::{Random, conv_shape};

/// What the rms error may be, in that of the direct chain. F(4,3) amplifies rounding errors by 4.8, which is shared
/// between chains of 64 channels; see the header of `winograd/points.rs`.
const RMS: f64 = 3.0;
/// The same for the largest error.
const LARGEST: f64 = 6.0;

/// A normally distributed number (Box & Muller 1958).
fn normal(random: &mut Random) -> f32 {
    let mut uniform = || (f64::from(random.real()) + 2.0) / 4.0;
    let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), std::f64::consts::TAU * uniform());
    (radius * angle.cos()) as f32
}

/// The errors of one result against `f64`: root of the mean square, and largest.
fn errors(got: &[f32], want: &[f64]) -> [f64; 2] {
    let differences = got.iter().zip(want).map(|(got, want)| (f64::from(*got) - want).abs());
    let (sum, largest) = differences.fold((0.0, 0.0f64), |(sum, most), d| (sum + d * d, most.max(d)));
    [(sum / want.len() as f64).sqrt(), largest]
}

/// Compares `got` with `direct`, both against `want`.
fn compare(what: &str, got: &[f32], direct: &[f32], want: &[f64]) {
    let ([rms, largest], [direct_rms, direct_largest]) = (errors(got, want), errors(direct, want));
    let ratios = [rms / direct_rms, largest / direct_largest];
    println!(
        "{what}: rms error {:.2} times, largest {:.2} times that of one direct chain",
        ratios[0], ratios[1]
    );
    assert!(ratios[0] <= RMS && ratios[1] <= LARGEST, "{what}: {ratios:?}");
}

/// One layer on random values.
struct ConvLayer {
    shape: ConvShape,
    images: usize,
    x: Vec<f32>,
    dy: Vec<f32>,
    oihw: Vec<f32>,
    packed: Vec<f32>,
}

impl ConvLayer {
    fn new(shape: ConvShape, images: usize, rectified: bool) -> Self {
        let mut random = Random(shape.c as u64 * 31 + shape.k as u64 + u64::from(rectified));
        let map = |random: &mut Random, channels: usize| -> Vec<f32> {
            (0..images * shape.h * shape.w * channels).map(|_| normal(random)).collect()
        };
        let mut x = map(&mut random, shape.c);
        if rectified {
            x.iter_mut().for_each(|x| *x = x.max(0.0));
        }
        let dy = map(&mut random, shape.k);
        let deviation = (2.0 / (9.0 * shape.c as f32)).sqrt();
        let oihw: Vec<f32> = (0..shape.k * shape.c * 9).map(|_| normal(&mut random) * deviation).collect();
        let mut packed = vec![0.0; conv::packed_len(&shape)];
        conv::pack(&shape, &oihw, &mut packed);
        Self { shape, images, x, dy, oihw, packed }
    }

    /// Output pixel, input pixel and tap of every product inside the maps.
    fn products(&self) -> Vec<(usize, usize, usize)> {
        let size = self.shape.h;
        let mut products = Vec::new();
        for (out, tap) in (0..self.images * size * size).flat_map(|out| (0..9).map(move |tap| (out, tap))) {
            let [y, x] = [out / size % size + tap / 3, out % size + tap % 3];
            if (1..=size).contains(&y) && (1..=size).contains(&x) {
                products.push((out, (out / (size * size) * size + y - 1) * size + x - 1, tap));
            }
        }
        products
    }

    /// The three results as single chains in `T`, in the order of [`ConvLayer::products`] and channels.
    fn chains<T: Copy + From<f32>>(&self, mul_add: fn(T, T, T) -> T) -> [Vec<T>; 3] {
        let ConvShape { c, k, .. } = self.shape;
        let zero = T::from(0.0);
        let (mut y, mut dx, mut dw) =
            (vec![zero; self.dy.len()], vec![zero; self.x.len()], vec![zero; self.oihw.len()]);
        for (out, input, tap) in self.products() {
            for filter in 0..k {
                let dy = T::from(self.dy[out * k + filter]);
                let sum = &mut y[out * k + filter];
                for channel in 0..c {
                    let at = (filter * c + channel) * 9 + tap;
                    let (x, w) = (T::from(self.x[input * c + channel]), T::from(self.oihw[at]));
                    *sum = mul_add(x, w, *sum);
                    dx[input * c + channel] = mul_add(dy, w, dx[input * c + channel]);
                    dw[at] = mul_add(dy, x, dw[at]);
                }
            }
        }
        [y, dx, dw]
    }

    fn filters(&self, level: Level, backward: bool) -> Vec<f32> {
        let shape = &self.shape;
        let (table, len, channels) = if backward {
            (winograd::TRANSFORM_BACKWARD, winograd::backward_filters_len(shape), shape.c)
        } else {
            (winograd::TRANSFORM, winograd::filters_len(shape), shape.k)
        };
        let mut dst = vec![0.0; len];
        (select(table, level, shape).run)(TransformArgs {
            shape,
            packed: &self.packed,
            blocks: 0..channels.div_ceil(LANES),
            dst: &mut dst,
            scratch: &mut vec![0.0; conv::backward_block_len(shape)],
        });
        dst
    }

    fn source(&self) -> MapSource<'_> {
        MapSource::plain(&self.x)
    }

    fn winograd(&self, level: Level) -> [Vec<f32>; 3] {
        let (shape, images) = (&self.shape, self.images);
        let [c, k] = [shape.c / LANES, shape.k / LANES];
        let grad = Grad { g: (&self.dy).into(), norm: None };
        let (mut y, mut dx) = (vec![0.0; self.dy.len()], vec![0.0; self.x.len()]);
        (select(winograd::FORWARD, level, shape).run)(ConvForwardArgs {
            shape,
            images,
            src: self.source(),
            keep: None,
            weights: &self.filters(level, false),
            bias: None,
            finish: Finish::default(),
            rows: 0..shape.oh,
            blocks: 0..k,
            dst: RowsMut::new(&mut y, shape.k, 0, shape.k).into(),
            sums: None,
            scratch: &mut vec![0.0; winograd::forward_scratch_len(shape, k)],
        });
        (select(winograd::BACKWARD_DATA, level, shape).run)(ConvBackwardDataArgs {
            shape,
            images,
            grad,
            weights: &self.filters(level, true),
            blocks: 0..c,
            sink: Sink {
                dst: RowsMut::new(&mut dx, shape.c, 0, shape.c).into(),
                accumulate: false,
                gate: Gate::Open,
                sums: None,
            },
            scratch: &mut vec![0.0; winograd::backward_data_scratch_len(shape, c)],
        });
        let (mut packed, mut dw) = (vec![0.0; self.packed.len()], vec![0.0; self.oihw.len()]);
        (select(winograd::BACKWARD_WEIGHTS, level, shape).run)(ConvBackwardWeightsArgs {
            shape,
            images,
            src: self.source(),
            grad,
            blocks: 0..k,
            dst: &mut packed,
            scratch: &mut vec![0.0; winograd::backward_weights_scratch_len(shape, k)],
        });
        conv::unpack(shape, &packed, &mut dw);
        [y, dx, dw]
    }
}

#[test]
fn rounding_errors_are_those_of_a_direct_chain() {
    // (channels in, filters, map, images): the summed side is wide, the other one block, so that `f64` loops end soon
    let sums_over_channels = [(64, 16, 24, 1), (128, 16, 12, 2), (256, 16, 6, 4), (512, 16, 3, 8)];
    let sums_over_filters =
        sums_over_channels.map(|(wide, narrow, size, images)| (narrow, wide, size, images));
    let sums_over_images = [(16, 16, 24, 16), (16, 16, 12, 64), (16, 16, 6, 64), (16, 16, 3, 64)];
    for (pass, cases) in [sums_over_channels, sums_over_filters, sums_over_images].into_iter().enumerate() {
        for ((c, k, size, images), rectified) in
            cases.into_iter().flat_map(|case| [(case, false), (case, true)])
        {
            let layer = ConvLayer::new(conv_shape([c, k, size, 3, 1, 1]), images, rectified);
            let want = layer.chains::<f64>(f64::mul_add);
            let direct = layer.chains::<f32>(f32::mul_add);
            for level in Level::ALL.into_iter().filter(|level| level.supported()) {
                let got = layer.winograd(level);
                let name = ["forward", "backward data", "backward weights"][pass];
                let what =
                    format!("{name}, {level}, {c} to {k} channels, {size}x{size}, rectified {rectified}");
                compare(&what, &got[pass], &direct[pass], &want[pass]);
            }
        }
    }
}
