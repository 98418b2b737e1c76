//! Batch normalisation end to end: statistics, finalise, affine, and both gradients, against a two-pass `f64`
//! normalisation and its finite differences.

mod support;

use plusx_kernels::args::Sums;
use plusx_kernels::norm::{
    FinalizeArgs, FinalizeBackwardArgs, InferenceAffineArgs, Running, STATS, StatsArgs, finalize,
    finalize_backward, inference_affine, reduce_sums,
};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::MapShape;
use plusx_kernels::{Level, pitch, select};
use support::{Random, U, differences};

const EPSILON: f32 = 1e-5;

/// Per-channel results of a batch.
#[derive(Default)]
struct Normed {
    shift: Vec<f32>,
    mean: Vec<f32>,
    istd: Vec<f32>,
    scale: Vec<f32>,
    shift_out: Vec<f32>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
}

struct BatchData<'a> {
    c: usize,
    pixels: usize,
    images: usize,
    data: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    unbiased: bool,
}

impl BatchData<'_> {
    fn run(&self, running: [&[f32]; 2]) -> Normed {
        let pitch = pitch(self.c);
        let shape = MapShape { c: self.c, pitch, pixels: self.pixels };
        let mut shift = vec![0.0; pitch];
        shift[..self.c].copy_from_slice(running[0]);
        let mut partials = vec![0.0; self.images * 2 * pitch];
        let out = RowsMut::new(&mut partials, pitch, 0, pitch);
        let run = select(STATS, Level::detect(), &shape).run;
        run(StatsArgs {
            shape: &shape,
            images: self.images,
            data: self.data.into(),
            sums: Sums { shift: &shift, out },
        });
        let mut sums = vec![0.0; 2 * pitch];
        reduce_sums(&partials, self.images, pitch, 0..pitch, RowsMut::new(&mut sums, pitch, 0, pitch));
        let mut normed = Normed {
            shift,
            mean: vec![9.0; pitch],
            istd: vec![9.0; pitch],
            scale: vec![9.0; pitch],
            shift_out: vec![9.0; pitch],
            running_mean: running[0].to_vec(),
            running_var: running[1].to_vec(),
        };
        finalize(FinalizeArgs {
            c: self.c,
            sums: &sums,
            count: self.images * self.pixels,
            shift: &normed.shift,
            gamma: self.gamma,
            beta: self.beta,
            epsilon: EPSILON,
            running: Some(Running {
                mean: &mut normed.running_mean,
                var: &mut normed.running_var,
                momentum: 0.9,
                unbiased: self.unbiased,
            }),
            mean: &mut normed.mean,
            istd: &mut normed.istd,
            scale: &mut normed.scale,
            shift_out: &mut normed.shift_out,
        });
        normed
    }
}

/// Mean and biased variance in two `f64` passes.
fn moments(values: &[f64]) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    [mean, values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n]
}

fn channel(data: &[f32], pitch: usize, lane: usize) -> Vec<f64> {
    data.chunks(pitch).map(|row| f64::from(row[lane])).collect()
}

#[test]
fn statistics_are_those_of_two_passes() {
    let mut random = Random(21);
    for (c, offset) in [(1, 0.0), (6, 3.0), (17, 100.0), (64, -1000.0)] {
        for (images, pixels, unbiased) in [(1, 1, true), (2, 81, false), (5, 35, true), (130, 4, false)] {
            let pitch = pitch(c);
            let mut data = random.map(images * pixels, c, false);
            for row in data.chunks_mut(pitch) {
                row[..c].iter_mut().for_each(|value| *value += offset);
            }
            let (gamma, beta) = (random.map(1, c, false), random.map(1, c, false));
            let (gamma, beta) = (&gamma[..c], &beta[..c]);
            // a running mean as far off as it is when it has seen a few batches
            let running = [vec![offset * 0.999; c], vec![1.0; c]];
            let batch = BatchData { c, pixels, images, data: &data, gamma, beta, unbiased };
            let normed = batch.run([&running[0], &running[1]]);
            for lane in 0..c {
                let values = channel(&data, pitch, lane);
                let [mean, var] = moments(&values);
                let near = |got: f32, want: f64, allowed: f64| {
                    assert!(
                        (f64::from(got) - want).abs() <= allowed,
                        "{got} instead of {want}, {offset} {images}"
                    );
                };
                // sums of 64 in f32 of values at most `reach` from the shift, then one rounding of the result
                let reach = 2.0 + f64::from(offset.abs()) * 1.001e-3;
                let mean_error = 70.0 * U * reach;
                let var_error = 70.0 * U * reach * reach * 3.0;
                near(normed.mean[lane], mean, mean_error + U * mean.abs());
                let istd = 1.0 / (var + f64::from(EPSILON)).sqrt();
                let istd_error = istd * istd * istd * var_error;
                near(normed.istd[lane], istd, istd_error + U * istd);
                let scale = f64::from(gamma[lane]) * istd;
                near(normed.scale[lane], scale, istd_error * 2.0 + 2.0 * U * scale.abs());
                let shift = f64::from(beta[lane]) - mean * scale;
                let shift_error = mean_error * scale.abs() + mean.abs() * istd_error * 2.0;
                near(
                    normed.shift_out[lane],
                    shift,
                    shift_error + U * (shift.abs() + mean.abs() * scale.abs()),
                );
                let count = (images * pixels) as f64;
                let var = if unbiased && count > 1.0 { var * count / (count - 1.0) } else { var };
                let old = f64::from(0.9f32);
                let want = old * f64::from(running[0][lane]) + (1.0 - old) * mean;
                near(normed.running_mean[lane], want, mean_error + U * want.abs());
                let want = old + (1.0 - old) * var;
                near(normed.running_var[lane], want, var_error + U * want);
            }
            for tail in c..pitch {
                let tails =
                    [normed.mean[tail], normed.istd[tail], normed.scale[tail], normed.shift_out[tail]];
                assert_eq!(tails, [0.0; 4]);
            }
        }
    }
}

#[test]
fn a_constant_channel_has_variance_zero() {
    let data = vec![0.1f32; 16 * 100];
    let ones = [1.0f32; 16];
    let batch =
        BatchData { c: 16, pixels: 50, images: 2, data: &data, gamma: &ones, beta: &ones, unbiased: false };
    let normed = batch.run([&[-0.7; 16], &[1.0; 16]]);
    let istd = 1.0 / f64::from(EPSILON).sqrt();
    for lane in 0..16 {
        // shifted sums leave 0.64 * 70 half-ulps of variance at most, against an epsilon of 1e-5
        let error = istd * 0.5 * (0.64 * 3.0 * 70.0 * U) / f64::from(EPSILON);
        assert!((f64::from(normed.istd[lane]) - istd).abs() <= error + U * istd, "{}", normed.istd[lane]);
        assert!(normed.running_var[lane] >= 0.9f32 * 0.999);
    }
}

#[test]
fn gradients_are_the_differences() {
    let mut random = Random(22);
    for (c, pixels, images, offset) in [(1, 4, 1, 0.0), (3, 6, 2, 0.5), (6, 81, 1, -2.0), (17, 4, 5, 1.0)] {
        let pitch = pitch(c);
        let mut data = random.map(images * pixels, c, false);
        for row in data.chunks_mut(pitch) {
            row[..c].iter_mut().for_each(|value| *value += offset);
        }
        let (gamma, beta) = (random.map(1, c, false), random.map(1, c, false));
        let (gamma, beta) = (&gamma[..c], &beta[..c]);
        let batch = BatchData { c, pixels, images, data: &data, gamma, beta, unbiased: false };
        let normed = batch.run([&vec![offset * 0.9; c], &vec![1.0; c]]);
        let dy = random.map(images * pixels, c, false);
        let mut sums = vec![0.0; 2 * pitch];
        for (index, (dy, x)) in dy.iter().zip(&data).enumerate() {
            let lane = index % pitch;
            sums[lane] += f64::from(*dy);
            sums[pitch + lane] += f64::from(*dy) * (f64::from(*x) - f64::from(normed.shift[lane]));
        }
        let [mut dgamma, mut dbeta] = [vec![0.0; c], vec![0.0; c]];
        let [mut a, mut b, mut constant] = [vec![9.0; pitch], vec![9.0; pitch], vec![9.0; pitch]];
        finalize_backward(FinalizeBackwardArgs {
            c,
            sums: &sums,
            count: images * pixels,
            shift: &normed.shift,
            gamma,
            mean: &normed.mean,
            istd: &normed.istd,
            evaluated: false,
            dgamma: &mut dgamma,
            dbeta: &mut dbeta,
            a: &mut a,
            b: &mut b,
            constant: &mut constant,
        });
        for lane in 0..c {
            let x = channel(&data, pitch, lane);
            let r = channel(&dy, pitch, lane);
            let target = |x: &[f64], gamma: f64, beta: f64| -> f64 {
                let [mean, var] = moments(x);
                let istd = 1.0 / (var + f64::from(EPSILON)).sqrt();
                x.iter().zip(&r).map(|(x, r)| r * (gamma * (x - mean) * istd + beta)).sum()
            };
            let (gamma, beta) = (f64::from(gamma[lane]), f64::from(beta[lane]));
            let dx = differences(&x, 1e-5, |x| target(x, gamma, beta));
            // central differences of step 1e-5: about 1e-10 of curvature and 1e-11 of rounding; the rest is the f32
            // rounding of mean, istd, a, b and c, each once, against terms of this size
            let istd = f64::from(normed.istd[lane]);
            let size: f64 =
                r.iter().map(|r| r.abs()).sum::<f64>() * istd * (1.0 + gamma.abs()) * (2.0 + istd);
            let allowed = 1e-7 * (1.0 + istd.powi(3)) + 16.0 * U * size * (1.0 + f64::from(offset.abs()));
            for (index, numeric) in dx.iter().enumerate() {
                let row = index * pitch + lane;
                let analytic = f64::from(a[lane]) * f64::from(dy[row])
                    + f64::from(b[lane]) * f64::from(data[row])
                    + f64::from(constant[lane]);
                assert!((analytic - numeric).abs() <= allowed, "dx {analytic} {numeric} {allowed:e}");
            }
            let numeric = differences(&[gamma, beta], 1e-5, |p| target(&x, p[0], p[1]));
            assert!((f64::from(dgamma[lane]) - numeric[0]).abs() <= allowed * 2.0, "dgamma");
            assert!((f64::from(dbeta[lane]) - numeric[1]).abs() <= allowed, "dbeta");
        }
    }
}

#[test]
fn inference_uses_the_running_statistics() {
    let (mut scale, mut shift) = ([9.0f32; 16], [9.0f32; 16]);
    inference_affine(InferenceAffineArgs {
        gamma: &[2.0, -1.0, 0.5],
        beta: &[1.0, 0.0, -3.0],
        mean: &[0.5, 4.0, 0.0],
        var: &[3.0, 0.0, 1.0],
        epsilon: 1.0,
        scale: &mut scale,
        shift: &mut shift,
    });
    assert_eq!(scale[..2], [1.0, -1.0]);
    assert_eq!(shift[..2], [0.5, 4.0]);
    assert_eq!(scale[2], (0.5 / 2f64.sqrt()) as f32);
    assert_eq!((&scale[3..], &shift[3..]), (&[0.0; 13][..], &[0.0; 13][..]));
}
