//! IDX files: what is written is read back, and nothing else is believed.

use flate2::{Compression, write::GzEncoder};
use plusx_data::{
    DataError,
    idx::{self, Idx, parse},
};
use proptest::prelude::*;
use std::io::{Read, Write};
use std::path::Path;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<Idx, DataError> {
    let result = parse(bytes, Path::new("some/images-ubyte"));
    if let Err(error) = &result {
        assert!(error.to_string().contains("some/images-ubyte"), "{error}");
    }
    result
}

fn small() -> Vec<u8> {
    Idx { dims: vec![2, 3, 2], values: (1..=12).collect() }.encode().unwrap()
}

#[test]
fn every_cut_is_noticed() {
    let plain = small();
    let zipped = gzip(&plain);
    assert_eq!(read(&plain).unwrap(), read(&zipped).unwrap());
    for whole in [&plain, &zipped] {
        for len in 0..whole.len() {
            let error = read(&whole[..len]).unwrap_err();
            assert!(
                matches!(error, DataError::Truncated { .. } | DataError::Malformed { .. }),
                "{len}: {error:?}"
            );
        }
    }
    // past the header a cut is called a cut
    assert!(matches!(read(&plain[..20]), Err(DataError::Truncated { expected: 12, found: 4, .. })));
}

#[test]
fn what_goes_on_too_long_is_refused() {
    let mut long = small();
    long.push(0);
    for bytes in [long.clone(), gzip(&long)] {
        assert!(matches!(read(&bytes), Err(DataError::Malformed { .. })));
    }
}

#[test]
fn a_flipped_bit_in_an_archive_never_gives_other_values() {
    let zipped = gzip(&small());
    let whole = read(&zipped).unwrap();
    for (at, bit) in (0..zipped.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = zipped.clone();
        damaged[at] ^= 1 << bit;
        // a date in the header and the padding of the last byte change nothing
        if let Ok(idx) = read(&damaged) {
            assert_eq!(idx, whole, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn foreign_files_are_told_apart() {
    for (bytes, reason) in [
        (&b"PK\x03\x04zip archive"[..], "two zero bytes"),
        (b"<!doctype html><title>404</title>", "two zero bytes"),
        (b"", "within its header"),
        (b"\0\0\x08\x03\0\0", "within its header"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "0x0d"),
        (b"\0\0\x08\0", "0 dimensions"),
        (b"\0\0\x08\x09", "9 dimensions"),
    ] {
        for bytes in [bytes.to_vec(), gzip(bytes)] {
            let text = read(&bytes).unwrap_err().to_string();
            assert!(text.contains(reason), "{text}");
        }
    }
}

#[test]
fn a_promise_of_terabytes_costs_nothing() {
    let mut header = vec![0, 0, 8, 3];
    header.extend([0xff; 12]);
    assert!(matches!(read(&header), Err(DataError::TooLarge { .. })));
    // within the limit, but with nothing behind it
    let mut header = vec![0, 0, 8, 1];
    header.extend((1_u32 << 30).to_be_bytes());
    assert!(matches!(read(&header), Err(DataError::Truncated { expected: 0x4000_0000, found: 0, .. })));
    // an archive of zeros without end: only what the header announces is unpacked, and one byte more
    let bomb = gzip(&[&small()[..], &vec![0; 16 << 20]].concat());
    let mut unpacked = 0;
    let counted = Counted { bytes: &bomb, read: &mut unpacked };
    assert!(matches!(parse(counted, Path::new("bomb")), Err(DataError::Malformed { .. })));
    // the archive is taller than one read-ahead buffer, and was not read to its end
    assert!(unpacked < bomb.len().max(70_000), "{unpacked} of {}", bomb.len());
}

struct Counted<'a> {
    bytes: &'a [u8],
    read: &'a mut usize,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        *self.read += n;
        Ok(n)
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = idx::read(Path::new("/nowhere/train-images-idx3-ubyte")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/train-images-idx3-ubyte"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn written_then_read(dims in prop::collection::vec(0_usize..7, 1..=4), seed in any::<u8>(), zipped in any::<bool>()) {
        let count: usize = dims.iter().product();
        let values = (0..count).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect();
        let idx = Idx { dims, values };
        let bytes = idx.encode().unwrap();
        let bytes = if zipped { gzip(&bytes) } else { bytes };
        prop_assert_eq!(read(&bytes).unwrap(), idx);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0_usize..3) {
        let start: &[u8] = [&b""[..], b"\0\0\x08\x02", b"\x1f\x8b\x08\0"][start];
        let _ = read(&[start, &bytes].concat());
    }
}
