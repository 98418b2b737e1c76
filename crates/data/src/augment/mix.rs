//! Mixup (Zhang et al. 2018, "mixup: Beyond empirical risk minimization") and CutMix (Yun et al. 2019, "CutMix:
//! Regularization strategy to train strong classifiers with localizable features"), as torchvision's reference training
//! does them (`references/classification/transforms.py`): each image of a batch with the one before it, all with one share.

use super::{Draws, boxes::CropBox};

/// What is mixed. Both are off at 0.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Mix {
    /// Alpha of mixup: the share is drawn from Beta(alpha, alpha).
    pub mixup: f64,
    /// Alpha of CutMix, likewise; the share is then that of the pixels kept.
    pub cutmix: f64,
}

/// How the images of a batch were mixed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mixed {
    /// Share of each image's own class; the rest is that of the image before it, of the first that of the last.
    pub own: f64,
}

impl Mix {
    /// Whether nothing is mixed.
    pub fn is_off(&self) -> bool {
        self.mixup <= 0.0 && self.cutmix <= 0.0
    }

    /// Mixes a batch of `[n][h][w][c]` in place. Where both ways are on, one is drawn for the batch. `draws` are the batch's
    /// own ([`Draws::of_batch`]).
    pub fn apply(&self, images: &mut [f32], shape: [usize; 3], draws: &mut Draws) -> Option<Mixed> {
        let cut = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (false, false) => return None,
            (true, true) => draws.below(2) == 1,
            (_, cut) => cut,
        };
        let [h, w, c] = shape;
        let len = h * w * c;
        let share = beta(if cut { self.cutmix } else { self.mixup }, draws);
        if images.len() < 2 * len {
            // with itself an image stays what it is
            return Some(Mixed { own: 1.0 });
        }
        if !cut {
            let (own, other) = (share as f32, (1.0 - share) as f32);
            with_the_one_before(images, len, |image, before| {
                image
                    .iter_mut()
                    .zip(before)
                    .for_each(|(value, before)| *value = *value * own + before * other);
            });
            return Some(Mixed { own: share });
        }
        let CropBox { top, left, h: rows, w: columns } = part([h, w], share, draws);
        with_the_one_before(images, len, |image, before| {
            for y in top..top + rows {
                let row = (y * w + left) * c..(y * w + left + columns) * c;
                image[row.clone()].copy_from_slice(&before[row]);
            }
        });
        Some(Mixed { own: 1.0 - (rows * columns) as f64 / (h * w) as f64 })
    }
}

impl Mixed {
    /// Soft targets `[n][classes]` of a mixed batch with these classes. Label smoothing spreads `smoothing` of every image
    /// evenly over all classes, after mixing, as PyTorch's loss does with targets that are probabilities.
    pub fn targets(&self, labels: &[u32], classes: usize, smoothing: f32, out: &mut Vec<f32>) {
        let spread = smoothing / classes as f32;
        out.clear();
        out.resize(labels.len() * classes, spread);
        let before = labels.iter().cycle().skip(labels.len().saturating_sub(1));
        for ((row, own), before) in out.chunks_exact_mut(classes).zip(labels).zip(before) {
            row[*own as usize] += (1.0 - smoothing) * self.own as f32;
            row[*before as usize] += (1.0 - smoothing) * (1.0 - self.own) as f32;
        }
    }
}

/// Calls `mix` with each image and the one before it as it was; before the first stands the last.
fn with_the_one_before(images: &mut [f32], len: usize, mix: impl Fn(&mut [f32], &[f32])) {
    let last = images[images.len() - len..].to_vec();
    let mut at = images.len() - len;
    // from the last on, so that the one before is still what it was
    while at > 0 {
        let (before, image) = images.split_at_mut(at);
        mix(&mut image[..len], &before[at - len..]);
        at -= len;
    }
    mix(&mut images[..len], &last);
}

/// The part that is taken from the other image: about a point anywhere, of `1 - share` of the area, as far as it is inside.
fn part([h, w]: [usize; 2], share: f64, draws: &mut Draws) -> CropBox {
    let (x, y) = (draws.below(w), draws.below(h));
    let half = 0.5 * (1.0 - share).sqrt();
    let [half_w, half_h] = [w, h].map(|side| (half * side as f64) as usize);
    let (left, top) = (x.saturating_sub(half_w), y.saturating_sub(half_h));
    CropBox { top, left, h: (y + half_h).min(h) - top, w: (x + half_w).min(w) - left }
}

/// A draw from Beta(alpha, alpha): x / (x + y) of two draws from Gamma(alpha).
fn beta(alpha: f64, draws: &mut Draws) -> f64 {
    let [x, y] = [log_gamma_draw(alpha, draws), log_gamma_draw(alpha, draws)];
    // in logarithms: both can be too small for a number
    1.0 / (1.0 + libm::exp(y - x))
}

/// The logarithm of a draw from Gamma(alpha, 1) (Marsaglia and Tsang 2000, "A simple method for generating gamma
/// variables"; for alpha below 1 that of alpha + 1 times a power of a uniform draw, their section 6).
fn log_gamma_draw(alpha: f64, draws: &mut Draws) -> f64 {
    let open = |draws: &mut Draws| 1.0 - draws.unit();
    let (boosted, boost) = match alpha < 1.0 {
        true => (alpha + 1.0, libm::log(open(draws)) / alpha),
        false => (alpha, 0.0),
    };
    let d = boosted - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        // Box and Muller 1958
        let radius = (-2.0 * libm::log(open(draws))).sqrt();
        let x = radius * libm::cos(2.0 * std::f64::consts::PI * draws.unit());
        let v = 1.0 + c * x;
        if v <= 0.0 {
            continue;
        }
        let log_v = 3.0 * libm::log(v);
        if libm::log(open(draws)) < 0.5 * x * x + d - d * libm::exp(log_v) + d * log_v {
            return libm::log(d) + log_v + boost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_distributed_as_beta() {
        for alpha in [0.2, 1.0, 4.0] {
            let n = 20_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for sample in 0..n {
                let share = beta(alpha, &mut Draws::new(3, 0, sample));
                assert!((0.0..=1.0).contains(&share));
                sum += share;
                squares += (share - 0.5) * (share - 0.5);
            }
            let variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((sum / f64::from(n) - 0.5).abs() < 0.01, "{alpha}");
            assert!((squares / f64::from(n) / variance - 1.0).abs() < 0.05, "{alpha}");
        }
    }

    #[test]
    fn every_image_is_mixed_with_the_one_before() {
        let mut images = vec![1.0, 1.0, 2.0, 2.0, 4.0, 4.0];
        let mixed =
            Mix { mixup: 1.0, cutmix: 0.0 }.apply(&mut images, [1, 2, 1], &mut Draws::new(0, 0, 0)).unwrap();
        let own = mixed.own as f32;
        let rest = (1.0 - mixed.own) as f32;
        let expected =
            [[1.0, 4.0], [2.0, 1.0], [4.0, 2.0]].map(|[image, before]| image * own + before * rest);
        assert_eq!(images, expected.iter().flat_map(|value| [*value; 2]).collect::<Vec<f32>>());
        let mut targets = Vec::new();
        mixed.targets(&[0, 1, 2], 4, 0.2, &mut targets);
        for (row, own_class, before) in [(0, 0, 2), (1, 1, 0), (2, 2, 1)] {
            let row = &targets[row * 4..][..4];
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
            assert_eq!((row[3], row[own_class]), (0.05, 0.05 + 0.8 * own));
            assert_eq!(row[before], 0.05 + 0.8 * rest);
        }
    }

    #[test]
    fn a_part_of_each_image_comes_from_the_one_before() {
        for sample in 0..50 {
            let mut images: Vec<f32> = [0.0_f32, 1.0, 2.0].iter().flat_map(|value| [*value; 80]).collect();
            let mix = Mix { mixup: 0.0, cutmix: 1.0 };
            let mixed = mix.apply(&mut images, [8, 10, 1], &mut Draws::new(0, 0, sample)).unwrap();
            for (place, image) in images.chunks_exact(80).enumerate() {
                let own = image.iter().filter(|value| **value == place as f32).count();
                assert_eq!(own as f64 / 80.0, mixed.own);
                assert!(
                    image.iter().all(|value| *value == place as f32 || *value == ((place + 2) % 3) as f32)
                );
            }
        }
    }
}
