//! safetensors files of others: PyTorch's names, any floating-point type.

use std::path::Path;

use ::safetensors::{Dtype, SafeTensors};

use super::numbers::Number;
use super::{Kind, Tensor, Weights};
use plusx_weights::{VELOCITY, WeightError};

use crate::error::FormatError;

/// The tensors of a file's `bytes`, by name. Also reads a file of ours, without the optimiser's part.
pub(super) fn from_safetensors(bytes: &[u8], path: &Path) -> Result<Weights, FormatError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| WeightError::not_safetensors(path, &error))?;
    let (mut tensors, mut skipped) = (Vec::new(), Vec::new());
    let mut views: Vec<_> = file.iter().collect();
    views.sort_by_key(|(name, _)| *name);
    for (name, view) in views {
        let number = match view.dtype() {
            _ if name.starts_with(VELOCITY) => None,
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
            None => skipped.push(name.to_owned()),
        }
    }
    let found = Weights {
        path: path.into(),
        kind: Kind::Safetensors,
        section: None,
        prefix: String::new(),
        tensors,
        skipped,
    };
    Ok(super::names::without_prefix(found))
}
