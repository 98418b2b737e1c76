//! Options that say how pictures were prepared for the weights of a network.

use anyhow::{Context, Result};
use clap::Args;
use plusx_data::Preparation;
use plusx_model::preprocess::{Interpolation, Preprocess, Preset, Resize, shorter_side};
use plusx_model::shape::ImageShape;

/// How pictures become the input, each option laid over what is known otherwise.
#[derive(Clone, PartialEq, Debug, Default, Args)]
pub(crate) struct PreprocessArguments {
    /// How pictures were prepared for these weights: imagenet (torchvision's way), imagenet-v2 (the way of its second
    /// weights), timm (as imagenet, bicubic), cifar10 or d2l [default: what the file says, else what is usual for the network]
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

/// The options that say the same as `preparation`, as the words of a command line.
pub(crate) fn words(preparation: &Preparation) -> Vec<String> {
    let Preparation { preset, kept } = preparation;
    let preset = preset.map(|preset| ["--preprocess".to_owned(), preset.as_str().to_owned()]);
    let kept = kept.map(|kept| ["--crop-pct".to_owned(), kept.to_string()]);
    [preset, kept].into_iter().flatten().flatten().collect()
}

impl PreprocessArguments {
    /// Whether nothing was said about the numbers that pictures are normalised with.
    pub(crate) fn leaves_numbers_open(&self) -> bool {
        self.preset.is_none() && self.mean.is_none() && self.std.is_none()
    }

    /// Whether nothing was said about the size that pictures are resized to.
    pub(crate) fn leaves_size_open(&self) -> bool {
        self.preset.is_none() && self.resize.is_none() && self.crop_pct.is_none()
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
    use clap::Parser;
    use plusx_data::SOURCES;
    use plusx_model::zoo;

    use super::*;

    /// The options alone.
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Alone {
        #[command(flatten)]
        arguments: PreprocessArguments,
    }

    fn parsed(words: &[impl AsRef<str>]) -> Result<PreprocessArguments, clap::Error> {
        Ok(Alone::try_parse_from(words.iter().map(AsRef::as_ref))?.arguments)
    }

    fn record(words: &[&str]) -> Preprocess {
        let input = ImageShape::new(3, 224, 224);
        parsed(words).unwrap().record(&Preset::Imagenet.record(input), input).unwrap()
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
            assert!(parsed(&words).is_err(), "{words:?}");
        }
        let input = ImageShape::new(3, 224, 224);
        let small = parsed(&["--resize", "200"]).unwrap();
        assert!(small.record(&Preset::Imagenet.record(input), input).is_err());
    }

    /// torchvision's weights and timm's configurations, as they say themselves (`tools/golden_prepared.py`).
    fn published() -> serde_json::Value {
        serde_json::from_str(include_str!("../tests/golden/prepared.json")).unwrap()
    }

    fn of_torchvision(entry: &serde_json::Value) -> Preprocess {
        let numbers = |key: &str| {
            let values = entry[key].as_array().unwrap().iter();
            values.map(|value| value.as_f64().unwrap() as f32).collect()
        };
        let side = |key: &str| entry[key].as_u64().unwrap() as usize;
        Preprocess {
            input: ImageShape::new(3, side("crop"), side("crop")),
            resize: Resize::Shorter(side("resize")),
            interpolation: entry["interpolation"].as_str().unwrap().parse().unwrap(),
            mean: numbers("mean"),
            std: numbers("std"),
        }
    }

    #[test]
    fn every_row_is_what_the_publisher_says() {
        let published = published();
        for source in SOURCES {
            let spec = zoo::find(source.model).unwrap();
            let record = source.preparation.record(spec);
            let tag = source.repository.rsplit('.').next().unwrap();
            let theirs = match tag {
                "tv_in1k" => of_torchvision(&published["torchvision"][source.model]["IMAGENET1K_V1"]),
                "tv2_in1k" => of_torchvision(&published["torchvision"][source.model]["IMAGENET1K_V2"]),
                _ => {
                    let entry = &published["timm"][source.repository.strip_prefix("timm/").unwrap()];
                    let resize = Resize::Shorter(shorter_side(224, entry["crop_pct"].as_f64().unwrap()));
                    Preprocess { resize, ..of_torchvision(entry) }
                }
            };
            assert_eq!(record, theirs, "{}", source.repository);
        }
    }

    #[test]
    fn files_of_torchvision_are_prepared_as_it_says() {
        for (model, weights) in published()["torchvision"].as_object().unwrap() {
            let spec = zoo::find(model).unwrap();
            for (weights, entry) in weights.as_object().unwrap() {
                let theirs = of_torchvision(entry);
                let second = crate::import::is_second(entry["file"].as_str().unwrap());
                assert_eq!(second, weights == "IMAGENET1K_V2", "{model} {weights}");
                let preset = if second { Preset::ImagenetV2 } else { spec.preset };
                assert_eq!(preset.record(spec.input), theirs, "{model} {weights}");
            }
        }
    }

    #[test]
    fn the_words_for_published_weights_say_what_the_table_says() {
        for source in SOURCES {
            let spec = zoo::find(source.model).unwrap();
            let usual = spec.preset.record(spec.input);
            let said = parsed(&words(&source.preparation)).unwrap().record(&usual, spec.input).unwrap();
            assert_eq!(said, source.preparation.record(spec), "{}", source.model);
        }
        // torchvision's way but for the weights
        let resnext = zoo::find("resnext101_64x4d").unwrap();
        assert_eq!(resnext.preset.record(resnext.input).resize, Resize::Shorter(232));
        let resnet101 = SOURCES.iter().find(|source| source.model == "resnet101").unwrap();
        assert_eq!(words(&resnet101.preparation), ["--preprocess", "timm", "--crop-pct", "0.95"]);
        let record = resnet101.preparation.record(zoo::find("resnet101").unwrap());
        assert_eq!(record.interpolation, Interpolation::Bicubic);
        assert_eq!(record.resize, Resize::Shorter(235));
    }
}
