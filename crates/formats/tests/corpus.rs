//! The entry points of the fuzz targets (`fuzz/`), which need another toolchain, over their committed corpora: as they
//! are, and with single bytes turned over.

#[path = "../../../fuzz/entries.rs"]
mod entries;

use std::path::Path;

/// Bytes turned over in each file: in a small one every one.
const FLIPS: usize = 1000;

fn run(target: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let mut bytes = std::fs::read(file.unwrap().path()).unwrap();
        entry(&bytes);
        for at in (0..bytes.len()).step_by(bytes.len().div_ceil(FLIPS)) {
            bytes[at] ^= 0xff;
            entry(&bytes);
            bytes[at] ^= 0xff;
        }
        files += 1;
    }
    assert!(files > 0, "{} is empty", folder.display());
}

#[test]
fn safetensors() {
    run("safetensors", entries::safetensors);
}

#[test]
fn torch() {
    run("torch", entries::torch);
}

#[test]
fn params() {
    run("params", entries::params);
}

#[test]
fn onnx() {
    run("onnx", entries::onnx);
}
