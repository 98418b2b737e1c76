//! The Huffman codes of ITU-T T.81, annex K.3, and bits with stuffed bytes.

use super::segment;

/// Codes of each length from 1 to 16, and what they stand for, of the first coefficients: luma, chroma.
const FIRST: [[u8; 16]; 2] =
    [[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]];

/// One table for all other coefficients: every symbol by a code of eight or nine bits. Annex K's would be shorter files.
fn other_symbols() -> Vec<u8> {
    (0..16)
        .flat_map(|run| (0..=10).map(move |size| run << 4 | size))
        .filter(|&s| s == 0 || s & 15 > 0 || s == 0xf0)
        .collect()
}

fn other_lengths() -> [u8; 16] {
    let count = other_symbols().len();
    let mut lengths = [0; 16];
    // 100 codes of eight bits leave 156 of them, 312 of nine bits
    lengths[7] = 100;
    lengths[8] = (count - 100) as u8;
    lengths
}

/// Appends the tables.
pub(crate) fn tables(out: &mut Vec<u8>, lossless: bool) {
    for (table, lengths) in FIRST.iter().enumerate() {
        segment(out, 0xc4, &[&[table as u8], &lengths[..], &(0..12).collect::<Vec<u8>>()].concat());
        if !lossless {
            segment(out, 0xc4, &[&[0x10 | table as u8], &other_lengths()[..], &other_symbols()].concat());
        }
    }
}

/// Bits on their way into a file.
pub(crate) struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u32,
    count: u32,
    first: [Vec<(u32, u32)>; 2],
    others: Vec<(u32, u32)>,
    symbols: Vec<u8>,
}

/// Codes and their lengths, in the order of the table (annex C).
fn codes(lengths: &[u8; 16]) -> Vec<(u32, u32)> {
    let mut codes = Vec::new();
    let mut code = 0;
    for (length, &count) in (1..).zip(lengths) {
        for _ in 0..count {
            codes.push((code, length));
            code += 1;
        }
        code <<= 1;
    }
    codes
}

impl<'a> Bits<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        let first = FIRST.map(|lengths| codes(&lengths));
        Self { out, held: 0, count: 0, first, others: codes(&other_lengths()), symbols: other_symbols() }
    }

    fn put(&mut self, (value, count): (u32, u32)) {
        for bit in (0..count).rev() {
            self.held = self.held << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                self.out.push(self.held as u8);
                if self.held as u8 == 0xff {
                    self.out.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    /// The bits that tell a value of this size (F.1.2.1).
    fn value(&mut self, value: i16, size: u32) {
        let value = i32::from(value);
        let coded = if value < 0 { value - 1 } else { value } as u32;
        self.put((coded & ((1 << size) - 1), size));
    }

    /// A difference of first coefficients, or of samples.
    pub(crate) fn first(&mut self, table: usize, difference: i16) {
        let size = 16 - difference.unsigned_abs().leading_zeros();
        self.put(self.first[table][size as usize]);
        self.value(difference, size);
    }

    fn symbol(&mut self, symbol: u8) {
        let at = self.symbols.iter().position(|&s| s == symbol).unwrap();
        self.put(self.others[at]);
    }

    /// The coefficients of a band.
    pub(crate) fn others(&mut self, _table: usize, band: &[i16]) {
        let mut zeros = 0;
        for &value in band {
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                self.symbol(0xf0);
                zeros -= 16;
            }
            let size = 16 - value.unsigned_abs().leading_zeros();
            self.symbol(zeros << 4 | size as u8);
            self.value(value, size);
            zeros = 0;
        }
        if zeros > 0 {
            self.symbol(0);
        }
    }

    /// Fills the last byte with ones, and goes on behind a marker.
    pub(crate) fn restart(&mut self, number: u8) {
        self.finish();
        self.out.extend([0xff, 0xd0 + number]);
    }

    pub(crate) fn finish(&mut self) {
        while self.count > 0 {
            self.put((1, 1));
        }
    }
}
