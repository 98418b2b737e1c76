//! What a network should have said, and how far from it an answer is.
//!
//! The loss of an image with logits z is softmax cross-entropy, `-sum_c w_c q_c log p_c` with p = softmax(z). q is what
//! [`Targets`] say, smoothed; w are the weights of the classes. That is PyTorch's `CrossEntropyLoss`.

/// What the network should have said.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Targets<'a> {
    /// One class index per image.
    Classes(&'a [u32]),
    /// A probability for each class of each image, \[n\]\[classes\]; of mixed images, for example (Zhang et al. 2018). They
    /// need not sum to 1.
    Soft(&'a [f32]),
}

/// How targets become a loss. The default is plain cross-entropy.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Loss<'a> {
    /// Label smoothing e, 0 to 1 (Szegedy et al. 2016, section 7): a target becomes `(1 - e) target + e / classes`. 0 for
    /// none.
    pub smoothing: f32,
    /// What the part of each class in a loss is multiplied by; `None` is 1 for all.
    pub class_weights: Option<&'a [f32]>,
}

impl Loss<'_> {
    /// Whether it is cross-entropy without smoothing and weights.
    pub fn is_plain(&self) -> bool {
        self.smoothing == 0.0 && self.class_weights.is_none()
    }

    /// What PyTorch's `reduction="mean"` divides the sum of the losses of `n` images by. For class indices that is the sum of
    /// the weights of the images' classes, smoothed or not; for soft targets it is n. An executor sums and never divides.
    ///
    /// A label that no weight belongs to counts as 0: an executor refuses it.
    pub fn divisor(&self, targets: Targets<'_>, n: usize) -> f64 {
        match (targets, self.class_weights) {
            (Targets::Classes(labels), Some(weights)) => {
                labels.iter().filter_map(|label| weights.get(*label as usize)).map(|w| f64::from(*w)).sum()
            }
            _ => n as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divisor_is_that_of_pytorchs_mean() {
        let weights = [0.5, 2.0, 1.0];
        let weighted = Loss { smoothing: 0.1, class_weights: Some(&weights) };
        assert_eq!(weighted.divisor(Targets::Classes(&[1, 0, 1]), 3), 4.5);
        assert_eq!(weighted.divisor(Targets::Soft(&[0.0; 9]), 3), 3.0);
        assert_eq!(Loss::default().divisor(Targets::Classes(&[1, 0, 1]), 3), 3.0);
    }
}
