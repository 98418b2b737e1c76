//! What an ONNX file says besides the network: the keys of its `metadata_props`.
//!
//! | key | value |
//! |---|---|
//! | `class_names` | JSON list of the class names, in the order of the outputs |
//! | `input_format` | `float32 NCHW`, prepared as `preprocess` says; or, resized and cut as it says and nothing else, `uint8 NHWC` or `float32 NCHW 0..255` |
//! | `plusx` | the entry that plusx's weight files have: architecture, class names, preprocessing, metrics (JSON) |
//! | `preprocess` | JSON: `input` \[channels, rows, columns\], `resize`, perhaps `crop`, `interpolation`, `mean`, `std`. A picture is resized: to `resize` \[rows, columns\], or, if that is one number, its shorter side to it, and `crop` \[rows, columns\] is cut out of the middle. Then it is divided by 255, `mean` is subtracted, and the result divided by `std`, per channel |
//!
//! All but `plusx` are for other programs; plusx reads `plusx` only. A file for Ultralytics has `plusx` and the keys of
//! `ultralytics.rs`. No other file has those: by `names` and `task` Ultralytics would take it for one of its own, prepare
//! pictures otherwise than the network wants, and answer wrongly without a word.

use std::path::Path;

use serde_json::Value;

use crate::error::FormatError;
use crate::json;
use crate::metadata::ModelFile;
use crate::onnx::options::{Input, OnnxOptions};
use crate::onnx::proto::{EntryProto, ModelProto};
use crate::onnx::ultralytics;

/// The key of plusx's own entry.
const OWN: &str = "plusx";

/// The entries for `meta`, sorted by key. Where a training stood is of no use to who runs a network.
pub(super) fn entries(meta: &ModelFile, options: OnnxOptions) -> Vec<EntryProto> {
    let own = ModelFile { training: None, ..meta.clone() }.to_text();
    // the record as the entry has it, whatever fields it has
    let preprocess = serde_json::from_str::<Value>(&own).map(|entry| entry["preprocess"].clone());
    let common = |format: &str| {
        vec![
            ("class_names", Value::from(meta.classes.clone()).to_string()),
            ("input_format", format.to_owned()),
            ("preprocess", json::sorted(&preprocess.unwrap_or_default())),
        ]
    };
    let mut entries = match options.input {
        Input::Prepared => common("float32 NCHW"),
        Input::Bytes => common("uint8 NHWC"),
        Input::Floats => common("float32 NCHW 0..255"),
        Input::Ultralytics => ultralytics::entries(meta, options.batch),
    };
    entries.push((OWN, own));
    entries.sort_unstable_by_key(|(key, _)| *key);
    let entry = |(key, value): (&str, String)| EntryProto { key: Some(key.to_owned()), value: Some(value) };
    entries.into_iter().map(entry).collect()
}

/// What a file that plusx wrote says about itself.
pub(super) fn own(model: &ModelProto, path: &Path) -> Result<Option<ModelFile>, FormatError> {
    let entry = model.metadata_props.iter().find(|entry| entry.key.as_deref() == Some(OWN));
    entry.map(|entry| ModelFile::from_text(entry.value.as_deref().unwrap_or_default(), path)).transpose()
}
