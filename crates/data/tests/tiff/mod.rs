//! A small TIFF writer: any samples, in strips or tiles, together or in planes, in any order of bytes and bits.
#![allow(dead_code, reason = "each test takes what it needs")]

use crate::bmp::noise;
use crate::png::zlib;
use weezl::{BitOrder, encode::Encoder};

/// What a file is to be.
#[derive(Clone, Debug)]
pub(crate) struct Tiff {
    pub(crate) big_endian: bool,
    /// BigTIFF.
    pub(crate) wide: bool,
    pub(crate) w: usize,
    pub(crate) h: usize,
    pub(crate) bits: u16,
    pub(crate) samples: usize,
    pub(crate) photometric: u64,
    pub(crate) compression: u64,
    pub(crate) planar: bool,
    pub(crate) low_bits_first: bool,
    /// Columns and rows of tiles, else rows of strips.
    pub(crate) tile: Option<[usize; 2]>,
    pub(crate) rows: usize,
    /// What the samples are beside the colours.
    pub(crate) extra: Vec<u64>,
    /// More entries, or others: tag, type, values.
    pub(crate) tags: Vec<(u16, u16, Vec<u64>)>,
}

impl Tiff {
    pub(crate) fn new([w, h]: [usize; 2], photometric: u64, samples: usize, bits: u16) -> Self {
        Self {
            big_endian: false,
            wide: false,
            w,
            h,
            bits,
            samples,
            photometric,
            compression: 1,
            planar: false,
            low_bits_first: false,
            tile: None,
            rows: h,
            extra: Vec::new(),
            tags: Vec::new(),
        }
    }

    pub(crate) fn with_tag(mut self, tag: u16, kind: u16, value: u64) -> Self {
        self.tags.push((tag, kind, vec![value]));
        self
    }

    /// The strips or tiles, of noise, as they are stored.
    pub(crate) fn chunks(&self) -> Vec<Vec<u8>> {
        let [columns, rows] = self.tile.unwrap_or([self.w, self.rows]);
        let across = self.w.div_ceil(columns);
        let in_plane = across * self.h.div_ceil(rows);
        let (planes, together) = if self.planar { (self.samples, 1) } else { (1, self.samples) };
        let pitch = (columns * together * usize::from(self.bits)).div_ceil(8);
        let chunk = |index: usize| {
            let top = index % in_plane / across * rows;
            let stored = if self.tile.is_some() { rows } else { rows.min(self.h - top) };
            let from = 97 * index;
            let bytes = noise(from + pitch * stored)[from..].to_vec();
            let packed = match self.compression {
                1 => bytes,
                5 => Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(&bytes).unwrap(),
                32773 => {
                    bytes.chunks(128).flat_map(|part| [&[part.len() as u8 - 1], part].concat()).collect()
                }
                _ => zlib(&bytes),
            };
            if self.low_bits_first { packed.iter().map(|byte| byte.reverse_bits()).collect() } else { packed }
        };
        (0..in_plane * planes).map(chunk).collect()
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        self.with_chunks(&self.chunks())
    }

    pub(crate) fn with_chunks(&self, chunks: &[Vec<u8>]) -> Vec<u8> {
        let ordered = |value: u64, size: usize| {
            let mut bytes = value.to_le_bytes()[..size].to_vec();
            if self.big_endian {
                bytes.reverse();
            }
            bytes
        };
        let (word, start) = if self.wide { (8, 16) } else { (4, 8) };
        let mut data = Vec::new();
        let mut offsets = Vec::new();
        for chunk in chunks {
            offsets.push((start + data.len()) as u64);
            data.extend(chunk);
            data.resize(data.len().next_multiple_of(2), 0);
        }
        let sizes = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        let mut tags = vec![
            (256, 4, vec![self.w as u64]),
            (257, 4, vec![self.h as u64]),
            (258, 3, vec![u64::from(self.bits); self.samples]),
            (259, 3, vec![self.compression]),
            (262, 3, vec![self.photometric]),
            (277, 3, vec![self.samples as u64]),
            (284, 3, vec![if self.planar { 2 } else { 1 }]),
        ];
        if self.low_bits_first {
            tags.push((266, 3, vec![2]));
        }
        if let Some([columns, rows]) = self.tile {
            tags.extend([(322, 3, vec![columns as u64]), (323, 3, vec![rows as u64])]);
            tags.extend([(324, 4, offsets), (325, 4, sizes)]);
        } else {
            tags.extend([(273, 4, offsets), (278, 4, vec![self.rows as u64]), (279, 4, sizes)]);
        }
        if self.photometric == 3 {
            let bytes = noise(6 << self.bits);
            let map = bytes.as_chunks::<2>().0.iter().map(|&two| u64::from(u16::from_le_bytes(two)));
            tags.push((320, 3, map.collect()));
        }
        if !self.extra.is_empty() {
            tags.push((338, 3, self.extra.clone()));
        }
        for tag in &self.tags {
            tags.retain(|(number, ..)| *number != tag.0);
            tags.push(tag.clone());
        }
        // an entry of no values takes the tag away
        tags.retain(|(.., values)| !values.is_empty());
        tags.sort_by_key(|(number, ..)| *number);
        let mut outside = start + data.len();
        let (mut directory, mut values_outside) =
            (ordered(tags.len() as u64, if self.wide { 8 } else { 2 }), Vec::new());
        for (number, kind, values) in tags {
            let unit = match kind {
                1 | 2 | 7 => 1,
                3 | 8 => 2,
                4 | 9 => 4,
                _ => 8,
            };
            directory.extend(ordered(u64::from(number), 2));
            directory.extend(ordered(u64::from(kind), 2));
            directory.extend(ordered(values.len() as u64, word));
            let mut bytes: Vec<u8> = values.iter().flat_map(|&value| ordered(value, unit)).collect();
            if bytes.len() > word {
                directory.extend(ordered(outside as u64, word));
                bytes.resize(bytes.len().next_multiple_of(2), 0);
                outside += bytes.len();
                values_outside.extend(bytes);
            } else {
                bytes.resize(word, 0);
                directory.extend(bytes);
            }
        }
        let mut file = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        file.extend(ordered(if self.wide { 43 } else { 42 }, 2));
        if self.wide {
            file.extend([ordered(8, 2), vec![0; 2]].concat());
        }
        file.extend(ordered(outside as u64, word));
        [file, data, values_outside, directory, vec![0; word]].concat()
    }
}
