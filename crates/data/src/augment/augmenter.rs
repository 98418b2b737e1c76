//! One picture after the other through an [`Augment`].

use super::draws::{Draws, Use};
use super::raster::Raster;
use super::record::{Augment, Crop, ERASED, EraseWith, Policy};
use super::{boxes, policy, tone, warp};
use crate::DataError;
use plusx_model::preprocess::{Preprocess, Resize};
use plusx_pixels::resize::Cut;
use plusx_pixels::{PixelError, Preparer, Resizer};

/// Augments pictures of any sizes and makes them a network's input. What it needs in between is kept for the next picture;
/// nothing else is.
#[derive(Clone, Debug)]
pub struct Augmenter {
    record: Augment,
    preprocess: Preprocess,
    image: Raster,
    resizer: Option<Resizer>,
    /// From bytes of the input's size to numbers, for as many channels as the last picture had.
    numbers: Option<(usize, Preparer)>,
}

impl Augmenter {
    /// For pictures that are augmented as `record` says and prepared as `preprocess` says.
    ///
    /// # Errors
    /// [`DataError::Augment`] for numbers out of range. [`DataError::Pixels`] for a record whose parts do not fit each other, a
    /// network that takes neither 1 nor 3 channels, or a way of resizing that is not known.
    pub fn new(record: Augment, preprocess: Preprocess) -> Result<Self, DataError> {
        record.check()?;
        if !matches!(preprocess.input.c, 1 | 3) {
            return Err(PixelError::Channels { channels: preprocess.input.c }.into());
        }
        // a grey pixel can be prepared wherever anything can
        Preparer::new([1, 1, 1], &preprocess)?;
        Ok(Self { record, preprocess, image: Raster::empty(), resizer: None, numbers: None })
    }

    /// Writes what becomes of a picture of `shape` `[h, w, c]` with these draws to `out`, `[h][w][c]` of the network's input.
    /// Grey pictures fill every channel of a network that takes three.
    ///
    /// # Errors
    /// [`DataError::Pixels`] for a picture without pixels or with another number of bytes, and for a colour picture where
    /// the network takes grey ones.
    ///
    /// # Panics
    /// If `out` has another length than the network's input.
    pub fn fill(
        &mut self,
        pixels: &[u8],
        shape: [usize; 3],
        draws: &mut Draws,
        out: &mut [f32],
    ) -> Result<(), DataError> {
        Raster::check(pixels, shape)?;
        self.crop(pixels, shape, draws)?;
        self.change(draws);
        self.normalise(shape[2], out)?;
        self.erase(out, draws);
        Ok(())
    }

    /// The picture becomes bytes of the input's size in `image`.
    fn crop(&mut self, pixels: &[u8], shape: [usize; 3], draws: &mut Draws) -> Result<(), DataError> {
        let [h, w, c] = shape;
        let input = [self.preprocess.input.h, self.preprocess.input.w];
        draws.begin(Use::Crop);
        match self.record.crop {
            Crop::Whole => self.resize(pixels, Cut::whole(shape, input))?,
            Crop::Center => self.resize(pixels, self.evaluated(shape))?,
            Crop::RandomPadded { padding } => {
                self.resize(pixels, self.evaluated(shape))?;
                let corner = boxes::crop(input.map(|side| side + 2 * padding), input, draws);
                self.image.shift(corner.map(|at| at as i64 - padding as i64));
            }
            Crop::RandomResized { scale, ratio } => {
                let part = boxes::resized_crop([h, w], scale, ratio, draws);
                let from = &pixels[(part.top * w + part.left) * c..];
                self.resize_strided(from, w * c, Cut::whole([part.h, part.w, c], input))?;
            }
        }
        Ok(())
    }

    /// What evaluation cuts out.
    fn evaluated(&self, shape: [usize; 3]) -> Cut {
        let [h, w, _] = shape;
        let to = self.preprocess.resized([h, w]);
        let size = [self.preprocess.input.h, self.preprocess.input.w];
        Cut { from: shape, to, corner: self.preprocess.corner(to), size }
    }

    /// `pixels` into `image`.
    fn resize(&mut self, pixels: &[u8], cut: Cut) -> Result<(), DataError> {
        self.resize_strided(pixels, cut.from[1] * cut.from[2], cut)
    }

    /// A part of a picture into `image`; its rows begin `stride` bytes apart.
    fn resize_strided(&mut self, pixels: &[u8], stride: usize, cut: Cut) -> Result<(), DataError> {
        let resizer = match &mut self.resizer {
            Some(resizer) => {
                resizer.set(cut)?;
                resizer
            }
            none => none.insert(Resizer::new(self.preprocess.interpolation, cut)?),
        };
        let Raster { bytes, h, w, c, .. } = &mut self.image;
        ([*h, *w], *c) = (cut.size, cut.from[2]);
        bytes.resize(cut.dst_len(), 0);
        resizer.run_strided(pixels, stride, bytes);
        Ok(())
    }

    /// The bytes of `image`, of `c` channels, become the network's numbers.
    fn normalise(&mut self, c: usize, out: &mut [f32]) -> Result<(), DataError> {
        let numbers = match self.numbers.take() {
            Some((of, numbers)) if of == c => numbers,
            _ => {
                let input = self.preprocess.input;
                let record = Preprocess { resize: Resize::Both, ..self.preprocess.clone() };
                Preparer::new([input.h, input.w, c], &record)?
            }
        };
        self.numbers.insert((c, numbers)).1.fill(&self.image.bytes, out);
        Ok(())
    }

    /// Flips, jitter, rotation and policy.
    fn change(&mut self, draws: &mut Draws) {
        let Self { record, image, .. } = self;
        draws.begin(Use::HorizontalFlip);
        if draws.happens(record.hflip) {
            warp::hflip(image);
        }
        draws.begin(Use::VerticalFlip);
        if draws.happens(record.vflip) {
            warp::vflip(image);
        }
        draws.begin(Use::Jitter);
        jitter(image, record.jitter, draws);
        draws.begin(Use::Rotation);
        if record.rotation > 0.0 {
            warp::rotate(image, draws.uniform([-record.rotation, record.rotation]), record.warp);
        }
        draws.begin(Use::Policy);
        match record.policy {
            Policy::None => {}
            Policy::RandAugment { ops, magnitude } => {
                policy::rand_augment(image, ops, magnitude, record.warp, draws);
            }
            Policy::TrivialWide => policy::trivial_wide(image, record.warp, draws),
        }
    }

    /// `RandomErasing` with its defaults. The noise comes after the place, in the order of the values.
    fn erase(&self, values: &mut [f32], draws: &mut Draws) {
        draws.begin(Use::Erase);
        if !draws.happens(self.record.erase) {
            return;
        }
        let input = self.preprocess.input;
        let [scale, ratio] = ERASED;
        let Some(part) = boxes::erased([input.h, input.w], scale, ratio, draws) else { return };
        let rows = values.chunks_exact_mut(input.w * input.c).skip(part.top).take(part.h);
        for row in rows.map(|row| &mut row[part.left * input.c..][..part.w * input.c]) {
            match self.record.erase_with {
                EraseWith::Zero => row.fill(0.0),
                // a row takes whole pairs
                EraseWith::Noise => row.chunks_mut(2).for_each(|two| {
                    two.iter_mut().zip(draws.normal()).for_each(|(value, noise)| *value = noise);
                }),
            }
        }
    }
}

/// `ColorJitter`: the four in an order that is drawn first; then a factor for each that is on.
fn jitter(image: &mut Raster, strengths: [f64; 4], draws: &mut Draws) {
    if strengths == [0.0; 4] {
        return;
    }
    let order = draws.order::<4>();
    let mut number = 0;
    let factors = strengths.map(|strength| {
        let middle = if number < 3 { 1.0 } else { 0.0 };
        let least: f64 = if number < 3 { 0.0 } else { -0.5 };
        number += 1;
        (strength > 0.0).then(|| draws.uniform([(middle - strength).max(least), middle + strength]))
    });
    for which in order {
        match (which, factors[which]) {
            (_, None) => {}
            (0, Some(factor)) => tone::brightness(image, factor as f32),
            (1, Some(factor)) => tone::contrast(image, factor as f32),
            (2, Some(factor)) => tone::saturation(image, factor as f32),
            (_, Some(factor)) => tone::hue(image, factor),
        }
    }
}

impl Raster {
    /// The pixel at (y, x) comes from `offset` further on; from outside comes 0.
    fn shift(&mut self, offset: [i64; 2]) {
        let Self { bytes, scratch, h, w, c } = self;
        let (row, [down, right]) = (*w * *c, offset);
        scratch.clear();
        scratch.resize(bytes.len(), 0);
        // columns of the destination that come from inside
        let first = (-right).clamp(0, *w as i64) as usize;
        let end = (*w as i64 - right).clamp(first as i64, *w as i64) as usize;
        for (y, dst) in scratch.chunks_exact_mut(row).enumerate() {
            let from = y as i64 + down;
            if end > first && (0..*h as i64).contains(&from) {
                let start = from as usize * row + (first as i64 + right) as usize * *c;
                dst[first * *c..end * *c].copy_from_slice(&bytes[start..][..(end - first) * *c]);
            }
        }
        std::mem::swap(bytes, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::warp::Warp;
    use plusx_model::preprocess::Preset;
    use plusx_model::shape::ImageShape;

    fn picture(shape: [usize; 3]) -> Vec<u8> {
        (0..shape.iter().product::<usize>() as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    fn all() -> Augment {
        Augment {
            crop: Crop::RandomResized { scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] },
            hflip: 0.5,
            vflip: 0.5,
            jitter: [0.4, 0.4, 0.4, 0.1],
            rotation: 30.0,
            policy: Policy::RandAugment { ops: 2, magnitude: 9 },
            warp: Warp::Bilinear,
            erase: 0.5,
            erase_with: EraseWith::Noise,
        }
    }

    #[test]
    fn the_default_is_what_evaluation_does() {
        for preset in Preset::ALL {
            let record = preset.record(ImageShape::new(3, 12, 12));
            let mut augmenter = Augmenter::new(Augment::default(), record.clone()).unwrap();
            for shape in [[20, 31, 3], [12, 12, 3], [40, 17, 1]] {
                let mut out = vec![7.0; 12 * 12 * 3];
                augmenter.fill(&picture(shape), shape, &mut Draws::of_sample(0, 0, 0), &mut out).unwrap();
                let mut expected = Vec::new();
                Preparer::new(shape, &record).unwrap().append(&picture(shape), &mut expected);
                assert_eq!(out, expected, "{preset} {shape:?}");
            }
        }
    }

    #[test]
    fn a_sample_does_not_depend_on_those_before() {
        let shapes = [[30, 40, 3], [9, 5, 1], [24, 24, 3], [100, 3, 3]];
        let record = Preset::Imagenet.record(ImageShape::new(3, 24, 24));
        let mut used = Augmenter::new(all(), record.clone()).unwrap();
        for (sample, shape) in shapes.into_iter().cycle().take(40).enumerate() {
            let mut two = [(); 2].map(|()| vec![7.0; 24 * 24 * 3]);
            let mut fresh = Augmenter::new(all(), record.clone()).unwrap();
            for (augmenter, out) in [&mut used, &mut fresh].into_iter().zip(&mut two) {
                let mut draws = Draws::of_sample(1, 2, sample as u32);
                augmenter.fill(&picture(shape), shape, &mut draws, out).unwrap();
            }
            assert!(two[0] == two[1], "{shape:?}");
        }
    }

    #[test]
    fn padding_shows_a_black_border_and_no_other_change() {
        let record = Preset::Cifar10.record(ImageShape::new(1, 8, 8));
        let record = Preprocess { mean: vec![0.0], std: vec![1.0], ..record };
        let augment = Augment { crop: Crop::RandomPadded { padding: 3 }, ..Augment::default() };
        let mut augmenter = Augmenter::new(augment, record).unwrap();
        let bytes: Vec<u8> = (1..=64).collect();
        let mut seen = std::collections::HashSet::new();
        for sample in 0..400 {
            let mut out = vec![7.0; 64];
            augmenter.fill(&bytes, [8, 8, 1], &mut Draws::of_sample(0, 0, sample), &mut out).unwrap();
            let value = |y: usize, x: usize| (out[y * 8 + x] * 255.0).round() as i64;
            let [down, right] = [(value(4, 4) - 1) / 8 - 4, (value(4, 4) - 1) % 8 - 4];
            seen.insert([down, right]);
            for (y, x) in (0..64).map(|at| (at / 8, at % 8)) {
                let (row, column) = (y as i64 + down, x as i64 + right);
                let inside = (0..8).contains(&row) && (0..8).contains(&column);
                assert_eq!(value(y, x), if inside { row * 8 + column + 1 } else { 0 });
            }
        }
        assert_eq!(seen.len(), 49);
    }

    #[test]
    fn one_part_is_erased() {
        let record = Preset::Imagenet.record(ImageShape::new(3, 16, 20));
        for erase_with in [EraseWith::Zero, EraseWith::Noise] {
            let augment = Augment { erase: 0.5, erase_with, crop: Crop::Whole, ..Augment::default() };
            let mut augmenter = Augmenter::new(augment, record.clone()).unwrap();
            let mut plain = Augmenter::new(Augment { erase: 0.0, ..augment }, record.clone()).unwrap();
            let mut erased = 0;
            for sample in 0..200 {
                let bytes = picture([16, 20, 3]);
                let mut two = [(); 2].map(|()| vec![7.0; 16 * 20 * 3]);
                for (augmenter, out) in [&mut augmenter, &mut plain].into_iter().zip(&mut two) {
                    augmenter.fill(&bytes, [16, 20, 3], &mut Draws::of_sample(0, 0, sample), out).unwrap();
                }
                let mut draws = Draws::of_sample(0, 0, sample);
                draws.begin(Use::Erase);
                let part = if draws.happens(0.5) {
                    boxes::erased([16, 20], ERASED[0], ERASED[1], &mut draws)
                } else {
                    None
                };
                erased += i32::from(part.is_some());
                let changed = two[0].iter().zip(&two[1]).filter(|(one, other)| one != other).count();
                assert_eq!(changed, part.map_or(0, |part| part.h * part.w * 3));
            }
            assert!((70..130).contains(&erased), "{erased}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let record = Preset::Imagenet.record(ImageShape::new(1, 16, 16));
        let mut augmenter = Augmenter::new(all(), record.clone()).unwrap();
        let mut fill = |bytes: &[u8], shape| {
            let filled = augmenter.fill(bytes, shape, &mut Draws::of_sample(0, 0, 0), &mut [0.0; 256]);
            filled.map_err(|error| match error {
                DataError::Pixels(error) => error,
                other => panic!("{other}"),
            })
        };
        assert!(matches!(fill(&[], [0, 4, 1]), Err(PixelError::Empty { .. })));
        assert!(matches!(fill(&[0; 3], [2, 2, 1]), Err(PixelError::Empty { .. })));
        assert!(matches!(fill(&[0; 12], [2, 2, 3]), Err(PixelError::Preprocess(_))));
        assert_eq!(fill(&[0; 4], [2, 2, 1]), Ok(()));
        let two = Preprocess::chapter(ImageShape::new(2, 4, 4));
        let error = Augmenter::new(all(), two).unwrap_err();
        assert!(matches!(error, DataError::Pixels(PixelError::Channels { channels: 2 })));
    }
}
