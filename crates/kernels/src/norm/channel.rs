//! The per-channel halves of batch normalisation: a few hundred channels in `f64`, once per step.

/// Arguments of [`finalize`]. Every slice is `pitch(c)` long unless it says otherwise; tails are set to 0.
#[derive(Debug)]
pub struct FinalizeArgs<'a> {
    /// Channels.
    pub c: usize,
    /// `[2][pitch]`: sums of (x - K) and of (x - K)^2 over the whole batch.
    pub sums: &'a [f64],
    /// Values summed per channel: images times pixels.
    pub count: usize,
    /// K, what the sums were shifted by: the running mean before this step. Read before `running` is written.
    pub shift: &'a [f32],
    /// Scale, at least `c` long.
    pub gamma: &'a [f32],
    /// Shift, at least `c` long.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
    /// The running statistics to update, if they learn.
    pub running: Option<Running<'a>>,
    /// Batch mean, for the backward pass.
    pub mean: &'a mut [f32],
    /// Batch 1 / sqrt(var + epsilon), for the backward pass.
    pub istd: &'a mut [f32],
    /// gamma istd.
    pub scale: &'a mut [f32],
    /// beta - mean gamma istd.
    pub shift_out: &'a mut [f32],
}

/// Running statistics, updated in place: `running = momentum * running + (1 - momentum) * batch`.
#[derive(Debug)]
pub struct Running<'a> {
    /// Running mean, at least `c` long.
    pub mean: &'a mut [f32],
    /// Running variance, at least `c` long.
    pub var: &'a mut [f32],
    /// Weight of the old value.
    pub momentum: f32,
    /// Whether the batch variance enters divided by N - 1 instead of N (PyTorch; N = 1 counts as N - 1 = 1).
    pub unbiased: bool,
}

/// Batch statistics to the affine form of the normalisation.
///
/// # Panics
/// If the sizes do not agree or `count` is 0.
pub fn finalize(args: FinalizeArgs<'_>) {
    let FinalizeArgs { c, sums, count, shift, gamma, beta, epsilon, mut running, .. } = args;
    let pitch = args.scale.len();
    assert!(count > 0 && c <= pitch && sums.len() == 2 * pitch, "sums of {c} channels at pitch {pitch}");
    let outputs = [args.mean.len(), args.istd.len(), args.shift_out.len(), shift.len()];
    assert_eq!(outputs, [pitch; 4], "per-channel slices");
    assert!(gamma.len() >= c && beta.len() >= c, "gamma and beta of {c} channels");
    let n = count as f64;
    for lane in 0..pitch {
        if lane >= c {
            args.mean[lane] = 0.0;
            args.istd[lane] = 0.0;
            args.scale[lane] = 0.0;
            args.shift_out[lane] = 0.0;
            continue;
        }
        let offset = sums[lane] / n;
        let mean = f64::from(shift[lane]) + offset;
        // rounding can leave a constant channel a hair below 0; NaN must stay NaN, so no `f64::max`
        let var = sums[pitch + lane] / n - offset * offset;
        let var = if var < 0.0 { 0.0 } else { var };
        let istd = 1.0 / (var + f64::from(epsilon)).sqrt();
        let scale = f64::from(gamma[lane]) * istd;
        args.mean[lane] = mean as f32;
        args.istd[lane] = istd as f32;
        args.scale[lane] = scale as f32;
        args.shift_out[lane] = (f64::from(beta[lane]) - mean * scale) as f32;
        if let Some(running) = &mut running {
            let var = if running.unbiased && count > 1 { var * (n / (n - 1.0)) } else { var };
            let old = f64::from(running.momentum);
            running.mean[lane] = (old * f64::from(running.mean[lane]) + (1.0 - old) * mean) as f32;
            running.var[lane] = (old * f64::from(running.var[lane]) + (1.0 - old) * var) as f32;
        }
    }
}

/// Arguments of [`inference_affine`].
#[derive(Debug)]
pub struct InferenceAffineArgs<'a> {
    /// Scale, `c` long: its length is the number of channels.
    pub gamma: &'a [f32],
    /// Shift.
    pub beta: &'a [f32],
    /// Running mean.
    pub mean: &'a [f32],
    /// Running variance.
    pub var: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
    /// gamma / sqrt(var + epsilon), `pitch(c)` long.
    pub scale: &'a mut [f32],
    /// beta - mean scale, `pitch(c)` long.
    pub shift: &'a mut [f32],
}

/// Running statistics to the affine form of the normalisation, tails 0.
///
/// # Panics
/// If the sizes do not agree.
pub fn inference_affine(args: InferenceAffineArgs<'_>) {
    let c = args.gamma.len().min(args.scale.len());
    assert!(args.beta.len() >= c && args.mean.len() >= c && args.var.len() >= c, "{c} channels");
    assert_eq!(args.scale.len(), args.shift.len(), "scale and shift");
    args.scale[c..].fill(0.0);
    args.shift[c..].fill(0.0);
    for lane in 0..c {
        let scale =
            f64::from(args.gamma[lane]) / (f64::from(args.var[lane]) + f64::from(args.epsilon)).sqrt();
        args.scale[lane] = scale as f32;
        args.shift[lane] = (f64::from(args.beta[lane]) - f64::from(args.mean[lane]) * scale) as f32;
    }
}

/// Arguments of [`finalize_backward`]. Every slice is `pitch(c)` long unless it says otherwise; tails are set to 0.
#[derive(Debug)]
pub struct FinalizeBackwardArgs<'a> {
    /// Channels.
    pub c: usize,
    /// `[2][pitch]`: sums of dy and of dy (x - K) over the whole batch.
    pub sums: &'a [f64],
    /// Values summed per channel: images times pixels.
    pub count: usize,
    /// K, what the sums were shifted by.
    pub shift: &'a [f32],
    /// Scale, at least `c` long.
    pub gamma: &'a [f32],
    /// Batch mean from [`finalize`].
    pub mean: &'a [f32],
    /// Batch 1 / sqrt(var + epsilon) from [`finalize`].
    pub istd: &'a [f32],
    /// Whether mean and istd are running statistics instead, which do not depend on x: b and c are then 0.
    pub evaluated: bool,
    /// Gradient of gamma, at least `c` long.
    pub dgamma: &'a mut [f32],
    /// Gradient of beta, at least `c` long.
    pub dbeta: &'a mut [f32],
    /// Multiplies dy.
    pub a: &'a mut [f32],
    /// Multiplies x.
    pub b: &'a mut [f32],
    /// Is added.
    pub constant: &'a mut [f32],
}

/// Sums of the gradient to the gradients of gamma and beta and the affine form of dx.
///
/// # Panics
/// If the sizes do not agree or `count` is 0.
pub fn finalize_backward(args: FinalizeBackwardArgs<'_>) {
    let FinalizeBackwardArgs { c, sums, count, shift, gamma, .. } = args;
    let pitch = args.a.len();
    assert!(count > 0 && c <= pitch && sums.len() == 2 * pitch, "sums of {c} channels at pitch {pitch}");
    let slices = [shift.len(), args.mean.len(), args.istd.len(), args.b.len(), args.constant.len()];
    assert_eq!(slices, [pitch; 5], "per-channel slices");
    assert!(gamma.len() >= c, "gamma of {c} channels");
    args.dgamma.fill(0.0);
    args.dbeta.fill(0.0);
    let n = count as f64;
    for lane in 0..pitch {
        if lane >= c {
            args.a[lane] = 0.0;
            args.b[lane] = 0.0;
            args.constant[lane] = 0.0;
            continue;
        }
        let [first, second] = [sums[lane], sums[pitch + lane]];
        let [mean, istd] = [f64::from(args.mean[lane]), f64::from(args.istd[lane])];
        let dgamma = istd * (second - (mean - f64::from(shift[lane])) * first);
        let a = f64::from(gamma[lane]) * istd;
        let b = if args.evaluated { 0.0 } else { -a * istd * dgamma / n };
        args.dbeta[lane] = first as f32;
        args.dgamma[lane] = dgamma as f32;
        args.a[lane] = a as f32;
        args.b[lane] = b as f32;
        args.constant[lane] = if args.evaluated { 0.0 } else { (-a * first / n - b * mean) as f32 };
    }
}
