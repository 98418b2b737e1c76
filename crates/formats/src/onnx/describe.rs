//! What an ONNX file says besides the network: the keys of its `metadata_props`.
//!
//! | key | value |
//! |---|---|
//! | `input_format` | `float32 NCHW`, prepared as `preprocess` says; or `uint8 NHWC`, resized and cut as it says and nothing else |
//! | `names` | JSON list of the class names, in the order of the outputs |
//! | `plusx` | the entry that plusx's weight files have: architecture, class names, preprocessing, metrics (JSON) |
//! | `preprocess` | JSON: `input` \[channels, rows, columns\], `resize`, perhaps `crop`, `interpolation`, `mean`, `std`. A picture is resized: to `resize` \[rows, columns\], or, if that is one number, its shorter side to it, and `crop` \[rows, columns\] is cut out of the middle. Then it is divided by 255, `mean` is subtracted, and the result divided by `std`, per channel |
//! | `task` | `classify` |
//!
//! All but `plusx` are for other programs; plusx reads `plusx` only.

use std::path::Path;

use serde_json::Value;

use crate::error::FormatError;
use crate::json;
use crate::metadata::ModelFile;
use crate::onnx::proto::{Entry, Model};

/// The key of plusx's own entry.
const OWN: &str = "plusx";

/// The entries for `meta`, sorted by key. Where a training stood is of no use to who runs a network.
pub(super) fn entries(meta: &ModelFile, bytes_in: bool) -> Vec<Entry> {
    let own = ModelFile { training: None, ..meta.clone() }.to_text();
    // the record as the entry has it, whatever fields it has
    let preprocess = serde_json::from_str::<Value>(&own).map(|entry| entry["preprocess"].clone());
    let format = if bytes_in { "uint8 NHWC" } else { "float32 NCHW" };
    let names = Value::from(meta.classes.clone());
    let entry = |key: &str, value: String| Entry { key: Some(key.to_owned()), value: Some(value) };
    vec![
        entry("input_format", format.to_owned()),
        entry("names", names.to_string()),
        entry(OWN, own),
        entry("preprocess", json::sorted(&preprocess.unwrap_or_default())),
        entry("task", "classify".to_owned()),
    ]
}

/// What a file that plusx wrote says about itself.
pub(super) fn own(model: &Model, path: &Path) -> Result<Option<ModelFile>, FormatError> {
    let entry = model.metadata_props.iter().find(|entry| entry.key.as_deref() == Some(OWN));
    entry.map(|entry| ModelFile::from_text(entry.value.as_deref().unwrap_or_default(), path)).transpose()
}
