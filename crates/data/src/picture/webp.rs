//! WebP files: lossy, lossless, and the first frame of animated ones.
//!
//! The container (RFC 9649) is read here, and `image-webp` gets the pixels' chunk alone. Alpha is dropped, so its chunk is not
//! decoded, and the frame of an animation is not blended with anything. Round a frame that is smaller than the canvas all is
//! black.

use super::encoded::{Decoded, Encoded};
use super::ends::{Ends, SeenEnds};
use super::orientation::{Metadata, Orientation};
use super::panics;
use crate::DataError;
use image_webp::{DecodingError, WebPDecoder};
use plusx_pixels::Picture;
use std::io::{Cursor, ErrorKind};

/// What features of an extended file count here.
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;
const ANIMATED: u8 = 0x02;

/// Decodes a file whose first twelve bytes were seen.
pub(super) fn decode(file: &Encoded<'_>) -> Result<(Decoded, Orientation), DataError> {
    let found = Container::read(file.bytes).map_err(|reason| file.bad(reason))?;
    let orientation = found.metadata.orientation();
    let frame = &found.frame;
    let pixels = frame.w as u64 * frame.h as u64;
    // four bytes a pixel and what the predictions need; or samples in three planes, of which two are halved
    let decoded = if frame.lossless { 5 * pixels } else { 2 * pixels };
    file.admit(
        found.canvas.map(|side| side as u32),
        decoded + frame.data.len() as u64,
        orientation.exchanges_sides(),
    )?;
    let picture = panics::caught(|| found.pixels()).map_err(|reason| file.bad(reason))?;
    let mut notes = Vec::new();
    if found.after > 0 {
        notes.push(format!("{} bytes after the end of the picture are left out", found.after));
    }
    Ok((Decoded { picture, notes }, orientation))
}

/// The sides in the first chunk, and as many bytes as the container announces.
pub(super) fn probe(ends: Ends<'_>) -> SeenEnds {
    let size = u32::from_le_bytes(*ends.head.get(4..)?.first_chunk()?);
    let (name, rest) = ends.head.get(12..)?.split_first_chunk::<4>()?;
    let content = rest.get(4..)?;
    let sides = match name {
        b"VP8X" => content.first_chunk::<10>().map(|header| [u24(header, 4) + 1, u24(header, 7) + 1])?,
        b"VP8 " | b"VP8L" => Frame::read(name, content).ok().map(|frame| [frame.w, frame.h])?,
        _ => return None,
    };
    Some((sides.map(|side| side as u32), 8 + u64::from(size) <= ends.size))
}

/// What of a file is used.
struct Container<'a> {
    canvas: [usize; 2],
    frame: Frame<'a>,
    metadata: Metadata,
    /// Bytes after the end.
    after: usize,
}

/// A picture's chunk, and where on the canvas it belongs.
struct Frame<'a> {
    data: &'a [u8],
    lossless: bool,
    w: usize,
    h: usize,
    left: usize,
    top: usize,
}

impl<'a> Container<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let truncated = || "the file is truncated".to_owned();
        let size =
            u32::from_le_bytes(*bytes.get(4..).and_then(<[u8]>::first_chunk).ok_or_else(truncated)?) as usize;
        // an even number; some programs count without the last byte
        let end = 8 + size;
        let mut rest = bytes.get(12..end).ok_or_else(truncated)?;
        let after = bytes.len() - bytes.len().min(end.next_multiple_of(2));
        let mut extended: Option<(u8, [usize; 2])> = None;
        let mut frame = None;
        let mut metadata = Metadata::default();
        while !rest.is_empty() {
            let Chunk { name, content, after } = chunk(rest).ok_or_else(truncated)?;
            let flags = extended.map_or(0, |(flags, _)| flags);
            match name {
                b"VP8X" if extended.is_none() && frame.is_none() => {
                    let header: &[u8; 10] = content.first_chunk().ok_or("its header is damaged")?;
                    extended = Some((header[0], [u24(header, 4) + 1, u24(header, 7) + 1]));
                }
                b"VP8 " | b"VP8L" if frame.is_none() && flags & ANIMATED == 0 => {
                    frame = Some(Frame::read(name, content)?);
                }
                b"ANMF" if frame.is_none() && flags & ANIMATED != 0 => {
                    frame = Some(Frame::animated(content)?)
                }
                b"EXIF" if flags & EXIF != 0 && metadata.exif.is_none() => {
                    metadata.exif = Some(content.to_vec())
                }
                b"XMP " if flags & XMP != 0 && metadata.xmp.is_none() => {
                    metadata.xmp = Some(content.to_vec())
                }
                _ => {}
            }
            rest = after;
        }
        let frame = frame.ok_or("it has no pixels")?;
        let canvas = extended.map_or([frame.w, frame.h], |(_, canvas)| canvas);
        let animated = extended.is_some_and(|(flags, _)| flags & ANIMATED != 0);
        let fits = frame.left + frame.w <= canvas[0] && frame.top + frame.h <= canvas[1];
        if !fits || (!animated && canvas != [frame.w, frame.h]) {
            return Err("damaged: the sizes of picture and canvas differ".to_owned());
        }
        Ok(Self { canvas, frame, metadata, after })
    }

    fn pixels(&self) -> Result<Picture, String> {
        let [w, h] = self.canvas;
        let frame = &self.frame;
        if !frame.lossless && self.canvas == [frame.w, frame.h] {
            return Ok(Picture { rgb8: frame.decode()?, w, h });
        }
        let pixels = frame.decode()?;
        let mut rgb8 = vec![0; 3 * w * h];
        let each = pixels.len() / (frame.w * frame.h);
        for (y, row) in pixels.chunks_exact(each * frame.w).enumerate() {
            let out = &mut rgb8[3 * ((frame.top + y) * w + frame.left)..][..3 * frame.w];
            for (pixel, from) in out.as_chunks_mut::<3>().0.iter_mut().zip(row.chunks_exact(each)) {
                pixel.copy_from_slice(&from[..3]);
            }
        }
        Ok(Picture { rgb8, w, h })
    }
}

impl<'a> Frame<'a> {
    /// Sizes from the first bytes of a chunk.
    fn read(name: &[u8; 4], data: &'a [u8]) -> Result<Self, String> {
        let damaged = || "its header is damaged".to_owned();
        let lossless = name == b"VP8L";
        let [w, h] = if lossless {
            let header: &[u8; 5] = data.first_chunk().ok_or_else(damaged)?;
            let sizes = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
            if header[0] != 0x2f || sizes >> 29 != 0 {
                return Err(damaged());
            }
            [sizes, sizes >> 14].map(|size| (size as usize & 0x3fff) + 1)
        } else {
            let header: &[u8; 10] = data.first_chunk().ok_or_else(damaged)?;
            // only key frames are pictures; those that are not to be shown are none
            if header[0] & 1 != 0 || header[0] & 0x10 == 0 || header[3..6] != [0x9d, 0x01, 0x2a] {
                return Err(damaged());
            }
            [6, 8].map(|at| usize::from(u16::from_le_bytes([header[at], header[at + 1]]) & 0x3fff))
        };
        if w == 0 || h == 0 {
            return Err("it has no pixels".to_owned());
        }
        Ok(Self { data, lossless, w, h, left: 0, top: 0 })
    }

    /// A frame of an animation: its place, and chunks of its own.
    fn animated(content: &'a [u8]) -> Result<Self, String> {
        let damaged = || "its first frame is damaged".to_owned();
        let (header, mut rest) = content.split_first_chunk::<16>().ok_or_else(damaged)?;
        loop {
            let Chunk { name, content, after } = chunk(rest).ok_or_else(damaged)?;
            if matches!(name, b"VP8 " | b"VP8L") {
                let frame = Self::read(name, content)?;
                if [u24(header, 6) + 1, u24(header, 9) + 1] != [frame.w, frame.h] {
                    return Err(damaged());
                }
                return Ok(Self { left: 2 * u24(header, 0), top: 2 * u24(header, 3), ..frame });
            }
            rest = after;
        }
    }

    /// Four bytes a pixel of lossless pictures, else three.
    fn decode(&self) -> Result<Vec<u8>, String> {
        let name = if self.lossless { b"VP8L" } else { b"VP8 " };
        let reader = Cursor::new(wrapped(name, self));
        let mut decoder = WebPDecoder::new(reader).map_err(|error| reason(&error))?;
        let each = if self.lossless { 4 } else { 3 };
        let mut pixels = vec![0; each * self.w * self.h];
        decoder.read_image(&mut pixels).map_err(|error| reason(&error))?;
        Ok(pixels)
    }
}

/// A file of one chunk, and of a header with sizes and alpha before a lossless one: the decoder writes its four bytes a pixel
/// in place then.
fn wrapped(name: &[u8; 4], frame: &Frame<'_>) -> Vec<u8> {
    let mut chunks = Vec::with_capacity(64 + frame.data.len());
    chunks.extend(b"WEBP");
    let mut put = |name: &[u8], content: &[u8]| {
        chunks.extend(name);
        chunks.extend((content.len() as u32).to_le_bytes());
        chunks.extend(content);
        chunks.resize(chunks.len().next_multiple_of(2), 0);
    };
    if frame.lossless {
        let sizes = [frame.w, frame.h].map(|side| (side as u32 - 1).to_le_bytes());
        put(b"VP8X", &[&[0x10, 0, 0, 0], &sizes[0][..3], &sizes[1][..3]].concat());
    }
    put(name, frame.data);
    [b"RIFF", &(chunks.len() as u32).to_le_bytes()[..], &chunks].concat()
}

/// A chunk, and what comes behind it.
struct Chunk<'a> {
    name: &'a [u8; 4],
    content: &'a [u8],
    after: &'a [u8],
}

/// The first chunk of `rest`. A byte that makes its size even may be missing at the end.
fn chunk(rest: &[u8]) -> Option<Chunk<'_>> {
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size) as usize;
    let content = rest.get(..size)?;
    Some(Chunk { name, content, after: rest.get(size.next_multiple_of(2)..).unwrap_or_default() })
}

fn u24(bytes: &[u8], at: usize) -> usize {
    [2, 1, 0].into_iter().fold(0, |value, byte| value << 8 | usize::from(bytes[at + byte]))
}

fn reason(error: &DecodingError) -> String {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the file is truncated or damaged: its compressed data end early".to_owned()
        }
        DecodingError::BitStreamError => {
            "the file is truncated or damaged: its compressed data end early".to_owned()
        }
        error => format!("damaged: {error}"),
    }
}
