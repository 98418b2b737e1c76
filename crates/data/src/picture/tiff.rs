//! TIFF files: the first picture (TIFF 6.0; BigTIFF too).
//!
//! The directory is read here, and so are the layouts: strips and tiles, samples together or in planes, both orders of bytes
//! and bits. `weezl` undoes LZW, `flate2` deflate, and what is inside as JPEG goes the way of JPEG files. Alpha is dropped; where
//! colours were multiplied by it, they are divided by it, as in Pillow. Of 16 bits the upper 8 are kept.

mod chunk;
mod directory;
mod fax;
mod layout;

use super::encoded::{Decoded, Encoded};
use super::ends::{Ends, SeenEnds};
use super::jpeg;
use super::orientation::{Metadata, Orientation};
use super::panics;
use crate::DataError;
use chunk::{ChunkLayout, Packing};
use directory::{Directory, tag};
use layout::{Color, TiffLayout};
use plusx_pixels::Picture;

/// Decodes a file whose first four bytes were seen.
pub(super) fn decode(file: &Encoded<'_>) -> Result<(Decoded, Orientation), DataError> {
    let bad = |reason| file.bad(reason);
    let directory = Directory::read(Ends::whole(file.bytes)).map_err(bad)?;
    let layout = TiffLayout::read(&directory).map_err(bad)?;
    let orientation = orientation(&directory).map_err(bad)?;
    let [columns, rows] = layout.chunk;
    file.admit([columns as u32, rows as u32], 0, false)?;
    // the samples kept, and one strip or tile: as it is packed, unpacked, and unpacked by a JPEG decoder
    let each = if layout.jpeg { 12 } else { layout.samples * layout.bits.div_ceil(8) };
    let kept = if layout.kept() == 3 { 0 } else { layout.kept() };
    let bytes =
        |[w, h]: [usize; 2], each: usize| (w as u64).saturating_mul(h as u64).saturating_mul(each as u64);
    let working = bytes(layout.chunk, each)
        .saturating_add(bytes([layout.w, layout.h], kept))
        .saturating_add(file.bytes.len() as u64);
    file.admit([layout.w as u32, layout.h as u32], working, orientation.exchanges_sides())?;
    let source = Source { file, directory };
    let picture = panics::caught(|| layout.pixels(&source)).map_err(bad)?;
    let mut notes = Vec::new();
    if source.directory.one(tag::SUBFILE, 0).is_ok_and(|subfile| subfile & 1 == 1) {
        notes.push("its first picture is a reduced one, as in a camera's raw file".to_owned());
    }
    Ok((Decoded { picture, notes }, orientation))
}

/// Where the directory of a file that begins so is.
pub(super) fn directory_at(head: &[u8]) -> Option<u64> {
    Directory::place(Ends::whole(head))
}

/// The sides in the directory, and the last strip or tile.
pub(super) fn probe(ends: Ends<'_>) -> SeenEnds {
    let directory = Directory::read(ends).ok()?;
    let side = |tag| directory.one(tag, 0).ok().and_then(|side| u32::try_from(side).ok());
    let sides = [side(tag::WIDTH)?, side(tag::LENGTH)?];
    let (offsets, sizes) = places(directory.has(tag::TILE_OFFSETS));
    let last = directory.count(offsets).checked_sub(1)?;
    let at = directory.nth(offsets, last).ok().flatten().unwrap_or(0);
    // what is not packed tells its size by itself, and some programs write a wrong one
    let layout = TiffLayout::read(&directory).ok();
    let size = match layout.and_then(|layout| layout.last_unpacked()) {
        Some(size) => size,
        None => directory.nth(sizes, last).ok().flatten().unwrap_or(1),
    };
    let reached = at.saturating_add(size).max(directory.values_end());
    Some((sides, reached <= ends.size))
}

/// The tags for places and sizes of strips, or of tiles.
fn places(tiled: bool) -> (u16, u16) {
    if tiled { (tag::TILE_OFFSETS, tag::TILE_SIZES) } else { (tag::STRIP_OFFSETS, tag::STRIP_SIZES) }
}

/// The tag of the orientation; the XMP packet counts where there is none.
fn orientation(directory: &Directory<'_>) -> Result<Orientation, String> {
    if directory.has(tag::ORIENTATION) {
        return Ok(Orientation::from_number(directory.one(tag::ORIENTATION, 1)? as f64));
    }
    let xmp = directory.raw(tag::XMP).map(<[u8]>::to_vec);
    Ok(Metadata { exif: None, xmp }.orientation())
}

impl TiffLayout {
    fn pixels(&self, source: &Source<'_>) -> Result<Picture, String> {
        let (offsets, sizes) = places(self.tiled);
        let [columns, rows] = self.chunk;
        let across = self.w.div_ceil(columns);
        let in_plane = across * self.h.div_ceil(rows);
        let planes = if self.planar { self.samples } else { 1 };
        if source.directory.count(offsets) < in_plane * planes {
            return Err("the file is truncated or damaged: it has too few strips or tiles".to_owned());
        }
        let kept = self.kept();
        let mut samples = vec![0; kept * self.w * self.h];
        for index in 0..in_plane * planes.min(kept) {
            let start = source.directory.nth(offsets, index)?.unwrap_or(0) as usize;
            let data = source.file.bytes.get(start..).ok_or("the file is truncated")?;
            // what is not packed tells its size by itself, and some programs write a wrong one
            let packed = self.jpeg || self.packing != Packing::Raw;
            let data = match source.directory.nth(sizes, index)? {
                Some(size) if packed => data.get(..size as usize).ok_or("the file is truncated")?,
                _ => data,
            };
            let (plane, place) = (index / in_plane, index % in_plane);
            let (left, top) = (place % across * columns, place / across * rows);
            // a strip ends with the picture, a tile is always whole
            let stored = if self.tiled { rows } else { rows.min(self.h - top) };
            let shown = [columns.min(self.w - left), rows.min(self.h - top)];
            let chunk = Chunk { left, top, shown, stored, plane };
            if self.jpeg {
                self.put_jpeg(source, data, &chunk, &mut samples)?;
            } else {
                self.put(source, data, &chunk, &mut samples)?;
            }
        }
        Ok(Picture { rgb8: self.rgb(samples, &source.directory)?, w: self.w, h: self.h })
    }

    /// Unpacks a strip or tile into its place.
    fn put(&self, source: &Source<'_>, data: &[u8], chunk: &Chunk, samples: &mut [u8]) -> Result<(), String> {
        let layout = ChunkLayout {
            packing: self.packing,
            w: self.chunk[0],
            samples: if self.planar { 1 } else { self.samples },
            bits: self.bits,
            big_endian: source.directory.big_endian,
            low_bits_first: self.low_bits_first,
            differences: self.differences,
        };
        let bytes = layout.unpack(data, chunk.stored)?;
        let kept = self.kept();
        let [columns, rows] = chunk.shown;
        for (y, row) in bytes.chunks_exact(layout.pitch()).take(rows).enumerate() {
            let out = &mut samples[kept * ((chunk.top + y) * self.w + chunk.left)..][..kept * columns];
            for (x, pixel) in out.chunks_exact_mut(kept).enumerate() {
                if self.planar {
                    pixel[chunk.plane] = layout.sample(row, x);
                } else {
                    for (index, sample) in pixel.iter_mut().enumerate() {
                        *sample = layout.sample(row, x * self.samples + index);
                    }
                }
            }
        }
        Ok(())
    }

    /// Decodes a strip or tile of JPEG into its place. Tables that all of them share go before it, and a segment of Adobe's
    /// that says which colours these are, for only the directory does.
    fn put_jpeg(
        &self,
        source: &Source<'_>,
        data: &[u8],
        chunk: &Chunk,
        samples: &mut [u8],
    ) -> Result<(), String> {
        const START: &[u8] = b"\xff\xd8";
        const END: &[u8] = b"\xff\xd9";
        let no_jpeg = || "damaged: a strip or tile is no JPEG".to_owned();
        let content = data.strip_prefix(START).ok_or_else(no_jpeg)?;
        let tables = source.directory.raw(tag::JPEG_TABLES).unwrap_or_default();
        let tables = tables.strip_prefix(START).unwrap_or_default();
        let tables = tables.strip_suffix(END).unwrap_or(tables);
        let mut adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0".to_vec();
        adobe.push(u8::from(self.color == Color::YCbCr));
        if self.color == Color::Rgb && content.get(4..8) == Some(b"JFIF") {
            return Err("a TIFF of JPEG strips that contradict it about their colours".to_owned());
        }
        let bytes = [START, tables, &adobe, content].concat();
        let whole = Encoded { bytes: &bytes, ..*source.file };
        let picture = jpeg::decode(&whole).map_err(|error| match error {
            DataError::Picture { reason, .. } => format!("a strip or tile: {reason}"),
            other => other.to_string(),
        })?;
        let Picture { rgb8, w, h } = picture.0.picture;
        let [columns, rows] = chunk.shown;
        if w != self.chunk[0] || h != chunk.stored {
            return Err(format!(
                "damaged: a strip or tile of {w}x{h} pixels, not {}x{}",
                self.chunk[0], chunk.stored
            ));
        }
        for (y, row) in rgb8.chunks_exact(3 * w).take(rows).enumerate() {
            samples[3 * ((chunk.top + y) * self.w + chunk.left)..][..3 * columns]
                .copy_from_slice(&row[..3 * columns]);
        }
        Ok(())
    }

    /// Samples as RGB.
    fn rgb(&self, mut samples: Vec<u8>, directory: &Directory<'_>) -> Result<Vec<u8>, String> {
        if self.multiplied {
            for pixel in samples.chunks_exact_mut(self.kept()) {
                let Some((&mut alpha, colours)) = pixel.split_last_mut() else { continue };
                for colour in colours {
                    let divided = (u32::from(*colour) * 255).checked_div(u32::from(alpha)).unwrap_or(0);
                    *colour = divided.min(255) as u8;
                }
            }
        }
        let kept = self.kept();
        if kept == 3 {
            if self.color == (Color::Grey { white_is_zero: true }) {
                samples.iter_mut().for_each(|sample| *sample = 255 - *sample);
            }
            return Ok(samples);
        }
        let colours = match self.color {
            Color::Palette => palette(&directory.first(tag::COLOR_MAP, 3 << self.bits)?, self.bits)?,
            Color::Grey { white_is_zero } => {
                let most = (1_usize << self.bits.min(8)) - 1;
                let grey = |value: usize| (value.min(most) * 255 / most) as u8;
                (0..256)
                    .map(|value| if white_is_zero { 255 - grey(value) } else { grey(value) })
                    .map(|grey| [grey; 3])
                    .collect()
            }
            _ => Vec::new(),
        };
        let mut rgb8 = vec![0; 3 * self.w * self.h];
        let pixels = rgb8.as_chunks_mut::<3>().0.iter_mut().zip(samples.chunks_exact(kept));
        for (pixel, from) in pixels {
            *pixel = match *from {
                [c, m, y, k, ..] if self.color == Color::Cmyk => {
                    jpeg::inverted_cmyk([c, m, y, k].map(|ink| 255 - ink))
                }
                [red, green, blue, ..] => [red, green, blue],
                _ => colours[usize::from(from[0])],
            };
        }
        Ok(rgb8)
    }
}

/// A file, and its first directory.
struct Source<'a> {
    file: &'a Encoded<'a>,
    directory: Directory<'a>,
}

/// A strip or tile: where it belongs, and how much of it is seen.
struct Chunk {
    left: usize,
    top: usize,
    /// Columns and rows of the picture.
    shown: [usize; 2],
    /// Rows that are stored.
    stored: usize,
    /// The sample that it holds, where they are apart.
    plane: usize,
}

/// 256 colours: the upper 8 of 16 bits. Those that are not there are black.
fn palette(map: &[u64], bits: usize) -> Result<Vec<[u8; 3]>, String> {
    let count = 1 << bits;
    if map.len() < 3 * count {
        return Err("damaged: its palette is not there, or too short".to_owned());
    }
    let colour = |index: usize| [0, 1, 2].map(|channel| (map[channel * count + index] >> 8) as u8);
    let mut colours: Vec<[u8; 3]> = (0..count).map(colour).collect();
    colours.resize(256, [0; 3]);
    Ok(colours)
}
