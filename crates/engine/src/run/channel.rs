//! Per-channel steps. Each has a few hundred values, and the caller does it alone. Machines that share a batch would
//! exchange their sums here.

use plusx_kernels::norm::{
    FinalizeArgs, FinalizeBackwardArgs, InferenceAffineArgs, Running, finalize, finalize_backward,
    inference_affine, reduce_sums,
};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::sum::bias_gradient;
use plusx_model::graph::{ParamId, RunningVariance};

use super::memory::Memory;
use crate::params::{Held, Store};
use crate::plan::refs::{BufferId, GradTo, NormRef};
use crate::plan::work::ChannelWork;

pub(super) fn run(work: &ChannelWork, memory: &mut Memory<'_>, store: &mut Held<'_>) {
    match work {
        ChannelWork::Shifts { means, zeros } => {
            for (mean, dst) in means {
                memory.write(*dst).copy_from_slice(&store.running[store.layout.range(*mean)]);
            }
            if let Some(zeros) = zeros {
                memory.write(*zeros).fill(0.0);
            }
        }
        ChannelWork::RunningAffines { norms } => {
            for (norm, dst) in norms {
                let pitch = memory.pitch(*dst);
                let (scale, shift) = memory.write(*dst).split_at_mut(pitch);
                let vector =
                    |id: ParamId| store.layout.range(id).start..store.layout.range(id).start + norm.c;
                inference_affine(InferenceAffineArgs {
                    gamma: &store.weights[vector(norm.gamma)],
                    beta: &store.weights[vector(norm.beta)],
                    mean: &store.running[vector(norm.mean)],
                    var: &store.running[vector(norm.var)],
                    epsilon: norm.spec.epsilon,
                    scale,
                    shift,
                });
            }
        }
        ChannelWork::NormForward { norm, sums, totals, saved, affine, update_running } => {
            let totals = reduce(memory, sums.out, *totals);
            let store = store.own();
            let pitch = memory.pitch(sums.out);
            let (mean, istd) = memory.write(*saved).split_at_mut(pitch);
            let (scale, shift_out) = memory.write(*affine).split_at_mut(pitch);
            let shift = &memory.read(sums.shift)[..pitch];
            let layout = &store.layout;
            let running = update_running.then(|| running(norm, layout, &mut store.running)).flatten();
            finalize(FinalizeArgs {
                c: norm.c,
                sums: totals,
                count: norm.count,
                shift,
                gamma: &store.weights[layout.range(norm.gamma)],
                beta: &store.weights[layout.range(norm.beta)],
                epsilon: norm.spec.epsilon,
                running,
                mean,
                istd,
                scale,
                shift_out,
            });
        }
        ChannelWork::NormBackward { norm, sums, totals, saved, coefficients, gamma, beta } => {
            let totals = reduce(memory, *sums, *totals);
            let pitch = memory.pitch(*sums);
            let (mean, istd) = memory.read(*saved).split_at(pitch);
            // two pairs: (a, c) and (b, 0)
            let (first, second) = memory.write(*coefficients).split_at_mut(2 * pitch);
            let (a, constant) = first.split_at_mut(pitch);
            let (b, zero) = second.split_at_mut(pitch);
            zero.fill(0.0);
            let mut fresh = vec![0.0; 2 * pitch];
            let (dgamma, dbeta) = fresh.split_at_mut(pitch);
            finalize_backward(FinalizeBackwardArgs {
                c: norm.c,
                sums: totals,
                count: norm.count,
                shift: mean,
                gamma: &store.weights[store.layout.range(norm.gamma)],
                mean,
                istd,
                evaluated: false,
                dgamma,
                dbeta,
                a,
                b,
                constant,
            });
            put(store.own(), *gamma, dgamma);
            put(store.own(), *beta, dbeta);
        }
        ChannelWork::BiasBackward { pitch, sums, totals, bias } => {
            let totals = reduce(memory, *sums, *totals);
            let mut fresh = vec![0.0; *pitch];
            bias_gradient(&totals[..*pitch], &mut fresh);
            put(store.own(), *bias, &fresh);
        }
    }
}

/// Sums over all images: `[2][pitch]`.
fn reduce<'a>(memory: &mut Memory<'a>, sums: BufferId, totals: BufferId) -> &'a [f64] {
    let (pitch, batch) = (memory.pitch(sums), memory.batch());
    let partials = memory.read_as::<f64>(sums);
    let totals = memory.write_as::<f64>(totals);
    reduce_sums(partials, batch, pitch, 0..pitch, RowsMut::new(totals, pitch, 0, pitch));
    totals
}

/// The running statistics of a batch norm, to update.
fn running<'a>(
    norm: &NormRef,
    layout: &crate::params::ParamLayout,
    values: &'a mut [f32],
) -> Option<Running<'a>> {
    let [mean, var] = values.get_disjoint_mut([layout.range(norm.mean), layout.range(norm.var)]).ok()?;
    let unbiased = match norm.spec.running_variance {
        RunningVariance::Biased => false,
        RunningVariance::Unbiased => true,
    };
    Some(Running { mean, var, momentum: norm.spec.momentum, unbiased })
}

/// Stores or adds a vector's gradient.
fn put(store: &mut Store, to: GradTo, fresh: &[f32]) {
    let range = store.layout.range(to.param);
    let dst = &mut store.gradients[range];
    for (dst, fresh) in dst.iter_mut().zip(fresh) {
        *dst = if to.add { *dst + fresh } else { *fresh };
    }
}
