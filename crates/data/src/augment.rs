//! What is done at random to the pictures that a network learns from, as torchvision does it to pictures of PIL
//! (`transforms`, `transforms.autoaugment`). `docs/augmentation.md` says what equals what.
//!
//! The order is that of torchvision's reference training (`references/classification/presets.py`): crop and resize, flips,
//! RandAugment or TrivialAugment; jitter and rotation; then normalise; then erase. All draws come from [`Draws`]: an image is a
//! function of the picture, the seed, the epoch and the picture's place in the data set.

mod auto;
mod boxes;
mod draws;
mod mix;
#[cfg(test)]
mod tests;
mod tone;
mod warp;

use crate::DataError;
pub use draws::Draws;
pub use mix::{Mix, Mixed};
use plusx_model::preprocess::{Preprocess, Resize};
use plusx_pixels::resize::Cut;
use plusx_pixels::{Preparer, Resizer};

/// The part of a picture that becomes the input.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Crop {
    /// What is evaluated: the record's own resize, and the middle.
    #[default]
    Center,
    /// `RandomResizedCrop`: a part with so much of the area, and with such a ratio of width to height.
    RandomResized {
        /// Least and largest share of the area. torchvision: 0.08 and 1.
        scale: [f64; 2],
        /// Least and largest ratio. torchvision: 3/4 and 4/3.
        ratio: [f64; 2],
    },
    /// What is evaluated, with so many black pixels put around it, and of that any part of the input's size: `RandomCrop` with
    /// `padding`, as networks for CIFAR are trained (He et al. 2016, section 4.2: 4).
    RandomPadded(usize),
}

/// Operations of a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AutoAugment {
    /// None.
    #[default]
    Off,
    /// `RandAugment`: so many operations one after the other. torchvision: 2 of magnitude 9, of 0 to 30.
    Rand {
        /// How many.
        ops: usize,
        /// 0 to 30.
        magnitude: usize,
    },
    /// `TrivialAugmentWide`: one operation of any magnitude.
    TrivialWide,
}

/// What is done to pictures. The default does nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Augment {
    /// Which part.
    pub crop: Crop,
    /// Probability of a flip from left to right.
    pub hflip: f64,
    /// Probability of a flip upside down.
    pub vflip: f64,
    /// A policy.
    pub auto: AutoAugment,
    /// `ColorJitter`: how far brightness, contrast, saturation may be from 1, and hue from 0 (in turns, up to 0.5).
    pub jitter: [f64; 4],
    /// `RandomRotation`: up to so many degrees, either way.
    pub rotation: f64,
    /// `RandomErasing`: probability that a part becomes 0, after normalising; 0.02 to 0.33 of the area, height to width 0.3 to 3.3.
    pub erasing: f64,
}

/// An image that is worked on, `[h][w][c]`.
#[derive(Debug)]
struct Raster<'a> {
    bytes: &'a mut [u8],
    h: usize,
    w: usize,
    c: usize,
}

/// Does it to pictures of any size. Buffers are kept from one to the next.
#[derive(Clone, Debug)]
pub(crate) struct Augmenter {
    augment: Augment,
    record: Preprocess,
    /// The part of the picture that is resized.
    part: Vec<u8>,
    /// The image, of the input's size.
    image: Vec<u8>,
    before: Vec<u8>,
    resizer: Option<(Cut, Resizer)>,
    normaliser: Option<(usize, Preparer)>,
}

impl Augmenter {
    /// For a network that takes pictures as `record` says.
    pub(crate) fn new(augment: Augment, record: &Preprocess) -> Self {
        let (record, empty) = (record.clone(), Vec::new);
        Self {
            augment,
            record,
            part: empty(),
            image: empty(),
            before: empty(),
            resizer: None,
            normaliser: None,
        }
    }

    /// Makes the values of the network's input of a picture of `[h, w, c]`.
    pub(crate) fn fill(
        &mut self,
        pixels: &[u8],
        [h, w, c]: [usize; 3],
        draws: &mut Draws,
        out: &mut [f32],
    ) -> Result<(), DataError> {
        let input = self.record.input;
        self.crop(pixels, [h, w, c], draws)?;
        let mut image = Raster { bytes: &mut self.image, h: input.h, w: input.w, c };
        let augment = self.augment;
        if draws.happens(augment.hflip) {
            flip(&mut image, true);
        }
        if draws.happens(augment.vflip) {
            flip(&mut image, false);
        }
        match augment.auto {
            AutoAugment::Off => {}
            AutoAugment::Rand { ops, magnitude } => {
                auto::rand_augment(&mut image, [ops, magnitude], draws, &mut self.before);
            }
            AutoAugment::TrivialWide => auto::trivial_wide(&mut image, draws, &mut self.before),
        }
        jitter(&mut image, augment.jitter, draws);
        if augment.rotation > 0.0 {
            let degrees = draws.uniform([-augment.rotation, augment.rotation]);
            warp::rotate(&mut image, degrees, &mut self.before);
        }
        self.normalise(c, out)?;
        if draws.happens(augment.erasing)
            && let Some(part) = boxes::erased([input.h, input.w], [0.02, 0.33], [0.3, 3.3], draws)
        {
            let row = input.w * input.c;
            for out in out.chunks_exact_mut(row).skip(part.top).take(part.h) {
                out[part.left * input.c..][..part.w * input.c].fill(0.0);
            }
        }
        Ok(())
    }

    /// Brings a part of the picture to the input's size.
    fn crop(&mut self, pixels: &[u8], [h, w, c]: [usize; 3], draws: &mut Draws) -> Result<(), DataError> {
        let size = [self.record.input.h, self.record.input.w];
        match self.augment.crop {
            Crop::Center => {
                let to = self.record.resized([h, w]);
                let cut = Cut { from: [h, w, c], to, corner: self.record.corner(to), size };
                resize(&mut self.resizer, cut, &self.record, pixels, &mut self.image)
            }
            Crop::RandomResized { scale, ratio } => {
                let part = boxes::resized_crop([h, w], scale, ratio, draws);
                self.part.clear();
                for row in pixels.chunks_exact(w * c).skip(part.top).take(part.h) {
                    self.part.extend_from_slice(&row[part.left * c..][..part.w * c]);
                }
                let cut = Cut::whole([part.h, part.w, c], size);
                resize(&mut self.resizer, cut, &self.record, &self.part, &mut self.image)
            }
            Crop::RandomPadded(padding) => {
                let to = self.record.resized([h, w]);
                let cut = Cut { from: [h, w, c], to, corner: self.record.corner(to), size };
                resize(&mut self.resizer, cut, &self.record, pixels, &mut self.part)?;
                let [top, left] = [(); 2].map(|()| draws.below(2 * padding + 1));
                self.image.clear();
                self.image.resize(size[0] * size[1] * c, 0);
                shifted(
                    &self.part,
                    [size[0], size[1], c],
                    [top, left].map(|at| at as i64 - padding as i64),
                    &mut self.image,
                );
                Ok(())
            }
        }
    }

    /// From bytes to the values of the network's input.
    fn normalise(&mut self, c: usize, out: &mut [f32]) -> Result<(), DataError> {
        let input = self.record.input;
        let normaliser = match self.normaliser.take() {
            Some((of, normaliser)) if of == c => normaliser,
            _ => Preparer::new(
                [input.h, input.w, c],
                &Preprocess { resize: Resize::Both, ..self.record.clone() },
            )?,
        };
        let (_, normaliser) = self.normaliser.insert((c, normaliser));
        normaliser.fill(&self.image, out);
        Ok(())
    }
}

/// Resizes as the record says; what was set up for the last picture serves the next of its shape.
fn resize(
    kept: &mut Option<(Cut, Resizer)>,
    cut: Cut,
    record: &Preprocess,
    pixels: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    out.resize(cut.dst_len(), 0);
    let resizer = match kept.take() {
        Some((of, resizer)) if of == cut => resizer,
        _ => Resizer::new(record.interpolation, cut)?,
    };
    kept.insert((cut, resizer)).1.run(pixels, out);
    Ok(())
}

/// Copies to each pixel of `out` the one that lies `by` rows and columns further, if there is one.
fn shifted(image: &[u8], [h, w, c]: [usize; 3], [down, right]: [i64; 2], out: &mut [u8]) {
    for (y, row) in out.chunks_exact_mut(w * c).enumerate() {
        let Some(from) = usize::try_from(y as i64 + down).ok().filter(|from| *from < h) else { continue };
        let columns = (0.max(-right) as usize).min(w)..(w as i64 - right).clamp(0, w as i64) as usize;
        if columns.is_empty() {
            continue;
        }
        let first = (from * w) as i64 + columns.start as i64 + right;
        let len = columns.len() * c;
        row[columns.start * c..][..len].copy_from_slice(&image[first as usize * c..][..len]);
    }
}

/// `ColorJitter`: the four in any order, each only if it may change something.
fn jitter(image: &mut Raster<'_>, amounts: [f64; 4], draws: &mut Draws) {
    if amounts == [0.0; 4] {
        return;
    }
    let order = draws.order::<4>();
    let mut factor = |which: usize| {
        let centre = if which == 3 { 0.0 } else { 1.0 };
        let amount = amounts[which];
        let low = if which == 3 { -amount } else { (centre - amount).max(0.0) };
        (amount > 0.0).then(|| draws.uniform([low, centre + amount]))
    };
    let factors = [factor(0), factor(1), factor(2), factor(3)];
    for which in order {
        match (which, factors[which]) {
            (_, None) => {}
            (0, Some(factor)) => tone::brightness(image, factor as f32),
            (1, Some(factor)) => tone::contrast(image, factor as f32),
            (2, Some(factor)) => tone::saturation(image, factor as f32),
            (_, Some(turn)) => tone::hue(image, turn),
        }
    }
}

/// From left to right, or upside down.
fn flip(image: &mut Raster<'_>, sideways: bool) {
    let (row, c) = (image.w * image.c, image.c);
    if sideways {
        for row in image.bytes.chunks_exact_mut(row) {
            row.reverse();
            // the channels of each pixel were turned, too
            row.chunks_exact_mut(c).for_each(<[u8]>::reverse);
        }
    } else {
        let half = image.h / 2;
        let (upper, lower) = image.bytes.split_at_mut((image.h - half) * row);
        let pairs = upper.chunks_exact_mut(row).zip(lower.chunks_exact_mut(row).rev());
        pairs.for_each(|(upper, lower)| upper.swap_with_slice(lower));
    }
}
