//! The update of stochastic gradient descent.
//!
//! **Formula**: g' = scale g (+ weight_decay w); with momentum v = momentum v + g', and the step is v, or g' + momentum v with
//! Nesterov's correction (Sutskever et al. 2013, in the form of PyTorch); without, the step is g'. w = w - lr step.
//! **Numerics**: `f32`; on levels with fused multiply-add each `(+ ...)` above and the last line is one, else a multiplication
//! and an addition. A momentum or weight decay of 0 skips its term. Values of 0 with gradient 0 stay 0: padding is kept.
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`; the table's shape is the length.

use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES};

/// Arguments of [`SgdUpdate`]: one run of parameters.
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
pub type SgdUpdate = fn(SgdArgs<'_>);

/// One update of a run of parameters.
pub static UPDATE: &[KernelEntry<usize, SgdUpdate>] = table!("sgd", |_| true, UpdateKernel, reference);

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

struct UpdateKernel<'a>(SgdArgs<'a>);

impl Kernel for UpdateKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut args = self.0;
        args.check();
        let whole = args.w.len() / LANES * LANES;
        let w = args.w.as_mut_ptr();
        let v = match &mut args.v {
            Some(v) => v.as_mut_ptr(),
            None => std::ptr::null_mut(),
        };
        let g = args.g.as_ptr();
        let mut index = 0;
        while index < whole {
            // SAFETY: `check` compared the lengths, and `index + 16` does not exceed them; an absent velocity is null.
            unsafe {
                let v = if v.is_null() { v } else { v.add(index) };
                update(isa, &args.step, [w.add(index), v], g.add(index));
            }
            index += LANES;
        }
        // the rest goes through whole vectors on the stack: the same operations per value
        let rest = args.w.len() - whole;
        let mut stack = [[0.0f32; LANES]; 3];
        stack[0][..rest].copy_from_slice(&args.w[whole..]);
        stack[1][..rest].copy_from_slice(&args.g[whole..]);
        if let Some(v) = &args.v {
            stack[2][..rest].copy_from_slice(&v[whole..]);
        }
        let [w, g, v] = &mut stack;
        let velocity = if args.v.is_some() { v.as_mut_ptr() } else { std::ptr::null_mut() };
        // SAFETY: the arrays hold sixteen values each.
        unsafe { update(isa, &args.step, [w.as_mut_ptr(), velocity], g.as_ptr()) };
        args.w[whole..].copy_from_slice(&w[..rest]);
        if let Some(target) = &mut args.v {
            target[whole..].copy_from_slice(&v[..rest]);
        }
    }
}

/// Updates sixteen parameters and, unless its pointer is null, their velocity.
///
/// # Safety
/// Every pointer that is not null must be valid for sixteen values.
#[inline(always)]
unsafe fn update<I: Isa>(isa: I, step: &SgdStep, [w_at, v_at]: [*mut f32; 2], g_at: *const f32) {
    // SAFETY: promised by the caller.
    unsafe {
        let w = isa.load(w_at);
        let mut g = isa.mul(isa.splat(step.scale), isa.load(g_at));
        if step.weight_decay != 0.0 {
            g = isa.mul_add(isa.splat(step.weight_decay), w, g);
        }
        let mut along = g;
        if !v_at.is_null() {
            let momentum = isa.splat(step.momentum);
            let v = if step.momentum == 0.0 { g } else { isa.mul_add(momentum, isa.load(v_at), g) };
            isa.store(v_at, v);
            along = if step.nesterov { isa.mul_add(momentum, v, g) } else { v };
        }
        isa.store(w_at, isa.mul_add(isa.splat(-step.lr), along, w));
    }
}
