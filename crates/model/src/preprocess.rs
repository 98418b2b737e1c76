//! What must be done to a picture before a network may see it: a record that travels with the weights.

use crate::error::ModelError;
use crate::shape::ImageShape;

/// How pictures are resized.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Interpolation {
    /// As OpenCV's 8-bit `INTER_LINEAR`: half-pixel centres, 11-bit weights, no antialiasing, result in 8 bits.
    #[default]
    BilinearOpencv,
}

impl Interpolation {
    /// Its name in files: "bilinear-opencv".
    pub fn as_str(self) -> &'static str {
        match self {
            Interpolation::BilinearOpencv => "bilinear-opencv",
        }
    }
}

impl std::fmt::Display for Interpolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Interpolation {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        match text {
            "bilinear-opencv" => Ok(Interpolation::BilinearOpencv),
            _ => Err(ModelError::Preprocess {
                expected: "interpolation \"bilinear-opencv\"".to_owned(),
                found: format!("{text:?}"),
            }),
        }
    }
}

/// From a picture to the network's input: resize to `resize`, divide by 255, subtract `mean`, divide by `std`.
#[derive(Clone, PartialEq, Debug)]
pub struct Preprocess {
    /// What the network takes. One channel means grey.
    pub input: ImageShape,
    /// Rows and columns after resizing, whatever the picture's proportions.
    pub resize: [usize; 2],
    /// How it is resized.
    pub interpolation: Interpolation,
    /// Per channel, subtracted from values in 0 to 1.
    pub mean: Vec<f32>,
    /// Per channel, divides what is left.
    pub std: Vec<f32>,
}

impl Preprocess {
    /// The chapter's: resize to the input, divide by 255, nothing else (mean 0, std 1).
    pub fn chapter(input: ImageShape) -> Self {
        Self {
            input,
            resize: [input.h, input.w],
            interpolation: Interpolation::BilinearOpencv,
            mean: vec![0.0; input.c],
            std: vec![1.0; input.c],
        }
    }

    /// Whether the parts fit each other: for records read from files.
    pub fn check(&self) -> Result<(), ModelError> {
        let wrong = |expected: String, found: String| Err(ModelError::Preprocess { expected, found });
        let ImageShape { c, h, w } = self.input;
        if c == 0 || self.resize.contains(&0) {
            return wrong("sizes of at least 1".to_owned(), format!("input {}", self.input));
        }
        if self.resize != [h, w] {
            return wrong(format!("resize to {h}x{w}"), format!("{}x{}", self.resize[0], self.resize[1]));
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
