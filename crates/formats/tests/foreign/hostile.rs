//! Files that are broken or mean harm: an error that names the file, no panic, no memory that the file does not hold.

use std::path::{Path, PathBuf};

use plusx_formats::{FormatError, WeightError};
use proptest::prelude::*;

use crate::networks::{Net, start};
use crate::{golden, read};

const FILES: [&str; 10] = [
    "zip.pth",
    "module.pth",
    "module.th",
    "nested.pth",
    "legacy.th",
    "tar.pth",
    "mixed.safetensors",
    "gluon.params",
    "export.params",
    "counted.params",
];

/// How a file of each kind begins, but for tar archives.
const BEGINNINGS: &[&[u8]] = &[
    b"",
    b"PK\x03\x04",
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
    b"\x12\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
];

/// A folder and a file in it with these bytes.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn error(bytes: &[u8]) -> FormatError {
    let (_folder, path) = file(bytes);
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("weights"), "{error}");
    error
}

/// Reads and, if that goes well, matches.
fn digest(path: &Path) {
    if let Ok(weights) = read(path) {
        let graph = Net::default().graph();
        let _ = weights.adopt(&graph, start(&graph), Default::default());
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for name in FILES {
        let whole = std::fs::read(golden(name)).unwrap();
        let (_folder, path) = file(&[]);
        // a tar archive may end with its last entry: what follows are empty records
        let end = if name == "tar.pth" { whole.len() - 1536 } else { whole.len() };
        for length in (0..end).step_by(61).chain([end - 1]) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path).is_err(), "{name} of {length} bytes");
        }
    }
}

#[test]
fn nothing_is_called() {
    for name in ["call.pth", "call.pkl"] {
        let error = read(&golden(name)).unwrap_err();
        assert!(matches!(error, FormatError::Broken { .. } | FormatError::OtherKind { .. }), "{error}");
        assert!(error.to_string().contains("posix.system"), "{error}");
    }
}

#[test]
fn a_bomb_does_not_go_off() {
    let text = read(&golden("bomb.pth")).unwrap_err().to_string();
    assert!(text.contains("compressed"), "{text}");
}

#[test]
fn a_stream_that_never_ends_its_pickles_makes_no_more_than_it_is() {
    let mut bytes = std::fs::read(golden("legacy.th")).unwrap();
    // the saved object begins after magic number, protocol and system
    let at = bytes.windows(12).position(|part| part == b"state_dictq\x01").unwrap() - 5;
    bytes.truncate(at);
    // an empty tuple is one value for all, of lists there are as many as a small file may have
    bytes.resize(5 << 20, b')');
    assert!(error(&bytes).to_string().contains("ends in the middle"));
    bytes.truncate(at);
    bytes.resize(9 << 20, b']');
    assert!(error(&bytes).to_string().contains("more values than its size allows"));
}

/// An archive of this description, and no numbers.
pub(crate) fn described(pickle: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("net/data.pkl", stored).unwrap();
    std::io::Write::write_all(&mut archive, pickle).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn values_that_refer_to_each_other_very_often_are_not_followed() {
    // each list holds the one before twice: a walk would meet the innermost 2^40 times
    let mut doubling = b"\x80\x02]q\x00".to_vec();
    for level in 0..40_u8 {
        doubling.extend([b']', b'q', level + 1, b'(', b'h', level, b'h', level, b'e']);
    }
    doubling.push(b'.');
    assert!(error(&described(&doubling)).to_string().contains("refer to each other too often"));
    // a list of itself, and one nested deeper than anybody's stack
    assert!(error(&described(b"\x80\x02]q\x00h\x00a.")).to_string().contains("no tensor"));
    let deep = [&b"\x80\x02]"[..], &b"]".repeat(1 << 20), &b"a".repeat(1 << 20), b"."].concat();
    assert!(error(&described(&deep)).to_string().contains("no tensor"));
}

#[test]
fn tensors_that_lie_are_refused() {
    // {"w": a tensor of `dims` with `strides` in a storage that the archive has not}
    let tensor = |dims: &[u8], strides: &[u8], offset: &[u8]| {
        let start = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n\
                      X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ";
        described(&[&start[..], offset, dims, strides, b"\x89Ntr\x01\x00\x00\x00Rs."].concat())
    };
    for (dims, strides, offset) in [
        (&b"K\x02\x85"[..], &b"K\x01\x85"[..], &b"K\x00"[..]),
        (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"K\x00K\x00\x86", b"K\x00"),
        (b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", b"K\x01\x85", b"K\x00"),
        (b"K\x02\x85", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", b"K\x01"),
        (b"K\x02\x85", b"K\x01\x85", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),
        (b"J\xff\xff\xff\xff\x85", b"K\x01\x85", b"K\x00"),
        (b"K\x02\x85", b"N", b"K\x00"),
    ] {
        assert!(matches!(error(&tensor(dims, strides, offset)), FormatError::Broken { .. }));
    }
}

#[test]
fn a_sparse_entry_of_a_tar_archive_is_not_filled() {
    let mut tar = std::fs::read(golden("tar.pth")).unwrap();
    // GNU's sparse entries claim any length; checksums are looked at later
    tar[156] = b'S';
    assert!(error(&tar).to_string().contains("no plain file"));
    tar[156] = b'0';
    tar[124..136].copy_from_slice(b"77777777777\0");
    assert!(matches!(error(&tar), FormatError::Broken { .. }));
}

#[test]
fn lengths_that_lie_ask_for_no_memory() {
    let whole = std::fs::read(golden("gluon.params")).unwrap();
    // the number of arrays, the number of dimensions, a dimension
    for at in [16, 32, 36, 44] {
        let mut bytes = whole.clone();
        bytes[at..at + 4].fill(0x7f);
        assert!(matches!(error(&bytes), FormatError::Broken { .. }), "{at}");
    }
    let text = error(&[&whole[..], b"!"].concat()).to_string();
    assert!(text.contains("1 bytes follow its end"), "{text}");
    let mut header = u64::to_le_bytes(90_000_000).to_vec();
    header.extend(b"{\"a\":");
    assert!(matches!(error(&header), FormatError::Weights(WeightError::NotSafetensors { .. })));
}

#[test]
fn what_is_no_weight_file_at_all() {
    assert!(matches!(error(&[0xff; 600]), FormatError::UnknownKind { .. }));
    for (bytes, what) in [
        (&b""[..], "an empty file"),
        (b"these are not the weights", "a text that begins with `these are not the weights`"),
        (&[0; 600], "nothing but zeros"),
        (b"\x80\x02}q\x00.", "a pickle of Python, a dict"),
        (b"\x80\x03csklearn.svm\nSVC\n)\x81.", "a sklearn.svm.SVC"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"\n<!doctype html><html lang=\"en\">", "web page"),
        (b"{\"metadata\": {}, \"weight_map\": {}}", "several parts"),
        (b"{\"net\": {\"architecture\": \"resnet50\"}}", "JSON"),
        (b"arch: resnet50\nlr: 0.1\n", "begins with `arch: resnet50`"),
        (b"\x89HDF\r\n\x1a\n\0\0\0", "HDF5"),
        (b"\x93NUMPY\x01\0", "numpy (.npy)"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"\x08\x01\x12\x90\x01\x0a\x20\x12\x1e\x0a\x05\x0a\x03Add", "saved model of TensorFlow"),
        (b"\x08\x05\x12\x30\x0a\x10\x0a\x05image", "Core ML"),
        (b"\x0a\x2b\x0a\x05input\x12\x0bPlaceholder", "graph of TensorFlow"),
        (b"\x1f\x8b\x08\0", "gzip"),
    ] {
        let error = error(bytes);
        assert!(matches!(error, FormatError::OtherKind { .. }), "{error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    assert!(matches!(error(b"PK\x03\x04 a zip archive, say"), FormatError::Broken { .. }));
    // where only files of plusx are read
    for (bytes, what) in [
        (&b"version https://git-lfs.github.com/spec/v1\n"[..], "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
        (b"PK\x03\x04\0\0\x08\x08", "zip archive"),
    ] {
        let (_folder, path) = file(bytes);
        let text = plusx_weights::read(&path).unwrap_err().to_string();
        assert!(text.contains(what), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(read(folder.path()).unwrap_err().to_string().contains("a folder without model.safetensors"));
    std::fs::write(folder.path().join("saved_model.pb"), b"").unwrap();
    assert!(read(folder.path()).unwrap_err().to_string().contains("saved model of TensorFlow"));
    assert!(matches!(read(&folder.path().join("none")), Err(FormatError::Read { .. })));
    #[cfg(target_os = "linux")]
    assert!(matches!(read(Path::new("/dev/zero")), Err(FormatError::Read { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_never_panics(
        which in 0..FILES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        // descriptions stand at the beginning or the end, and there most can go wrong
        near in prop::option::of(1_usize..700),
    ) {
        let mut bytes = std::fs::read(golden(FILES[which])).unwrap();
        for (place, value) in changes {
            let place = match near {
                None => place.index(bytes.len()),
                Some(near) if value & 1 == 0 => place.index(near.min(bytes.len())),
                Some(near) => bytes.len() - 1 - place.index(near.min(bytes.len())),
            };
            bytes[place] = value;
        }
        let (_folder, path) = file(&bytes);
        digest(&path);
    }

    #[test]
    fn noise_never_panics(
        start in prop::sample::select(BEGINNINGS),
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (_folder, path) = file(&[start, &noise].concat());
        prop_assert!(read(&path).is_err());
    }
}
