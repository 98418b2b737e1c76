//! What is done to pictures, as data.

use super::policy::BINS;
use super::warp::Warp;
use crate::DataError;

/// What is done to pictures, in this order: crop, flips, jitter, rotation, policy; then they become the network's numbers;
/// then a part is erased. The default does what evaluation does.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Augment {
    /// What is taken of a picture. [`Crop::Center`] by default.
    pub crop: Crop,
    /// Probability that left and right change places, 0 by default (torchvision's `RandomHorizontalFlip`: 0.5).
    pub hflip: f64,
    /// Probability that top and bottom change places, 0 by default.
    pub vflip: f64,
    /// `ColorJitter`'s brightness, contrast, saturation and hue, 0 by default: factors lie between 1 - x and 1 + x, not below
    /// 0, and the hue turns by up to x of a circle, at most 0.5.
    pub jitter: [f64; 4],
    /// `RandomRotation`: by up to this many degrees either way, 0 by default.
    pub rotation: f64,
    /// RandAugment, TrivialAugmentWide or none of them.
    pub policy: Policy,
    /// How the rotation and the operations of the policy make pixels.
    pub warp: Warp,
    /// Probability that a part is erased, 0 by default.
    pub erase: f64,
    /// What is put in place of it.
    pub erase_with: EraseWith,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            crop: Crop::Center,
            hflip: 0.0,
            vflip: 0.0,
            jitter: [0.0; 4],
            rotation: 0.0,
            policy: Policy::None,
            warp: Warp::Nearest,
            erase: 0.0,
            erase_with: EraseWith::Zero,
        }
    }
}

/// What is taken of a picture and brought to the network's input.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Crop {
    /// What evaluation takes, as the preprocessing record says.
    #[default]
    Center,
    /// All of it, whatever its proportions.
    Whole,
    /// `RandomResizedCrop`.
    RandomResized {
        /// Least and largest share of the picture's area (torchvision: 0.08 and 1).
        scale: [f64; 2],
        /// Least and largest width over height (torchvision: 3/4 and 4/3).
        ratio: [f64; 2],
    },
    /// What evaluation takes, with a border of black; out of this a part of the input's size. `RandomCrop(size, padding)`,
    /// as for CIFAR with 4.
    RandomPadded {
        /// Pixels on each side.
        padding: usize,
    },
}

/// A way to choose operations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Policy {
    /// No operations.
    #[default]
    None,
    /// `RandAugment`.
    RandAugment {
        /// Operations on each picture (torchvision: 2).
        ops: usize,
        /// Bin of the magnitude, 0 to 30 (torchvision: 9).
        magnitude: usize,
    },
    /// `TrivialAugmentWide`.
    TrivialWide,
}

/// What is put in place of an erased part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EraseWith {
    /// 0: the mean, if the values were normalised.
    #[default]
    Zero,
    /// Every value of its own from the standard normal distribution: torchvision's `value="random"`.
    Noise,
}

/// `RandomErasing`'s share of the area and ratio of height to width.
pub(super) const ERASED: [[f64; 2]; 2] = [[0.02, 0.33], [0.3, 3.3]];
/// Largest border. It keeps sums of sides far from overflow.
const MOST_PADDING: usize = 1 << 16;
/// More operations leave nothing to be seen.
const MOST_OPS: usize = 100;

impl Augment {
    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    /// [`DataError::Augment`] names the first that is not.
    pub fn check(&self) -> Result<(), DataError> {
        let within = |option, expected, range: [f64; 2], found: f64| {
            if (range[0]..=range[1]).contains(&found) {
                Ok(())
            } else {
                wrong(option, expected, found.to_string())
            }
        };
        for (option, found) in [("hflip", self.hflip), ("vflip", self.vflip), ("erase", self.erase)] {
            within(option, "a probability, 0 to 1", [0.0, 1.0], found)?;
        }
        let [b, c, s, hue] = self.jitter;
        for (option, found) in
            [("jitter of brightness", b), ("jitter of contrast", c), ("jitter of saturation", s)]
        {
            within(option, "0 to 100", [0.0, 100.0], found)?;
        }
        within("jitter of hue", "0 to 0.5", [0.0, 0.5], hue)?;
        within("rotation", "0 to 180 degrees", [0.0, 180.0], self.rotation)?;
        match self.crop {
            Crop::RandomResized { scale: [low, high], ratio: [flat, tall] } => {
                if !(0.0 < low && low <= high && high <= 1.0) {
                    return wrong(
                        "scale",
                        "two numbers above 0 and up to 1, the smaller one first",
                        format!("{low} {high}"),
                    );
                }
                if !(0.01 <= flat && flat <= tall && tall <= 100.0) {
                    return wrong(
                        "ratio",
                        "two numbers from 0.01 to 100, the smaller one first",
                        format!("{flat} {tall}"),
                    );
                }
            }
            Crop::RandomPadded { padding } if padding > MOST_PADDING => {
                return wrong("padding", "at most 65536 pixels", padding.to_string());
            }
            _ => {}
        }
        match self.policy {
            Policy::RandAugment { magnitude, .. } if magnitude >= BINS => {
                wrong("magnitude of RandAugment", "0 to 30", magnitude.to_string())
            }
            Policy::RandAugment { ops, .. } if ops > MOST_OPS => {
                wrong("operations of RandAugment", "at most 100", ops.to_string())
            }
            _ => Ok(()),
        }
    }
}

fn wrong(option: &'static str, expected: &'static str, found: String) -> Result<(), DataError> {
    Err(DataError::Augment { option, expected, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        let fine = Augment::default();
        assert!(fine.check().is_ok());
        let resized = |scale, ratio| Augment { crop: Crop::RandomResized { scale, ratio }, ..fine };
        let policy = |ops, magnitude| Augment { policy: Policy::RandAugment { ops, magnitude }, ..fine };
        for (wrong, option) in [
            (Augment { hflip: 1.5, ..fine }, "hflip"),
            (Augment { vflip: f64::NAN, ..fine }, "vflip"),
            (Augment { erase: -0.1, ..fine }, "erase"),
            (Augment { jitter: [0.0, 0.0, -1.0, 0.0], ..fine }, "saturation"),
            (Augment { jitter: [0.0, 0.0, 0.0, 0.6], ..fine }, "hue"),
            (Augment { rotation: 181.0, ..fine }, "rotation"),
            (resized([0.0, 1.0], [0.75, 1.33]), "scale"),
            (resized([0.5, 0.4], [0.75, 1.33]), "scale"),
            (resized([0.5, 1.0], [f64::NAN, 1.33]), "ratio"),
            (Augment { crop: Crop::RandomPadded { padding: usize::MAX }, ..fine }, "padding"),
            (policy(2, 31), "magnitude"),
            (policy(101, 9), "operations"),
        ] {
            let error = wrong.check().unwrap_err();
            assert!(error.to_string().contains(option), "{error}");
            assert_eq!(error.kind(), plusx_model::ErrorKind::Usage);
        }
    }
}
