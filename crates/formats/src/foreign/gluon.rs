//! MXNet's list of arrays (`src/ndarray/ndarray.cc` there), which Gluon's `save_parameters` and `export` write.
//!
//! Little-endian: the magic number and eight zero bytes, the number of arrays, the arrays, the number of names, the
//! names with their lengths. An array: its version, in later ones its storage type (only dense is read), the number of
//! dimensions and each of them, the device it was on, the type of its numbers, the numbers.

use std::path::Path;

use super::kind::{FileKind, GLUON_MAGIC};
use super::numbers::FloatType;
use super::tensor::NamedTensor;
use super::weights::ForeignWeights;
use crate::error::FormatError;

/// Versions of an array: 64-bit dimensions; then with a storage type; then with the shapes of numpy.
const VERSIONS: [u32; 3] = [0xf993_fac8, 0xf993_fac9, 0xf993_faca];

/// Most dimensions MXNet itself knows what to do with.
const MOST_DIMS: i32 = 32;

/// Longest name; every level of nesting adds a few characters.
const LONGEST_NAME: u64 = 1024;

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<ForeignWeights, FormatError> {
    let bytes = std::fs::read(path).map_err(|source| FormatError::read(path, source))?;
    decode(&bytes, path).map_err(|reason| FormatError::broken(path, FileKind::Gluon, reason))
}

fn decode(bytes: &[u8], path: &Path) -> Result<ForeignWeights, String> {
    let mut rest = Reader { bytes };
    rest.take(GLUON_MAGIC.len() as u64)?;
    let count = rest.u64()?;
    // grows with what is really there
    let mut arrays = Vec::new();
    for index in 0..count {
        arrays.push(array(&mut rest).map_err(|reason| format!("array {index}: {reason}"))?);
    }
    let names = rest.u64()?;
    if names != count {
        return Err(format!("{count} arrays have {names} names"));
    }
    let (mut tensors, mut skipped, mut exported) = (Vec::new(), Vec::new(), true);
    for array in arrays {
        let name = rest.name()?;
        // what `export` writes tells parameters from statistics
        let told = ["arg:", "aux:"].iter().find_map(|prefix| name.strip_prefix(prefix));
        exported &= told.is_some();
        let name = told.unwrap_or(name);
        match array {
            Some(tensor) => tensors.push(NamedTensor { name: name.to_owned(), ..tensor }),
            None => skipped.push(name.to_owned()),
        }
    }
    if !rest.bytes.is_empty() {
        return Err(format!("{} bytes follow its end", rest.bytes.len()));
    }
    Ok(ForeignWeights { skipped, exported, ..ForeignWeights::new(path, FileKind::Gluon, tensors) })
}

/// The next array, still without its name; none if it is empty or holds whole numbers.
fn array(rest: &mut Reader<'_>) -> Result<Option<NamedTensor>, String> {
    const DENSE: i32 = 0;
    let version = rest.u32()?;
    let Some(version) = VERSIONS.iter().position(|known| *known == version) else {
        return Err(format!("version {version:#x} is none of those from MXNet 0.11 on"));
    };
    if version > 0 && rest.i32()? != DENSE {
        return Err("it is sparse, and only dense arrays are read".to_owned());
    }
    let dims = match rest.i32()? {
        // numpy's shapes say "unknown" so, and older ones by having no dimension
        -1 if version == 2 => return Ok(None),
        0 if version < 2 => return Ok(None),
        count @ 0..=MOST_DIMS => (0..count).map(|_| rest.dim()).collect::<Result<Vec<_>, _>>()?,
        count => return Err(format!("it has {count} dimensions")),
    };
    let (_device, _device_number) = (rest.i32()?, rest.i32()?);
    let (size, number) = match rest.i32()? {
        0 => (4, Some(FloatType::F32)),
        1 => (8, Some(FloatType::F64)),
        2 => (2, Some(FloatType::F16)),
        12 => (2, Some(FloatType::Bf16)),
        // u8, i32, i8, i64, bool
        3 | 5 | 7 => (1, None),
        4 => (4, None),
        6 => (8, None),
        other => return Err(format!("numbers of type {other} are unknown")),
    };
    let length = dims.iter().try_fold(size, |length: u64, dim| length.checked_mul(*dim as u64));
    let bytes = rest.take(length.ok_or("it is larger than any memory")?)?;
    Ok(number.map(|number| NamedTensor { name: String::new(), dims, values: number.floats(bytes) }))
}

/// What is left of a file.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let (taken, rest) = usize::try_from(count)
            .ok()
            .and_then(|count| self.bytes.split_at_checked(count))
            .ok_or_else(|| format!("{count} bytes are announced, {} are left", self.bytes.len()))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn u64(&mut self) -> Result<u64, String> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn i32(&mut self) -> Result<i32, String> {
        self.u32().map(u32::cast_signed)
    }

    fn dim(&mut self) -> Result<usize, String> {
        let dim = self.u64()?;
        usize::try_from(dim).map_err(|_| format!("a dimension of {dim}"))
    }

    fn name(&mut self) -> Result<&'a str, String> {
        match self.u64()? {
            length @ 0..=LONGEST_NAME => {
                std::str::from_utf8(self.take(length)?).map_err(|_| "a name is no text".to_owned())
            }
            length => Err(format!("a name of {length} bytes")),
        }
    }
}
