//! A folder that `timm.create_model("local-dir:FOLDER", pretrained=True)` opens: `config.json` and `model.safetensors`.
//!
//! For the networks of [`ARCHITECTURES`] timm computes what torchvision does, under the same names of parameters, so the
//! weights are an ordinary weight file of plusx, which plusx itself reads as well. timm resizes with Pillow, whose
//! bilinear filter widens with the reduction where OpenCV's does not: its input for a larger picture differs a little.

use std::fs;
use std::path::Path;

use plusx_model::preprocess::{Interpolation, Preprocess};
use serde_json::{Value, json};

use crate::atomic;
use crate::error::FormatError;
use crate::json::{short, sorted};
use crate::safetensors::{Contents, encode};

/// Networks that plusx, torchvision and timm call by one name and compute alike.
pub const ARCHITECTURES: [&str; 10] = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
];

/// The classifier's matrix, in all of them.
const CLASSIFIER: &str = "fc.weight";

/// Writes the folder, which is made if it is not there. Files of other names in it stay.
///
/// # Errors
/// [`FormatError::NoTwin`] for a network that timm does not have, [`FormatError::Encode`] for one whose parameters are not
/// those of its architecture; those of [`encode`] and [`atomic::write`].
pub fn write(folder: &Path, contents: &Contents<'_>) -> Result<(), FormatError> {
    let config = config(contents)?;
    let weights = encode(contents)?;
    fs::create_dir_all(folder).map_err(|source| FormatError::write(folder, source))?;
    // the weights first: a folder with a new description and old weights would be opened
    atomic::write(&folder.join("model.safetensors"), &weights)?;
    atomic::write(&folder.join("config.json"), config.as_bytes())
}

/// The text of `config.json`.
fn config(contents: &Contents<'_>) -> Result<String, FormatError> {
    let meta = contents.meta;
    let architecture = meta.architecture.as_str();
    if !ARCHITECTURES.contains(&architecture) {
        return Err(FormatError::NoTwin { architecture: architecture.to_owned(), known: &ARCHITECTURES });
    }
    let classifier = contents.params.specs().iter().find(|spec| spec.name == CLASSIFIER);
    let features = match classifier.map(|spec| &spec.dims[..]) {
        Some([classes, features]) if *classes == meta.classes.len() => *features,
        _ => {
            let reason = format!("{CLASSIFIER} does not tell {} classes apart", meta.classes.len());
            return Err(FormatError::Encode { reason });
        }
    };
    let Preprocess { input, mean, std, .. } = &meta.preprocess;
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
            // both sides are resized to the input, and nothing is cut off
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "mean": numbers(mean),
            "std": numbers(std),
            "num_classes": meta.classes.len(),
            "first_conv": "conv1",
            "classifier": "fc",
        },
    });
    if input.c != 3 {
        config["model_args"] = json!({ "in_chans": input.c });
    }
    Ok(sorted(&config) + "\n")
}

/// What timm calls the nearest way of resizing.
fn interpolation(of: Interpolation) -> Result<&'static str, FormatError> {
    match of {
        Interpolation::BilinearOpencv => Ok("bilinear"),
        other => Err(FormatError::Encode { reason: format!("timm does not resize as {other:?} does") }),
    }
}
