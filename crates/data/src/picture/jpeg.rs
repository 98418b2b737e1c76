//! JPEG files, decoded to the bytes that libjpeg-turbo gives in Pillow.
//!
//! `libjpeg-turbo-rs` decodes most files as the original does; the tests compare it with Pillow. The others are told apart here
//! by their headers. Samplings where another component is finer than the first, and those of four components, are put together
//! from the decoder's planes ([`planes`]). The rest is refused by name. So are damaged files: the original makes something of
//! them, and the decoder makes something else.

mod header;
mod planes;

use super::encoded::{Decoded, Encoded};
use super::ends::{Ends, SeenEnds};
use super::orientation::Orientation;
use super::panics;
use crate::DataError;
use header::{JpegHeader, Process, Scans};
use libjpeg_turbo_rs::{ColorSpace, DecodeLimits, DecodeWarning, Decoder, JpegError, PixelFormat};
pub(super) use planes::inverted_cmyk;
use plusx_pixels::Picture;

/// Decodes a file whose first marker was seen.
pub(super) fn decode(file: &Encoded<'_>) -> Result<(Decoded, Orientation), DataError> {
    let header = JpegHeader::read(file.bytes).map_err(|reason| file.bad(reason))?;
    let orientation = header.metadata.orientation();
    let [w, h] = [header.w, header.h].map(u32::from);
    file.admit([w, h], header.working_memory(), orientation.exchanges_sides())?;
    let scans = Scans::walk(file.bytes, header.first_scan);
    header.check_scans(&scans).map_err(|reason| file.bad(reason))?;
    let mut notes = Vec::new();
    let bytes = match scans.end {
        Some(end) => {
            let after = file.bytes.len() - end;
            // several pictures in one file say so, and the first is meant
            if after > 0 && !header.many_pictures {
                notes.push(format!("{after} bytes after the end of the picture are left out"));
            }
            &file.bytes[..end]
        }
        // a picture in one scan shows by itself whether it is complete
        None if scans.all.len() == 1 && header.complete_in_one(&scans) => {
            notes.push("the file has no end marker; the picture is complete".to_owned());
            file.bytes
        }
        None => return Err(file.bad("the file is truncated")),
    };
    let picture =
        panics::caught(|| pixels(bytes, &header, &scans, &mut notes)).map_err(|reason| file.bad(reason))?;
    Ok((Decoded { picture, notes }, orientation))
}

/// The sides in the frame, and the marker at the end.
pub(super) fn probe(ends: Ends<'_>) -> SeenEnds {
    let header = JpegHeader::read(ends.head).ok()?;
    // behind the header: a preview in it has an end of its own
    let from = if ends.tail.is_empty() { header.first_scan } else { 0 };
    let has_end = ends.last()[from..].windows(2).any(|two| two == [0xff, 0xd9]);
    Some(([header.w, header.h].map(u32::from), has_end))
}

/// The picture as RGB, or why there is none.
fn pixels(
    bytes: &[u8],
    header: &JpegHeader,
    scans: &Scans,
    notes: &mut Vec<String>,
) -> Result<Picture, String> {
    // its own limits would keep out what was admitted before
    let most = usize::from(u16::MAX);
    let limits = DecodeLimits { max_width: most, max_height: most, ..DecodeLimits::default() };
    let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(|error| reason(&error))?;
    let space = decoder.jpeg_color_space();
    if header.process == Process::Lossless {
        // Pillow refuses these for the first reason; the decoder knows nothing of the second
        if space == ColorSpace::YCbCr {
            return Err("a lossless JPEG in YCbCr, which no program converts".to_owned());
        }
        if header.components.len() == 4 || header.components.iter().any(|one| (one.h, one.v) != (1, 1)) {
            return Err(
                "a lossless JPEG of four components or with samplings, which is not decoded".to_owned()
            );
        }
    }
    let (w, h) = (usize::from(header.w), usize::from(header.h));
    // between blocks that are known roughly the original smooths, and here the decoder does not
    if (header.needs_planes() || header.arithmetic)
        && header.process == Process::Progressive
        && scans.unfinished(header)
    {
        return Err(
            "a progressive JPEG without its last scans, of a sampling or coding that is not smoothed"
                .to_owned(),
        );
    }
    if header.needs_planes() {
        let (raw, warnings) = decoder.decode_raw_with_warnings().map_err(|error| reason(&error))?;
        note(&warnings, notes)?;
        return Ok(Picture { rgb8: planes::rgb(&raw, header, space)?, w, h });
    }
    decoder.set_block_smoothing(true);
    decoder.set_output_format(match header.components.len() {
        1 => PixelFormat::Grayscale,
        4 => PixelFormat::Cmyk,
        _ => PixelFormat::Rgb,
    });
    let image = decoder.decode_image().map_err(|error| reason(&error))?;
    note(&image.warnings, notes)?;
    let data = image.data;
    let rgb8 = match header.components.len() {
        1 => each(&data, |[grey]: [u8; 1]| [grey; 3]),
        4 => each(&data, planes::inverted_cmyk),
        _ => data,
    };
    if rgb8.len() != 3 * w * h {
        return Err("the decoder returned another number of pixels than the header announces".to_owned());
    }
    Ok(Picture { rgb8, w, h })
}

/// Every pixel of `N` bytes as RGB.
fn each<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    let pixels = data.as_chunks::<N>().0;
    let mut rgb8 = vec![0; 3 * pixels.len()];
    for (rgb, &pixel) in rgb8.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *rgb = convert(pixel);
    }
    rgb8
}

/// Bytes between segments are passed over, and told. Any other warning says that pixels are made up.
fn note(warnings: &[DecodeWarning], notes: &mut Vec<String>) -> Result<(), String> {
    for warning in warnings {
        match warning {
            DecodeWarning::ExtraneousData { bytes } => {
                notes.push(format!("{bytes} bytes between its segments are left out"));
            }
            other => return Err(format!("damaged: {other}")),
        }
    }
    Ok(())
}

fn reason(error: &JpegError) -> String {
    match error {
        JpegError::UnexpectedEof => {
            "the file is truncated or damaged: its compressed data end early".to_owned()
        }
        JpegError::Unsupported(what) => format!("a JPEG of a kind that is not decoded: {what}"),
        JpegError::CorruptData(what) => format!("damaged: {what}"),
        other => format!("damaged: {other}"),
    }
}
