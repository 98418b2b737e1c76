//! Picture files: opened within limits, decoded to the bytes that Pillow gives, and turned upright. `docs/pictures.md` says
//! what is done with each kind of file. `plusx-pixels` brings pictures to a network's input.

mod bmp;
mod encoded;
mod ends;
mod gif;
mod jpeg;
mod kind;
mod orientation;
mod panics;
mod png;
mod probe;
mod tiff;
mod turn;
mod webp;

use crate::DataError;
use encoded::Encoded;
pub use encoded::Limits;
pub use kind::PictureKind;
pub use panics::is_decoding;
pub use plusx_pixels::{Picture, prepare};
pub use probe::{Probed, probe};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The kinds of files that are decoded, as part of a sentence.
pub const FORMATS: &str = "JPEG, PNG, WebP, BMP, GIF and TIFF";

/// A picture, and what there is to say about its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The picture, upright.
    pub picture: Picture,
    /// Oddities of the file that did not keep its picture from being read: bytes after its end, no end at all. A sentence's
    /// part each, to be said behind the file's name.
    pub notes: Vec<String>,
}

/// Decodes a JPEG, PNG, WebP, BMP, GIF or TIFF file (told by its content, not its name; of several pictures the first) within the default [`Limits`], and turns it as its
/// orientation says (EXIF, else XMP). Alpha is dropped, of 16 bits the upper 8 are kept, colour profiles are not applied.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::TooLarge`] beyond the limits, [`DataError::Picture`] if it is
/// of no such format, damaged, or of a kind that is not decoded.
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
    let (decoded, orientation) = match PictureKind::of(&bytes) {
        PictureKind::Jpeg => jpeg::decode(&file)?,
        PictureKind::Png => png::decode(&file)?,
        PictureKind::WebP => webp::decode(&file)?,
        PictureKind::Bmp => bmp::decode(&file)?,
        PictureKind::Gif => gif::decode(&file)?,
        PictureKind::Tiff => tiff::decode(&file)?,
        PictureKind::Other(what) => return Err(file.bad(format!("it is {what}; plusx reads {FORMATS}"))),
        PictureKind::Unknown => {
            return Err(file.bad(format!("no picture of a known kind; plusx reads {FORMATS}")));
        }
    };
    Ok(Opened { picture: turn::upright(decoded.picture, orientation), notes: decoded.notes })
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
