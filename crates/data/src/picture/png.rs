//! PNG files: chunks are walked here, the compressed pixels go through the `png` crate.
//!
//! That crate is handed the header and the data and nothing else. So a damaged profile or comment cannot keep a picture from
//! being read. Palettes and deep samples become here what Pillow makes of them.

use super::encoded::{Decoded, Encoded};
use super::ends::{Ends, SeenEnds};
use super::orientation::{Metadata, Orientation};
use super::panics;
use crate::DataError;
use flate2::Crc;
use flate2::read::ZlibDecoder;
use plusx_pixels::Picture;
use png::{BitDepth, ColorType, DecodeOptions, Limits};
use std::io::{Cursor, Read};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Most bytes that a compressed text is unpacked to, Pillow's limit: an orientation needs a few hundred.
const TEXT: u64 = 1 << 20;

/// Decodes a file whose signature was seen.
pub(super) fn decode(file: &Encoded<'_>) -> Result<(Decoded, Orientation), DataError> {
    let chunks = Chunks::walk(file.bytes).map_err(|reason| file.bad(reason))?;
    let [w, h] = [0, 4].map(|at| u32::from_be_bytes([0, 1, 2, 3].map(|i| chunks.header[at + i])));
    if w == 0 || h == 0 {
        return Err(file.bad("it has no pixels"));
    }
    let orientation = chunks.metadata.orientation();
    // an interlaced picture is collected whole, of at most eight bytes a pixel
    let working = if chunks.header[12] == 0 { 0 } else { 8 * u64::from(w) * u64::from(h) };
    file.admit([w, h], working + chunks.size() as u64, orientation.exchanges_sides())?;
    let picture = panics::caught(|| chunks.pixels()).map_err(|reason| file.bad(reason))?;
    Ok((Decoded { picture, notes: chunks.notes }, orientation))
}

/// The sides in the header, and the last chunk.
pub(super) fn probe(ends: Ends<'_>) -> SeenEnds {
    let Chunk { name: b"IHDR", content, .. } = chunk(&ends.head[SIGNATURE.len()..])? else { return None };
    let sides = content.get(..8)?.as_chunks::<4>().0;
    let has_end = ends.last().windows(4).any(|four| four == b"IEND");
    Some(([u32::from_be_bytes(sides[0]), u32::from_be_bytes(sides[1])], has_end))
}

/// What of a file's chunks is used.
struct Chunks<'a> {
    /// Content of the header chunk.
    header: [u8; 13],
    palette: &'a [u8],
    /// The compressed pixels, of all their chunks.
    data: Vec<&'a [u8]>,
    /// Whether the last chunk of the file is missing.
    cut: bool,
    metadata: Metadata,
    notes: Vec<String>,
}

impl<'a> Chunks<'a> {
    /// Reads the chunks one after the other. Before the pixels all must be right; from there on damage is told and passed
    /// over, as Pillow passes it over.
    fn walk(bytes: &'a [u8]) -> Result<Self, String> {
        let mut found = Self {
            header: [0; 13],
            palette: &[],
            data: Vec::new(),
            cut: false,
            metadata: Metadata::default(),
            notes: Vec::new(),
        };
        // the texts that may hold an orientation, in order of preference
        let mut texts = Texts::default();
        let mut rest = &bytes[SIGNATURE.len()..];
        let (mut header, mut pixels, mut pixels_over) = (false, false, false);
        loop {
            let Some(Chunk { name, content, checksum, after }) = chunk(rest) else {
                if !pixels {
                    return Err("the file is truncated".to_owned());
                }
                found.end_early(rest, pixels_over);
                break;
            };
            let readable = name.iter().all(u8::is_ascii_alphabetic);
            let right = readable && {
                let mut crc = Crc::new();
                crc.update(name);
                crc.update(content);
                crc.sum() == checksum
            };
            let shown = String::from_utf8_lossy(name);
            if !pixels && name != b"IDAT" && !right {
                return Err(format!("its chunk {shown:?} is damaged (checksum)"));
            }
            if !readable {
                found.notes.push("what follows its pixels is damaged".to_owned());
                break;
            }
            if !right {
                found
                    .notes
                    .push(format!("its chunk {shown:?} is damaged (checksum); the pixels may be, too"));
            }
            if header == (name == b"IHDR") {
                return Err("its chunks are in no order".to_owned());
            }
            pixels_over |= pixels && name != b"IDAT";
            match name {
                b"IHDR" => {
                    found.header = content.try_into().map_err(|_| "its header is damaged".to_owned())?;
                    header = true;
                }
                b"PLTE" => found.palette = content,
                b"IDAT" if !pixels_over => {
                    pixels = true;
                    found.data.push(content);
                }
                b"IEND" => {
                    if !after.is_empty() {
                        found
                            .notes
                            .push(format!("{} bytes after the end of the picture are left out", after.len()));
                    }
                    break;
                }
                b"eXIf" => texts.exif = Some(content.to_vec()),
                b"tEXt" | b"zTXt" | b"iTXt" => texts.add(name, content),
                _ => {}
            }
            rest = after;
        }
        if !pixels {
            return Err("it has no pixels".to_owned());
        }
        found.metadata = texts.metadata();
        Ok(found)
    }

    /// What is known of a file without its last chunk.
    fn end_early(&mut self, rest: &'a [u8], pixels_over: bool) {
        if !pixels_over
            && let Some((name, content)) = rest.get(4..8).zip(rest.get(8..))
            && name == b"IDAT"
        {
            self.data.push(content);
        }
        self.cut = true;
        self.notes.push("the file has no end; the picture is complete".to_owned());
    }

    /// The pixels as RGB of eight bits.
    fn pixels(&self) -> Result<Picture, String> {
        let mut options = DecodeOptions::default();
        // what was put together here has no checksums
        options.set_ignore_crc(true);
        let mut decoder = png::Decoder::new_with_options(Cursor::new(self.bare()), options);
        // sizes were looked at before; what is left is a line or two
        decoder.set_limits(Limits { bytes: usize::MAX });
        let failed = |error: png::DecodingError| {
            if self.cut { "the file is truncated".to_owned() } else { format!("damaged: {error}") }
        };
        let mut reader = decoder.read_info().map_err(failed)?;
        let info = reader.info();
        let (w, h) = (info.width as usize, info.height as usize);
        let layout = Layout { color: info.color_type, depth: info.bit_depth, palette: self.full_palette() };
        let mut rgb8 = vec![0; 3 * w * h];
        if info.interlaced {
            let size = reader.output_buffer_size().ok_or_else(|| "its size is impossible".to_owned())?;
            let mut frame = vec![0; size];
            let line = reader.next_frame(&mut frame).map_err(failed)?.line_size;
            for (row, out) in frame.chunks_exact(line).zip(rgb8.chunks_exact_mut(3 * w)) {
                layout.expand(row, out);
            }
        } else {
            for out in rgb8.chunks_exact_mut(3 * w) {
                let row = reader.next_row().map_err(failed)?;
                layout.expand(row.ok_or_else(|| "the file is truncated".to_owned())?.data(), out);
            }
        }
        Ok(Picture { rgb8, w, h })
    }

    /// A PNG file of header and pixels alone.
    fn bare(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(128 + self.size());
        file.extend(SIGNATURE);
        let mut put = |name: &[u8; 4], contents: &[&[u8]]| {
            let length: usize = contents.iter().map(|content| content.len()).sum();
            file.extend((length as u32).to_be_bytes());
            file.extend(name);
            contents.iter().for_each(|content| file.extend(*content));
            file.extend([0; 4]);
        };
        put(b"IHDR", &[&self.header]);
        // the decoder wants a palette where there must be one, but returns indices
        if self.header[9] == 3 {
            put(b"PLTE", &[&[0; 3]]);
        }
        put(b"IDAT", &self.data);
        put(b"IEND", &[]);
        file
    }

    /// Bytes of the compressed pixels.
    fn size(&self) -> usize {
        self.data.iter().map(|part| part.len()).sum()
    }

    /// 256 colours: those that the file lacks are black, as in Pillow.
    fn full_palette(&self) -> Vec<[u8; 3]> {
        let mut palette = vec![[0; 3]; 256];
        for (colour, &given) in palette.iter_mut().zip(self.palette.as_chunks::<3>().0) {
            *colour = given;
        }
        palette
    }
}

/// A chunk, and what comes behind it.
struct Chunk<'a> {
    name: &'a [u8; 4],
    content: &'a [u8],
    checksum: u32,
    after: &'a [u8],
}

/// The first chunk of `rest`.
fn chunk(rest: &[u8]) -> Option<Chunk<'_>> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    Some(Chunk { name, content, checksum: u32::from_be_bytes(*checksum), after: rest })
}

/// How samples lie in a row.
struct Layout {
    color: ColorType,
    depth: BitDepth,
    palette: Vec<[u8; 3]>,
}

impl Layout {
    /// A row of samples as RGB. Alpha is dropped, and of 16 bits the lower 8.
    fn expand(&self, row: &[u8], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0;
        let wide = usize::from(self.depth == BitDepth::Sixteen) + 1;
        match self.color {
            ColorType::Rgb | ColorType::Rgba => {
                let samples = self.color.samples();
                if samples * wide == 3 {
                    out.copy_from_slice(&row[..out.len()]);
                    return;
                }
                for (pixel, from) in pixels.iter_mut().zip(row.chunks_exact(samples * wide)) {
                    *pixel = [from[0], from[wide], from[2 * wide]];
                }
            }
            ColorType::GrayscaleAlpha => {
                for (pixel, from) in pixels.iter_mut().zip(row.chunks_exact(2 * wide)) {
                    *pixel = [from[0]; 3];
                }
            }
            ColorType::Grayscale if wide == 2 => {
                for (pixel, from) in pixels.iter_mut().zip(row.chunks_exact(2)) {
                    *pixel = [from[0]; 3];
                }
            }
            ColorType::Grayscale | ColorType::Indexed => {
                let bits = self.depth as usize;
                let most = (1_usize << bits) - 1;
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let at = x * bits;
                    let value = usize::from(row[at / 8]) >> (8 - bits - at % 8) & most;
                    *pixel = match self.color {
                        ColorType::Indexed => self.palette[value],
                        // 1, 2 and 4 bits: black is 0 and white is 255
                        _ => [(value * 255 / most) as u8; 3],
                    };
                }
            }
        }
    }
}

/// Where orientations are found besides the EXIF chunk.
#[derive(Default)]
struct Texts {
    exif: Option<Vec<u8>>,
    /// EXIF in hexadecimal, as ImageMagick writes it.
    profile: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
}

impl Texts {
    /// Keeps a text if its keyword is one that is looked for. Of two the later counts.
    fn add(&mut self, chunk: &[u8; 4], content: &[u8]) {
        let Some(end) = content.iter().position(|&byte| byte == 0) else { return };
        let (keyword, text) = (&content[..end], &content[end + 1..]);
        let slot = match keyword {
            b"exif" if chunk == b"tEXt" => &mut self.exif,
            b"Raw profile type exif" => &mut self.profile,
            b"XML:com.adobe.xmp" => &mut self.xmp,
            _ => return,
        };
        let text = match (chunk, text) {
            (b"tEXt", _) => Some(text.to_vec()),
            (b"zTXt", [0, packed @ ..]) => unpack(packed),
            // whether compressed, how; then language and translated keyword, each with a zero behind
            (b"iTXt", [compressed, method, rest @ ..]) => {
                let mut parts = rest.splitn(3, |&byte| byte == 0);
                match (parts.nth(2), compressed, method) {
                    (Some(text), 0, _) => Some(text.to_vec()),
                    (Some(packed), _, 0) => unpack(packed),
                    _ => None,
                }
            }
            _ => None,
        };
        if text.is_some() {
            *slot = text;
        }
    }

    fn metadata(self) -> Metadata {
        Metadata { exif: self.exif.or_else(|| self.profile.as_deref().map(profile)), xmp: self.xmp }
    }
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    ZlibDecoder::new(packed).take(TEXT).read_to_end(&mut text).ok()?;
    Some(text)
}

/// The bytes of a raw profile: an empty line, a name, a length, and lines of hexadecimal digits. A profile with anything else
/// between them holds nothing.
fn profile(text: &[u8]) -> Vec<u8> {
    let lines = text.splitn(4, |&byte| byte == b'\n').nth(3).unwrap_or_default();
    let digits: Option<Vec<u8>> = lines
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|&byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
        .collect();
    digits.unwrap_or_default().as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}
