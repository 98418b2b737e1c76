//! A folder that `timm.create_model("local-dir:FOLDER", pretrained=True)` opens: `config.json` and `model.safetensors`.
//!
//! For the networks with torchvision's names or timm's own ([`Naming`]) timm computes what torchvision (or itself) does, under the same names of parameters, so the
//! weights are an ordinary weight file of plusx, which plusx itself reads as well. What timm's preprocessing cannot do as
//! the record says is told by [`differs`].

use std::fs;
use std::path::Path;

use plusx_model::preprocess::{Interpolation, Preprocess, Resize, shorter_side};
use plusx_model::zoo::{self, Naming, Spec, Stem};
use serde_json::{Value, json};

use crate::atomic;
use crate::error::FormatError;
use crate::json::{short, sorted};
use crate::safetensors::{Contents, encode};

/// The classifier's matrix, in all of them.
const CLASSIFIER: &str = "fc.weight";

/// What is written into the folder.
pub const FILES: [&str; 2] = ["model.safetensors", "config.json"];

/// Writes the folder, which is made if it is not there. Files of other names in it stay.
///
/// # Errors
/// [`FormatError::NoTwin`] for a network that timm does not have, [`FormatError::Encode`] for one whose parameters are not
/// those of its architecture, or whose preprocessing timm has nothing like; those of [`encode`] and [`atomic::write`].
pub fn write(folder: &Path, contents: &Contents<'_>) -> Result<(), FormatError> {
    let config = config(contents)?;
    let weights = encode(contents)?;
    fs::create_dir_all(folder).map_err(|source| FormatError::write(folder, source))?;
    // the weights first: a folder with a new description and old weights would be opened
    let [model, description] = FILES.map(|name| folder.join(name));
    atomic::write(&model, &weights)?;
    atomic::write(&description, config.as_bytes())
}

/// What timm will do otherwise than the record says, in a sentence; `None` if it prepares every picture to the same bytes.
pub fn differs(preprocess: &Preprocess) -> Option<String> {
    (preprocess.interpolation == Interpolation::BilinearOpencv).then(|| {
        "timm resizes with Pillow, whose bilinear filter widens as a picture shrinks where OpenCV's does not: from pictures \
         larger than the input it makes a slightly different one"
            .to_owned()
    })
}

/// The text of `config.json`.
fn config(contents: &Contents<'_>) -> Result<String, FormatError> {
    let meta = contents.meta;
    let architecture = meta.architecture.as_str();
    let Some(spec) = twins().find(|spec| spec.name == architecture) else {
        let known = twins().map(|spec| spec.name).collect();
        return Err(FormatError::NoTwin { architecture: architecture.to_owned(), known });
    };
    let first = if spec.stem == Stem::Deep { "conv1.0" } else { "conv1" };
    let classifier = contents.params.specs().iter().find(|spec| spec.name == CLASSIFIER);
    let features = match classifier.map(|spec| &spec.dims[..]) {
        Some([classes, features]) if *classes == meta.classes.len() => *features,
        _ => {
            let reason = format!("{CLASSIFIER} does not tell {} classes apart", meta.classes.len());
            return Err(FormatError::Encode { reason });
        }
    };
    let Preprocess { input, mean, std, .. } = &meta.preprocess;
    let (crop_pct, crop_mode) = crop(&meta.preprocess)?;
    let numbers = |values: &[f32]| values.iter().copied().map(short).collect::<Vec<Value>>();
    let mut config = json!({
        "architecture": architecture,
        "num_classes": meta.classes.len(),
        "num_features": features,
        "global_pool": "avg",
        "label_names": meta.classes,
        "pretrained_cfg": {
            "custom_load": false,
            "input_size": [input.c, input.h, input.w],
            "fixed_input_size": false,
            "interpolation": interpolation(meta.preprocess.interpolation)?,
            "crop_pct": crop_pct,
            "crop_mode": crop_mode,
            "mean": numbers(mean),
            "std": numbers(std),
            "num_classes": meta.classes.len(),
            "first_conv": first,
            "classifier": "fc",
        },
    });
    if input.c != 3 {
        config["model_args"] = json!({ "in_chans": input.c });
    }
    Ok(sorted(&config) + "\n")
}

/// Networks that plusx and timm call by one name and compute alike.
fn twins() -> impl Iterator<Item = &'static Spec> {
    zoo::SPECS.iter().filter(|spec| matches!(spec.names, Naming::Torchvision | Naming::Timm))
}

/// How timm says what becomes of the sides: the part of the shorter one that is kept, and the way.
fn crop(preprocess: &Preprocess) -> Result<(f64, &'static str), FormatError> {
    let Preprocess { input, resize, .. } = preprocess;
    let Resize::Shorter(side) = *resize else {
        // both sides are resized to the input, and nothing is cut off
        return Ok((1.0, "squash"));
    };
    if input.h != input.w {
        let reason = format!(
            "timm resizes otherwise before it cuts out {}x{}, which is no square; import the weights with --resize both or \
             a square --input",
            input.h, input.w
        );
        return Err(FormatError::Encode { reason });
    }
    // timm rounds the quotient down, and a quotient of quotients may fall just below a whole number
    let mut part = input.h as f64 / side as f64;
    while shorter_side(input.h, part) < side {
        part = part.next_down();
    }
    Ok((part, "center"))
}

/// What timm calls the nearest way of resizing.
fn interpolation(of: Interpolation) -> Result<&'static str, FormatError> {
    match of {
        Interpolation::BilinearOpencv | Interpolation::Bilinear => Ok("bilinear"),
        Interpolation::Bicubic => Ok("bicubic"),
        other => Err(FormatError::Encode { reason: format!("timm does not resize as {other:?} does") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::preprocess::Preset;
    use plusx_model::shape::ImageShape;

    #[test]
    fn the_part_that_is_kept_gives_the_side_back() {
        let record = |side, shorter| {
            let record = Preset::Imagenet.record(ImageShape::new(3, side, side));
            Preprocess { resize: Resize::Shorter(shorter), ..record }
        };
        assert_eq!(crop(&record(224, 256)).unwrap(), (0.875, "center"));
        for side in [1, 7, 32, 96, 224, 288, 299] {
            for shorter in side..side + 400 {
                let (part, _) = crop(&record(side, shorter)).unwrap();
                assert_eq!(shorter_side(side, part), shorter, "{side} of {shorter}");
                assert!(part > 0.0 && part <= 1.0);
            }
        }
    }

    #[test]
    fn what_timm_cannot_do_is_said() {
        let record = |preset: Preset, h| preset.record(ImageShape::new(3, h, 64));
        assert!(differs(&record(Preset::D2l, 64)).unwrap().contains("Pillow"));
        assert_eq!(differs(&record(Preset::Timm, 64)), None);
        assert!(crop(&record(Preset::Imagenet, 32)).unwrap_err().to_string().contains("no square"));
        assert_eq!(crop(&record(Preset::Cifar10, 32)).unwrap(), (1.0, "squash"));
    }
}
