//! safetensors files of others: PyTorch's names, any floating-point type.

use std::collections::BTreeMap;
use std::path::Path;

use super::kind::FileKind;
use super::numbers::FloatType;
use super::tensor::NamedTensor;
use super::weights::ForeignWeights;
use plusx_weights::{KEY, SafetensorsFile, StoredTensor, is_state};

use crate::error::FormatError;
use crate::metadata::ModelFile;

/// The tensors of a file, by name. Also reads a file of ours, without the optimiser's part.
pub(super) fn read(path: &Path) -> Result<ForeignWeights, FormatError> {
    let file = SafetensorsFile::read(path)?;
    let meta = file.text(KEY).map(|text| ModelFile::from_text(text, path)).transpose()?;
    let (mut tensors, mut skipped, mut others) = (Vec::new(), Vec::new(), BTreeMap::new());
    for StoredTensor { name, dtype, dims, bytes } in file.tensors() {
        let number = match dtype {
            _ if is_state(name) || super::names::is_count(name) => None,
            "F16" => Some(FloatType::F16),
            "BF16" => Some(FloatType::Bf16),
            "F32" => Some(FloatType::F32),
            "F64" => Some(FloatType::F64),
            _ => None,
        };
        let name = name.to_owned();
        match number {
            Some(number) => {
                tensors.push(NamedTensor { name, dims: dims.to_vec(), values: number.floats(bytes) });
            }
            None => {
                others.insert(name.clone(), dtype.to_owned());
                skipped.push(name);
            }
        }
    }
    let preprocess = meta.as_ref().map(|meta| meta.preprocess.clone());
    Ok(ForeignWeights {
        skipped,
        others,
        meta,
        preprocess,
        ..ForeignWeights::new(path, FileKind::Safetensors, tensors)
    })
}
