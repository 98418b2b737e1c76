//! safetensors files of anybody's: the header is read once, and says where the numbers of each tensor lie.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::WeightError;
use crate::header::SafetensorsHeader;

/// Larger files are refused unread: a billion parameters with their velocity fit.
pub const LARGEST: u64 = 8 << 30;

/// Bytes before the header: its length.
const PREFIX: usize = size_of::<u64>();

/// Longest header that the format allows. Whatever is no safetensors file mostly announces more in its first bytes.
pub const LARGEST_HEADER: u64 = 100_000_000;

/// A file as it was read, whole. Its length is what its header says.
#[derive(Clone, Debug)]
pub struct SafetensorsFile<'a> {
    pub(crate) header: SafetensorsHeader,
    /// All of the file.
    bytes: Cow<'a, [u8]>,
    /// Where the numbers begin.
    start: usize,
}

/// A tensor of a file.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StoredTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type of its numbers, as the format calls it: `F32`.
    pub dtype: &'a str,
    /// Dimensions, outermost first.
    pub dims: &'a [usize],
    /// Its numbers, little-endian and row-major. Of types of whole bytes there are as many as the dimensions say.
    pub bytes: &'a [u8],
}

impl SafetensorsFile<'static> {
    /// Reads a file.
    ///
    /// # Errors
    /// [`WeightError::Read`], [`WeightError::NotSafetensors`], or [`WeightError::TooLarge`] beyond [`LARGEST`].
    pub fn read(path: &Path) -> Result<Self, WeightError> {
        Self::judged(path, |_| Ok(())).map(|(file, ())| file)
    }

    /// The header of a file; nothing else of it is read.
    pub(crate) fn header(path: &Path) -> Result<SafetensorsHeader, WeightError> {
        let mut file = File::open(path).map_err(|source| WeightError::read(path, source))?;
        beginning(&mut file, path).map(|(_, header)| header)
    }

    /// Reads a file after `judge` has seen its header.
    pub(crate) fn judged<T>(
        path: &Path,
        judge: impl FnOnce(&SafetensorsHeader) -> Result<T, WeightError>,
    ) -> Result<(Self, T), WeightError> {
        let failed = |source| WeightError::read(path, source);
        let refused = |reason: &str| WeightError::not_safetensors(path, reason);
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let (mut bytes, header) = beginning(&mut file, path)?;
        let start = bytes.len();
        let verdict = judge(&header)?;
        let size = (header.data_len as u64).saturating_add(bytes.len() as u64);
        if size > LARGEST {
            return Err(WeightError::TooLarge { path: path.into(), size, limit: LARGEST });
        }
        // a pipe has no length beforehand
        if metadata.is_file() {
            let found = metadata.len();
            if found != size {
                return Err(refused(&format!("its header speaks of {size} bytes, it has {found}")));
            }
            bytes.reserve_exact(header.data_len);
        }
        // one byte more shows what goes on after its end
        append(&mut file, header.data_len as u64 + 1, &mut bytes).map_err(failed)?;
        Ok((Self::new(header, Cow::Owned(bytes), start, path)?, verdict))
    }
}

impl<'a> SafetensorsFile<'a> {
    /// The file that has these bytes; `path` is only for messages.
    pub(crate) fn decode(bytes: &'a [u8], path: &Path) -> Result<Self, WeightError> {
        let (header, data) = split(bytes).map_err(|reason| WeightError::not_safetensors(path, &reason))?;
        Self::new(header, Cow::Borrowed(bytes), bytes.len() - data.len(), path)
    }

    fn new(
        header: SafetensorsHeader,
        bytes: Cow<'a, [u8]>,
        start: usize,
        path: &Path,
    ) -> Result<Self, WeightError> {
        let (expected, found) = (header.data_len, bytes.len() - start);
        if found != expected {
            let reason = format!("its header speaks of {expected} bytes behind it, there are {found}");
            return Err(WeightError::not_safetensors(path, &reason));
        }
        Ok(Self { header, bytes, start })
    }

    /// The text under a key of its metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.header.texts.get(key).map(String::as_str)
    }

    /// Its tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = StoredTensor<'_>> {
        let data = &self.bytes[self.start..];
        self.header.tensors.iter().map(|(name, record)| StoredTensor {
            name,
            dtype: &record.dtype,
            dims: &record.dims,
            bytes: &data[record.bytes.clone()],
        })
    }
}

/// The bytes of `file` up to where the numbers start, and what they say.
fn beginning(file: &mut File, path: &Path) -> Result<(Vec<u8>, SafetensorsHeader), WeightError> {
    let failed = |source| WeightError::read(path, source);
    let refused = |reason: &str| WeightError::not_safetensors(path, reason);
    let mut bytes = Vec::new();
    append(file, PREFIX as u64, &mut bytes).map_err(failed)?;
    let announced = announced(&bytes).map_err(&refused)?;
    append(file, announced, &mut bytes).map_err(failed)?;
    let (header, _) = split(&bytes).map_err(|reason| refused(&reason))?;
    Ok((bytes, header))
}

/// Adds up to `count` bytes of `file`.
fn append(file: &mut File, count: u64, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    file.take(count).read_to_end(bytes).map(|_| ())
}

/// The length of the header, of a file that begins with `bytes`.
fn announced(bytes: &[u8]) -> Result<u64, &'static str> {
    let length = bytes.first_chunk().ok_or("it ends before its header")?;
    match u64::from_le_bytes(*length) {
        length if length > LARGEST_HEADER => Err(instead(bytes)),
        length => Ok(length),
    }
}

/// What a file is that begins with `bytes` and with no length.
fn instead(bytes: &[u8]) -> &'static str {
    const KINDS: [(&[u8], &str); 7] = [
        (
            b"version ",
            "it is a pointer of Git LFS and not the weights: run `git lfs pull` where it comes from",
        ),
        (b"<", "it is a web page or another text: the download was not of the file itself"),
        (b"{", "it is a JSON text"),
        (b"PK\x03\x04", "it is a zip archive, as PyTorch and Keras write"),
        (b"\x89HDF", "it is an HDF5 file, as Keras writes"),
        (b"\x80\x02", "it is a pickle, as PyTorch writes"),
        (b"\x1f\x8b", "it is compressed with gzip: unpack it"),
    ];
    let known = KINDS.iter().find(|(mark, _)| bytes.starts_with(mark));
    known.map_or("it does not start with the length of a header", |(_, what)| what)
}

/// The header, and what follows it.
fn split(bytes: &[u8]) -> Result<(SafetensorsHeader, &[u8]), String> {
    let end = PREFIX + announced(bytes)? as usize;
    let header = bytes.get(PREFIX..end).ok_or("it ends inside its header")?;
    Ok((SafetensorsHeader::parse(header)?, &bytes[end..]))
}
