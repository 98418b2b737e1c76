//! GIF files: the first frame, on a screen as large as the file says (GIF89a specification).
//!
//! Where the first frame is smaller than the screen, the rest has the transparent index, else index 0. The background index is
//! ignored, as Pillow ignores it. Transparent pixels have their colour.

use super::encoded::{Decoded, Encoded};
use super::ends::{Ends, SeenEnds};
use super::orientation::Orientation;
use super::panics;
use crate::DataError;
use plusx_pixels::Picture;
use weezl::{BitOrder, LzwStatus, decode::Decoder};

/// The first frame, and what is needed of the rest.
struct Frame<'a> {
    screen: [usize; 2],
    left: usize,
    top: usize,
    w: usize,
    h: usize,
    interlaced: bool,
    /// Three bytes a colour; nothing where greys are meant.
    palette: &'a [u8],
    /// The index outside of the frame.
    around: u8,
    /// Bits of the first codes.
    code_size: u8,
    /// The compressed indices, of all blocks.
    data: Vec<u8>,
    /// Whether the file ends inside them.
    cut: bool,
}

/// Decodes a file whose signature was seen.
pub(super) fn decode(file: &Encoded<'_>) -> Result<(Decoded, Orientation), DataError> {
    let frame = Frame::read(file.bytes).map_err(|reason| file.bad(reason))?;
    if frame.w == 0 || frame.h == 0 {
        return Err(file.bad("its first frame has no pixels"));
    }
    let indices = frame.w as u64 * frame.h as u64;
    file.admit(frame.screen.map(|side| side as u32), indices + frame.data.len() as u64, false)?;
    let picture = panics::caught(|| frame.pixels()).map_err(|reason| file.bad(reason))?;
    let note = "the file has no end; the picture is complete".to_owned();
    let notes = if frame.cut { vec![note] } else { Vec::new() };
    Ok((Decoded { picture, notes }, Orientation::Upright))
}

/// The sides of the screen, and the byte that ends the file.
pub(super) fn probe(ends: Ends<'_>) -> SeenEnds {
    let frame = Frame::header(&mut Stream(ends.head)).ok()?;
    let last = ends.last().iter().rev().find(|&&byte| byte != 0);
    Some((frame.screen.map(|side| side as u32), last == Some(&b';')))
}

/// The bytes of a file, one after the other.
struct Stream<'a>(&'a [u8]);

impl<'a> Stream<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("the file is truncated")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|one| one[0])
    }

    /// The next block of data; empty at their end.
    fn block(&mut self) -> Result<&'a [u8], String> {
        let count = self.byte()?;
        self.take(usize::from(count))
    }

    /// A palette, if these flags announce one.
    fn palette(&mut self, flags: u8) -> Result<Option<&'a [u8]>, String> {
        if flags & 0x80 == 0 {
            return Ok(None);
        }
        self.take(3 << ((flags & 7) + 1)).map(Some)
    }
}

fn u16(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

impl<'a> Frame<'a> {
    /// Reads up to the end of the first frame.
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut stream = Stream(bytes);
        let mut frame = Self::header(&mut stream)?;
        while let Ok(count) = stream.byte() {
            if count == 0 {
                frame.cut = false;
                break;
            }
            let there = usize::from(count).min(stream.0.len());
            frame.data.extend(stream.take(there)?);
        }
        Ok(frame)
    }

    /// Reads up to the data of the first frame.
    fn header(stream: &mut Stream<'a>) -> Result<Self, String> {
        let screen = stream.take(13)?;
        let global = stream.palette(screen[10])?;
        let mut transparent = None;
        loop {
            match stream.byte()? {
                b',' => break,
                b';' => return Err("it has no frame".to_owned()),
                b'!' => {
                    let label = stream.byte()?;
                    let mut block = stream.block()?;
                    // graphic control: flags, delay, transparent index
                    if let (0xf9, &[flags, _, _, index, ..]) = (label, block)
                        && flags & 1 == 1
                    {
                        transparent = Some(index);
                    }
                    while !block.is_empty() {
                        block = stream.block()?;
                    }
                }
                // stray bytes between blocks are passed over
                _ => {}
            }
        }
        let place = stream.take(9)?;
        let [left, top, w, h] = [0, 2, 4, 6].map(|at| u16(place, at));
        let local = stream.palette(place[8])?;
        let code_size = stream.byte()?;
        if !(1..=11).contains(&code_size) {
            return Err(format!("damaged: codes of {code_size} bits"));
        }
        // a frame that stands out makes the screen larger
        let screen = [u16(screen, 6).max(left + w), u16(screen, 8).max(top + h)];
        let (interlaced, palette) = (place[8] & 0x40 != 0, local.or(global).unwrap_or_default());
        let around = transparent.unwrap_or(0);
        let data = Vec::new();
        Ok(Self { screen, left, top, w, h, interlaced, palette, around, code_size, data, cut: true })
    }

    fn pixels(&self) -> Result<Picture, String> {
        let [w, h] = self.screen;
        let colours = self.colours();
        let mut rgb8 = vec![0; 3 * w * h];
        if [self.w, self.h] != self.screen {
            rgb8.as_chunks_mut::<3>().0.fill(colours[usize::from(self.around)]);
        }
        let indices = self.indices()?;
        for (row, y) in indices.chunks_exact(self.w).zip(self.rows()) {
            let out = &mut rgb8[3 * ((self.top + y) * w + self.left)..][..3 * self.w];
            for (pixel, &index) in out.as_chunks_mut::<3>().0.iter_mut().zip(row) {
                *pixel = colours[usize::from(index)];
            }
        }
        Ok(Picture { rgb8, w, h })
    }

    /// Where the stored rows belong.
    fn rows(&self) -> Vec<usize> {
        let passes: &[(usize, usize)] =
            if self.interlaced { &[(0, 8), (4, 8), (2, 4), (1, 2)] } else { &[(0, 1)] };
        passes.iter().flat_map(|&(first, step)| (first..self.h).step_by(step)).collect()
    }

    /// 256 colours. Those that the file lacks are black. Without a palette, or with one that is the greys in order, an index
    /// is a grey.
    fn colours(&self) -> Vec<[u8; 3]> {
        let given = self.palette.as_chunks::<3>().0;
        if given.iter().zip(0..=255).all(|(&colour, grey)| colour == [grey; 3]) {
            return (0..=255).map(|grey| [grey; 3]).collect();
        }
        let mut colours = given.to_vec();
        colours.resize(256, [0; 3]);
        colours
    }

    fn indices(&self) -> Result<Vec<u8>, String> {
        let mut indices = vec![0; self.w * self.h];
        let mut decoder = Decoder::new(BitOrder::Lsb, self.code_size);
        let (mut data, mut filled) = (self.data.as_slice(), 0);
        while filled < indices.len() {
            let result = decoder.decode_bytes(data, &mut indices[filled..]);
            data = &data[result.consumed_in..];
            filled += result.consumed_out;
            let ended = !matches!(result.status, Ok(LzwStatus::Ok));
            if filled < indices.len() && (ended || (result.consumed_in == 0 && result.consumed_out == 0)) {
                return Err(match (result.status, self.cut) {
                    (_, true) => "the file is truncated".to_owned(),
                    (Err(error), _) => format!("damaged: {error}"),
                    _ => "the file is truncated or damaged: its compressed data end early".to_owned(),
                });
            }
        }
        Ok(indices)
    }
}
