//! IDX, the format of MNIST and its kin: two zero bytes, a type byte, the number of dimensions, each dimension as a
//! big-endian `u32`, then the values. Only the type `u8` (0x08) is read, plain or gzipped.
//!
//! Nothing in a file is believed: lengths are checked against a limit before memory is taken, memory grows with what
//! is really there, and a file that is shorter or longer than it says is refused.

use crate::{DataError, unzip};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most values a file may hold: 1 GiB, twenty times the training images of Fashion-MNIST.
pub const LIMIT: u64 = 1 << 30;

/// Type byte of unsigned 8-bit values, the only type read here.
const TYPE_U8: u8 = 0x08;

/// Memory taken before the first value is read. A header that promises a gigabyte gets no more on its word alone.
const FIRST_RESERVE: u64 = 1 << 20;

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
    let file = File::open(path).map_err(DataError::io("open", path))?;
    parse(file, path)
}

/// Reads IDX from any source; `path` is only the name used in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(source: impl Read, path: &Path) -> Result<Idx, DataError> {
    let mut content = unzip::content(source).map_err(DataError::io("read", path))?;
    let dims = header(&mut content, path)?;
    let count = dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(u64::from(dim)));
    let count = count.filter(|&count| count <= LIMIT).ok_or_else(|| DataError::TooLarge {
        path: path.to_owned(),
        what: "the number of values announced",
        size: count.unwrap_or(u64::MAX),
        limit: LIMIT,
    })?;

    let mut values = Vec::with_capacity(count.min(FIRST_RESERVE) as usize);
    // one byte more than announced: it shows what is too long, and makes the decoder check the archive's CRC
    match content.take(count + 1).read_to_end(&mut values) {
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
            format!("goes on after the {count} bytes of data it announces"),
        ));
    }
    Ok(Idx { dims: dims.iter().map(|&dim| dim as usize).collect(), values })
}

/// Reads the header and returns the dimensions.
fn header(content: &mut impl Read, path: &Path) -> Result<Vec<u32>, DataError> {
    let mut magic = [0; 4];
    fill(content, &mut magic, path)?;
    let [0, 0, kind, rank] = magic else {
        return Err(DataError::malformed(path, "not an IDX file (it does not start with two zero bytes)"));
    };
    if kind != TYPE_U8 {
        let reason = format!("IDX values of type 0x{kind:02x}; only bytes (0x08) are supported");
        return Err(DataError::malformed(path, reason));
    }
    // four dimensions would be colour images; more is nothing we know
    if !(1..=4).contains(&rank) {
        return Err(DataError::malformed(
            path,
            format!("not an IDX file of images or labels ({rank} dimensions)"),
        ));
    }
    (0..rank)
        .map(|_| {
            let mut dim = [0; 4];
            fill(content, &mut dim, path)?;
            Ok(u32::from_be_bytes(dim))
        })
        .collect()
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
