//! A folder that `timm.create_model("local-dir:FOLDER", pretrained=True)` opens: `config.json` and `model.safetensors`.
//!
//! For the networks with torchvision's names or timm's own ([`Naming`]) timm computes what torchvision (or itself) does, under the same names of parameters, so the
//! weights are an ordinary weight file of plusx, which plusx itself reads as well. timm resizes with Pillow, whose
//! bilinear filter widens with the reduction where OpenCV's does not: its input for a larger picture differs a little.

use std::fs;
use std::path::Path;

use plusx_model::preprocess::{Interpolation, Preprocess};
use plusx_model::zoo::{self, Naming, Spec, Stem};
use serde_json::{Value, json};

use crate::atomic;
use crate::error::FormatError;
use crate::json::{short, sorted};
use crate::safetensors::{Contents, encode};

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

/// What timm calls the nearest way of resizing.
fn interpolation(of: Interpolation) -> Result<&'static str, FormatError> {
    match of {
        Interpolation::BilinearOpencv => Ok("bilinear"),
        other => Err(FormatError::Encode { reason: format!("timm does not resize as {other:?} does") }),
    }
}
