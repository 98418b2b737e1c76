//! The `plusx` entry of a weight file: which network it is, what its classes are called, how pictures become its
//! input, how good it was, and, in a checkpoint, where the training stood.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use plusx_model::preprocess::Preprocess;
use plusx_weights::{Entry, LAYOUT, WeightError};
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
        let shorts = |values: &[f32]| values.iter().copied().map(json::short).collect::<Vec<_>>();
        let mut entry = json!({
            "layout": LAYOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "architecture": self.architecture,
            "classes": self.classes,
            "preprocess": {
                "input": [p.input.c, p.input.h, p.input.w],
                "resize": p.resize,
                "interpolation": p.interpolation.as_str(),
                "mean": shorts(&p.mean),
                "std": shorts(&p.std),
            },
            "metrics": self.metrics,
        });
        if let Some(training) = &self.training {
            entry["training"] = training.clone();
        }
        json::sorted(&entry)
    }

    /// Reads the entry of the file `path`.
    pub(crate) fn from_text(text: &str, path: &Path) -> Result<Self, FormatError> {
        let Entry { architecture, classes, preprocess } = Entry::from_text(text, path)?;
        let bad = |reason: &dyn Display| WeightError::metadata(path, reason);
        let mut entry: Value = serde_json::from_str(text).map_err(|error| bad(&error))?;
        let metrics = match entry.get_mut("metrics").map(Value::take) {
            Some(Value::Object(metrics)) => metrics.into_iter().collect(),
            Some(_) => return Err(bad(&"metrics must be an object").into()),
            None => return Err(bad(&"the entry lacks `metrics`").into()),
        };
        let training = entry.get_mut("training").map(Value::take);
        Ok(Self { architecture, classes, preprocess, metrics, training })
    }
}
