//! Options that say how pictures were prepared for the weights of a network.

use anyhow::{Context, Result};
use clap::{Args, Parser};
use plusx_model::preprocess::{Interpolation, Preprocess, Preset, Resize, shorter_side};
use plusx_model::shape::ImageShape;

/// How pictures become the input, each option laid over what is known otherwise.
#[derive(Clone, PartialEq, Debug, Default, Args)]
pub(crate) struct PreprocessArguments {
    /// How pictures were prepared for these weights: imagenet (torchvision's way), timm (the same, bicubic), cifar10 or d2l
    /// [default: what the file says, else what is usual for the network]
    #[arg(long = "preprocess", value_name = "NAME")]
    preset: Option<Preset>,
    /// Pixels of the shorter side of resized pictures, from whose middle the input is cut out; or both: both sides become
    /// the input's, nothing is cut off
    #[arg(long, value_name = "N|both", value_parser = resize)]
    resize: Option<Resize>,
    /// The same as a part: resized so that this much of the shorter side is kept, above 0 and at most 1 (timm's crop_pct)
    #[arg(long, value_name = "X", value_parser = part, conflicts_with = "resize")]
    crop_pct: Option<f64>,
    /// How pictures are resized: bilinear or bicubic as Pillow does it, or bilinear-opencv
    #[arg(long, value_name = "NAME")]
    interpolation: Option<Interpolation>,
    /// Subtracted from values in 0 to 1, per channel
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_negative_numbers = true)]
    mean: Option<Vec<f32>>,
    /// Divides what is left, per channel
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    std: Option<Vec<f32>>,
}

/// The options alone.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(flatten)]
    arguments: PreprocessArguments,
}

impl PreprocessArguments {
    /// From the words of a command line that holds nothing else.
    pub(crate) fn of(words: &[&str]) -> Result<Self> {
        Ok(Words::try_parse_from(words)?.arguments)
    }

    /// The record for images of shape `input`; `known` is it if no option says otherwise.
    pub(crate) fn record(&self, known: &Preprocess, input: ImageShape) -> Result<Preprocess> {
        let mut record = match self.preset {
            Some(preset) => preset.record(input),
            None => known.for_input(input),
        };
        let cropped = self.crop_pct.map(|part| Resize::Shorter(shorter_side(input.h.max(input.w), part)));
        if let Some(resize) = self.resize.or(cropped) {
            record.resize = resize;
        }
        if let Some(interpolation) = self.interpolation {
            record.interpolation = interpolation;
        }
        for (given, values) in [(&self.mean, &mut record.mean), (&self.std, &mut record.std)] {
            if let Some(given) = given {
                values.clone_from(given);
            }
        }
        record.check().context("--input, --resize, --crop-pct, --mean and --std")?;
        Ok(record)
    }
}

fn resize(text: &str) -> Result<Resize, String> {
    match text.parse() {
        _ if text == "both" => Ok(Resize::Both),
        Ok(side) => Ok(Resize::Shorter(side)),
        Err(_) => Err("a number of pixels, or both".into()),
    }
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if part > 0.0 && part <= 1.0 => Ok(part),
        _ => Err("a number above 0 and at most 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use plusx_data::SOURCES;
    use plusx_model::zoo;

    use super::*;

    fn record(words: &[&str]) -> Preprocess {
        let input = ImageShape::new(3, 224, 224);
        PreprocessArguments::of(words).unwrap().record(&Preset::Imagenet.record(input), input).unwrap()
    }

    #[test]
    fn options_are_laid_over_what_is_known() {
        assert_eq!(record(&[]), Preset::Imagenet.record(ImageShape::new(3, 224, 224)));
        let found = record(&["--crop-pct", "0.95", "--interpolation", "bicubic", "--mean", "0.5,0.5,-0.5"]);
        assert_eq!((found.resize, found.interpolation), (Resize::Shorter(235), Interpolation::Bicubic));
        assert_eq!((found.mean, found.std[0]), (vec![0.5, 0.5, -0.5], 0.229));
        assert_eq!(record(&["--resize", "232"]).resize, Resize::Shorter(232));
        let both = record(&["--preprocess", "cifar10", "--resize", "both"]);
        assert_eq!((both.resize, both.std[2]), (Resize::Both, 0.2616));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for words in
            [["--crop-pct", "0"], ["--crop-pct", "1.5"], ["--resize", "-3"], ["--preprocess", "mnist"]]
        {
            assert!(PreprocessArguments::of(&words).is_err(), "{words:?}");
        }
        let input = ImageShape::new(3, 224, 224);
        let small = PreprocessArguments::of(&["--resize", "200"]).unwrap();
        assert!(small.record(&Preset::Imagenet.record(input), input).is_err());
    }

    #[test]
    fn what_is_known_of_published_weights_is_understood() {
        for source in SOURCES {
            let spec = zoo::find(source.model).unwrap();
            let usual = spec.preset.record(spec.input);
            let record =
                PreprocessArguments::of(source.prepared).unwrap().record(&usual, spec.input).unwrap();
            // words may repeat what is usual for the network anyway
            assert!(record == usual || !source.prepared.is_empty(), "{}", source.model);
        }
        // torchvision's way but for the weights
        let resnet101 = SOURCES.iter().find(|source| source.model == "resnet101").unwrap();
        let record = record(resnet101.prepared);
        assert_eq!(record.interpolation, Interpolation::Bicubic);
        assert_eq!(record.resize, Resize::Shorter(235));
    }
}
