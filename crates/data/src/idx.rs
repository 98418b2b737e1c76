//! IDX, the format of MNIST and its kin: two zero bytes, a type byte, the number of dimensions, each dimension as a
//! big-endian `u32`, then the values. Images are read of the type `u8` (0x08), labels of any whole numbers; plain or
//! gzipped.
//!
//! Nothing in a file is believed. Lengths are checked against a limit before memory is taken. Memory grows with what is really
//! there. A file that is shorter or longer than it says is refused.

use crate::{DataError, classes, unzip};
use plusx_model::words::counted;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of values a file may hold: 1 GiB, twenty times the training images of Fashion-MNIST.
pub const LIMIT: u64 = 1 << 30;

/// Memory taken before the first value is read. A header that promises a gigabyte gets no more on its word alone.
const FIRST_RESERVE: u64 = 1 << 20;

/// Type bytes of whole numbers, and the bytes each number takes: `u8`, and `i8`, `i16` and `i32`, big-endian.
const TYPE_U8: u8 = 0x08;
const TYPE_I8: u8 = 0x09;
const TYPE_I16: u8 = 0x0b;
const TYPE_I32: u8 = 0x0c;

/// The content of an IDX file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idx {
    /// Dimensions, outermost first: `[n]` for labels, `[n, h, w]` for images.
    pub dims: Vec<usize>,
    /// Values, last dimension fastest; as many as the product of the dimensions.
    pub values: Vec<u8>,
}

impl Idx {
    /// The bytes of the file that holds this, not compressed. `None` if a dimension does not fit the format
    /// (more than 255 of them, or one beyond `u32`).
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0, 0, TYPE_U8, u8::try_from(self.dims.len()).ok()?];
        for &dim in &self.dims {
            bytes.extend(u32::try_from(dim).ok()?.to_be_bytes());
        }
        bytes.extend_from_slice(&self.values);
        Some(bytes)
    }
}

/// Reads the file at `path`, plain or gzipped (told by its content, not its name).
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::Malformed`] if it is no IDX file of bytes or is longer than it
/// says, [`DataError::Truncated`] if it ends early, [`DataError::TooLarge`] beyond [`LIMIT`].
pub fn read(path: &Path) -> Result<Idx, DataError> {
    parse(open(path)?, path)
}

/// Reads IDX from any source; `path` is only the name used in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(source: impl Read, path: &Path) -> Result<Idx, DataError> {
    Ok(bytes(source, path)?.content)
}

/// What a file holds.
pub(crate) struct Unpacked<T> {
    pub(crate) content: T,
    /// Whether bytes after the end of a gzip archive were ignored.
    pub(crate) ignored: bool,
}

/// As [`parse`], with what there is to say of the archive.
pub(crate) fn bytes(source: impl Read, path: &Path) -> Result<Unpacked<Idx>, DataError> {
    let Numbers { dims, values, ignored, .. } = Numbers::read(source, path, &[TYPE_U8])?;
    Ok(Unpacked { content: Idx { dims, values }, ignored })
}

pub(crate) fn open(path: &Path) -> Result<File, DataError> {
    File::open(path).map_err(DataError::io("open", path))
}

/// Reads labels: `[n]` whole numbers of any type.
///
/// # Errors
/// As [`read`]; [`DataError::Malformed`] for other dimensions, and for a label that is negative or beyond 65,535.
pub(crate) fn labels(source: impl Read, path: &Path) -> Result<Unpacked<Vec<u32>>, DataError> {
    let types = [TYPE_U8, TYPE_I8, TYPE_I16, TYPE_I32];
    let Numbers { kind, dims, values, ignored } = Numbers::read(source, path, &types)?;
    let [_] = dims[..] else {
        let swapped =
            if dims.len() > 2 { "; these look like images: are the two files exchanged?" } else { "" };
        let reason = format!("holds {}, labels have 1{swapped}", counted(dims.len() as u64, "dimension"));
        return Err(DataError::malformed(path, reason));
    };
    let labels: Vec<i64> = match kind {
        TYPE_U8 => values.iter().map(|value| i64::from(*value)).collect(),
        TYPE_I8 => values.iter().map(|value| i64::from(value.cast_signed())).collect(),
        TYPE_I16 => values.as_chunks().0.iter().map(|value| i64::from(i16::from_be_bytes(*value))).collect(),
        _ => values.as_chunks().0.iter().map(|value| i64::from(i32::from_be_bytes(*value))).collect(),
    };
    let labels = labels.into_iter().enumerate().map(|(at, label)| {
        let fits = u32::try_from(label).ok().filter(|label| (*label as usize) < classes::MOST);
        fits.ok_or_else(|| {
            let most = classes::MOST - 1;
            DataError::malformed(
                path,
                format!("label {at} is {label}; classes are numbered from 0 to {most} at most"),
            )
        })
    });
    Ok(Unpacked { content: labels.collect::<Result<_, _>>()?, ignored })
}

/// The content of an IDX file of any type.
struct Numbers {
    kind: u8,
    dims: Vec<usize>,
    /// As in the file.
    values: Vec<u8>,
    /// Whether bytes after the end of a gzip archive were ignored.
    ignored: bool,
}

impl Numbers {
    /// Reads values of one of `types`.
    fn read(source: impl Read, path: &Path, types: &[u8]) -> Result<Self, DataError> {
        let mut content = unzip::content(source).map_err(DataError::io("read", path))?;
        let (kind, dims) = header(&mut content, path, types)?;
        let size = size(kind);
        let count = dims.iter().try_fold(size, |product, &dim| product.checked_mul(u64::from(dim)));
        let count = count.filter(|&count| count <= LIMIT).ok_or_else(|| DataError::TooLarge {
            path: path.to_owned(),
            what: "the number of bytes announced",
            size: count.unwrap_or(u64::MAX),
            limit: LIMIT,
        })?;

        let mut values = Vec::with_capacity(count.min(FIRST_RESERVE) as usize);
        // one byte more than announced: it shows what is too long, and makes the decoder check the archive's CRC
        match content.by_ref().take(count + 1).read_to_end(&mut values) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(truncated(path, count, values.len()));
            }
            Err(error) if unzip::is_damage(&error) => return Err(damaged(path, &error)),
            Err(error) => return Err(DataError::io("read", path)(error)),
        }
        let found = values.len() as u64;
        if found < count {
            return Err(truncated(path, count, values.len()));
        }
        if found > count {
            return Err(DataError::malformed(
                path,
                format!("goes on after the {} of data it announces", counted(count, "byte")),
            ));
        }
        let dims = dims.iter().map(|&dim| dim as usize).collect();
        Ok(Self { kind, dims, values, ignored: content.ignored() })
    }
}

/// Bytes of one number.
fn size(kind: u8) -> u64 {
    match kind {
        TYPE_I16 => 2,
        TYPE_I32 => 4,
        _ => 1,
    }
}

/// Reads the header and returns type and dimensions.
fn header(content: &mut impl Read, path: &Path, types: &[u8]) -> Result<(u8, Vec<u32>), DataError> {
    let mut magic = [0; 4];
    fill(content, &mut magic, path)?;
    let [0, 0, kind, rank] = magic else {
        let reason = format!("not an IDX file (it does not start with two zero bytes){}", foreign(magic));
        return Err(DataError::malformed(path, reason));
    };
    if !types.contains(&kind) {
        let wanted = if types.len() == 1 { "bytes (0x08)" } else { "whole numbers (0x08, 0x09, 0x0b, 0x0c)" };
        let reason = format!("IDX values of type 0x{kind:02x}; only {wanted} are supported");
        return Err(DataError::malformed(path, reason));
    }
    // four dimensions are colour images; more is nothing we know
    if !(1..=4).contains(&rank) {
        return Err(DataError::malformed(
            path,
            format!("not an IDX file of images or labels ({})", counted(rank.into(), "dimension")),
        ));
    }
    let dims = (0..rank).map(|_| {
        let mut dim = [0; 4];
        fill(content, &mut dim, path)?;
        Ok(u32::from_be_bytes(dim))
    });
    Ok((kind, dims.collect::<Result<_, DataError>>()?))
}

/// What a file that starts so is, and what to do about it.
fn foreign(start: [u8; 4]) -> &'static str {
    match &start {
        [b'P', b'K', ..] => ": it is a zip archive, unpack it first",
        [b'B', b'Z', b'h', _] | [0xfd, b'7', b'z', b'X'] => ": it is a bzip2 or xz archive, unpack it first",
        [b'<', ..] => ": it is a web page, probably one that says why the file was not sent",
        b"vers" => ": it is probably a pointer of Git LFS, fetch the file itself with git lfs pull",
        _ => "",
    }
}

fn fill(content: &mut impl Read, buffer: &mut [u8], path: &Path) -> Result<(), DataError> {
    content.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            DataError::malformed(path, "not an IDX file (it ends within its header)")
        }
        _ if unzip::is_damage(&error) => damaged(path, &error),
        _ => DataError::io("read", path)(error),
    })
}

fn truncated(path: &Path, expected: u64, found: usize) -> DataError {
    DataError::Truncated { path: path.to_owned(), expected, found: found as u64 }
}

fn damaged(path: &Path, error: &io::Error) -> DataError {
    DataError::malformed(path, format!("damaged gzip archive ({error}); fetch it again"))
}
