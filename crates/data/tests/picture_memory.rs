//! How much memory a picture takes at most. A test process of its own: the system keeps one peak for each.
#![cfg(target_os = "linux")]

use flate2::{Compression, Crc, write::ZlibEncoder};
use plusx_data::picture;
use std::io::Write;

/// Sides of the picture: 8 million pixels, 64 MB as 16-bit RGBA, 24 MB as kept.
const SIDES: [u32; 2] = [4000, 2000];

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(name);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes(), &name[..], data, &crc.sum().to_be_bytes()].concat()
}

/// A black PNG of 16-bit RGBA that lies on its side, made without ever holding its pixels.
fn png() -> Vec<u8> {
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::fast());
    let row = vec![0; 1 + SIDES[0] as usize * 8];
    for _ in 0..SIDES[1] {
        pixels.write_all(&row).unwrap();
    }
    let header = [&SIDES[0].to_be_bytes()[..], &SIDES[1].to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    // a TIFF file with one entry: orientation (0x0112), a short, 6
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"eXIf", exif),
        chunk(b"IDAT", &pixels.finish().unwrap()),
        chunk(b"IEND", b""),
    ]
    .concat()
}

/// The most memory this process ever held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn turning_a_deep_picture_takes_no_second_deep_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.png");
    std::fs::write(&path, png()).unwrap();
    let before = peak();
    let read = picture::open(&path).unwrap();
    assert_eq!([read.w, read.h], [SIDES[1] as usize, SIDES[0] as usize], "turned");
    // 24 MB kept and as much for turning it; of the 64 MB decoded a row at a time
    let grown = (peak() - before) / 1_000_000;
    assert!((24..64).contains(&grown), "{grown} MB");
}
