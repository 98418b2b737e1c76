//! safetensors files of others: PyTorch's names, any floating-point type.

use std::collections::BTreeMap;
use std::path::Path;

use ::safetensors::tensor::TensorInfo;
use ::safetensors::{Dtype, SafeTensors};

use super::kind::FileKind;
use super::numbers::FloatType;
use super::tensor::NamedTensor;
use super::weights::ForeignWeights;
use plusx_weights::{KEY, VELOCITY, WeightError};

use crate::error::FormatError;
use crate::metadata::ModelFile;

/// The tensors of a file's `bytes`, by name. Also reads a file of ours, without the optimiser's part.
pub(super) fn from_safetensors(bytes: &[u8], path: &Path) -> Result<ForeignWeights, FormatError> {
    let broken = |error| WeightError::not_safetensors(path, &error);
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let text = header.metadata().as_ref().and_then(|texts| texts.get(KEY));
    let meta = text.map(|text| ModelFile::from_text(text, path)).transpose()?;
    let data = &bytes[size_of::<u64>() + length..];
    let (mut tensors, mut skipped, mut others) = (Vec::new(), Vec::new(), BTreeMap::new());
    let records: BTreeMap<String, &TensorInfo> = header.tensors().into_iter().collect();
    for (name, record) in records {
        let number = match record.dtype {
            _ if name.starts_with(VELOCITY) || super::names::is_count(&name) => None,
            Dtype::F16 => Some(FloatType::F16),
            Dtype::BF16 => Some(FloatType::Bf16),
            Dtype::F32 => Some(FloatType::F32),
            Dtype::F64 => Some(FloatType::F64),
            _ => None,
        };
        match number {
            Some(number) => {
                let (from, to) = record.data_offsets;
                let (dims, values) = (record.shape.clone(), number.floats(&data[from..to]));
                tensors.push(NamedTensor { name, dims, values });
            }
            None => {
                others.insert(name.clone(), record.dtype.to_string());
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
