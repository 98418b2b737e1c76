//! The number types of weight files, as `f32`.

/// A floating-point type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FloatType {
    /// IEEE binary16.
    F16,
    /// The upper half of an `f32`.
    Bf16,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

impl FloatType {
    /// Bytes of one.
    pub(crate) fn size(self) -> usize {
        match self {
            FloatType::F16 | FloatType::Bf16 => 2,
            FloatType::F32 => 4,
            FloatType::F64 => 8,
        }
    }

    /// Little-endian `bytes` as numbers; 64 bits are rounded to nearest even. Bytes beyond the last whole number are
    /// left out.
    pub(crate) fn floats(self, bytes: &[u8]) -> Vec<f32> {
        let halves = || bytes.as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half));
        match self {
            FloatType::F16 => halves().map(from_f16).collect(),
            FloatType::Bf16 => halves().map(|half| f32::from_bits(u32::from(half) << 16)).collect(),
            FloatType::F32 => bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
            FloatType::F64 => {
                bytes.as_chunks::<8>().0.iter().map(|eight| f64::from_le_bytes(*eight) as f32).collect()
            }
        }
    }
}

/// What a tensor of PyTorch may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Type {
    /// Its name there, without `torch.`.
    pub(super) name: &'static str,
    /// Bytes of one.
    pub(super) size: usize,
    /// What can be a parameter.
    pub(super) number: Option<FloatType>,
}

/// Names of types, of their storages (each followed by `Storage`), and bytes of one number.
const TYPES: [(&str, &str, usize); 21] = [
    ("float32", "Float", 4),
    ("float64", "Double", 8),
    ("float16", "Half", 2),
    ("bfloat16", "BFloat16", 2),
    ("int64", "Long", 8),
    ("int32", "Int", 4),
    ("int16", "Short", 2),
    ("int8", "Char", 1),
    ("uint8", "Byte", 1),
    ("bool", "Bool", 1),
    ("complex64", "ComplexFloat", 8),
    ("complex128", "ComplexDouble", 16),
    ("quint8", "QUInt8", 1),
    ("qint8", "QInt8", 1),
    ("qint32", "QInt32", 4),
    ("quint4x2", "QUInt4x2", 1),
    ("uint16", "", 2),
    ("uint32", "", 4),
    ("uint64", "", 8),
    // a storage that says nothing of its numbers
    ("bytes", "Untyped", 1),
    ("bytes", "_Untyped", 1),
];

impl Type {
    fn of(found: Option<&(&'static str, &str, usize)>) -> Option<Self> {
        let (name, _, size) = *found?;
        let number = match name {
            "float32" => Some(FloatType::F32),
            "float64" => Some(FloatType::F64),
            "float16" => Some(FloatType::F16),
            "bfloat16" => Some(FloatType::Bf16),
            _ => None,
        };
        Some(Type { name, size, number })
    }

    /// By the class of a storage: `FloatStorage`.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        let name = class.strip_suffix("Storage").filter(|name| !name.is_empty())?;
        Self::of(TYPES.iter().find(|(_, storage, _)| *storage == name))
    }

    /// By its name in `torch`: `float32`, `double`.
    pub(super) fn of_dtype(name: &str) -> Option<Self> {
        let name = match name {
            "float" => "float32",
            "double" => "float64",
            "half" => "float16",
            "long" => "int64",
            "int" => "int32",
            "short" => "int16",
            other => other,
        };
        Self::of(TYPES.iter().find(|(own, ..)| *own == name))
    }
}

/// 1 bit of sign, 5 of exponent (bias 15), 10 of mantissa.
fn from_f16(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let (exponent, mantissa) = (u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    match exponent {
        // subnormal: mantissa * 2^-24, exact in f32
        0 => f32::from_bits((mantissa as f32 * 2.0_f32.powi(-24)).to_bits() | sign),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits() {
        for (half, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(from_f16(half), value, "{half:04x}");
        }
        assert_eq!(from_f16(0x8000).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(from_f16(0xfc00), f32::NEG_INFINITY);
        assert!(from_f16(0x7e01).is_nan());
        assert_eq!(FloatType::Bf16.floats(&[0x80, 0x3f, 0x20, 0xc1]), [1.0, -10.0]);
    }

    #[test]
    fn wider_numbers() {
        let bytes: Vec<u8> = [0.1_f64, -3.0, 1e300].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(FloatType::F64.floats(&bytes), [0.1, -3.0, f32::INFINITY]);
        assert_eq!(FloatType::F32.floats(&0.1_f32.to_le_bytes()), [0.1]);
        for number in [FloatType::F16, FloatType::Bf16, FloatType::F32, FloatType::F64] {
            assert_eq!(number.floats(&[0; 8]).len() * number.size(), 8);
        }
    }
}
