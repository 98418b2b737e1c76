//! safetensors files of others: PyTorch's names, any floating-point type.

use std::collections::BTreeMap;
use std::path::Path;

use ::safetensors::{Dtype, SafeTensors};

use super::numbers::Number;
use super::{Kind, Tensor, Weights};
use plusx_weights::{KEY, VELOCITY, WeightError};

use crate::error::FormatError;
use crate::metadata::ModelFile;

/// The tensors of a file's `bytes`, by name. Also reads a file of ours, without the optimiser's part.
pub(super) fn from_safetensors(bytes: &[u8], path: &Path) -> Result<Weights, FormatError> {
    let broken = |error| WeightError::not_safetensors(path, &error);
    let text = SafeTensors::read_metadata(bytes).map_err(broken)?.1.metadata().clone();
    let text = text.and_then(|mut texts| texts.remove(KEY));
    let meta = text.map(|text| ModelFile::from_text(&text, path)).transpose()?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let (mut tensors, mut skipped, mut others) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut views: Vec<_> = file.iter().collect();
    views.sort_by_key(|(name, _)| *name);
    for (name, view) in views {
        let number = match view.dtype() {
            _ if name.starts_with(VELOCITY) || super::names::is_count(name) => None,
            Dtype::F16 => Some(Number::F16),
            Dtype::BF16 => Some(Number::Bf16),
            Dtype::F32 => Some(Number::F32),
            Dtype::F64 => Some(Number::F64),
            _ => None,
        };
        match number {
            Some(number) => {
                let (dims, values) = (view.shape().to_vec(), number.floats(view.data()));
                tensors.push(Tensor { name: name.to_owned(), dims, values });
            }
            None => {
                others.insert(name.to_owned(), view.dtype().to_string());
                skipped.push(name.to_owned());
            }
        }
    }
    let preprocess = meta.as_ref().map(|meta| meta.preprocess.clone());
    Ok(Weights { skipped, others, meta, preprocess, ..Weights::new(path, Kind::Safetensors, tensors) })
}
