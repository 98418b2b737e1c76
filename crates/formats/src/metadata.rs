//! The `plusx` entry of a weight file. It says which network the file holds, what its classes are called, how pictures become
//! its input and how good it was. In a checkpoint it also says where the training stood.

use std::collections::BTreeMap;
use std::path::Path;

use plusx_model::preprocess::{Interpolation, Preprocess, Resize};
use plusx_weights::{LAYOUT, NetworkEntry, WeightError};
use serde_json::{Value, json};

use crate::error::FormatError;
use crate::json;

/// Everything a weight file says besides the numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelFile {
    /// Name in the zoo, `resnet18-d2l`.
    pub architecture: String,
    /// Class names in the order of the outputs.
    pub classes: Vec<String>,
    /// How a picture becomes the network's input.
    pub preprocess: Preprocess,
    /// How good it was: `top1` and the like.
    pub metrics: BTreeMap<String, Value>,
    /// State of the training, in a checkpoint; its fields belong to the training crate.
    pub training: Option<Value>,
}

impl ModelFile {
    /// The entry's text. Equal values give equal text.
    pub(crate) fn to_text(&self) -> String {
        let p = &self.preprocess;
        let (input, sides) = ([p.input.c, p.input.h, p.input.w], [p.input.h, p.input.w]);
        let first = (p.resize, p.interpolation) == (Resize::Both, Interpolation::BilinearOpencv);
        let shorts = |values: &[f32]| values.iter().copied().map(json::short).collect::<Vec<_>>();
        let mut entry = json!({
            "layout": if first { 1 } else { LAYOUT },
            "version": env!("CARGO_PKG_VERSION"),
            "architecture": self.architecture,
            "classes": self.classes,
            "preprocess": {
                "input": input,
                "resize": sides,
                "interpolation": p.interpolation.as_str(),
                "mean": shorts(&p.mean),
                "std": shorts(&p.std),
            },
            "metrics": self.metrics,
        });
        if let Resize::Shorter(side) = p.resize {
            entry["preprocess"]["resize"] = json!(side);
            entry["preprocess"]["crop"] = json!(sides);
        }
        if let Some(training) = &self.training {
            entry["training"] = training.clone();
        }
        json::sorted(&entry)
    }

    /// Reads the entry of the file `path`.
    pub(crate) fn from_text(text: &str, path: &Path) -> Result<Self, FormatError> {
        Ok(Self::of(NetworkEntry::from_text(text, path)?, path)?)
    }

    /// What the entry of the file `path` says.
    ///
    /// # Errors
    /// [`WeightError::Metadata`] if it has no metrics.
    pub(crate) fn of(entry: NetworkEntry, path: &Path) -> Result<Self, WeightError> {
        let NetworkEntry { architecture, classes, preprocess, others } = entry;
        let (mut metrics, mut training) = (None, None);
        for (name, value) in others {
            match (name.as_str(), json::value(value)) {
                ("metrics", Value::Object(found)) => metrics = Some(found.into_iter().collect()),
                ("metrics", _) => return Err(WeightError::metadata(path, "metrics must be an object")),
                ("training", found) => training = Some(found),
                _ => {}
            }
        }
        let metrics = metrics.ok_or_else(|| WeightError::metadata(path, "the entry lacks `metrics`"))?;
        Ok(Self { architecture, classes, preprocess, metrics, training })
    }
}
