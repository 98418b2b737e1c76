//! The update of AdamW (Loshchilov & Hutter 2019, algorithm 2).
//!
//! **Formula**, in PyTorch's order: g' = scale g; w = keep w; m = m + (1 - beta1) (g' - m); v = beta2 v + (1 - beta2) g'^2;
//! w = w - step m / (sqrt(v) / correction + eps). keep is 1 - lr weight_decay, step is lr / (1 - beta1^t), correction is
//! sqrt(1 - beta2^t), all of them rounded once by the caller.
//! **Numerics**: `f32`; on levels with fused multiply-add the sums of m, v and the last line are one each, else a
//! multiplication and an addition. Division and square root are exactly rounded on every level. Values of 0 with gradient 0
//! stay 0, as long as eps is above 0: padding is kept.
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`; the table's shape is the length.

use crate::simd::{Isa, Kernel};
use crate::table::table;
use crate::{KernelEntry, LANES};

/// Arguments of [`AdamWUpdate`]: one run of parameters. All slices have one length.
#[derive(Debug)]
pub struct AdamWArgs<'a> {
    /// The parameters.
    pub w: &'a mut [f32],
    /// Their gradient, of the sum of the losses.
    pub g: &'a [f32],
    /// First moment.
    pub m: &'a mut [f32],
    /// Second moment.
    pub v: &'a mut [f32],
    /// The numbers.
    pub step: AdamWStep,
}

/// The numbers of an update.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AdamWStep {
    /// Multiplies the gradient.
    pub scale: f32,
    /// 1 - lr weight_decay: multiplies the parameters.
    pub keep: f32,
    /// 1 - beta1: weight of the gradient in the first moment.
    pub first: f32,
    /// beta2: weight of the old second moment.
    pub old: f32,
    /// 1 - beta2: weight of the squared gradient in the second moment.
    pub second: f32,
    /// lr / (1 - beta1^t).
    pub step: f32,
    /// sqrt(1 - beta2^t).
    pub correction: f32,
    /// Keeps the denominator from 0.
    pub eps: f32,
}

/// One update of a run of parameters.
pub type AdamWUpdate = fn(AdamWArgs<'_>);

/// One update of a run of parameters.
pub static UPDATE: &[KernelEntry<usize, AdamWUpdate>] = table!("adamw", |_| true, UpdateKernel, reference);

impl AdamWArgs<'_> {
    #[track_caller]
    fn check(&self) {
        let len = self.w.len();
        assert_eq!([self.g.len(), self.m.len(), self.v.len()], [len; 3], "a gradient and moments for each");
    }
}

fn reference(args: AdamWArgs<'_>) {
    args.check();
    let AdamWStep { scale, keep, first, old, second, step, correction, eps } = args.step;
    let [scale, keep, first, old] = [scale, keep, first, old].map(f64::from);
    let [second, step, correction, eps] = [second, step, correction, eps].map(f64::from);
    for index in 0..args.w.len() {
        let g = scale * f64::from(args.g[index]);
        let m = f64::from(args.m[index]);
        let m = m + first * (g - m);
        let v = old * f64::from(args.v[index]) + second * g * g;
        args.m[index] = m as f32;
        args.v[index] = v as f32;
        let along = m / (v.sqrt() / correction + eps);
        args.w[index] = (keep * f64::from(args.w[index]) - step * along) as f32;
    }
}

struct UpdateKernel<'a>(AdamWArgs<'a>);

impl Kernel for UpdateKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let args = self.0;
        args.check();
        let whole = args.w.len() / LANES * LANES;
        let (w, m, v) = (args.w.as_mut_ptr(), args.m.as_mut_ptr(), args.v.as_mut_ptr());
        let g = args.g.as_ptr();
        let mut index = 0;
        while index < whole {
            // SAFETY: `check` compared the lengths, and `index + 16` does not exceed them.
            unsafe { update(isa, &args.step, [w.add(index), m.add(index), v.add(index)], g.add(index)) };
            index += LANES;
        }
        // the rest goes through whole vectors on the stack: the same operations per value
        let rest = args.w.len() - whole;
        let mut stack = [[0.0f32; LANES]; 4];
        for (row, values) in stack.iter_mut().zip([&*args.w, args.g, &*args.m, &*args.v]) {
            row[..rest].copy_from_slice(&values[whole..]);
        }
        let [w, g, m, v] = &mut stack;
        // SAFETY: the arrays hold sixteen values each.
        unsafe { update(isa, &args.step, [w.as_mut_ptr(), m.as_mut_ptr(), v.as_mut_ptr()], g.as_ptr()) };
        args.w[whole..].copy_from_slice(&w[..rest]);
        args.m[whole..].copy_from_slice(&m[..rest]);
        args.v[whole..].copy_from_slice(&v[..rest]);
    }
}

/// Updates sixteen parameters and their moments.
///
/// # Safety
/// Every pointer must be valid for sixteen values.
#[inline(always)]
unsafe fn update<I: Isa>(isa: I, step: &AdamWStep, [w_at, m_at, v_at]: [*mut f32; 3], g_at: *const f32) {
    // SAFETY: promised by the caller.
    unsafe {
        let g = isa.mul(isa.splat(step.scale), isa.load(g_at));
        let m = isa.load(m_at);
        let m = isa.mul_add(isa.splat(step.first), isa.sub(g, m), m);
        let old = isa.mul(isa.splat(step.old), isa.load(v_at));
        let v = isa.mul_add(isa.splat(step.second), isa.mul(g, g), old);
        isa.store(m_at, m);
        isa.store(v_at, v);
        let root = isa.div(isa.sqrt(v), isa.splat(step.correction));
        let along = isa.div(m, isa.add(root, isa.splat(step.eps)));
        let w = isa.mul(isa.splat(step.keep), isa.load(w_at));
        isa.store(w_at, isa.mul_add(isa.splat(-step.step), along, w));
    }
}
