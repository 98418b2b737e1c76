//! The loss against `f64` formulas that keep tiny losses, and its gradient against finite differences.

mod support;

use plusx_kernels::loss::{LossArgs, LossTargets, TargetShape, pinned, softmax_cross_entropy};
use support::{Random, differences};

struct LossOutput {
    loss: Vec<f32>,
    predictions: Vec<u32>,
    gradient: Vec<f32>,
}

fn run(classes: usize, pitch: usize, logits: &[f32], labels: &[u32]) -> LossOutput {
    run_on(classes, pitch, logits, LossTargets::Classes(labels))
}

fn run_on(classes: usize, pitch: usize, logits: &[f32], targets: LossTargets<'_>) -> LossOutput {
    let images = logits.len() / pitch;
    let (mut loss, mut predictions) = (vec![9.0; images], vec![9; images]);
    let mut gradient = vec![9.0; images * pitch];
    softmax_cross_entropy(LossArgs {
        classes,
        pitch,
        images,
        logits,
        targets,
        loss: &mut loss,
        predictions: &mut predictions,
        gradient: &mut gradient,
    });
    LossOutput { loss, predictions, gradient }
}

/// Loss and gradient in `f64` with the standard library's functions.
fn reference(z: &[f64], label: usize) -> (f64, Vec<f64>) {
    let best = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let first = z.iter().position(|z| *z == best).unwrap();
    let e: Vec<f64> = z.iter().map(|z| (z - best).exp()).collect();
    let rest: f64 = e.iter().enumerate().filter(|(j, _)| *j != first).map(|(_, e)| e).sum();
    let others: f64 = e.iter().enumerate().filter(|(j, _)| *j != label).map(|(_, e)| e).sum();
    let total = 1.0 + rest;
    let mut gradient: Vec<f64> = e.iter().map(|e| e / total).collect();
    gradient[label] = -others / total;
    (best - z[label] + rest.ln_1p(), gradient)
}

/// Distance in units in the last place of `want` rounded to `f32`.
fn ulps(got: f32, want: f64) -> f64 {
    let want32 = want as f32;
    let ulp = f64::from(want32.abs().next_up()) - f64::from(want32.abs());
    (f64::from(got) - want).abs() / ulp
}

#[test]
fn loss_and_gradient_are_within_a_unit_in_the_last_place() {
    let mut random = Random(31);
    for (classes, pitch) in [(1, 16), (2, 16), (10, 16), (16, 16), (17, 32), (1000, 1008)] {
        for spread in [0.01f32, 1.0, 10.0, 60.0] {
            let images = 5;
            let mut logits = random.map(images, classes, false);
            assert_eq!(logits.len(), images * pitch);
            for row in logits.chunks_mut(pitch) {
                row[..classes].iter_mut().for_each(|z| *z = (*z * spread) + 3.0);
                // what lies in the tail is nobody's business
                row[classes..].fill(f32::NAN);
            }
            let labels: Vec<u32> = (0..images).map(|image| (image * 7 % classes) as u32).collect();
            let got = run(classes, pitch, &logits, &labels);
            for image in 0..images {
                let z: Vec<f64> = logits[image * pitch..][..classes].iter().map(|z| f64::from(*z)).collect();
                let (loss, gradient) = reference(&z, labels[image] as usize);
                assert!(ulps(got.loss[image], loss) <= 0.501, "loss {} instead of {loss}", got.loss[image]);
                for (got, want) in got.gradient[image * pitch..].iter().zip(&gradient) {
                    assert!(ulps(*got, *want) <= 0.501, "gradient {got} instead of {want}");
                }
                assert_eq!(
                    got.gradient[image * pitch + classes..][..pitch - classes],
                    vec![0.0; pitch - classes]
                );
                let best = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                assert_eq!(Some(got.predictions[image] as usize), z.iter().position(|z| *z == best));
            }
        }
    }
}

#[test]
fn gradient_is_the_difference() {
    let mut random = Random(32);
    let logits = random.map(1, 10, false);
    let got = run(10, 16, &logits, &[4]);
    let z: Vec<f64> = logits[..10].iter().map(|z| f64::from(*z)).collect();
    let numeric = differences(&z, 1e-5, |z| {
        let total: f64 = z.iter().map(|z| z.exp()).sum();
        total.ln() - z[4]
    });
    for (got, numeric) in got.gradient.iter().zip(&numeric) {
        // 1e-10 of curvature, 1e-11 of rounding, half a unit in the last place
        assert!((f64::from(*got) - numeric).abs() < 1e-9 + f64::from(f32::EPSILON), "{got} {numeric}");
    }
}

/// Weight times smoothed target of every class.
fn shares(q: &[f64], shape: TargetShape<'_>) -> Vec<f64> {
    let (e, n) = (f64::from(shape.smoothing), q.len() as f64);
    let weight = |class: usize| shape.weights.map_or(1.0, |weights| f64::from(weights[class]));
    q.iter().enumerate().map(|(class, q)| weight(class) * ((1.0 - e) * q + e / n)).collect()
}

#[test]
fn soft_targets_follow_their_formula() {
    let mut random = Random(33);
    for (classes, pitch) in [(1, 16), (2, 16), (10, 16), (17, 32), (1000, 1008)] {
        for spread in [0.01f32, 1.0, 10.0, 60.0] {
            let mut logits = random.map(3, classes, false);
            logits.iter_mut().for_each(|z| *z *= spread);
            let soft: Vec<f32> = (0..3 * classes).map(|_| random.real().abs() / classes as f32).collect();
            let weights: Vec<f32> = (0..classes).map(|_| random.real().abs()).collect();
            let labels = [0, classes as u32 / 2, classes as u32 - 1];
            for (smoothing, weights) in
                [(0.0, None), (0.1, None), (0.0, Some(&weights[..])), (0.25, Some(&weights[..]))]
            {
                let shape = TargetShape { smoothing, weights };
                let got = run_on(classes, pitch, &logits, LossTargets::Soft(&soft, shape));
                let smoothed = run_on(classes, pitch, &logits, LossTargets::Smoothed(&labels, shape));
                for image in 0..3 {
                    let z: Vec<f64> =
                        logits[image * pitch..][..classes].iter().map(|z| f64::from(*z)).collect();
                    let q = soft[image * classes..][..classes].iter().map(|q| f64::from(*q)).collect();
                    let hot =
                        (0..classes).map(|j| f64::from(u8::from(j == labels[image] as usize))).collect();
                    for (got, q) in [(&got, q), (&smoothed, hot)] {
                        let q: Vec<f64> = q;
                        let u = shares(&q, shape);
                        let (mut loss, mut gradient) = (0.0, vec![0.0; classes]);
                        for (label, u) in u.iter().enumerate() {
                            let (one, slope) = reference(&z, label);
                            loss += u * one;
                            gradient.iter_mut().zip(slope).for_each(|(sum, dz)| *sum += u * dz);
                        }
                        assert!(
                            ulps(got.loss[image], loss) <= 0.501,
                            "{} instead of {loss}",
                            got.loss[image]
                        );
                        let whole: f64 = u.iter().sum();
                        for (got, want) in got.gradient[image * pitch..].iter().zip(&gradient) {
                            // half a unit of the result, and what f64 loses where the terms nearly cancel
                            let bound = 0.501 * want.abs() / f64::from(1 << 23) + 1e-12 * whole + 1e-44;
                            assert!((f64::from(*got) - want).abs() <= bound, "{got} instead of {want}");
                        }
                        assert!(
                            got.gradient[image * pitch + classes..][..pitch - classes]
                                .iter()
                                .all(|g| *g == 0.0)
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_single_share_is_a_class() {
    let mut random = Random(34);
    let logits = random.map(4, 10, false);
    let labels = [3, 0, 9, 3];
    let shape = TargetShape { smoothing: 0.0, weights: None };
    let one = run(10, 16, &logits, &labels);
    let other = run_on(10, 16, &logits, LossTargets::Smoothed(&labels, shape));
    assert_eq!((one.loss, one.predictions), (other.loss, other.predictions));
    for (class, share) in one.gradient.iter().zip(&other.gradient) {
        assert!((class - share).abs() <= f32::EPSILON * class.abs(), "{share} instead of {class}");
    }
}

#[test]
fn extremes_are_exact_or_seen() {
    let mut logits = [0.0f32; 32];
    logits[..3].copy_from_slice(&[200.0, 0.0, -200.0]);
    logits[16..19].copy_from_slice(&[1.0, 1.0, f32::NAN]);
    let got = run(3, 16, &logits, &[0, 0]);
    assert!(got.loss[0] >= 0.0 && f64::from(got.loss[0]) == f64::from((-200f64).exp() as f32));
    assert!(got.gradient[0] <= 0.0 && got.gradient[2] == 0.0);
    assert!(got.loss[1].is_nan() && got.gradient[16].is_nan());
    let got = run(3, 16, &logits[..16], &[2]);
    assert_eq!((got.loss[0], got.gradient[2]), (400.0, -1.0));
    // ties: the first
    assert_eq!(
        run(3, 16, &[1.0, 2.0, 2.0, 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9.], &[0]).predictions,
        [1]
    );
}

#[test]
fn pinned_functions_are_close_to_exact() {
    let relative = |got: f64, want: f64| (got - want).abs() / want.abs().max(f64::MIN_POSITIVE);
    for step in 0..200_000 {
        let x = -f64::from(step) * 0.003_53;
        assert!(relative(pinned::exp(x), if x < -708.0 { 0.0 } else { x.exp() }) < 5e-16, "exp({x})");
        let x = 1.0 + f64::from(step) * f64::from(step) * 1e-6;
        assert!((pinned::ln(x) - x.ln()).abs() <= 5e-16 * x.ln().abs(), "ln({x})");
        let x = f64::from(step + 1).powi(5) * 1e-24;
        assert!(relative(pinned::ln_1p(x), x.ln_1p()) < 8e-16, "ln_1p({x})");
    }
    assert_eq!(
        (pinned::exp(0.0), pinned::exp(-1e300), pinned::ln(1.0), pinned::ln_1p(0.0)),
        (1.0, 0.0, 0.0, 0.0)
    );
    assert_eq!(pinned::exp(f64::NEG_INFINITY), 0.0);
    assert!(pinned::exp(f64::NAN).is_nan() && pinned::ln_1p(f64::INFINITY) == f64::INFINITY);
}

#[test]
fn pinned_functions_keep_their_bytes() {
    let bits = |values: [f64; 4]| values.map(f64::to_bits);
    assert_eq!(
        bits([pinned::exp(-1.0), pinned::exp(-20.25), pinned::ln(10.0), pinned::ln_1p(1e-9)]),
        [0x3fd7_8b56_362c_ef38, 0x3e1b_93de_1e27_ca3b, 0x4002_6bb1_bbb5_5516, 0x3e11_2e0b_e801_f1d9]
    );
}
