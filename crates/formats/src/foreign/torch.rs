//! What `torch.save` wrote. The crate pytorch-reader interprets the pickles and runs nothing; here is what it leaves
//! open: the types, and how much is read.

use std::path::Path;

use pytorch_reader::{DType, PytorchReader};

use super::numbers::Number;
use super::{Kind, Tensor, Weights, container};
use crate::error::FormatError;

/// The tensors may be so many times as large as the file: the same numbers may serve two layers, but a broadcast view of
/// one number is no weight.
const SHARED: u64 = 2;

/// Reads a file of one of PyTorch's kinds.
pub(super) fn read(path: &Path, kind: Kind) -> Result<Weights, FormatError> {
    container::check(path, kind)?;
    let broken = |reason: String| FormatError::broken(path, kind, reason);
    let reader = PytorchReader::new(path).map_err(|error| match error {
        pytorch_reader::PytorchError::Io(source) if source.raw_os_error().is_some() => {
            FormatError::read(path, source)
        }
        error => broken(error.to_string()),
    })?;
    let mut found: Vec<_> = reader.into_tensors().into_iter().collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let size = std::fs::metadata(path).map_err(|source| FormatError::read(path, source))?.len();
    let (mut left, mut tensors, mut skipped) = (size.saturating_mul(SHARED), Vec::new(), Vec::new());
    for (name, tensor) in found {
        let Some(number) = float(tensor.dtype()) else {
            skipped.push(name);
            continue;
        };
        left = left.checked_sub(tensor.byte_len() as u64).ok_or_else(|| {
            broken(format!("tensor {name} and those before it claim more numbers than the file has"))
        })?;
        let bytes = little_endian(tensor.read().map_err(|error| broken(error.to_string()))?, number.size());
        let (dims, values) = (tensor.shape().to_vec(), number.floats(&bytes));
        tensors.push(Tensor { name, dims, values });
    }
    Ok(Weights { skipped, ..Weights::new(path, kind, tensors) })
}

fn float(dtype: DType) -> Option<Number> {
    match dtype {
        DType::F16 => Some(Number::F16),
        DType::BF16 => Some(Number::Bf16),
        DType::F32 => Some(Number::F32),
        DType::F64 => Some(Number::F64),
        _ => None,
    }
}

/// The reader gives numbers as this machine holds them.
fn little_endian(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    bytes
}
