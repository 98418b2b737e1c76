//! Every entry of the update against the reference, at lengths around the vector width.

mod support;

use plusx_kernels::sgd::{SgdArgs, SgdStep, UPDATE};
use support::{Bounds, KernelOutput, Random, U, check};

fn steps() -> Vec<SgdStep> {
    let mut steps = Vec::new();
    for momentum in [0.0, 0.9] {
        for nesterov in [false, true] {
            for weight_decay in [0.0, 5e-4] {
                steps.push(SgdStep { lr: 0.05, momentum, nesterov, weight_decay, scale: 1.0 / 256.0 });
            }
        }
    }
    steps
}

#[test]
fn update_is_the_reference() {
    let mut random = Random(41);
    for len in [1, 15, 16, 17, 33, 100] {
        for step in steps() {
            // "images" of one value: the check cuts the run at every place
            let w: Vec<f32> = (0..len).map(|_| random.real()).collect();
            let g: Vec<f32> = (0..len).map(|_| random.real() * 100.0).collect();
            let v: Vec<f32> = (0..len).map(|_| random.real()).collect();
            // at most six roundings of parts no larger than these
            let mut bounds = Bounds::default();
            let mut velocity_bounds = Vec::new();
            for index in 0..len {
                let parts = f64::from(g[index].abs()) / 256.0 + f64::from(w[index].abs()) * 5e-4;
                let parts = parts + 2.0 * f64::from(v[index].abs());
                velocity_bounds.push(6.0 * U * parts);
                bounds.map.push(6.0 * U * (f64::from(w[index].abs()) + 0.05 * 2.0 * parts));
            }
            bounds.sums = velocity_bounds;
            check(UPDATE, &len, len, Some(&bounds), |run, piece| {
                let mut map = w[piece.clone()].to_vec();
                let mut velocity = v[piece.clone()].to_vec();
                let v = (step.momentum != 0.0).then_some(&mut velocity[..]);
                run(SgdArgs { w: &mut map, g: &g[piece], v, step });
                KernelOutput { map, sums: velocity.into_iter().map(f64::from).collect(), bytes: Vec::new() }
            });
        }
    }
}

#[test]
fn the_plain_update_is_the_chapters() {
    for entry in UPDATE.iter().filter(|entry| entry.level.supported()) {
        let mut w = [1.0f32; 20];
        let step = SgdStep { lr: 0.5, momentum: 0.0, nesterov: false, weight_decay: 0.0, scale: 0.25 };
        (entry.run)(SgdArgs { w: &mut w, g: &[2.0; 20], v: None, step });
        assert_eq!(w, [0.75; 20], "{}", entry.name);
    }
}

#[test]
fn padding_stays_zero() {
    for step in steps() {
        for entry in UPDATE.iter().filter(|entry| entry.level.supported()) {
            let (mut w, mut v) = ([0.0f32; 16], [0.0f32; 16]);
            (entry.run)(SgdArgs { w: &mut w, g: &[0.0; 16], v: Some(&mut v), step });
            assert!(w.iter().chain(&v).all(|value| value.to_bits() == 0), "{}", entry.name);
        }
    }
}
