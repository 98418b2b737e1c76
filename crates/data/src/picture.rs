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
use ends::Ends;
pub use kind::{FORMATS, PictureKind};
pub(crate) use panics::caught;
pub use panics::is_decoding;
pub use plusx_pixels::{Picture, prepare};
pub use probe::{Probed, probe};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

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
    let mut bytes = Vec::new();
    read_into(path, limits, &mut bytes)?;
    decode(path, &bytes, limits)
}

/// [`open_with_notes`] of a file that is in memory; `path` is what errors call it.
///
/// # Errors
/// As [`open`].
pub fn decode(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Opened, DataError> {
    let file = Encoded { path, bytes, limits };
    let (decoded, orientation) = match PictureKind::of(bytes) {
        PictureKind::Jpeg => jpeg::decode(&file)?,
        PictureKind::Png => png::decode(&file)?,
        PictureKind::WebP => webp::decode(&file)?,
        PictureKind::Bmp => bmp::decode(&file)?,
        PictureKind::Gif => gif::decode(&file)?,
        PictureKind::Tiff => tiff::decode(&file)?,
        PictureKind::Other(_) | PictureKind::Unknown => return Err(kind::unknown(&file)),
    };
    Ok(Opened { picture: turn::upright(decoded.picture, orientation), notes: decoded.notes })
}

/// Puts the whole file in place of what `bytes` holds, if it is not too large.
pub(crate) fn read_into(path: &Path, limits: &Limits, bytes: &mut Vec<u8>) -> Result<(), DataError> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
    bytes.clear();
    // what the system says about the size is no help for a pipe or a device
    file.take(limits.bytes + 1).read_to_end(bytes).map_err(DataError::io("read", path))?;
    limits.admit_file(path, bytes.len() as u64)
}

/// A hash of a file's size and of its two ends, if it begins as a picture does that is decoded here.
///
/// # Errors
/// As [`open`], as far as the beginning tells.
pub(crate) fn ends(path: &Path, limits: &Limits) -> Result<[u8; 32], DataError> {
    let mut file = File::open(path).map_err(DataError::io("open", path))?;
    let size = file.metadata().map_err(DataError::io("read", path))?.len();
    ends_within(&mut file, path, [0, size], limits)
}

/// [`ends`] of a picture that lies in `source` from byte `start` on and takes `size` bytes; `path` is what errors call it.
pub(crate) fn ends_within(
    source: &mut (impl Read + Seek),
    path: &Path,
    [start, size]: [u64; 2],
    limits: &Limits,
) -> Result<[u8; 32], DataError> {
    /// Bytes of each end.
    const END: u64 = 4096;
    limits.admit_file(path, size)?;
    let mut bytes = Vec::with_capacity(2 * END as usize);
    let mut read = |from: u64, bytes: &mut Vec<u8>| -> std::io::Result<()> {
        source.seek(SeekFrom::Start(start + from))?;
        source.by_ref().take(END.min(size - from)).read_to_end(bytes)?;
        Ok(())
    };
    read(0, &mut bytes).map_err(DataError::io("read", path))?;
    kind::known(&Encoded { path, bytes: &bytes, limits })?;
    let head = bytes.len();
    let tail_at = END.max(size.saturating_sub(END));
    if size > END {
        read(tail_at, &mut bytes).map_err(DataError::io("read", path))?;
    }
    let (kind, (first, tail)) = (PictureKind::of(&bytes), bytes.split_at(head));
    // a header of a few bytes can announce any size: that is told before anything is decoded
    if let Some((sides, _)) = probe::seen(kind, Ends { head: first, tail, tail_at, size }) {
        Encoded { path, bytes: &bytes, limits }.admit(sides, 0, false)?;
    }
    let hash = Sha256::new().chain_update(size.to_le_bytes()).chain_update(&bytes);
    Ok(hash.finalize().into())
}
