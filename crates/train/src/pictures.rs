//! What is done to the images of a data set before a network sees them.

use plusx_model::preprocess::{Interpolation, Preprocess, Preset};
use plusx_model::shape::ImageShape;
use serde::{Deserialize, Serialize};

use crate::by_name;

/// What is done to the images of a data set before the network sees them. The whole image always becomes the input:
/// nothing is cut off.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    /// How they are resized.
    #[serde(with = "by_name::interpolation")]
    pub interpolation: Interpolation,
    /// Per channel, subtracted from values in 0 to 1; for another number of channels the middle one is everybody's.
    pub mean: Vec<f32>,
    /// Per channel, divides what is left; likewise.
    pub std: Vec<f32>,
}

impl Pictures {
    /// Those of a preset.
    pub fn preset(preset: Preset) -> Self {
        Self::of(&preset.record(ImageShape::new(3, 1, 1)))
    }

    /// What a record says but for sizes.
    pub(crate) fn of(record: &Preprocess) -> Self {
        let Preprocess { interpolation, mean, std, .. } = record.clone();
        Self { interpolation, mean, std }
    }

    /// The record for images of this shape.
    pub(crate) fn record(&self, input: ImageShape) -> Preprocess {
        let Self { interpolation, mean, std } = self.clone();
        let own = ImageShape { c: mean.len(), ..input };
        Preprocess { interpolation, mean, std, ..Preprocess::chapter(own) }.for_input(input)
    }
}

impl std::fmt::Display for Pictures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { interpolation, mean, std } = self;
        write!(f, "{interpolation}, mean {mean:?}, standard deviation {std:?}")
    }
}
