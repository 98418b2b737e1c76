//! Softmax cross-entropy with class targets.
//!
//! **Forward**: with m = max z and e_j = exp(z_j - m): loss = (m - z_t) + ln(sum e). The sum without the maximum's own 1 is
//! R, so ln(sum e) = ln(1 + R): both terms are at least 0 and nothing cancels, even when the loss is tiny.
//! **Backward**: of the *sum* of the losses: dz_j = e_j / sum e for j other than t; dz_t = -(sum of the others) / sum e.
//! **Saved**: nothing; the gradient is made with the loss.
//! **Numerics**: `f64` with the exponential and logarithm of [`pinned`], rounded to `f32` once. Results are within one unit in
//! the last place of the exact value. They are the same bytes on every machine and level.
//! **Kernels**: one plain loop; classes times images is a few thousand values in a step of billions of operations.

pub mod pinned;

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
    /// The right class of each image.
    pub labels: &'a [u32],
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
    let LossArgs { classes, pitch, images, logits, labels, loss, predictions, gradient } = args;
    assert!(classes > 0 && classes <= pitch, "{classes} classes at pitch {pitch}");
    assert_eq!(logits.len(), images * pitch, "logits");
    assert!(labels.len() == images && loss.len() == images && predictions.len() == images, "{images} images");
    assert!(gradient.is_empty() || gradient.len() == images * pitch, "gradient");
    for image in 0..images {
        let logits = &logits[image * pitch..][..classes];
        let label = labels[image] as usize;
        assert!(label < classes, "label {label} of image {image} is not one of {classes} classes");
        let best = argmax(logits);
        let top = f64::from(logits[best]);
        let mut rest = 0.0;
        for (class, logit) in logits.iter().enumerate() {
            if class != best {
                rest += pinned::exp(f64::from(*logit) - top);
            }
        }
        loss[image] = ((top - f64::from(logits[label])) + pinned::ln_1p(rest)) as f32;
        predictions[image] = best as u32;
        if !gradient.is_empty() {
            let gradient = &mut gradient[image * pitch..][..pitch];
            softmax_gradient(logits, label, [top, 1.0 + rest], gradient);
        }
    }
}

fn softmax_gradient(logits: &[f32], label: usize, [top, total]: [f64; 2], gradient: &mut [f32]) {
    let mut others = 0.0;
    for (class, (dz, logit)) in gradient.iter_mut().zip(logits).enumerate() {
        let exponential = pinned::exp(f64::from(*logit) - top);
        if class != label {
            others += exponential;
            *dz = (exponential / total) as f32;
        }
    }
    // a lone class has no others: 0, not -0
    gradient[label] = (0.0 - others / total) as f32;
    gradient[logits.len()..].fill(0.0);
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
