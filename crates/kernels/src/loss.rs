//! Softmax cross-entropy.
//!
//! **Forward**, of a class t: with m = max z and e_j = exp(z_j - m): loss = (m - z_t) + ln(sum e). The sum without the maximum's own 1 is
//! R, so ln(sum e) = ln(1 + R): both terms are at least 0 and nothing cancels, even when the loss is tiny.
//! **Backward**: of the *sum* of the losses: dz_j = e_j / sum e for j other than t; dz_t = -(sum of the others) / sum e.
//! **Soft targets** u_j, the products of class weight and smoothed target, with U = sum u:
//! loss = U ln(1 + R) + sum u_j (m - z_j), and dz_j = p_j (U - u_j) - u_j (1 - p_j). 1 - p_j of the largest logit is R over
//! the sum, so again nothing cancels but what the formula itself subtracts.
//! **Saved**: nothing; the gradient is made with the loss.
//! **Numerics**: `f64` with the exponential and logarithm of [`pinned`], rounded to `f32` once. Results are within one unit in
//! the last place of the exact value. They are the same bytes on every machine and level.
//! **Kernels**: one plain loop; classes times images is a few thousand values in a step of billions of operations.

pub mod pinned;

/// What the images should have been.
#[derive(Clone, Copy, Debug)]
pub enum LossTargets<'a> {
    /// The right class of each image, without smoothing or weights.
    Classes(&'a [u32]),
    /// As [`LossTargets::Classes`], smoothed or weighted.
    Smoothed(&'a [u32], TargetShape<'a>),
    /// `[images][classes]`: a share for each class.
    Soft(&'a [f32], TargetShape<'a>),
}

/// What is made of a target q of a class: `weight ((1 - smoothing) q + smoothing / classes)`.
#[derive(Clone, Copy, Debug)]
pub struct TargetShape<'a> {
    /// 0 to 1.
    pub smoothing: f32,
    /// One for each class; none is 1.
    pub weights: Option<&'a [f32]>,
}

impl TargetShape<'_> {
    /// What becomes of the target `q` of `class`.
    fn of(&self, class: usize, classes: usize, q: f64) -> f64 {
        let smoothing = f64::from(self.smoothing);
        let weight = self.weights.map_or(1.0, |weights| f64::from(weights[class]));
        weight * ((1.0 - smoothing) * q + smoothing / classes as f64)
    }
}

/// Arguments of [`softmax_cross_entropy`].
#[derive(Debug)]
pub struct LossArgs<'a> {
    /// Classes, at least 1.
    pub classes: usize,
    /// Distance between neighbouring images in `logits` and `gradient`.
    pub pitch: usize,
    /// How many images the piece has.
    pub images: usize,
    /// `[images][pitch]`; a tail is not read.
    pub logits: &'a [f32],
    /// What they should have been.
    pub targets: LossTargets<'a>,
    /// Loss of each image.
    pub loss: &'a mut [f32],
    /// The class with the largest logit of each image; the first of equals.
    pub predictions: &'a mut [u32],
    /// `[images][pitch]`: gradient of the sum of the losses, tails 0; empty if there is no backward pass.
    pub gradient: &'a mut [f32],
}

/// Loss, prediction and gradient of each image.
///
/// # Panics
/// If the sizes do not agree or a label is not a class.
pub fn softmax_cross_entropy(args: LossArgs<'_>) {
    let LossArgs { classes, pitch, images, logits, targets, loss, predictions, gradient } = args;
    assert!(classes > 0 && classes <= pitch, "{classes} classes at pitch {pitch}");
    assert_eq!(logits.len(), images * pitch, "logits");
    let (count, shape) = match targets {
        LossTargets::Classes(labels) => (labels.len(), None),
        LossTargets::Smoothed(labels, shape) => (labels.len(), Some(shape)),
        LossTargets::Soft(shares, shape) => (shares.len() / classes, Some(shape)),
    };
    assert!(count == images && loss.len() == images && predictions.len() == images, "{images} images");
    assert!(gradient.is_empty() || gradient.len() == images * pitch, "gradient");
    let weights = shape.and_then(|shape| shape.weights);
    assert!(weights.is_none_or(|weights| weights.len() == classes), "a weight for each of {classes} classes");
    for image in 0..images {
        let logits = &logits[image * pitch..][..classes];
        let softmax = Softmax::of(logits);
        let gradient = match gradient.is_empty() {
            true => &mut [],
            false => &mut gradient[image * pitch..][..pitch],
        };
        predictions[image] = softmax.best as u32;
        let one_hot = |label: u32| {
            let label = label as usize;
            assert!(label < classes, "label {label} of image {image} is not one of {classes} classes");
            label
        };
        loss[image] = match targets {
            LossTargets::Classes(labels) => softmax.of_class(one_hot(labels[image]), gradient),
            LossTargets::Smoothed(labels, shape) => {
                let label = one_hot(labels[image]);
                softmax.of_shares(|j| shape.of(j, classes, f64::from(u8::from(j == label))), gradient)
            }
            LossTargets::Soft(shares, shape) => {
                let shares = &shares[image * classes..][..classes];
                softmax.of_shares(|j| shape.of(j, classes, f64::from(shares[j])), gradient)
            }
        };
    }
}

/// The logits of one image, and what its loss and gradient are made of.
struct Softmax<'a> {
    logits: &'a [f32],
    /// The class with the largest logit.
    best: usize,
    /// Its logit, m.
    top: f64,
    /// R, the sum of the exponentials of the others.
    rest: f64,
}

impl<'a> Softmax<'a> {
    fn of(logits: &'a [f32]) -> Self {
        let best = argmax(logits);
        let top = f64::from(logits[best]);
        let mut rest = 0.0;
        for (class, logit) in logits.iter().enumerate() {
            if class != best {
                rest += pinned::exp(f64::from(*logit) - top);
            }
        }
        Self { logits, best, top, rest }
    }

    /// Loss of class `label`, and its gradient unless there is no room for it.
    fn of_class(&self, label: usize, gradient: &mut [f32]) -> f32 {
        let total = 1.0 + self.rest;
        if !gradient.is_empty() {
            let mut others = 0.0;
            for (class, (dz, logit)) in gradient.iter_mut().zip(self.logits).enumerate() {
                let exponential = pinned::exp(f64::from(*logit) - self.top);
                if class != label {
                    others += exponential;
                    *dz = (exponential / total) as f32;
                }
            }
            // a lone class has no others: 0, not -0
            gradient[label] = (0.0 - others / total) as f32;
            gradient[self.logits.len()..].fill(0.0);
        }
        ((self.top - f64::from(self.logits[label])) + pinned::ln_1p(self.rest)) as f32
    }

    /// Loss of the products `u` of weight and target of every class, and its gradient unless there is no room for it.
    fn of_shares(&self, u: impl Fn(usize) -> f64, gradient: &mut [f32]) -> f32 {
        let (mut sum, mut below) = (0.0, 0.0);
        for (class, logit) in self.logits.iter().enumerate() {
            sum += u(class);
            below += u(class) * (self.top - f64::from(*logit));
        }
        if !gradient.is_empty() {
            let total = 1.0 + self.rest;
            for (class, (dz, logit)) in gradient.iter_mut().zip(self.logits).enumerate() {
                let exponential = pinned::exp(f64::from(*logit) - self.top);
                // at least the largest one's 1 is left of the total when another is taken away
                let others = if class == self.best { self.rest } else { total - exponential };
                *dz = ((exponential / total) * (sum - u(class)) - u(class) * (others / total)) as f32;
            }
            gradient[self.logits.len()..].fill(0.0);
        }
        (sum * pinned::ln_1p(self.rest) + below) as f32
    }
}

/// First largest value; NaN never wins unless it comes first, where the loss shows it anyway.
fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}
