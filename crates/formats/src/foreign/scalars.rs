//! The bytes of a pickle, and numbers and texts in them.

use std::io::Read;

use super::pickle::PickleValue;

/// The bytes that follow.
pub(super) struct Bytes<'r, R>(pub(super) &'r mut R);

impl<R: Read> Bytes<'_, R> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).map_err(|_| ends())?;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn skip(&mut self, count: u64) -> Result<(), String> {
        self.take(count).map(|_| ())
    }

    /// The little-endian length in the next `width` bytes.
    pub(super) fn length(&mut self, width: usize) -> Result<u64, String> {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes[..width]).map_err(|_| ends())?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The next bytes; memory grows as they come.
    pub(super) fn take(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        self.0.by_ref().take(length).read_to_end(&mut bytes).map_err(|_| ends())?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(ends()) }
    }

    /// The rest of a line, without its end.
    pub(super) fn line(&mut self) -> Result<String, String> {
        const LONGEST: usize = 1 << 20;
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte => bytes.push(byte),
            }
            if bytes.len() > LONGEST {
                return Err("a line in it does not end".to_owned());
            }
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned())
    }
}

/// A number in decimal digits.
pub(super) fn whole(digits: &str) -> Result<PickleValue, String> {
    if let Ok(value) = digits.parse() {
        return Ok(PickleValue::Int(value));
    }
    let unsigned = digits.trim_start_matches(['-', '+']);
    match !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(PickleValue::Huge),
        false => Err(format!("`{digits}` is no number")),
    }
}

/// A number in two's complement, least byte first.
pub(super) fn long(bytes: &[u8]) -> PickleValue {
    let fill = bytes.last().map_or(0, |last| if last & 0x80 == 0 { 0 } else { 0xff });
    let mut eight = [fill; 8];
    let (low, high) = bytes.split_at(bytes.len().min(8));
    eight[..low.len()].copy_from_slice(low);
    let value = i64::from_le_bytes(eight);
    match high.iter().all(|byte| *byte == fill) && (high.is_empty() || (value < 0) == (fill != 0)) {
        true => PickleValue::Int(value),
        false => PickleValue::Huge,
    }
}

fn ends() -> String {
    "it ends in the middle of its description of the tensors".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length() {
        let long = |bytes: &[u8]| match long(bytes) {
            PickleValue::Int(value) => Some(value),
            _ => None,
        };
        assert_eq!(long(b""), Some(0));
        assert_eq!(long(b"\xff"), Some(-1));
        assert_eq!(long(b"\xff\x00"), Some(255));
        assert_eq!(long(&[0xff; 12]), Some(-1));
        assert_eq!(long(&i64::MIN.to_le_bytes()), Some(i64::MIN));
        assert_eq!(long(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]), None);
        assert!(matches!(whole("-99999999999999999999"), Ok(PickleValue::Huge)) && whole("1x").is_err());
    }
}
