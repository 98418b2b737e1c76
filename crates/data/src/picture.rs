//! Picture files: decoded and turned upright. What becomes of them is `plusx-pixels`'s.

use crate::DataError;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
pub use plusx_pixels::{Picture, prepare};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

/// Largest file read, in bytes: 64 MiB, twice what the largest cameras write.
pub const MAX_BYTES: u64 = 64 << 20;

/// Most pixels decoded: 64 million, 192 MB of memory. A small file can announce far more.
pub const MAX_PIXELS: u64 = 64_000_000;

/// Most memory the decoder may take beside that: eight bytes (16-bit RGBA) for each of [`MAX_PIXELS`].
const MAX_ALLOC: u64 = 8 * MAX_PIXELS;

/// Decodes a PNG or JPEG file (told by its content, not its name) and turns it as its EXIF orientation says. Alpha is
/// dropped, 16 bits become 8, colour profiles are not applied.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::TooLarge`] beyond [`MAX_BYTES`] or [`MAX_PIXELS`],
/// [`DataError::Picture`] if it is neither format or damaged.
pub fn open(path: &Path) -> Result<Picture, DataError> {
    let bytes = read(path)?;
    let bad = |reason: String| DataError::Picture { path: path.to_owned(), reason };
    // everything is in memory: whatever fails from here on is the content's fault
    let undecodable = |error: image::ImageError| bad(error.to_string());
    let format = image::guess_format(&bytes).ok();
    let Some(format @ (ImageFormat::Png | ImageFormat::Jpeg)) = format else {
        return Err(bad("neither PNG nor JPEG".to_owned()));
    };
    if format == ImageFormat::Jpeg && !jpeg_has_end(&bytes) {
        return Err(bad("the file is truncated".to_owned()));
    }
    let reader = ImageReader::with_format(Cursor::new(bytes.as_slice()), format);
    let mut decoder = reader.into_decoder().map_err(undecodable)?;
    let (w, h) = decoder.dimensions();
    let pixels = u64::from(w) * u64::from(h);
    if pixels > MAX_PIXELS {
        let what = "its number of pixels";
        return Err(DataError::TooLarge { path: path.to_owned(), what, size: pixels, limit: MAX_PIXELS });
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    decoder.set_limits(limits).map_err(undecodable)?;
    let orientation = decoder.orientation().map_err(undecodable)?;
    // turning a picture takes a second copy of it: of the three bytes a pixel that are kept, not of up to eight
    let rgb = DynamicImage::from_decoder(decoder).map_err(undecodable)?.into_rgb8();
    let mut image = DynamicImage::ImageRgb8(rgb);
    image.apply_orientation(orientation);
    let rgb = image.into_rgb8();
    Ok(Picture { w: rgb.width() as usize, h: rgb.height() as usize, rgb8: rgb.into_raw() })
}

/// The whole file, if it is not too large.
fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let mut bytes = Vec::new();
    // what the system says about the size is no help for a pipe or a device
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(DataError::io("read", path))?;
    let size = bytes.len() as u64;
    if size > MAX_BYTES {
        return Err(DataError::TooLarge {
            path: path.to_owned(),
            what: "its size in bytes",
            size,
            limit: MAX_BYTES,
        });
    }
    Ok(bytes)
}

/// Whether the segments of a JPEG file lead to an end-of-image marker (ITU-T T.81, annex B). The decoder fills the
/// missing rows of a cut file with grey and says nothing; a prediction made of that would be believed.
///
/// Following the segments, not searching for the two bytes, keeps out the thumbnail that a camera hides in its EXIF
/// block with an end marker of its own.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    const STUFFED: u8 = 0x00;
    const RESTART: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
    const END: u8 = 0xd9;
    let mut at = 2; // after the start marker
    loop {
        // the next marker, over the entropy-coded data (if any) before it
        let Some(step) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) else {
            return false;
        };
        at += step + 1;
        match bytes.get(at) {
            None => return false,
            Some(&END) => return true,
            Some(0xff) => {} // a fill byte: the marker follows
            Some(&code) if code == STUFFED || RESTART.contains(&code) => at += 1,
            Some(_) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
}
