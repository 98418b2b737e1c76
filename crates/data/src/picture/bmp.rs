//! BMP files: all usual headers, 1 to 32 bits, run lengths and bit masks, decoded here as Pillow decodes them.
//!
//! The layout is that of Microsoft's "Bitmap Storage" and, for headers of 12 and 64 bytes, of OS/2's. Rows are stored from the
//! bottom, or from the top where the height is negative, each padded to four bytes. Alpha is dropped.

use super::encoded::{Decoded, Encoded};
use super::ends::{Ends, SeenEnds};
use super::orientation::Orientation;
use super::panics;
use crate::DataError;
use plusx_pixels::Picture;

/// Bytes before the header.
const FILE_HEADER: usize = 14;

/// How pixels are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compression {
    Raw,
    Rle8,
    Rle4,
}

/// What the headers say.
struct BmpHeader {
    w: usize,
    h: usize,
    bits: usize,
    compression: Compression,
    top_down: bool,
    /// Colours of the indices, up to 8 bits a pixel.
    palette: Vec<[u8; 3]>,
    /// Which bits of a pixel are red, green and blue, from 16 bits a pixel on.
    masks: [u32; 3],
    /// Where the pixels begin.
    offset: usize,
}

/// Decodes a file whose first bytes were seen.
pub(super) fn decode(file: &Encoded<'_>) -> Result<(Decoded, Orientation), DataError> {
    let header = BmpHeader::read(file.bytes).map_err(|reason| file.bad(reason))?;
    let pixels = header.w as u64 * header.h as u64;
    let indices = if header.compression == Compression::Raw { 0 } else { pixels };
    file.admit([header.w as u32, header.h as u32], indices, false)?;
    let data = file.bytes.get(header.offset..).ok_or_else(|| file.bad("the file is truncated"))?;
    let picture = panics::caught(|| header.pixels(data)).map_err(|reason| file.bad(reason))?;
    Ok((Decoded { picture, notes: Vec::new() }, Orientation::Upright))
}

/// The sides in the header, and as many bytes as they need; of run lengths nobody knows how many these are.
pub(super) fn probe(ends: Ends<'_>) -> SeenEnds {
    let header = BmpHeader::read(ends.head).ok()?;
    let needed = if header.compression == Compression::Raw { header.stored() } else { 1 };
    let has_end = needed.saturating_add(header.offset as u64) <= ends.size;
    Some(([header.w as u32, header.h as u32], has_end))
}

impl BmpHeader {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let truncated = || "the file is truncated".to_owned();
        let u16 = |at: usize| {
            let bytes = bytes.get(at..at + 2).and_then(|bytes| bytes.first_chunk()).copied();
            bytes.map(|bytes| usize::from(u16::from_le_bytes(bytes))).ok_or_else(truncated)
        };
        let u32 = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.first_chunk()).copied();
            bytes.map(u32::from_le_bytes).ok_or_else(truncated)
        };
        let size = u32(FILE_HEADER)? as usize;
        let after = FILE_HEADER + size;
        let (w, h, bits, compression, colours) = match size {
            12 => (u16(18)? as i64, u16(20)? as i64, u16(24)?, 0, 0),
            40 | 52 | 56 | 64 | 108 | 124 => {
                let [w, h] = [u32(18)?, u32(22)?].map(|side| i64::from(side as i32));
                (w, h, u16(28)?, u32(30)?, u32(46)? as usize)
            }
            _ => return Err(format!("a BMP with a header of {size} bytes, which is not decoded")),
        };
        if w == 0 || h == 0 {
            return Err("it has no pixels".to_owned());
        }
        if w < 0 {
            return Err("damaged: its width is negative".to_owned());
        }
        if ![1, 4, 8, 16, 24, 32].contains(&bits) {
            return Err(format!("a BMP of {bits} bits a pixel, which is not decoded"));
        }
        let usual = if bits == 16 { [0x7c00, 0x3e0, 0x1f] } else { [0xff_0000, 0xff00, 0xff] };
        let (compression, masks, masked) = match (compression, bits) {
            (0, _) => (Compression::Raw, usual, 0),
            (1, 8) => (Compression::Rle8, usual, 0),
            (2, 4) => (Compression::Rle4, usual, 0),
            // a header of 40 bytes has the masks behind it
            (3, 16 | 24 | 32) => {
                let masks = [u32(54)?, u32(58)?, u32(62)?];
                let none = bits == 32 && masks == [0; 3];
                let masks = if none { usual } else { masks };
                (Compression::Raw, check_masks(masks, bits)?, if size == 40 { 12 } else { 0 })
            }
            (other, _) => {
                return Err(format!("a BMP of compression {other} and {bits} bits, which is not decoded"));
            }
        };
        let mut offset = u32(10)? as usize;
        let mut palette = Vec::new();
        if bits <= 8 {
            let unit = if size == 12 { 3 } else { 4 };
            let colours = if colours == 0 { 1 << bits } else { colours };
            if colours > 1 << 16 {
                return Err(format!("damaged: a palette of {colours} colours"));
            }
            let stored = bytes.get(after..).unwrap_or_default();
            let stored = &stored[..stored.len().min(unit * colours)];
            palette = full_palette(stored.chunks_exact(unit).map(|one| [one[2], one[1], one[0]]).collect());
            // some programs leave the palette out when they say where the pixels are
            if offset == after || offset == 0 {
                offset = after + unit * colours;
            }
        } else if offset == 0 {
            offset = after + masked;
        }
        let (w, top_down, h) = (w as usize, h < 0, h.unsigned_abs() as usize);
        Ok(Self { w, h, bits, compression, top_down, palette, masks, offset })
    }

    /// Bytes of the rows where nothing is packed; the padding of the last one may be missing.
    fn stored(&self) -> u64 {
        let line = (self.w as u64 * self.bits as u64).div_ceil(8);
        line.next_multiple_of(4).saturating_mul(self.h as u64 - 1).saturating_add(line)
    }

    fn pixels(&self, data: &[u8]) -> Result<Picture, String> {
        let (w, h) = (self.w, self.h);
        let place = |y: usize| if self.top_down { y } else { h - 1 - y };
        let mut rgb8;
        if self.compression == Compression::Raw {
            let pitch = (w * self.bits).div_ceil(8).next_multiple_of(4);
            if (data.len() as u64) < self.stored() {
                return Err("the file is truncated".to_owned());
            }
            rgb8 = vec![0; 3 * w * h];
            for (y, row) in data.chunks(pitch).take(h).enumerate() {
                self.expand(row, &mut rgb8[3 * w * place(y)..][..3 * w]);
            }
        } else {
            let indices = self.run_lengths(data)?;
            rgb8 = vec![0; 3 * w * h];
            for (y, row) in indices.chunks_exact(w).enumerate() {
                let out = rgb8[3 * w * place(y)..][..3 * w].as_chunks_mut::<3>().0;
                out.iter_mut().zip(row).for_each(|(pixel, &index)| *pixel = self.palette[usize::from(index)]);
            }
        }
        Ok(Picture { rgb8, w, h })
    }

    /// A stored row as RGB.
    fn expand(&self, row: &[u8], out: &mut [u8]) {
        let out = out.as_chunks_mut::<3>().0;
        let bits = self.bits;
        if bits <= 8 {
            let most = (1_usize << bits) - 1;
            for (x, pixel) in out.iter_mut().enumerate() {
                let at = x * bits;
                *pixel = self.palette[usize::from(row[at / 8]) >> (8 - bits - at % 8) & most];
            }
            return;
        }
        let fields = self.masks.map(|mask| (mask, mask.trailing_zeros(), mask >> mask.trailing_zeros()));
        for (pixel, from) in out.iter_mut().zip(row.chunks_exact(bits / 8)) {
            let value = from.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte));
            *pixel = fields
                .map(|(mask, shift, most)| ((value & mask) >> shift).wrapping_mul(255) / most)
                .map(|v| v as u8);
        }
    }

    /// The indices of a file with run lengths, rows as they are stored. Pixels that are jumped over have index 0.
    fn run_lengths(&self, data: &[u8]) -> Result<Vec<u8>, String> {
        let (w, h) = (self.w, self.h);
        let four = self.compression == Compression::Rle4;
        let mut indices = vec![0; w * h];
        let (mut x, mut y) = (0, 0);
        let mut at = 0;
        let early = || "the file is truncated or damaged: its compressed data end early".to_owned();
        // the last row may be full without a word about the end
        while y < h && (y, x) != (h - 1, w) {
            let &[count, value] = data.get(at..at + 2).and_then(|two| two.first_chunk()).ok_or_else(early)?;
            at += 2;
            let pixel = |value: u8, index: usize| match (four, index % 2) {
                (false, _) => value,
                (true, 0) => value >> 4,
                (true, _) => value & 15,
            };
            match (count, value) {
                (0, 0) => (x, y) = (0, y + 1),
                (0, 1) => return Err(early()),
                (0, 2) => {
                    let &[right, up] =
                        data.get(at..at + 2).and_then(|two| two.first_chunk()).ok_or_else(early)?;
                    at += 2;
                    x += usize::from(right);
                    y += usize::from(up);
                    if x > w {
                        return Err("damaged: a jump out of the row".to_owned());
                    }
                }
                (0, count) => {
                    let count = usize::from(count);
                    let stored = if four { count.div_ceil(2) } else { count };
                    let values = data.get(at..at + stored).ok_or_else(early)?;
                    at += stored.next_multiple_of(2);
                    if x + count > w {
                        return Err("damaged: more pixels than a row has".to_owned());
                    }
                    for (index, out) in indices[y * w + x..][..count].iter_mut().enumerate() {
                        *out = pixel(values[if four { index / 2 } else { index }], index);
                    }
                    x += count;
                }
                (count, value) => {
                    // a run may say more than the row holds
                    let count = usize::from(count).min(w - x);
                    for (index, out) in indices[y * w + x..][..count].iter_mut().enumerate() {
                        *out = pixel(value, index);
                    }
                    x += count;
                }
            }
        }
        Ok(indices)
    }
}

/// Masks of whole bytes in any order, and the two usual ones of 16 bits: those that Pillow reads, and no others.
fn check_masks(masks: [u32; 3], bits: usize) -> Result<[u32; 3], String> {
    let byte = |mask: &u32| mask.count_ones() == 8 && mask.trailing_zeros().is_multiple_of(8);
    let apart = masks[0] & masks[1] | masks[1] & masks[2] | masks[0] & masks[2] == 0;
    let known = match bits {
        16 => masks == [0xf800, 0x7e0, 0x1f] || masks == [0x7c00, 0x3e0, 0x1f],
        24 => masks == [0xff_0000, 0xff00, 0xff],
        _ => masks.iter().all(byte) && apart,
    };
    if known { Ok(masks) } else { Err(format!("a BMP with the bit masks {masks:x?}, which is not decoded")) }
}

/// 256 colours. Those that the file lacks are black; where the others are the greys in order, they are the greys, too.
fn full_palette(mut palette: Vec<[u8; 3]>) -> Vec<[u8; 3]> {
    palette.truncate(256);
    let greys = palette.iter().zip(0..=255).all(|(&colour, grey)| colour == [grey; 3]);
    match palette.len() {
        1 if greys => palette.resize(256, [255; 3]),
        _ if greys => palette.extend((palette.len() as u16..256).map(|grey| [grey as u8; 3])),
        _ => palette.resize(256, [0; 3]),
    }
    palette
}
