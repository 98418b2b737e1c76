//! Every entry of AdamW's update against the reference, at lengths around the vector width.

mod support;

use plusx_kernels::adamw::{AdamWArgs, AdamWStep, UPDATE};
use plusx_kernels::squares::sum_of_squares;
use support::{Bounds, KernelOutput, Random, U, check};

/// PyTorch's defaults in update `t`.
fn step(t: i32) -> AdamWStep {
    let [beta1, beta2] = [0.9f64, 0.999];
    AdamWStep {
        scale: 1.0 / 64.0,
        keep: 1.0 - 0.05 * 0.01,
        first: (1.0 - beta1) as f32,
        old: beta2 as f32,
        second: (1.0 - beta2) as f32,
        step: (0.05 / (1.0 - beta1.powi(t))) as f32,
        correction: (1.0 - beta2.powi(t)).sqrt() as f32,
        eps: 1e-8,
    }
}

#[test]
fn update_is_the_reference() {
    let mut random = Random(43);
    for len in [1, 15, 16, 17, 33, 100] {
        for t in [1, 2, 100] {
            let step = step(t);
            let mut draw = |scale: f32| (0..len).map(|_| random.real() * scale).collect::<Vec<f32>>();
            let (w, g, m) = (draw(1.0), draw(100.0), draw(1.0));
            let v: Vec<f32> = draw(1.0).into_iter().map(f32::abs).collect();
            let mut bounds = Bounds::default();
            for index in 0..len {
                let [w, g, m, v] = [w[index], g[index], m[index], v[index]].map(f64::from);
                let g = g.abs() / 64.0;
                // roundings of the terms of m; v is a sum of parts that are no less than 0
                let [m, v] = [4.0 * U * (m.abs() + 0.1 * (g + m.abs())), 4.0 * U * (v + 1e-3 * g * g)];
                let moment = (m / (4.0 * U), v / (4.0 * U));
                let denominator = (0.999 * moment.1).sqrt().max(1e-8) / f64::from(step.correction);
                // the error of m, and a few relative roundings of the quotient
                let along = m / denominator + 8.0 * U * moment.0 / denominator;
                bounds.map.push(3.0 * U * w.abs() + 1.1 * f64::from(step.step) * along);
                bounds.sums.extend([m, v]);
            }
            check(UPDATE, &len, len, Some(&bounds), |run, piece| {
                let mut map = w[piece.clone()].to_vec();
                let (mut m, mut v) = (m[piece.clone()].to_vec(), v[piece.clone()].to_vec());
                run(AdamWArgs { w: &mut map, g: &g[piece], m: &mut m, v: &mut v, step });
                let sums = m.into_iter().zip(v).flat_map(|(m, v)| [f64::from(m), f64::from(v)]).collect();
                KernelOutput { map, sums, bytes: Vec::new() }
            });
        }
    }
}

#[test]
fn padding_stays_zero() {
    for entry in UPDATE.iter().filter(|entry| entry.level.supported()) {
        let [mut w, mut m, mut v] = [[0.0f32; 16]; 3];
        (entry.run)(AdamWArgs { w: &mut w, g: &[0.0; 16], m: &mut m, v: &mut v, step: step(1) });
        assert!(w.iter().chain(&m).chain(&v).all(|value| *value == 0.0), "{}", entry.name);
    }
}

#[test]
fn squares_are_summed_in_their_order() {
    let mut random = Random(44);
    for len in [0, 1, 15, 16, 17, 1000] {
        let values: Vec<f32> = (0..len).map(|_| random.real()).collect();
        let mut chains = [0.0; 16];
        values.iter().enumerate().for_each(|(i, x)| chains[i % 16] += f64::from(*x) * f64::from(*x));
        assert_eq!(sum_of_squares(&values).to_bits(), chains.iter().sum::<f64>().to_bits());
    }
}
