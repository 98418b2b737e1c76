//! What must be done to a picture before a network may see it: a record that travels with the weights.
//!
//! Sizes follow torchvision's transforms (`Resize` and `CenterCrop` in `torchvision/transforms/functional.py`): of a
//! picture whose shorter side becomes `n` the longer becomes `floor(n * longer / shorter)`, and what is cut out of the
//! middle begins at half of what is left over, rounded to the nearest whole number and of two equally near to the even
//! one. timm names the same by the part of the shorter side that is kept: `n = floor(side / crop_pct)`
//! (`transforms_imagenet_eval` in `timm/data/transforms_factory.py`).

use std::fmt;

use crate::error::ModelError;
use crate::shape::ImageShape;
use crate::words::did_you_mean;

/// Longest shorter side that a picture may be resized to, in pixels: far above what any network takes, and low enough
/// that no product of it with a picture's side overflows.
const LONGEST: usize = 1 << 16;

/// How pictures are resized.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Interpolation {
    /// As OpenCV's 8-bit `INTER_LINEAR`: half-pixel centres, 11-bit weights, no antialiasing, result in 8 bits.
    #[default]
    BilinearOpencv,
    /// As Pillow's `BILINEAR`: a triangle that widens with the reduction, result in 8 bits.
    Bilinear,
    /// As Pillow's `BICUBIC`: Keys' cubic with a = -1/2 that widens with the reduction, result in 8 bits.
    Bicubic,
}

impl Interpolation {
    /// All there are.
    pub const ALL: [Interpolation; 3] =
        [Interpolation::BilinearOpencv, Interpolation::Bilinear, Interpolation::Bicubic];

    /// Its name in files and options: "bilinear-opencv", "bilinear", "bicubic".
    pub fn as_str(self) -> &'static str {
        match self {
            Interpolation::BilinearOpencv => "bilinear-opencv",
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
        }
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Interpolation {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        by_name("interpolation", &Self::ALL.map(|one| (one.as_str(), one)), text)
    }
}

/// What becomes of a picture's sides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Resize {
    /// Both become the input's, whatever the picture's proportions; nothing is cut off.
    #[default]
    Both,
    /// The shorter one becomes this many pixels, the longer keeps the proportions; the input is cut out of the middle.
    Shorter(usize),
}

/// From a picture to the network's input: resize, cut out the middle, divide by 255, subtract `mean`, divide by `std`.
#[derive(Clone, PartialEq, Debug)]
pub struct Preprocess {
    /// What the network takes. One channel means grey.
    pub input: ImageShape,
    /// What becomes of the sides.
    pub resize: Resize,
    /// How it is resized.
    pub interpolation: Interpolation,
    /// Per channel, subtracted from values in 0 to 1.
    pub mean: Vec<f32>,
    /// Per channel, divides what is left.
    pub std: Vec<f32>,
}

/// Preprocessings that many networks were trained for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Preset {
    /// The chapter's: both sides to the input's with OpenCV's bilinear, values from 0 to 1.
    D2l,
    /// Both sides to the input's, bilinear; mean and standard deviation over the training pictures of CIFAR-10.
    Cifar10,
    /// torchvision's for ImageNet: shorter side to 256 for an input of 224 (8/7 for others), bilinear; mean and
    /// standard deviation over ImageNet.
    Imagenet,
    /// The same with a shorter side of 232 (29/28 for others), as torchvision evaluates what it trained by its newer recipe:
    /// `IMAGENET1K_V2`, and the only weights of `resnext101_64x4d`.
    ImagenetV2,
    /// As [`Preset::Imagenet`] with bicubic interpolation, as timm evaluates most of its own weights.
    Timm,
}

impl Preset {
    /// All there are.
    pub const ALL: [Preset; 5] =
        [Preset::D2l, Preset::Cifar10, Preset::Imagenet, Preset::ImagenetV2, Preset::Timm];

    /// What options call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Preset::D2l => "d2l",
            Preset::Cifar10 => "cifar10",
            Preset::Imagenet => "imagenet",
            Preset::ImagenetV2 => "imagenet-v2",
            Preset::Timm => "timm",
        }
    }

    /// The record for images of shape `input`. Grey ones have the mean and standard deviation of green, the largest
    /// part of what eyes call bright.
    pub fn record(self, input: ImageShape) -> Preprocess {
        // over red, green and blue, of values in 0 to 1
        const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
        const CIFAR10: [[f32; 3]; 2] = [[0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]];
        let (interpolation, [mean, std]) = match self {
            Preset::D2l => return Preprocess::chapter(input),
            Preset::Cifar10 => (Interpolation::Bilinear, CIFAR10),
            Preset::Imagenet | Preset::ImagenetV2 => (Interpolation::Bilinear, IMAGENET),
            Preset::Timm => (Interpolation::Bicubic, IMAGENET),
        };
        let resize = match self {
            // 0.875 of the shorter side is kept
            Preset::Imagenet | Preset::Timm => Resize::Shorter(larger_side(input).saturating_mul(8) / 7),
            Preset::ImagenetV2 => Resize::Shorter(larger_side(input).saturating_mul(29) / 28),
            _ => Resize::Both,
        };
        let [mean, std] = [mean, std].map(|values| for_channels(&values, input.c));
        Preprocess { input, resize, interpolation, mean, std }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Preset {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        by_name("preprocessing", &Self::ALL.map(|one| (one.as_str(), one)), text)
    }
}

/// The one called `text`; the error lists the others.
fn by_name<T: Copy>(what: &str, known: &[(&'static str, T)], text: &str) -> Result<T, ModelError> {
    let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        ModelError::Preprocess {
            expected: format!("one of {} for the {what}", names.join(", ")),
            found: format!("{text:?}{}", did_you_mean(text, names)),
        }
    })
}

/// timm's rule: the pixels that the shorter side gets so that `crop_pct` of it, above 0 and at most 1, are `side`.
pub fn shorter_side(side: usize, crop_pct: f64) -> usize {
    (side as f64 / crop_pct).floor() as usize
}

impl Preprocess {
    /// The chapter's: resize to the input, divide by 255, nothing else (mean 0, std 1).
    pub fn chapter(input: ImageShape) -> Self {
        Self {
            input,
            resize: Resize::Both,
            interpolation: Interpolation::BilinearOpencv,
            mean: vec![0.0; input.c],
            std: vec![1.0; input.c],
        }
    }

    /// The same for images of another shape: the same part of the shorter side is kept, and grey images have the
    /// numbers of green.
    pub fn for_input(&self, input: ImageShape) -> Self {
        let resize = match self.resize {
            Resize::Shorter(side) => {
                let side = side.saturating_mul(larger_side(input)) / larger_side(self.input).max(1);
                Resize::Shorter(side)
            }
            Resize::Both => Resize::Both,
        };
        let [mean, std] = [&self.mean, &self.std].map(|values| for_channels(values, input.c));
        Self { input, resize, interpolation: self.interpolation, mean, std }
    }

    /// Rows and columns of a picture of `[rows, columns]`, at least 1 each, after resizing.
    pub fn resized(&self, [rows, columns]: [usize; 2]) -> [usize; 2] {
        let Resize::Shorter(side) = self.resize else { return [self.input.h, self.input.w] };
        let longer = |long: usize, short: usize| (side as u64 * long as u64 / short.max(1) as u64) as usize;
        match rows < columns {
            true => [side, longer(columns, rows)],
            false => [longer(rows, columns), side],
        }
    }

    /// What becomes of the sides, in words: "both sides resized to 96x96 (bilinear), nothing cut off".
    pub fn sides(&self) -> String {
        let Self { input: ImageShape { h, w, .. }, interpolation, .. } = self;
        match self.resize {
            Resize::Both => format!("both sides resized to {h}x{w} ({interpolation}), nothing cut off"),
            Resize::Shorter(side) => {
                format!("shorter side resized to {side} ({interpolation}), the middle {h}x{w} cut out")
            }
        }
    }

    /// The first row and column of the input in a picture that was resized to `[rows, columns]`.
    pub fn corner(&self, [rows, columns]: [usize; 2]) -> [usize; 2] {
        // half of it: to the nearest, of two equally near the even one
        let half = |left: usize| left / 2 + usize::from(left % 4 == 3);
        [half(rows.saturating_sub(self.input.h)), half(columns.saturating_sub(self.input.w))]
    }

    /// Whether the parts fit each other: for records read from files.
    pub fn check(&self) -> Result<(), ModelError> {
        let wrong = |expected: String, found: String| Err(ModelError::Preprocess { expected, found });
        let ImageShape { c, h, w } = self.input;
        if c == 0 || h == 0 || w == 0 {
            return wrong("sizes of at least 1".to_owned(), format!("input {}", self.input));
        }
        if let Resize::Shorter(side) = self.resize {
            let least = larger_side(self.input);
            if !(least..=LONGEST).contains(&side) {
                let expected =
                    format!("a resize of the shorter side to {least} pixels (the input's) or more");
                return wrong(format!("{expected}, at most {LONGEST}"), side.to_string());
            }
        }
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != c {
                return wrong(format!("{c} values of {name}"), values.len().to_string());
            }
        }
        if !self.mean.iter().all(|mean| mean.is_finite()) {
            return wrong("finite means".to_owned(), format!("{:?}", self.mean));
        }
        if !self.std.iter().all(|std| std.is_finite() && *std > 0.0) {
            return wrong("finite standard deviations above 0".to_owned(), format!("{:?}", self.std));
        }
        Ok(())
    }
}

/// In words: "shorter side resized to 256 (bilinear), the middle 224x224 cut out; mean [..], standard deviation [..]".
impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grey = if self.input.c == 1 { "grey; " } else { "" };
        write!(f, "{grey}{}; mean {:?}, standard deviation {:?}", self.sides(), self.mean, self.std)
    }
}

fn larger_side(input: ImageShape) -> usize {
    input.h.max(input.w)
}

/// Numbers per channel for another number of channels: the middle one for all.
fn for_channels(values: &[f32], channels: usize) -> Vec<f32> {
    match values.get(values.len() / 2) {
        Some(middle) if values.len() != channels => vec![*middle; channels],
        _ => values.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorter(side: usize, h: usize, w: usize) -> Preprocess {
        let resize = Resize::Shorter(side);
        Preprocess { resize, ..Preset::Imagenet.record(ImageShape::new(3, h, w)) }
    }

    #[test]
    fn sizes_are_torchvisions() {
        // what `_compute_resized_output_size` gives for a size of 256
        let resized = |rows, columns| shorter(256, 224, 224).resized([rows, columns]);
        assert_eq!(resized(375, 500), [256, 341]);
        assert_eq!(resized(500, 375), [341, 256]);
        assert_eq!(resized(300, 300), [256, 256]);
        assert_eq!(resized(1, 64_000_000), [256, 16_384_000_000]);
        assert_eq!(Preset::Cifar10.record(ImageShape::new(3, 32, 30)).resized([7, 9]), [32, 30]);
    }

    #[test]
    fn the_middle_is_torchvisions() {
        // Python's round((rows - crop) / 2)
        let record = shorter(8, 4, 4);
        let corners: Vec<_> = (4..14).map(|rows| record.corner([rows, 4])[0]).collect();
        assert_eq!(corners, [0, 0, 1, 2, 2, 2, 3, 4, 4, 4]);
    }

    #[test]
    fn presets_for_their_own_input_and_others() {
        let imagenet = |side| Preset::Imagenet.record(ImageShape::new(3, side, side)).resize;
        assert_eq!([224, 288, 32].map(imagenet), [256, 329, 36].map(Resize::Shorter));
        assert_eq!(Preset::ImagenetV2.record(ImageShape::new(3, 224, 224)).resize, Resize::Shorter(232));
        // timm's rule gives the same
        assert_eq!([224, 288, 32].map(|side| shorter_side(side, 0.875)), [256, 329, 36]);
        assert_eq!(shorter_side(224, 0.95), 235);
        let grey = Preset::Imagenet.record(ImageShape::new(1, 96, 64));
        assert_eq!((grey.mean, grey.std, grey.resize), (vec![0.456], vec![0.224], Resize::Shorter(109)));
        for preset in Preset::ALL {
            for (c, h, w) in [(1, 28, 28), (3, 224, 224), (3, 40, 33)] {
                let record = preset.record(ImageShape::new(c, h, w));
                record.check().unwrap();
                assert_eq!(preset.as_str().parse(), Ok(preset));
                let other = record.for_input(ImageShape::new(3, 64, 64));
                other.check().unwrap();
                assert_eq!(other.interpolation, record.interpolation);
            }
        }
        assert_eq!(
            shorter(235, 224, 224).for_input(ImageShape::new(1, 112, 112)),
            Preprocess {
                resize: Resize::Shorter(117),
                ..Preset::Imagenet.record(ImageShape::new(1, 112, 112))
            }
        );
    }

    #[test]
    fn records_are_said_in_words() {
        let said = Preset::Timm.record(ImageShape::new(3, 224, 192)).to_string();
        assert!(
            said.starts_with("shorter side resized to 256 (bicubic), the middle 224x192 cut out"),
            "{said}"
        );
        let said = Preset::D2l.record(ImageShape::new(1, 96, 64)).to_string();
        assert_eq!(
            said,
            "grey; both sides resized to 96x64 (bilinear-opencv), nothing cut off; mean [0.0], standard deviation [1.0]"
        );
    }

    #[test]
    fn a_crop_larger_than_the_picture_is_refused() {
        for side in [223, LONGEST + 1] {
            let error = shorter(side, 100, 224).check().unwrap_err().to_string();
            assert!(error.contains("224 pixels"), "{error}");
        }
        assert!("lanczos".parse::<Interpolation>().unwrap_err().to_string().contains("bicubic"));
    }
}
