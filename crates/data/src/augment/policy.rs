//! RandAugment (Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space") and
//! TrivialAugmentWide (Müller and Hutter 2021, "TrivialAugment: Tuning-free yet state-of-the-art data augmentation") with
//! torchvision's operations, magnitudes and order of draws (`transforms/autoaugment.py`).

use super::draws::Draws;
use super::raster::Raster;
use super::warp::Warp;
use super::{tone, warp};

/// Magnitudes of each operation: `num_magnitude_bins`.
pub const BINS: usize = 31;

/// An operation on a picture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// The picture stays.
    Identity,
    /// [`warp::shear`] along x.
    ShearX,
    /// [`warp::shear`] along y.
    ShearY,
    /// [`warp::translate`] to the right.
    TranslateX,
    /// [`warp::translate`] down.
    TranslateY,
    /// [`warp::rotate`], in degrees.
    Rotate,
    /// [`tone::brightness`] by 1 and the magnitude.
    Brightness,
    /// [`tone::saturation`] by 1 and the magnitude.
    Color,
    /// [`tone::contrast`] by 1 and the magnitude.
    Contrast,
    /// [`tone::sharpness`] by 1 and the magnitude.
    Sharpness,
    /// [`tone::posterize`] to so many bits.
    Posterize,
    /// [`tone::solarize`] from this value on.
    Solarize,
    /// [`tone::auto_contrast`].
    AutoContrast,
    /// [`tone::equalize`].
    Equalize,
}

/// Which magnitudes the operations have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Space {
    /// RandAugment's.
    Rand,
    /// TrivialAugmentWide's.
    TrivialWide,
}

impl Operation {
    /// All, in torchvision's order: what is drawn is a place in this list.
    pub const ALL: [Operation; 14] = [
        Operation::Identity,
        Operation::ShearX,
        Operation::ShearY,
        Operation::TranslateX,
        Operation::TranslateY,
        Operation::Rotate,
        Operation::Brightness,
        Operation::Color,
        Operation::Contrast,
        Operation::Sharpness,
        Operation::Posterize,
        Operation::Solarize,
        Operation::AutoContrast,
        Operation::Equalize,
    ];

    fn has_magnitude(self) -> bool {
        !matches!(self, Self::Identity | Self::AutoContrast | Self::Equalize)
    }

    /// Whether half of the magnitudes are negative.
    fn is_signed(self) -> bool {
        self.has_magnitude() && !matches!(self, Self::Posterize | Self::Solarize)
    }

    /// The magnitude of a bin, 0 to 30, for a picture of `[rows, columns]`, sign aside.
    pub fn magnitude(self, space: Space, bin: usize, [h, w]: [usize; 2]) -> f64 {
        let wide = space == Space::TrivialWide;
        let up_to = |rand: f64, trivial: f64| linspace([0.0, if wide { trivial } else { rand }], bin);
        match self {
            Self::Identity | Self::AutoContrast | Self::Equalize => 0.0,
            Self::ShearX | Self::ShearY => up_to(0.3, 0.99),
            Self::TranslateX => up_to(150.0 / 331.0 * w as f64, 32.0),
            Self::TranslateY => up_to(150.0 / 331.0 * h as f64, 32.0),
            Self::Rotate => up_to(30.0, 135.0),
            Self::Brightness | Self::Color | Self::Contrast | Self::Sharpness => up_to(0.9, 0.99),
            Self::Posterize => {
                let bits = if wide { 6.0 } else { 4.0 };
                let step = (BINS - 1) as f32 / bits;
                8.0 - f64::from((bin as f32 / step).round_ties_even())
            }
            Self::Solarize => linspace([255.0, 0.0], bin),
        }
    }

    /// Runs it: torchvision's `_apply_op`.
    pub fn apply(self, image: &mut Raster, magnitude: f64, how: Warp) {
        let factor = (1.0 + magnitude) as f32;
        match self {
            Self::Identity => {}
            Self::ShearX => warp::shear(image, [magnitude, 0.0], how),
            Self::ShearY => warp::shear(image, [0.0, magnitude], how),
            Self::TranslateX => warp::translate(image, [magnitude as i64, 0], how),
            Self::TranslateY => warp::translate(image, [0, magnitude as i64], how),
            Self::Rotate => warp::rotate(image, magnitude, how),
            Self::Brightness => tone::brightness(image, factor),
            Self::Color => tone::saturation(image, factor),
            Self::Contrast => tone::contrast(image, factor),
            Self::Sharpness => tone::sharpness(image, factor),
            Self::Posterize => tone::posterize(image, magnitude as u32),
            Self::Solarize => tone::solarize(image, magnitude),
            Self::AutoContrast => tone::auto_contrast(image),
            Self::Equalize => tone::equalize(image),
        }
    }
}

/// `RandAugment(num_ops, magnitude)`: `ops` operations one after the other, all with the magnitude of one bin.
pub fn rand_augment(image: &mut Raster, ops: usize, bin: usize, how: Warp, draws: &mut Draws) {
    for _ in 0..ops {
        let operation = Operation::ALL[draws.below(Operation::ALL.len())];
        run(image, operation, operation.magnitude(Space::Rand, bin, [image.h, image.w]), how, draws);
    }
}

/// `TrivialAugmentWide()`: one operation with any magnitude.
pub fn trivial_wide(image: &mut Raster, how: Warp, draws: &mut Draws) {
    let operation = Operation::ALL[draws.below(Operation::ALL.len())];
    let bin = if operation.has_magnitude() { draws.below(BINS) } else { 0 };
    run(image, operation, operation.magnitude(Space::TrivialWide, bin, [image.h, image.w]), how, draws);
}

fn run(image: &mut Raster, operation: Operation, magnitude: f64, how: Warp, draws: &mut Draws) {
    let negative = operation.is_signed() && draws.below(2) == 1;
    operation.apply(image, if negative { -magnitude } else { magnitude }, how);
}

/// `torch.linspace(first, last, 31)[bin]` in `f32` as torch computes it with AVX2: two vectors of eight from the front, the rest
/// from the end with one rounding each. With AVX-512 or without vectors it rounds otherwise.
fn linspace(ends: [f64; 2], bin: usize) -> f64 {
    const LANES: usize = 8;
    let [first, last] = ends.map(|end| end as f32);
    let step = (last - first) / (BINS - 1) as f32;
    f64::from(if bin < 2 * LANES {
        (first + step * (bin / LANES * LANES) as f32) + step * (bin % LANES) as f32
    } else {
        (-step).mul_add((BINS - 1 - bin) as f32, last)
    })
}
