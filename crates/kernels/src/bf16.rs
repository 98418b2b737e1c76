//! bf16: the upper half of an `f32`. Maps and filters may be kept in it; sums never are.

/// A number of 16 bits: sign, 8 bits of exponent, 7 of mantissa (Kalamkar et al. 2019, "A study of BFLOAT16 for deep learning
/// training", section 2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(transparent)]
pub struct Bf16(u16);

impl Bf16 {
    /// The nearest one, of two equally near the even one. A NaN stays a quiet NaN; a denormal number becomes zero with
    /// its sign. So does VCVTNEPS2BF16 (Intel, Instruction Set Reference).
    #[inline(always)]
    pub const fn from_f32(x: f32) -> Self {
        let bits = x.to_bits();
        if bits & 0x7f80_0000 == 0 {
            return Self((bits >> 16) as u16 & 0x8000);
        }
        if x.is_nan() {
            return Self((bits >> 16) as u16 | 0x40);
        }
        Self((bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16)
    }

    /// The same number.
    #[inline(always)]
    pub const fn to_f32(self) -> f32 {
        f32::from_bits((self.0 as u32) << 16)
    }

    /// From its bits.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_survives_a_trip_through_f32() {
        for bits in 0..=u16::MAX {
            let value = Bf16::from_bits(bits);
            let back = Bf16::from_f32(value.to_f32());
            if value.to_f32().is_nan() {
                assert_eq!(back.to_bits(), bits | 0x40, "a NaN becomes a quiet one");
            } else if value.to_f32().is_subnormal() {
                assert_eq!(back.to_bits(), bits & 0x8000, "a denormal becomes zero");
            } else {
                assert_eq!(back, value);
            }
        }
    }

    #[test]
    fn values_go_to_the_nearest_of_two_equally_near_to_the_even_one() {
        for (bits, want) in [
            (0x3f80_7fff_u32, 0x3f80_u16),
            (0x3f80_8000, 0x3f80),
            (0x3f80_8001, 0x3f81),
            (0x3f81_8000, 0x3f82),
            (0xbf81_8000, 0xbf82),
            (0x7f7f_ffff, 0x7f80),
            (0x7f80_0000, 0x7f80),
            (0x0000_8000, 0x0000),
            (0x0000_8001, 0x0000),
            (0x807f_ffff, 0x8000),
            (0x0080_0000, 0x0080),
            (0x7f80_0001, 0x7fc0),
            (0xffff_ffff, 0xffff),
        ] {
            assert_eq!(Bf16::from_f32(f32::from_bits(bits)).to_bits(), want, "{bits:08x}");
        }
    }
}
