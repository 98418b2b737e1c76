//! The numbers of a file: initializers and constants, in the file or in another one beside it.
//!
//! Sizes are believed only when as many bytes are there. Values are copied when a layer takes them; what all layers
//! together take is bounded by what the files hold, although many may name the same tensor.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::onnx::proto::{self, Tensor};

/// How often a value may be taken, on the average: exporters write equal tensors once. Of a network that was never
/// trained many are equal: folding a batch norm whose scale starts at 0 makes every last filter of a block zeros.
const SHARED: u64 = 4;

/// Longest list of sizes or axes that any operation here could want; messages repeat them.
pub(super) const LONGEST_LIST: usize = 8;

/// Where numbers are taken from.
#[derive(Debug)]
pub(super) struct Constants<'a> {
    /// The folder of the file; none if only its bytes are known.
    folder: Option<&'a Path>,
    /// Sizes of the other files met so far.
    files: BTreeMap<PathBuf, u64>,
    /// Values that may still be taken.
    left: u64,
}

impl<'a> Constants<'a> {
    /// For a file of `size` bytes in `folder`.
    pub(super) fn new(size: usize, folder: Option<&'a Path>) -> Self {
        Self { folder, files: BTreeMap::new(), left: allowance(size as u64) }
    }

    /// The floats of a tensor with its sizes.
    pub(super) fn floats(&mut self, tensor: &Tensor) -> Result<(Vec<usize>, Vec<f32>), String> {
        let name = title(tensor);
        expect_type(tensor, proto::FLOAT)?;
        let dims = dims(tensor)?;
        let count =
            count(&dims).ok_or_else(|| format!("tensor {name} has sizes {dims:?}, which is too much"))?;
        let from_bytes = |bytes: &[u8]| -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        let values = if tensor.data_location == Some(proto::EXTERNAL) {
            let bytes = self.external(tensor, count)?;
            self.take(count)?;
            from_bytes(&bytes)
        } else if let Some(raw) = &tensor.raw_data {
            expect_count(name, count * size_of::<f32>() as u64, raw.len(), "bytes")?;
            self.take(count)?;
            from_bytes(raw)
        } else {
            expect_count(name, count, tensor.float_data.len(), "values")?;
            self.take(count)?;
            tensor.float_data.clone()
        };
        if !values.iter().all(|value| value.is_finite()) {
            return Err(format!("tensor {name} holds a value that is not a finite number"));
        }
        Ok((dims, values))
    }

    fn take(&mut self, count: u64) -> Result<(), String> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or("its layers take far more values than the file holds")?;
        Ok(())
    }

    /// The bytes of a tensor of `count` floats in another file. That file must stand beside this one under a plain
    /// name: a model must not make a program read whatever file it likes.
    fn external(&mut self, tensor: &Tensor, count: u64) -> Result<Vec<u8>, String> {
        let name = title(tensor);
        let entry = |key: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
            entry.and_then(|entry| entry.value.as_deref())
        };
        let location = entry("location").unwrap_or_default();
        let Some(folder) = self.folder else {
            return Err(format!("the values of tensor {name} are in another file, {location:?}"));
        };
        if location.is_empty() || location == ".." || location.contains(['/', '\\', ':', '\0']) {
            return Err(format!(
                "the values of tensor {name} are in the file {location:?}; only a file in the same folder is read"
            ));
        }
        let path = folder.join(location);
        let failed = |error: std::io::Error| {
            format!("the values of tensor {name} are in {}, which cannot be read: {error}", path.display())
        };
        let about = fs::symlink_metadata(&path).map_err(failed)?;
        if !about.is_file() {
            return Err(format!(
                "{}, with the values of tensor {name}, is not a regular file",
                path.display()
            ));
        }
        let number = |key: &str, default: u64| match entry(key) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("tensor {name} has the {key} {text:?}")),
        };
        let length = count * size_of::<f32>() as u64;
        let (offset, stated) = (number("offset", 0)?, number("length", length)?);
        let end = offset.checked_add(length).filter(|end| stated == length && *end <= about.len());
        if end.is_none() {
            return Err(format!(
                "tensor {name} needs {length} bytes; {} has {} and is said to hold {stated} of them from {offset}",
                path.display(),
                about.len()
            ));
        }
        if self.files.insert(path.clone(), about.len()).is_none() {
            self.left = self.left.saturating_add(allowance(about.len()));
        }
        let mut file = File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(failed)?;
        expect_count(name, length, bytes.len(), "bytes")?;
        Ok(bytes)
    }
}

/// The whole numbers of a list, as sizes and axes come.
pub(super) fn int_list(tensor: &Tensor) -> Result<Vec<i64>, String> {
    let name = title(tensor);
    expect_type(tensor, proto::INT64)?;
    if tensor.data_location == Some(proto::EXTERNAL) {
        return Err(format!("the numbers of tensor {name} are in another file"));
    }
    let dims = dims(tensor)?;
    let count = count(&dims).filter(|count| dims.len() < 2 && *count <= LONGEST_LIST as u64);
    let count = count.ok_or_else(|| format!("tensor {name} is no list of sizes"))?;
    match &tensor.raw_data {
        Some(raw) => {
            expect_count(name, count * size_of::<i64>() as u64, raw.len(), "bytes")?;
            Ok(raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
        }
        None => {
            expect_count(name, count, tensor.int64_data.len(), "values")?;
            Ok(tensor.int64_data.clone())
        }
    }
}

/// How many values layers may take of a file of `size` bytes.
fn allowance(size: u64) -> u64 {
    (size / size_of::<f32>() as u64).saturating_mul(SHARED)
}

fn title(tensor: &Tensor) -> &str {
    tensor.name.as_deref().unwrap_or("without a name")
}

fn dims(tensor: &Tensor) -> Result<Vec<usize>, String> {
    if tensor.dims.len() > LONGEST_LIST {
        return Err(format!("tensor {} has {} sizes", title(tensor), tensor.dims.len()));
    }
    let sizes = tensor.dims.iter().map(|size| usize::try_from(*size)).collect::<Result<Vec<_>, _>>();
    sizes.map_err(|_| format!("tensor {} has sizes {:?}", title(tensor), tensor.dims))
}

/// How many values; `None` beyond what [`plusx_model::shape::MAX_VALUES`] allows.
fn count(dims: &[usize]) -> Option<u64> {
    let product = dims.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    product.filter(|product| *product <= plusx_model::shape::MAX_VALUES).map(|product| product as u64)
}

fn expect_count(name: &str, expected: u64, found: usize, what: &str) -> Result<(), String> {
    match found as u64 == expected {
        true => Ok(()),
        false => Err(format!("tensor {name} needs {expected} {what} and has {found}")),
    }
}

fn expect_type(tensor: &Tensor, wanted: i32) -> Result<(), String> {
    // the names that TensorProto.DataType gives them
    const NAMES: [&str; 17] = [
        "nothing",
        "FLOAT",
        "UINT8",
        "INT8",
        "UINT16",
        "INT16",
        "INT32",
        "INT64",
        "STRING",
        "BOOL",
        "FLOAT16",
        "DOUBLE",
        "UINT32",
        "UINT64",
        "COMPLEX64",
        "COMPLEX128",
        "BFLOAT16",
    ];
    let name = |kind: i32| usize::try_from(kind).ok().and_then(|kind| NAMES.get(kind)).copied();
    let found = tensor.data_type.unwrap_or_default();
    match found == wanted {
        true => Ok(()),
        false => Err(format!(
            "tensor {} holds {}, expected {}",
            title(tensor),
            name(found).unwrap_or("numbers of another type"),
            name(wanted).unwrap_or_default()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tensors_may_be_one_but_not_without_end() {
        let tensor = Tensor::floats("w".to_owned(), &[100], &[0.0; 100]);
        // a file that holds little else: four bytes a value
        let mut constants = Constants::new(400, None);
        for _ in 0..SHARED {
            assert_eq!(constants.floats(&tensor).unwrap().1.len(), 100);
        }
        assert!(constants.floats(&tensor).unwrap_err().contains("far more values"));
    }

    #[test]
    fn long_lists_are_not_repeated_in_messages() {
        let list = Tensor::int_list("to".to_owned(), &[1; 100]);
        assert_eq!(int_list(&list).unwrap_err(), "tensor to is no list of sizes");
        let many = Tensor { dims: vec![1; 100], ..Tensor::floats("w".to_owned(), &[1], &[0.0]) };
        let error = Constants::new(400, None).floats(&many).unwrap_err();
        assert_eq!(error, "tensor w has 100 sizes");
    }
}
