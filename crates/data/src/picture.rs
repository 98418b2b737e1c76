//! Pictures for prediction: decoded, turned upright, brought to what a network takes.

use crate::{DataError, Preparer};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use plusx_model::preprocess::Preprocess;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

/// Largest file read, in bytes: 64 MiB, twice what the largest cameras write.
pub const MAX_BYTES: u64 = 64 << 20;

/// Most pixels decoded: 64 million, 192 MB of memory. A small file can announce far more.
pub const MAX_PIXELS: u64 = 64_000_000;

/// Most memory the decoder may take beside that: eight bytes (16-bit RGBA) for each of [`MAX_PIXELS`].
const MAX_ALLOC: u64 = 8 * MAX_PIXELS;

/// A decoded picture, upright, three 8-bit channels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Pixels, `[h][w][3]`.
    pub rgb8: Vec<u8>,
    /// Columns.
    pub w: usize,
    /// Rows.
    pub h: usize,
}

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

/// Brings a picture to the input of a network, `[h][w][c]`: grey if the network takes one channel, then as the record says
/// ([`Preparer`]).
///
/// Grey is the luma of ITU-R BT.601 as Pillow rounds it: `(19595 R + 38470 G + 7471 B + 32768) / 65536`; a picture that
/// is grey already keeps its values.
///
/// # Errors
/// [`DataError::Channels`] for a network that takes neither 1 nor 3 channels, [`DataError::Preprocess`] for a record
/// whose parts do not fit each other, [`DataError::Empty`] for a picture without pixels or with too few for its size.
pub fn prepare(picture: &Picture, preprocess: &Preprocess) -> Result<Vec<f32>, DataError> {
    preprocess.check()?;
    let Picture { rgb8, w, h } = picture;
    if rgb8.is_empty() || w.checked_mul(*h).and_then(|pixels| pixels.checked_mul(3)) != Some(rgb8.len()) {
        return Err(DataError::Empty { w: *w, h: *h, bytes: rgb8.len() });
    }
    let channels = preprocess.input.c;
    let mut values = Vec::with_capacity(preprocess.input.len());
    match channels {
        1 => {
            let grey: Vec<u8> = rgb8.chunks_exact(3).map(|rgb| luma([rgb[0], rgb[1], rgb[2]])).collect();
            Preparer::new([*h, *w, 1], preprocess)?.append(&grey, &mut values);
        }
        3 => Preparer::new([*h, *w, 3], preprocess)?.append(rgb8, &mut values),
        _ => return Err(DataError::Channels { channels }),
    }
    Ok(values)
}

fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + (1 << 15)) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::shape::ImageShape;

    #[test]
    fn grey_stays_grey() {
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
        assert_eq!(luma([255, 0, 0]), 76);
        assert_eq!(luma([0, 255, 0]), 150);
        assert_eq!(luma([0, 0, 255]), 29);
    }

    #[test]
    fn one_channel_is_what_the_loader_makes() {
        // the same image through both ways gives the same numbers
        let pixels: Vec<u8> = (0..28 * 28).map(|i| (i * 31 % 256) as u8).collect();
        let picture = Picture { rgb8: pixels.iter().flat_map(|&value| [value; 3]).collect(), w: 28, h: 28 };
        let values = prepare(&picture, &Preprocess::chapter(ImageShape::new(1, 96, 96))).unwrap();
        let resized = crate::resize::bilinear_u8(&pixels, [28, 28, 1], [96, 96]);
        assert_eq!(values, resized.iter().map(|&value| f32::from(value) / 255.0).collect::<Vec<_>>());
    }

    #[test]
    fn three_channels_are_normalised_each() {
        let picture = Picture { rgb8: [255, 51, 0].repeat(6), w: 3, h: 2 };
        let mut preprocess = Preprocess::chapter(ImageShape::new(3, 2, 2));
        preprocess.mean = vec![0.5, 0.2, 0.25];
        preprocess.std = vec![0.5, 1.0, 0.25];
        assert_eq!(prepare(&picture, &preprocess).unwrap(), [1.0, 0.0, -1.0].repeat(4));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let picture = Picture { rgb8: vec![0; 3], w: 1, h: 1 };
        let two = Preprocess::chapter(ImageShape::new(2, 4, 4));
        assert!(matches!(prepare(&picture, &two), Err(DataError::Channels { channels: 2 })));
        let one = Preprocess::chapter(ImageShape::new(1, 4, 4));
        let short = Picture { w: 2, ..picture.clone() };
        assert!(matches!(prepare(&short, &one), Err(DataError::Empty { .. })));
        assert!(matches!(prepare(&Picture { rgb8: vec![], w: 0, h: 0 }, &one), Err(DataError::Empty { .. })));
        let crooked = Preprocess { mean: vec![], ..one };
        assert!(matches!(prepare(&picture, &crooked), Err(DataError::Preprocess(_))));
    }
}
