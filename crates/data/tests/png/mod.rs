//! A small PNG writer: any colour type and depth, interlaced or not, any chunk anywhere.
#![allow(dead_code, reason = "each test takes what it needs")]

use flate2::{Compression, Crc, write::ZlibEncoder};
use std::io::Write;

/// What a file is to be.
#[derive(Clone, Debug)]
pub(crate) struct Png {
    pub(crate) w: u32,
    pub(crate) h: u32,
    pub(crate) depth: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
    pub(crate) color: u8,
    pub(crate) interlaced: bool,
    /// Chunks before and after the pixels.
    pub(crate) before: Vec<(&'static [u8; 4], Vec<u8>)>,
    pub(crate) after: Vec<(&'static [u8; 4], Vec<u8>)>,
}

/// A chunk with its checksum.
pub(crate) fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(name);
    crc.update(content);
    [&(content.len() as u32).to_be_bytes(), &name[..], content, &crc.sum().to_be_bytes()].concat()
}

/// Compressed as zlib does.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Png {
    pub(crate) fn new(w: u32, h: u32, color: u8, depth: u8) -> Self {
        Self { w, h, depth, color, interlaced: false, before: Vec::new(), after: Vec::new() }
    }

    /// Bits of a pixel.
    fn bits(&self) -> usize {
        usize::from(self.depth) * [1, 0, 3, 1, 2, 0, 4][usize::from(self.color)]
    }

    /// Made-up samples of a row of `w` pixels, every filter in turn applied to noise: any bytes are a picture.
    fn rows(&self, w: usize, h: usize, seed: usize) -> Vec<u8> {
        let line = (w * self.bits()).div_ceil(8);
        let mut rows = Vec::new();
        for y in 0..if w == 0 { 0 } else { h } {
            rows.push((y % 5) as u8);
            rows.extend(
                (0..line).map(|x| (((seed + y * 131 + x) as u32).wrapping_mul(2_654_435_761) >> 24) as u8),
            );
        }
        rows
    }

    /// The pixels before they are compressed.
    pub(crate) fn raw(&self) -> Vec<u8> {
        let (w, h) = (self.w as usize, self.h as usize);
        if !self.interlaced {
            return self.rows(w, h, 0);
        }
        // Adam7: first column and row, and steps
        let passes = [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ];
        let pass = |(index, (x, y, dx, dy)): (usize, (usize, usize, usize, usize))| {
            self.rows(w.saturating_sub(x).div_ceil(dx), h.saturating_sub(y).div_ceil(dy), index * 977)
        };
        passes.into_iter().enumerate().flat_map(pass).collect()
    }

    /// Header, chunks and pixels, in pieces: all but the last chunk.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut header = [self.w.to_be_bytes(), self.h.to_be_bytes()].concat();
        header.extend([self.depth, self.color, 0, 0, u8::from(self.interlaced)]);
        let mut file = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header)].concat();
        self.before.iter().for_each(|(name, content)| file.extend(chunk(name, content)));
        file
    }

    /// The file with these compressed pixels.
    pub(crate) fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut file = self.head();
        // in several chunks, as most programs write them
        data.chunks(300).for_each(|part| file.extend(chunk(b"IDAT", part)));
        self.after.iter().for_each(|(name, content)| file.extend(chunk(name, content)));
        file.extend(chunk(b"IEND", b""));
        file
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        self.with_data(&zlib(&self.raw()))
    }
}
