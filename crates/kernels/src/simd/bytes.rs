//! What an instruction set can do with pixels of 8 bits: weighted sums of 32 of them at a time, and their transposition.
//!
//! **Sums** are in `i32`, modulo 2^32, so their order is free. A weight `w` comes in two halves of 16 bits, both signed,
//! with `w = 65536 high + low` modulo 2^32 ([`WeightPair`]). The sums of the halves are kept apart, and joined at the end
//! as `65536 high + low`. This is exact for every weight:
//!
//! - the product of a half and a pixel is at most 32768 * 255 in size. A sum of two such products is below 2^24, so the
//!   instruction that multiplies pairs of 16 bits and adds the two products neither wraps nor saturates;
//! - all further additions are modulo 2^32, and so is multiplication by 65536.

/// Bytes that are handled at a time.
pub const BYTE_LANES: usize = 32;

/// The weights of two source rows, each in two halves: `w = 65536 high + low`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct WeightPair {
    high: [i16; 2],
    low: [i16; 2],
}

impl WeightPair {
    /// Of any two weights.
    pub const fn new(weights: [i32; 2]) -> Self {
        let [a, b] = weights;
        // what `low` lacks as a signed number `high` makes up for
        let high = [(a.wrapping_add(1 << 15) >> 16) as i16, (b.wrapping_add(1 << 15) >> 16) as i16];
        Self { high, low: [a as i16, b as i16] }
    }

    /// The weights.
    #[inline(always)]
    pub const fn weights(self) -> [i32; 2] {
        let ([a, b], [c, d]) = (self.high, self.low);
        [((a as i32) << 16).wrapping_add(c as i32), ((b as i32) << 16).wrapping_add(d as i32)]
    }

    /// Both high halves in one number, as they lie in memory.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) const fn high(self) -> i32 {
        (self.high[0] as u16 as u32 | (self.high[1] as u16 as u32) << 16) as i32
    }

    /// Both low halves in one number.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) const fn low(self) -> i32 {
        (self.low[0] as u16 as u32 | (self.low[1] as u16 as u32) << 16) as i32
    }
}

/// Half of the bytes that are handled at a time.
pub(super) const HALF: usize = BYTE_LANES / 2;

/// Operations on [`BYTE_LANES`] bytes. Like [`super::Isa`], a token proves that the instructions exist.
pub(crate) trait ByteIsa: Copy {
    /// A sum for each of [`BYTE_LANES`] pixels.
    type Sums: Copy;

    /// Sums that are all `start`.
    fn sums(self, start: i32) -> Self::Sums;

    /// Adds the products of the pixels at `a` and the first weight, and those of the pixels at `b` and the second.
    ///
    /// # Safety
    /// `a` and `b` must be valid for reading [`BYTE_LANES`] bytes.
    unsafe fn add_products(
        self,
        sums: Self::Sums,
        a: *const u8,
        b: *const u8,
        weights: WeightPair,
    ) -> Self::Sums;

    /// Writes the sums as pixels: shifted right by `SHIFT` (signed), kept inside 0 to 255.
    ///
    /// # Safety
    /// `dst` must be valid for writing [`BYTE_LANES`] bytes.
    unsafe fn store_pixels<const SHIFT: u32>(self, sums: Self::Sums, dst: *mut u8);

    /// [`BYTE_LANES`] bytes, as two halves.
    type B: Copy;

    /// Reads the two halves from two places.
    ///
    /// # Safety
    /// Both must be valid for reading half of [`BYTE_LANES`] bytes.
    unsafe fn load_halves(self, first: *const u8, second: *const u8) -> Self::B;

    /// Writes the two halves to two places.
    ///
    /// # Safety
    /// Both must be valid for writing half of [`BYTE_LANES`] bytes.
    unsafe fn store_halves(self, bytes: Self::B, first: *mut u8, second: *mut u8);

    /// Interleaves each half of `a` with that of `b`: the first gets a0 b0 a1 b1 ... up to a7 b7, the second a8 b8 ... b15.
    fn zip(self, a: Self::B, b: Self::B) -> [Self::B; 2];

    /// Transposes a matrix of 16x16 bytes in the first halves, and another in the second halves.
    ///
    /// Interleaving row i and row i + 8 moves each byte's place (row, column), 8 bits, round by one bit. After four times row
    /// and column have changed places.
    #[inline(always)]
    fn transpose(self, mut rows: [Self::B; HALF]) -> [Self::B; HALF] {
        let mut round = 0;
        while round < 4 {
            let mut next = rows;
            let mut i = 0;
            while i < HALF / 2 {
                let [a, b] = self.zip(rows[i], rows[i + HALF / 2]);
                next[2 * i] = a;
                next[2 * i + 1] = b;
                i += 1;
            }
            rows = next;
            round += 1;
        }
        rows
    }
}
