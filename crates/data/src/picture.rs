//! Picture files: opened within limits, decoded to the bytes that Pillow gives, and turned upright. What becomes of them is
//! `plusx-pixels`'s; what is done with each kind of file, `docs/pictures.md` says.

mod guard;
mod jpeg;
mod kind;
mod orientation;
mod png;
mod turn;

use crate::DataError;
pub use guard::is_decoding;
pub use plusx_pixels::{Picture, prepare};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a picture may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most bytes of a file. Default: 256 MiB, twice what a camera of 200 million pixels writes.
    pub bytes: u64,
    /// Most pixels of a picture: a small file can announce far more than memory holds. Default: 256 million; the largest
    /// cameras in phones write 16320x12240.
    pub pixels: u64,
    /// Most bytes of memory that decoding may take, the picture itself included. Default: `None`, no other limit than
    /// `pixels`. Files that need more are refused before anything is allocated.
    pub memory: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, pixels: 256_000_000, memory: None }
    }
}

/// A picture, and what there is to say about its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The picture, upright.
    pub picture: Picture,
    /// Oddities of the file that did not keep its picture from being read: bytes after its end, no end at all. A sentence's
    /// part each, to be said behind the file's name.
    pub notes: Vec<String>,
}

/// Decodes a PNG or JPEG file (told by its content, not its name) within the default [`Limits`], and turns it as its
/// orientation says (EXIF, else XMP). Alpha is dropped, of 16 bits the upper 8 are kept, colour profiles are not applied.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::TooLarge`] beyond the limits, [`DataError::Picture`] if it is
/// neither format, damaged, or of a kind that is not decoded.
pub fn open(path: &Path) -> Result<Picture, DataError> {
    open_with_notes(path, &Limits::default()).map(|opened| opened.picture)
}

/// [`open`] within limits of the caller's, with what there is to say about the file.
///
/// # Errors
/// As [`open`].
pub fn open_with_notes(path: &Path, limits: &Limits) -> Result<Opened, DataError> {
    let bytes = read(path, limits.bytes)?;
    let file = Encoded { path, bytes: &bytes, limits };
    let (decoded, orientation) = match kind::of(&bytes) {
        kind::Kind::Jpeg => jpeg::decode(&file)?,
        kind::Kind::Png => png::decode(&file)?,
        kind::Kind::Other(what) => return Err(file.bad(format!("it is {what}; plusx reads PNG and JPEG"))),
        kind::Kind::Unknown => return Err(file.bad("neither PNG nor JPEG")),
    };
    Ok(Opened { picture: turn::upright(decoded.picture, orientation), notes: decoded.notes })
}

/// A file's content, everything in memory: whatever fails from here on is the content's fault.
struct Encoded<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    limits: &'a Limits,
}

impl Encoded<'_> {
    fn bad(&self, reason: impl Into<String>) -> DataError {
        DataError::Picture { path: self.path.to_owned(), reason: reason.into() }
    }

    /// Refuses a picture that is larger than the limits admit, before memory is taken for it. `working` is what the decoder
    /// takes beside the picture, in bytes; a picture that is turned is there twice for a while.
    fn admit(&self, [w, h]: [u32; 2], working: u64, turned: bool) -> Result<(), DataError> {
        let too_large =
            |what, size, limit| DataError::TooLarge { path: self.path.to_owned(), what, size, limit };
        let pixels = u64::from(w) * u64::from(h);
        if pixels > self.limits.pixels {
            return Err(too_large("its number of pixels", pixels, self.limits.pixels));
        }
        let picture = 3 * pixels;
        let needed = picture + if turned { picture.max(working) } else { working };
        match self.limits.memory {
            Some(granted) if needed > granted => {
                Err(too_large("the memory to decode it, in bytes,", needed, granted))
            }
            _ => Ok(()),
        }
    }
}

/// The whole file, if it is not too large.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let mut bytes = Vec::new();
    // what the system says about the size is no help for a pipe or a device
    file.take(limit + 1).read_to_end(&mut bytes).map_err(DataError::io("read", path))?;
    let size = bytes.len() as u64;
    if size > limit {
        return Err(DataError::TooLarge { path: path.to_owned(), what: "its size in bytes", size, limit });
    }
    Ok(bytes)
}
