//! Weights of classes in the loss, from how many images each of them has.

use crate::options::ClassWeights;

/// Share of the images of a class that a further one overlaps with: Cui et al. 2019 take 0.9 to 0.9999, for large data the
/// larger ones.
const OVERLAP: f64 = 0.999;

/// The weights, by class; none if every loss counts alike. `counts` are the images of each class. A class without images has the
/// weight 1.
///
/// * `balanced`: images / (classes x images of the class), over the classes that have images. So the weights of an epoch's images
///   have the mean 1.
/// * `effective`: (1 - b) / (1 - b^n) with b = 0.999 and n images of the class (Cui et al. 2019, "Class-balanced loss based on
///   effective number of samples", equation 2), times what makes their mean over the classes 1, as there.
pub(crate) fn class_weights(kind: ClassWeights, counts: &[u64]) -> Option<Vec<f32>> {
    let classes = counts.iter().filter(|n| **n > 0).count() as f64;
    let images = counts.iter().sum::<u64>() as f64;
    let raw = |n: u64| match kind {
        ClassWeights::None => 1.0,
        ClassWeights::Balanced => images / (classes * n as f64),
        ClassWeights::Effective => (1.0 - OVERLAP) / (1.0 - libm::pow(OVERLAP, n as f64)),
    };
    let factor = match kind {
        ClassWeights::Effective => classes / counts.iter().filter(|n| **n > 0).map(|n| raw(*n)).sum::<f64>(),
        _ => 1.0,
    };
    let weight = |n: &u64| if *n == 0 { 1.0 } else { (raw(*n) * factor) as f32 };
    (kind != ClassWeights::None).then(|| counts.iter().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As sklearn.utils.class_weight.compute_class_weight("balanced", ...) gives for the classes that are there.
    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        let weights = class_weights(ClassWeights::Balanced, &[900, 0, 90, 10]).unwrap();
        let expected = [1000.0 / 2700.0, 1.0, 1000.0 / 270.0, 1000.0 / 30.0_f64].map(|weight| weight as f32);
        assert_eq!(weights, expected);
        assert_eq!(class_weights(ClassWeights::Balanced, &[7, 7]), Some(vec![1.0, 1.0]));
        assert_eq!(class_weights(ClassWeights::None, &[7, 8]), None);
    }

    #[test]
    fn effective_weights_lie_between_equal_and_balanced_ones() {
        let counts = [5000, 50];
        let ratio = |kind| {
            let weights = class_weights(kind, &counts).unwrap();
            assert!((weights[0] + weights[1]).is_finite());
            weights[1] / weights[0]
        };
        // (1 - 0.999^5000) / (1 - 0.999^50), with Python: 20.3589...
        let expected = (1.0 - 0.999_f64.powi(5000)) / (1.0 - 0.999_f64.powi(50));
        assert!((f64::from(ratio(ClassWeights::Effective)) / expected - 1.0).abs() < 1e-6);
        assert!(ratio(ClassWeights::Effective) < ratio(ClassWeights::Balanced));
        let weights = class_weights(ClassWeights::Effective, &counts).unwrap();
        assert!((weights.iter().sum::<f32>() - 2.0).abs() < 1e-6);
    }
}
