//! Which samples an epoch learns from, and in which order.

use plusx_model::random::{BALANCE, Philox, shuffle};

use crate::options::Sampler;

/// Places of the samples of `epoch`, counted from 0, in the order they are learnt from: as many as there are `labels`.
///
/// `shuffle` takes each once, in the order of [`shuffle`]. `balanced` draws with replacement, each class as likely as any other
/// and each sample of a class, too: PyTorch's `WeightedRandomSampler` with weights 1 / (samples of the class). Draw i takes
/// words 0 and 1 of counter (epoch, i, 0, 0) of stream [`BALANCE`], the first for the class, the second for the sample of it,
/// each scaled by a multiplication.
pub(crate) fn order(sampler: Sampler, labels: &[u32], seed: u32, epoch: u32) -> Vec<u32> {
    match sampler {
        Sampler::Shuffle => shuffle(labels.len(), seed, epoch),
        Sampler::Balanced => balanced(labels, seed, epoch),
    }
}

fn balanced(labels: &[u32], seed: u32, epoch: u32) -> Vec<u32> {
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for (place, label) in labels.iter().enumerate() {
        let label = *label as usize;
        if classes.len() <= label {
            classes.resize(label + 1, Vec::new());
        }
        classes[label].push(place as u32);
    }
    classes.retain(|places| !places.is_empty());
    let random = Philox::new(seed, BALANCE);
    let scaled = |word: u32, n: usize| ((u64::from(word) * n as u64) >> 32) as usize;
    let draw = |i: usize| {
        let [class, sample, ..] = random.block([epoch, i as u32, 0, 0]);
        let places = &classes[scaled(class, classes.len())];
        places[scaled(sample, places.len())]
    };
    (0..labels.len()).map(draw).collect()
}

/// Samples of each class, by its index.
pub(crate) fn counts(labels: &[u32], classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    for label in labels {
        if let Some(count) = counts.get_mut(*label as usize) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 900 of class 0, none of class 1, 90 of class 2, 10 of class 3, in turns.
    fn labels() -> Vec<u32> {
        (0..1000)
            .map(|i| match i % 100 {
                0 => 3,
                1..=9 => 2,
                _ => 0,
            })
            .collect()
    }

    #[test]
    fn a_balanced_epoch_has_each_class_and_each_of_its_samples_as_often() {
        let labels = labels();
        let mut drawn = vec![0_u32; labels.len()];
        let mut classes = [0.0_f64; 4];
        for epoch in 0..30 {
            let order = order(Sampler::Balanced, &labels, 42, epoch);
            assert_eq!(order.len(), labels.len());
            for place in order {
                drawn[place as usize] += 1;
                classes[labels[place as usize] as usize] += 1.0 / 30_000.0;
            }
        }
        assert_eq!(classes[1], 0.0);
        // the deviation of a share of 30,000 draws is 0.0027
        assert!([0, 2, 3].iter().all(|class| (classes[*class] - 1.0 / 3.0).abs() < 0.012), "{classes:?}");
        // 1,000 draws of each of the rare samples, with a deviation of 32
        let rare = drawn.iter().zip(&labels).filter(|(_, label)| **label == 3);
        assert!(rare.clone().count() == 10);
        assert!(rare.clone().all(|(n, _)| (850..1150).contains(n)), "{:?}", rare.collect::<Vec<_>>());
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat() {
        let labels = labels();
        for sampler in [Sampler::Shuffle, Sampler::Balanced] {
            let of = |seed, epoch| order(sampler, &labels, seed, epoch);
            assert_eq!(of(1, 2), of(1, 2));
            assert!(of(1, 2) != of(1, 3) && of(1, 2) != of(2, 2));
        }
        assert_eq!(order(Sampler::Shuffle, &labels, 7, 3), shuffle(1000, 7, 3));
        assert!(order(Sampler::Balanced, &[], 7, 3).is_empty());
    }

    #[test]
    fn samples_are_counted_by_class() {
        assert_eq!(counts(&labels(), 4), [900, 0, 90, 10]);
    }
}
