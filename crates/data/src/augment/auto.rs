//! RandAugment (Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space") and
//! TrivialAugmentWide (Müller and Hutter 2021, "TrivialAugment: Tuning-free yet state-of-the-art data augmentation"), with
//! the operations and magnitudes of torchvision (`transforms/autoaugment.py`).

use super::{Draws, Raster, tone, warp};

/// Magnitudes of each operation, in equal steps.
const BINS: usize = 31;

/// An operation, in the order in which torchvision lists them: a draw is a place in this list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

const OPERATIONS: [Operation; 14] = [
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

/// Which magnitudes belong to the bins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Space {
    Rand,
    TrivialWide,
}

/// `ops` operations one after the other, each of the same magnitude, 0 to 30.
pub(super) fn rand_augment(
    image: &mut Raster<'_>,
    [ops, magnitude]: [usize; 2],
    draws: &mut Draws,
    before: &mut Vec<u8>,
) {
    for _ in 0..ops {
        let operation = OPERATIONS[draws.below(OPERATIONS.len())];
        run(image, operation, Space::Rand, magnitude, draws, before);
    }
}

/// One operation of any magnitude.
pub(super) fn trivial_wide(image: &mut Raster<'_>, draws: &mut Draws, before: &mut Vec<u8>) {
    let operation = OPERATIONS[draws.below(OPERATIONS.len())];
    let bin = if operation.has_magnitude() { draws.below(BINS) } else { 0 };
    run(image, operation, Space::TrivialWide, bin, draws, before);
}

fn run(
    image: &mut Raster<'_>,
    operation: Operation,
    space: Space,
    bin: usize,
    draws: &mut Draws,
    before: &mut Vec<u8>,
) {
    let magnitude = operation.magnitude(space, bin, [image.h, image.w]);
    let turned = operation.is_signed() && draws.below(2) == 1;
    operation.apply(image, if turned { -magnitude } else { magnitude }, before);
}

impl Operation {
    fn has_magnitude(self) -> bool {
        !matches!(self, Self::Identity | Self::AutoContrast | Self::Equalize)
    }

    /// Whether the magnitude may be negative.
    fn is_signed(self) -> bool {
        self.has_magnitude() && !matches!(self, Self::Posterize | Self::Solarize)
    }

    fn magnitude(self, space: Space, bin: usize, [h, w]: [usize; 2]) -> f64 {
        let wide = space == Space::TrivialWide;
        let to = |most: f64| linspace(0.0, most, bin);
        match self {
            Self::Identity | Self::AutoContrast | Self::Equalize => 0.0,
            Self::ShearX | Self::ShearY => to(if wide { 0.99 } else { 0.3 }),
            Self::TranslateX => to(if wide { 32.0 } else { 150.0 / 331.0 * w as f64 }),
            Self::TranslateY => to(if wide { 32.0 } else { 150.0 / 331.0 * h as f64 }),
            Self::Rotate => to(if wide { 135.0 } else { 30.0 }),
            Self::Brightness | Self::Color | Self::Contrast | Self::Sharpness => {
                to(if wide { 0.99 } else { 0.9 })
            }
            Self::Posterize => {
                let bits = if wide { 6.0 } else { 4.0 };
                let step = (BINS - 1) as f32 / bits;
                f64::from(8.0 - (bin as f32 / step).round_ties_even())
            }
            Self::Solarize => linspace(255.0, 0.0, bin),
        }
    }

    fn apply(self, image: &mut Raster<'_>, magnitude: f64, before: &mut Vec<u8>) {
        let factor = (1.0 + magnitude) as f32;
        match self {
            Self::Identity => {}
            Self::ShearX => warp::shear(image, [magnitude, 0.0], before),
            Self::ShearY => warp::shear(image, [0.0, magnitude], before),
            Self::TranslateX => warp::shift(image, [magnitude as i64, 0], before),
            Self::TranslateY => warp::shift(image, [0, magnitude as i64], before),
            Self::Rotate => warp::rotate(image, magnitude, before),
            Self::Brightness => tone::brightness(image, factor),
            Self::Color => tone::saturation(image, factor),
            Self::Contrast => tone::contrast(image, factor),
            Self::Sharpness => tone::sharpness(image, factor, before),
            Self::Posterize => tone::posterize(image, magnitude as u32),
            Self::Solarize => tone::solarize(image, magnitude),
            Self::AutoContrast => tone::auto_contrast(image),
            Self::Equalize => tone::equalize(image),
        }
    }
}

/// `torch.linspace(first, last, 31)[bin]`, which counts from the nearer end, in `f32`; in its last bit torch differs from
/// one machine to another.
fn linspace(first: f64, last: f64, bin: usize) -> f64 {
    let (first, last) = (first as f32, last as f32);
    let step = (last - first) / (BINS - 1) as f32;
    f64::from(match bin < BINS / 2 {
        true => first + step * bin as f32,
        false => last - step * (BINS - 1 - bin) as f32,
    })
}

/// The magnitudes of every operation, for the test.
#[cfg(test)]
pub(super) fn magnitudes(rand: bool, sides: [usize; 2]) -> Vec<[f64; BINS]> {
    let space = if rand { Space::Rand } else { Space::TrivialWide };
    let of = |operation: Operation| std::array::from_fn(|bin| operation.magnitude(space, bin, sides));
    OPERATIONS.map(of).into()
}
