//! The numbers of a file: initializers and constants, in the file or in another one beside it.
//!
//! Sizes are believed only when as many bytes are there. Values are copied when a layer takes them. Many layers may name the
//! same tensor; what all of them take is bounded by what the files hold. So is what is computed from constants.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::foreign::numbers::FloatType as Width;
use crate::onnx::array::{self, Array, Elements};
use crate::onnx::layout::MOST_AXES;
use crate::onnx::number::Number;
use crate::onnx::proto::{self, TensorProto};

/// How often a value may be taken, on the average: exporters write equal tensors once. Of a network that was never
/// trained many are equal: folding a batch norm whose scale starts at 0 makes every last filter of a block zeros.
const SHARED: u64 = 4;

/// Elements that may be computed besides [`SHARED`] times what layers may take: lists of sizes, of which any network needs
/// few.
const SPARE: u64 = 1 << 16;

/// Values of layers that a file may state as one number repeated, as examples without weights do: those of a
/// ResNet-152, which are 60 million.
const FILLED: u64 = 1 << 26;

/// Longest list of sizes or axes that any operation here could want; messages repeat them.
pub(super) const LONGEST_LIST: usize = 8;

/// Where numbers are taken from.
#[derive(Debug)]
pub(super) struct Constants<'a> {
    /// The folder of the file; none if only its bytes are known.
    folder: Option<&'a Path>,
    /// Sizes of the other files met so far.
    files: BTreeMap<PathBuf, u64>,
    /// Values that may still be taken by layers.
    left: u64,
    /// Of those that are one number repeated.
    filled: u64,
    /// Elements that may still be computed.
    spare: u64,
    /// Kinds of numbers that became 32-bit floats.
    pub(super) converted: Vec<&'static str>,
}

impl<'a> Constants<'a> {
    /// For a file of `size` bytes in `folder`.
    pub(super) fn new(size: usize, folder: Option<&'a Path>) -> Self {
        let left = allowance(size as u64);
        let spare = left.saturating_mul(SHARED).saturating_add(SPARE);
        Self { folder, files: BTreeMap::new(), left, filled: FILLED, spare, converted: Vec::new() }
    }

    /// Allows `count` elements to be computed.
    pub(super) fn spend(&mut self, count: usize) -> Result<(), String> {
        let left = self.spare.checked_sub(count as u64);
        self.spare = left.ok_or("far more is computed from constants than the file holds")?;
        Ok(())
    }

    /// The floats of a tensor with its sizes, for a layer.
    pub(super) fn floats(&mut self, tensor: &TensorProto) -> Result<(Vec<usize>, Vec<f32>), String> {
        let (dims, count, width) = self.floating(tensor)?;
        self.take(count)?;
        let values = self.decoded(tensor, count, width)?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok((dims, values)),
            false => {
                Err(format!("tensor {} holds a value that is not a finite 32-bit number", title(tensor)))
            }
        }
    }

    /// The floats of a computed array with its sizes, for a layer.
    pub(super) fn of_array(&mut self, array: &Array) -> Result<(Vec<usize>, Vec<f32>), String> {
        let (dims, count) = (array.dims()?, array.count()?);
        if array.whole {
            return Err("its numbers are whole ones, expected floats".to_owned());
        }
        match array.elements {
            Elements::Same(_) => {
                let left = self.filled.checked_sub(count as u64);
                self.filled = left.ok_or("its layers take far more equal values than networks have")?;
            }
            _ => self.take(count)?,
        }
        let float =
            |index| array.at(index).known().map(|value| value as f32).filter(|value| value.is_finite());
        let values: Option<Vec<f32>> = (0..count).map(float).collect();
        Ok((dims, values.ok_or("it takes a value that is not a finite 32-bit number")?))
    }

    /// A tensor of any kind of numbers, to compute with.
    pub(super) fn array(&mut self, tensor: &TensorProto) -> Result<Array, String> {
        if width(tensor).is_some() {
            let (dims, count, width) = self.floating(tensor)?;
            self.spend(count)?;
            let values = self.decoded(tensor, count, width)?;
            return Ok(Array::new(&dims, Elements::Floats(values), false));
        }
        let dims = dims(tensor)?;
        let count = counted(tensor, &dims)?;
        self.spend(count)?;
        let numbers = self.whole(tensor, count)?;
        Ok(Array::new(&dims, Elements::Numbers(numbers), true))
    }

    fn take(&mut self, count: usize) -> Result<(), String> {
        let left = self.left.checked_sub(count as u64);
        self.left = left.ok_or("its layers take far more values than the file holds")?;
        Ok(())
    }

    /// Sizes, count and kind of a tensor of floats.
    fn floating(&mut self, tensor: &TensorProto) -> Result<(Vec<usize>, usize, Width), String> {
        let width = width(tensor);
        let width = width.ok_or_else(|| {
            format!("tensor {} holds {}, expected floats", title(tensor), type_name(tensor.data_type))
        })?;
        let name = match width {
            Width::F16 => Some("FLOAT16"),
            Width::Bf16 => Some("BFLOAT16"),
            Width::F64 => Some("DOUBLE"),
            Width::F32 => None,
        };
        self.converted.extend(name.filter(|name| !self.converted.contains(name)));
        let dims = dims(tensor)?;
        let count = counted(tensor, &dims)?;
        Ok((dims, count, width))
    }

    /// Its values as 32-bit floats.
    fn decoded(&mut self, tensor: &TensorProto, count: usize, width: Width) -> Result<Vec<f32>, String> {
        if let Some(bytes) = self.bytes(tensor, count, width.size())? {
            return Ok(width.floats(&bytes));
        }
        let title = title(tensor);
        Ok(match width {
            Width::F32 => {
                expect_count(title, count as u64, tensor.float_data.len(), "values")?;
                tensor.float_data.clone()
            }
            Width::F64 => {
                expect_count(title, count as u64, tensor.double_data.len(), "values")?;
                tensor.double_data.iter().map(|value| *value as f32).collect()
            }
            Width::F16 | Width::Bf16 => {
                expect_count(title, count as u64, tensor.int32_data.len(), "values")?;
                let halves = tensor.int32_data.iter().flat_map(|half| (*half as u16).to_le_bytes());
                width.floats(&halves.collect::<Vec<u8>>())
            }
        })
    }

    /// Its values as whole numbers.
    fn whole(&mut self, tensor: &TensorProto, count: usize) -> Result<Vec<Number>, String> {
        let kind = tensor.data_type.unwrap_or_default();
        let bytes = match kind {
            proto::INT64 => 8,
            proto::INT32 => 4,
            proto::UINT16 | proto::INT16 => 2,
            proto::UINT8 | proto::INT8 | proto::BOOL => 1,
            _ => {
                let kind = type_name(tensor.data_type);
                return Err(format!("tensor {} holds {kind}, which is not understood", title(tensor)));
            }
        };
        let unsigned = [proto::UINT16, proto::UINT8, proto::BOOL].contains(&kind);
        let numbers = match self.bytes(tensor, count, bytes)? {
            Some(raw) => raw.chunks_exact(bytes).map(|one| integer(one, unsigned)).collect::<Vec<i64>>(),
            None if kind == proto::INT64 => {
                expect_count(title(tensor), count as u64, tensor.int64_data.len(), "values")?;
                tensor.int64_data.clone()
            }
            None => {
                expect_count(title(tensor), count as u64, tensor.int32_data.len(), "values")?;
                tensor.int32_data.iter().map(|value| i64::from(*value)).collect()
            }
        };
        Ok(numbers.into_iter().map(|value| Number::of(value as f64)).collect())
    }

    /// The bytes of a tensor of `count` numbers of `size` bytes, if it is stored so.
    fn bytes<'t>(
        &mut self,
        tensor: &'t TensorProto,
        count: usize,
        size: usize,
    ) -> Result<Option<Cow<'t, [u8]>>, String> {
        // neither overflows: sizes are bounded
        let length = (count * size) as u64;
        if tensor.data_location == Some(proto::EXTERNAL) {
            return self.external(tensor, length).map(|bytes| Some(Cow::Owned(bytes)));
        }
        let Some(raw) = &tensor.raw_data else { return Ok(None) };
        expect_count(title(tensor), length, raw.len(), "bytes")?;
        Ok(Some(Cow::Borrowed(raw)))
    }

    /// The bytes of a tensor in another file. That file must stand beside this one under a plain name: a model must not
    /// make a program read whatever file it likes.
    fn external(&mut self, tensor: &TensorProto, length: u64) -> Result<Vec<u8>, String> {
        let name = title(tensor);
        let entry = |key: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
            entry.and_then(|entry| entry.value.as_deref())
        };
        let location = entry("location").unwrap_or_default();
        let Some(folder) = self.folder else {
            return Err(format!("the values of tensor {name} are in another file, {location:?}"));
        };
        let plain = location.strip_prefix("./").unwrap_or(location);
        if plain.is_empty() || plain == ".." || plain.contains(['/', '\\', ':', '\0']) {
            return Err(format!(
                "the values of tensor {name} are in the file {location:?}; only a file in the same folder is read"
            ));
        }
        let path = folder.join(plain);
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
            self.spare = self.spare.saturating_add(allowance(about.len()).saturating_mul(SHARED));
        }
        let mut file = File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(failed)?;
        expect_count(name, length, bytes.len(), "bytes")?;
        Ok(bytes)
    }
}

/// A little-endian whole number of at most 8 bytes.
fn integer(bytes: &[u8], unsigned: bool) -> i64 {
    let negative = !unsigned && bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(all)
}

/// How many values layers may take of a file of `size` bytes.
fn allowance(size: u64) -> u64 {
    (size / size_of::<f32>() as u64).saturating_mul(SHARED)
}

pub(super) fn title(tensor: &TensorProto) -> &str {
    tensor.name.as_deref().filter(|name| !name.is_empty()).unwrap_or("without a name")
}

fn width(tensor: &TensorProto) -> Option<Width> {
    match tensor.data_type.unwrap_or_default() {
        proto::FLOAT => Some(Width::F32),
        proto::FLOAT16 => Some(Width::F16),
        proto::DOUBLE => Some(Width::F64),
        proto::BFLOAT16 => Some(Width::Bf16),
        _ => None,
    }
}

fn dims(tensor: &TensorProto) -> Result<Vec<usize>, String> {
    if tensor.dims.len() > MOST_AXES {
        return Err(format!("tensor {} has {} sizes", title(tensor), tensor.dims.len()));
    }
    let sizes = tensor.dims.iter().map(|size| usize::try_from(*size)).collect::<Result<Vec<_>, _>>();
    sizes.map_err(|_| format!("tensor {} has sizes {:?}", title(tensor), tensor.dims))
}

fn counted(tensor: &TensorProto, dims: &[usize]) -> Result<usize, String> {
    array::count(dims).map_err(|_| format!("tensor {} has sizes {dims:?}, which is too much", title(tensor)))
}

fn expect_count(name: &str, expected: u64, found: usize, what: &str) -> Result<(), String> {
    match found as u64 == expected {
        true => Ok(()),
        false => Err(format!("tensor {name} needs {expected} {what} and has {found}")),
    }
}

/// What TensorProto.DataType calls a type.
pub(super) fn type_name(kind: Option<i32>) -> &'static str {
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
    let place = usize::try_from(kind.unwrap_or_default()).ok();
    place.and_then(|kind| NAMES.get(kind)).copied().unwrap_or("numbers of another type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tensors_may_be_one_but_not_without_end() {
        let tensor = TensorProto::floats("w".to_owned(), &[100], &[0.0; 100]);
        // a file that holds little else: four bytes a value
        let mut constants = Constants::new(400, None);
        for _ in 0..SHARED {
            assert_eq!(constants.floats(&tensor).unwrap().1.len(), 100);
        }
        assert!(constants.floats(&tensor).unwrap_err().contains("far more values"));
    }

    #[test]
    fn long_lists_are_not_repeated_in_messages() {
        let many = TensorProto { dims: vec![1; 100], ..TensorProto::floats("w".to_owned(), &[1], &[0.0]) };
        let error = Constants::new(400, None).floats(&many).unwrap_err();
        assert_eq!(error, "tensor w has 100 sizes");
    }

    #[test]
    fn numbers_of_every_width_are_read() {
        let mut constants = Constants::new(1000, None);
        let tensor = |kind, raw: &[u8]| TensorProto {
            dims: vec![1],
            data_type: Some(kind),
            raw_data: Some(raw.to_vec().into()),
            ..TensorProto::default()
        };
        for (kind, raw, value) in [
            (proto::FLOAT16, &[0x00, 0xc0][..], -2.0),
            (proto::BFLOAT16, &[0x80, 0x3f], 1.0),
            (proto::DOUBLE, &0.5_f64.to_le_bytes(), 0.5),
        ] {
            assert_eq!(constants.floats(&tensor(kind, raw)).unwrap(), (vec![1], vec![value]));
        }
        assert_eq!(constants.converted, ["FLOAT16", "BFLOAT16", "DOUBLE"]);
        for (kind, raw, value) in [
            (proto::INT32, &[0xfe, 0xff, 0xff, 0xff][..], -2.0),
            (proto::INT8, &[0xff], -1.0),
            (proto::UINT8, &[0xff], 255.0),
            (proto::BOOL, &[1], 1.0),
            (proto::INT64, &[3, 0, 0, 0, 0, 0, 0, 0], 3.0),
        ] {
            assert_eq!(constants.array(&tensor(kind, raw)).unwrap().at(0), Number::of(value), "{kind}");
        }
        let listed = TensorProto { raw_data: None, int32_data: vec![0x3c00], ..tensor(proto::FLOAT16, &[]) };
        assert_eq!(constants.floats(&listed).unwrap().1, [1.0]);
        let error = constants.floats(&tensor(proto::INT8, &[1])).unwrap_err();
        assert_eq!(error, "tensor without a name holds INT8, expected floats");
        // what does not fit is no number
        let huge = constants.floats(&tensor(proto::DOUBLE, &1e300_f64.to_le_bytes()));
        assert!(huge.unwrap_err().contains("finite 32-bit"));
    }
}
