//! A small BMP writer: any header, depth and bit masks; pixels and run lengths as they come.
#![allow(dead_code, reason = "each test takes what it needs")]

/// What a file is to be.
#[derive(Clone, Debug)]
pub(crate) struct Bmp {
    /// Bytes of the header: 12, 40, 52, 56, 64, 108 or 124.
    pub(crate) header: u32,
    pub(crate) w: i32,
    pub(crate) h: i32,
    pub(crate) bits: u16,
    pub(crate) compression: u32,
    /// Red, green, blue, alpha: written where the compression wants them.
    pub(crate) masks: [u32; 4],
    /// Red, green, blue.
    pub(crate) palette: Vec<[u8; 3]>,
    /// The number of colours that the header announces.
    pub(crate) colours: u32,
    /// Whether the header says where the pixels are.
    pub(crate) offset: bool,
    /// The pixels; made up where there are none.
    pub(crate) data: Option<Vec<u8>>,
}

/// Bytes of noise.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    (0..count).map(|at| ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

impl Bmp {
    pub(crate) fn new(w: i32, h: i32, bits: u16) -> Self {
        let colours = if bits <= 8 { 1 << bits } else { 0 };
        let palette = noise(3 * colours).as_chunks::<3>().0.to_vec();
        Self {
            header: 40,
            w,
            h,
            bits,
            compression: 0,
            masks: [0; 4],
            palette,
            colours: 0,
            offset: true,
            data: None,
        }
    }

    pub(crate) fn with_masks(self, compression: u32, masks: [u32; 4]) -> Self {
        Self { compression, masks, ..self }
    }

    /// Bytes of a row.
    pub(crate) fn pitch(&self) -> usize {
        (self.w as usize * usize::from(self.bits)).div_ceil(32) * 4
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut header = self.header.to_le_bytes().to_vec();
        if self.header == 12 {
            header.extend([self.w as u16, self.h as u16, 1, self.bits].map(u16::to_le_bytes).concat());
        } else {
            header.extend([self.w, self.h].map(i32::to_le_bytes).concat());
            header.extend([1, self.bits].map(u16::to_le_bytes).concat());
            header.extend([self.compression, 0, 2835, 2835, self.colours, 0].map(u32::to_le_bytes).concat());
            let masks = if self.header >= 56 { 4 } else { 3 };
            if self.compression == 3 {
                header.extend(self.masks[..masks].iter().flat_map(|mask| mask.to_le_bytes()));
            }
            if self.header > 40 {
                header.resize(self.header as usize, 0);
            }
        }
        for &[red, green, blue] in &self.palette {
            header.extend(&[blue, green, red, 0][..if self.header == 12 { 3 } else { 4 }]);
        }
        let offset = if self.offset { 14 + header.len() as u32 } else { 0 };
        let pixels =
            self.data.clone().unwrap_or_else(|| noise(self.pitch() * self.h.unsigned_abs() as usize));
        let size = 14 + header.len() as u32 + pixels.len() as u32;
        let before = [&b"BM"[..], &size.to_le_bytes(), &[0; 4], &offset.to_le_bytes()].concat();
        [before, header, pixels].concat()
    }
}
