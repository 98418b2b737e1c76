//! The update of stochastic gradient descent.
//!
//! **Formula**: g' = scale g (+ weight_decay w); with momentum v = momentum v + g', and the step is v, or g' + momentum v with
//! Nesterov's correction (Sutskever et al. 2013, in the form of PyTorch); without, the step is g'. w = w - lr step.
//! **Numerics**: `f32`; on levels with fused multiply-add each `(+ ...)` above and the last line is one, else a multiplication
//! and an addition. A momentum or weight decay of 0 skips its term. Values of 0 with gradient 0 stay 0: padding is kept.
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`; the table's shape is the length.

use crate::{Entry, Level};

/// Arguments of [`Update`]: one run of parameters.
#[derive(Debug)]
pub struct SgdArgs<'a> {
    /// The parameters.
    pub w: &'a mut [f32],
    /// Their gradient, of the sum of the losses.
    pub g: &'a [f32],
    /// Their velocity; needed if there is momentum.
    pub v: Option<&'a mut [f32]>,
    /// The numbers.
    pub step: SgdStep,
}

/// The numbers of an update.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f32,
    /// Weight of the old velocity; 0 for none.
    pub momentum: f32,
    /// Whether the step looks ahead along the new velocity.
    pub nesterov: bool,
    /// Pulls parameters towards 0; 0 for none.
    pub weight_decay: f32,
    /// Multiplies the gradient: 1 / batch size.
    pub scale: f32,
}

/// One update of a run of parameters.
pub type Update = fn(SgdArgs<'_>);

/// One update of a run of parameters.
pub const UPDATE: &[Entry<usize, Update>] =
    &[Entry { name: "sgd/reference", level: Level::Portable, fits: |_| true, run: reference }];

impl SgdArgs<'_> {
    #[track_caller]
    fn check(&self) {
        assert_eq!(self.w.len(), self.g.len(), "a gradient for every parameter");
        match &self.v {
            Some(v) => assert_eq!(v.len(), self.w.len(), "a velocity for every parameter"),
            None => assert!(self.step.momentum == 0.0, "momentum needs a velocity"),
        }
    }
}

fn reference(mut args: SgdArgs<'_>) {
    args.check();
    let step = args.step;
    let [lr, momentum] = [f64::from(step.lr), f64::from(step.momentum)];
    for index in 0..args.w.len() {
        let w = f64::from(args.w[index]);
        let g = f64::from(step.scale) * f64::from(args.g[index]) + f64::from(step.weight_decay) * w;
        let mut move_by = g;
        if let Some(v) = &mut args.v {
            let velocity = momentum * f64::from(v[index]) + g;
            v[index] = velocity as f32;
            move_by = if step.nesterov { g + momentum * velocity } else { velocity };
        }
        args.w[index] = (w - lr * move_by) as f32;
    }
}
