//! Where a pickle ends, told without building anything: each byte of one can become a hundred in memory, so its length
//! is looked at first. The opcodes are those of Python's `pickletools`, protocols 0 to 5.

/// Bytes of the pickle at the beginning of `bytes`; none if it does not end there or has an unknown opcode.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    const STOP: u8 = b'.';
    let mut at = 0;
    loop {
        let opcode = *bytes.get(at)?;
        at += 1;
        if opcode == STOP {
            return Some(at);
        }
        at = at.checked_add(argument(opcode, bytes.get(at..)?)?)?;
    }
}

/// Bytes that the argument at the beginning of `rest` takes.
fn argument(opcode: u8, rest: &[u8]) -> Option<usize> {
    // so many bytes of little-endian length, then so many bytes
    let counted = |width: usize| {
        let length = rest.get(..width)?.iter().rev().fold(0, |length, byte| length << 8 | u64::from(*byte));
        usize::try_from(length).ok()?.checked_add(width)
    };
    let line = |rest: &[u8]| Some(rest.iter().position(|byte| *byte == b'\n')? + 1);
    match opcode {
        b'(' | b'0'..=b'2' | b'N' | b'Q' | b'R' | b'a' | b'b' | b'd' | b'}' | b'e' | b'l' => Some(0),
        b']' | b'o' | b's' | b't' | b')' | b'u' | 0x81 | 0x85..=0x89 | 0x8f..=0x94 | 0x97 | 0x98 => Some(0),
        b'K' | b'h' | b'q' | 0x80 | 0x82 => Some(1),
        b'M' | 0x83 => Some(2),
        b'J' | b'j' | b'r' | 0x84 => Some(4),
        b'G' | 0x95 => Some(8),
        b'U' | b'C' | 0x8a | 0x8c => counted(1),
        b'T' | b'B' | b'X' | 0x8b => counted(4),
        0x8d | 0x8e | 0x96 => counted(8),
        b'F' | b'I' | b'L' | b'S' | b'V' | b'P' | b'g' | b'p' => line(rest),
        // a module and a name
        b'c' | b'i' => {
            let module = line(rest)?;
            Some(module + line(&rest[module..])?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_stepped_over() {
        for pickle in [
            // what looks like an end stands inside of texts and numbers
            &b"\x80\x02X\x03\x00\x00\x00...q\x00K.\x8a\x02..M..J....G........cposix\n.\n)R."[..],
            b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00\x8c\x03a.b\x94C\x01.\x8d\x01\x00\x00\x00\x00\x00\x00\x00..",
            b"(dp0\nS'a.b'\np1\nI1\nsV.\nF.5\nL.1L\n.",
        ] {
            assert_eq!(length(pickle), Some(pickle.len()));
            assert_eq!(length(&[pickle, b"more."].concat()), Some(pickle.len()));
            assert_eq!(length(&pickle[..pickle.len() - 1]), None);
        }
    }

    #[test]
    fn no_pickle() {
        for bytes in [
            &b""[..],
            b"\xff.",
            b"X\xff\xff\xff\xff.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"cposix\n.",
        ] {
            assert_eq!(length(bytes), None);
        }
    }
}
