//! What is computed once for all levels: the loss, the per-channel half of batch norm, sums over images.

use plusx_kernels::loss::{LossArgs, LossTargets, softmax_cross_entropy};
use plusx_kernels::norm::{
    FinalizeArgs, FinalizeBackwardArgs, InferenceAffineArgs, Running, finalize, finalize_backward,
    inference_affine, reduce_sums,
};
use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;
use plusx_kernels::sum::sum_tree;

use crate::LevelReport;
use crate::data::{Fnv, Random};

pub(crate) fn all(report: &mut LevelReport) {
    for (classes, images) in [(1, 2), (10, 7), (100, 3)] {
        report.plain(
            "softmax_cross_entropy",
            &format!("{classes} classes x {images}"),
            loss(classes, images),
        );
    }
    for c in [3, 17, 64] {
        report.plain("norm", &format!("{c} channels"), norm(c));
    }
    for (count, len) in [(1, 5), (3, 40), (11, 33)] {
        let parts = Random(count as u64).values(count * len);
        let mut dst = vec![0.0; len - 2];
        sum_tree(&parts, count, 1..len - 1, &mut dst);
        report.plain("sum_tree", &format!("{count} parts of {len}"), Fnv::new().singles(&dst));
    }
}

fn loss(classes: usize, images: usize) -> Fnv {
    let (mut random, pitch) = (Random(classes as u64), pitch(classes));
    let mut logits = random.map(images, classes, pitch);
    logits.iter_mut().for_each(|logit| *logit *= 20.0);
    let labels: Vec<u32> = (0..images).map(|_| (random.next() % classes as u64) as u32).collect();
    let (mut loss, mut predictions) = (vec![0.0; images], vec![0; images]);
    let mut gradient = vec![f32::NAN; images * pitch];
    softmax_cross_entropy(LossArgs {
        classes,
        pitch,
        images,
        logits: &logits,
        targets: LossTargets::Classes(&labels),
        loss: &mut loss,
        predictions: &mut predictions,
        gradient: &mut gradient,
    });
    let hash = Fnv::new().singles(&loss).singles(&gradient);
    predictions.iter().fold(hash, |hash, prediction| hash.bytes(&prediction.to_le_bytes()))
}

fn norm(c: usize) -> Fnv {
    let (mut random, pitch, images) = (Random(c as u64), pitch(c), 67);
    let partials: Vec<f64> =
        random.map(images * 2, c, pitch).into_iter().map(|value| f64::from(value).abs()).collect();
    let mut sums = vec![0.0; 2 * pitch];
    reduce_sums(&partials, images, pitch, 0..pitch, RowsMut::new(&mut sums, pitch, 0, pitch));
    let [gamma, beta, shift] = [random.values(pitch), random.values(pitch), random.values(pitch)];
    let [mut mean, mut istd, mut scale, mut shift_out] = std::array::from_fn(|_| vec![0.0; pitch]);
    let [mut running_mean, mut running_var] = [shift.clone(), vec![1.0; pitch]];
    finalize(FinalizeArgs {
        c,
        sums: &sums,
        count: images * 9,
        shift: &shift,
        gamma: &gamma,
        beta: &beta,
        epsilon: 1e-5,
        running: Some(Running {
            mean: &mut running_mean,
            var: &mut running_var,
            momentum: 0.9,
            unbiased: true,
        }),
        mean: &mut mean,
        istd: &mut istd,
        scale: &mut scale,
        shift_out: &mut shift_out,
    });
    let [mut dgamma, mut dbeta, mut a, mut b, mut constant] = std::array::from_fn(|_| vec![0.0; pitch]);
    finalize_backward(FinalizeBackwardArgs {
        c,
        sums: &sums,
        count: images * 9,
        shift: &shift,
        gamma: &gamma,
        mean: &mean,
        istd: &istd,
        evaluated: false,
        dgamma: &mut dgamma,
        dbeta: &mut dbeta,
        a: &mut a,
        b: &mut b,
        constant: &mut constant,
    });
    let [mut fixed_scale, mut fixed_shift] = std::array::from_fn(|_| vec![0.0; pitch]);
    inference_affine(InferenceAffineArgs {
        gamma: &gamma[..c],
        beta: &beta,
        mean: &running_mean,
        var: &running_var,
        epsilon: 1e-5,
        scale: &mut fixed_scale,
        shift: &mut fixed_shift,
    });
    [mean, istd, scale, shift_out, running_mean, running_var, dgamma, dbeta, a, b, constant]
        .iter()
        .chain([&fixed_scale, &fixed_shift])
        .fold(Fnv::new().doubles(&sums), |hash, values| hash.singles(values))
}
