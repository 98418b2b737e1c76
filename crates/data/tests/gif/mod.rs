//! A small GIF writer: one frame anywhere on the screen, any palettes, interlaced or not.
#![allow(dead_code, reason = "each test takes what it needs")]

use weezl::{BitOrder, encode::Encoder};

/// What a file is to be.
#[derive(Clone, Debug)]
pub(crate) struct Gif {
    pub(crate) screen: [u16; 2],
    /// Left, top, width, height.
    pub(crate) frame: [u16; 4],
    /// Bits of an index.
    pub(crate) bits: u8,
    pub(crate) interlaced: bool,
    pub(crate) global: Option<Vec<u8>>,
    pub(crate) local: Option<Vec<u8>>,
    pub(crate) background: u8,
    pub(crate) transparent: Option<u8>,
    /// Before the frame: whole extensions, or anything.
    pub(crate) before: Vec<u8>,
}

/// A palette of `2^bits` made-up colours.
pub(crate) fn palette(bits: u8, seed: u32) -> Vec<u8> {
    (0..3_u32 << bits).map(|at| ((at + seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

impl Gif {
    pub(crate) fn new(w: u16, h: u16, bits: u8) -> Self {
        Self {
            screen: [w, h],
            frame: [0, 0, w, h],
            bits,
            interlaced: false,
            global: Some(palette(bits, 0)),
            local: None,
            background: 0,
            transparent: None,
            before: Vec::new(),
        }
    }

    /// The indices of the frame, as they are stored.
    pub(crate) fn indices(&self) -> Vec<u8> {
        let count = usize::from(self.frame[2]) * usize::from(self.frame[3]);
        // runs beside noise, so that codes grow long
        let index = |at: usize| if at % 7 < 4 { at / 40 } else { (at * 40_503) >> 7 };
        (0..count).map(|at| (index(at) & ((1 << self.bits) - 1)) as u8).collect()
    }

    /// Header, palettes and extensions.
    pub(crate) fn head(&self) -> Vec<u8> {
        let flags = |palette: &Option<Vec<u8>>| match palette {
            Some(colours) => 0x80 | ((colours.len() / 3).ilog2() as u8 - 1),
            None => 0,
        };
        let mut file = b"GIF89a".to_vec();
        file.extend(self.screen.map(u16::to_le_bytes).concat());
        file.extend([flags(&self.global), self.background, 0]);
        file.extend(self.global.iter().flatten());
        file.extend(&self.before);
        if let Some(index) = self.transparent {
            file.extend([b'!', 0xf9, 4, 1, 10, 0, index, 0]);
        }
        file.push(b',');
        file.extend(self.frame.map(u16::to_le_bytes).concat());
        file.push(flags(&self.local) | u8::from(self.interlaced) << 6);
        file.extend(self.local.iter().flatten());
        file
    }

    /// The file with these indices, and what follows the frame.
    pub(crate) fn with_indices(&self, indices: &[u8], after: &[u8]) -> Vec<u8> {
        let code_size = self.bits.max(2);
        let data = Encoder::new(BitOrder::Lsb, code_size).encode(indices).unwrap();
        let mut file = self.head();
        file.push(code_size);
        for block in data.chunks(255) {
            file.push(block.len() as u8);
            file.extend(block);
        }
        file.push(0);
        file.extend(after);
        file
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        self.with_indices(&self.indices(), b";")
    }
}
