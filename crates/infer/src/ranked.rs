//! From logits to probabilities.

/// Softmax in f64, largest first, as (class, probability); of equals the first class comes first. The exponential is the
/// same on every machine.
pub fn ranked_probabilities(logits: &[f32]) -> Vec<(usize, f64)> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f64> = logits.iter().map(|logit| libm::exp(f64::from(*logit) - f64::from(max))).collect();
    let sum: f64 = exps.iter().sum();
    let mut ranked: Vec<_> = exps.into_iter().map(|exp| exp / sum).enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let ranked = ranked_probabilities(&[0.0, 2.0, 2.0]);
        assert_eq!(ranked.iter().map(|entry| entry.0).collect::<Vec<_>>(), [1, 2, 0]);
        assert!((ranked.iter().map(|entry| entry.1).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
