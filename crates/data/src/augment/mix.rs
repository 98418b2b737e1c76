//! Mixup (Zhang et al. 2018, "mixup: Beyond empirical risk minimization") and CutMix (Yun et al. 2019, "CutMix:
//! Regularization strategy to train strong classifiers with localizable features") as torchvision's reference training has
//! them (`references/classification/transforms.py`): every image of a batch with the one before it, the first with the last.

use super::boxes::Rectangle;
use super::draws::Draws;
use crate::DataError;

/// What is mixed. Of two that are on, one is drawn for each batch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mix {
    /// Alpha of mixup: lambda is drawn from Beta(alpha, alpha). 0, the default, is off.
    pub mixup: f64,
    /// Alpha of CutMix. 0, the default, is off.
    pub cutmix: f64,
    /// Probability that a batch is mixed, 1 by default.
    pub p: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self { mixup: 0.0, cutmix: 0.0, p: 1.0 }
    }
}

/// How one batch is mixed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mixed {
    /// Not at all.
    Not,
    /// Each value is `lambda` times its own and 1 - `lambda` times that of the image before.
    Whole {
        /// Share of the image's own.
        lambda: f64,
    },
    /// A part comes from the image before.
    Part {
        /// Which part.
        part: Rectangle,
        /// Share of the pixels that are the image's own.
        lambda: f64,
    },
}

impl Mix {
    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    /// [`DataError::Augment`] names the first that is not.
    pub fn check(&self) -> Result<(), DataError> {
        for (option, found) in [("mixup", self.mixup), ("cutmix", self.cutmix)] {
            if !(found == 0.0 || (1e-3..=1e3).contains(&found)) {
                let expected = "0 (off) or an alpha from 0.001 to 1000";
                return Err(DataError::Augment { option, expected, found: found.to_string() });
            }
        }
        if !(0.0..=1.0).contains(&self.p) {
            let (option, expected) = ("probability of mixing", "0 to 1");
            return Err(DataError::Augment { option, expected, found: self.p.to_string() });
        }
        Ok(())
    }

    /// Draws how a batch of images of `[rows, columns]` is mixed: whether, by which of the two if both are on, lambda, and for
    /// CutMix column and row of the middle. No number that [`Mix::check`] refuses must be in it.
    pub fn draw(&self, [h, w]: [usize; 2], draws: &mut Draws) -> Mixed {
        let both = self.mixup > 0.0 && self.cutmix > 0.0;
        if !(self.mixup > 0.0 || self.cutmix > 0.0) || !draws.happens(self.p) {
            return Mixed::Not;
        }
        let cut = if both { draws.below(2) == 1 } else { self.cutmix > 0.0 };
        let lambda = draws.beta(if cut { self.cutmix } else { self.mixup });
        if !cut {
            return Mixed::Whole { lambda };
        }
        let [x, y] = [w, h].map(|side| draws.below(side));
        Mixed::part([h, w], lambda, [y, x])
    }
}

impl Mixed {
    /// CutMix's part for a drawn lambda and a middle at row and column: sides are the root of 1 - lambda of the image's,
    /// halves rounded down, and what is outside is cut off. Lambda then becomes the share of what is left.
    pub fn part([h, w]: [usize; 2], lambda: f64, middle: [usize; 2]) -> Self {
        let half = 0.5 * (1.0 - lambda).sqrt();
        let range = |side: usize, middle: usize| {
            let half = (half * side as f64) as usize;
            (middle.saturating_sub(half), (middle + half).min(side))
        };
        let ((top, bottom), (left, right)) = (range(h, middle[0]), range(w, middle[1]));
        let part = Rectangle { top, left, h: bottom - top, w: right - left };
        Mixed::Part { part, lambda: 1.0 - (part.h * part.w) as f64 / (h * w) as f64 }
    }

    /// Share of each image's own class.
    pub fn lambda(&self) -> f64 {
        match *self {
            Mixed::Not => 1.0,
            Mixed::Whole { lambda } | Mixed::Part { lambda, .. } => lambda,
        }
    }

    /// Mixes a batch `[n][h][w][c]` of images of `shape` `[h, w, c]` in place. `scratch` takes one image.
    pub fn images(&self, images: &mut [f32], shape: [usize; 3], scratch: &mut Vec<f32>) {
        let [h, w, c] = shape;
        let len = h * w * c;
        if *self == Mixed::Not || len == 0 || images.len() < len {
            return;
        }
        scratch.clear();
        scratch.extend_from_slice(&images[images.len() - len..]);
        // from the last to the first, so that the one before is still what it was
        for number in (0..images.len() / len).rev() {
            let (before, own) = images.split_at_mut(number * len);
            let before = if number == 0 { &scratch[..] } else { &before[(number - 1) * len..] };
            let own = &mut own[..len];
            match *self {
                Mixed::Not => {}
                Mixed::Whole { lambda } => {
                    let (share, rest) = (lambda as f32, (1.0 - lambda) as f32);
                    own.iter_mut().zip(before).for_each(|(own, before)| *own = *own * share + *before * rest);
                }
                Mixed::Part { part, .. } => {
                    for y in part.top..part.top + part.h {
                        let row = (y * w + part.left) * c..(y * w + part.left + part.w) * c;
                        own[row.clone()].copy_from_slice(&before[row]);
                    }
                }
            }
        }
    }

    /// Writes the targets `[n][classes]` of a batch with these labels in place of what `out` holds. First they are mixed as
    /// the images are. Then `smoothing` s makes t (1 - s) + s / classes of every target t, as torch's
    /// `cross_entropy(label_smoothing=s)` does with targets that are probabilities.
    ///
    /// # Panics
    /// If a label is not below `classes`.
    pub fn targets(&self, labels: &[u32], classes: usize, smoothing: f32, out: &mut Vec<f32>) {
        let (share, rest) = (self.lambda() as f32, (1.0 - self.lambda()) as f32);
        out.clear();
        out.resize(labels.len() * classes, 0.0);
        let before = labels.last().into_iter().chain(labels);
        for ((row, own), before) in out.chunks_exact_mut(classes.max(1)).zip(labels).zip(before) {
            row[*own as usize] += share;
            row[*before as usize] += rest;
            for target in row {
                *target = *target * (1.0 - smoothing) + smoothing / classes as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_leaves_everything() {
        let mixed = Mix::default().draw([4, 4], &mut Draws::of_batch(0, 0, 0));
        assert_eq!((mixed, mixed.lambda()), (Mixed::Not, 1.0));
        let mut images = vec![1.0, 2.0];
        mixed.images(&mut images, [1, 1, 1], &mut Vec::new());
        assert_eq!(images, [1.0, 2.0]);
        let mut targets = vec![9.0];
        mixed.targets(&[1, 0], 2, 0.0, &mut targets);
        assert_eq!(targets, [0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn batches_are_mixed_as_often_as_asked_for_and_both_ways() {
        let mix = Mix { mixup: 0.2, cutmix: 1.0, p: 0.75 };
        let mut counts = [0; 3];
        for batch in 0..4000 {
            let mixed = mix.draw([9, 14], &mut Draws::of_batch(3, 1, batch));
            assert!((0.0..=1.0).contains(&mixed.lambda()));
            counts[match mixed {
                Mixed::Not => 0,
                Mixed::Whole { .. } => 1,
                Mixed::Part { part, .. } => {
                    assert!(part.top + part.h <= 9 && part.left + part.w <= 14);
                    2
                }
            }] += 1;
        }
        // standard deviations 27 and 31
        assert!(
            counts.iter().zip([1000, 1500, 1500]).all(|(count, mean): (&i32, _)| (count - mean).abs() < 140),
            "{counts:?}"
        );
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let fine = Mix::default();
        for (wrong, option) in [
            (Mix { mixup: -1.0, ..fine }, "mixup"),
            (Mix { cutmix: f64::NAN, ..fine }, "cutmix"),
            (Mix { p: 1.1, ..fine }, "probability"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(option));
        }
        assert!(fine.check().is_ok());
    }
}
