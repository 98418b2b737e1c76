//! Files that are broken or mean harm: an error that names the file, no panic, no memory that the file does not hold.

use std::path::{Path, PathBuf};

use plusx_formats::foreign::read;
use plusx_formats::{FormatError, WeightError};
use proptest::prelude::*;

use crate::golden;
use crate::networks::{Net, start};

const FILES: [&str; 8] = [
    "zip.pth",
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
        assert!(matches!(error, FormatError::Broken { .. } | FormatError::UnknownKind { .. }), "{error}");
    }
    let text = read(&golden("call.pth")).unwrap_err().to_string();
    assert!(text.contains("posix.system"), "{text}");
}

#[test]
fn a_bomb_does_not_go_off() {
    let text = read(&golden("bomb.pth")).unwrap_err().to_string();
    assert!(text.contains("compressed"), "{text}");
}

#[test]
fn a_stream_that_never_ends_its_pickles_is_not_unpickled() {
    let mut bytes = std::fs::read(golden("legacy.th")).unwrap();
    // the saved object begins after magic number, protocol and system; a billion empty tuples would follow
    let at = bytes.windows(12).position(|part| part == b"state_dictq\x01").unwrap() - 5;
    bytes.truncate(at);
    bytes.resize(5 << 20, b')');
    assert!(error(&bytes).to_string().contains("longer than any"));
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
    for bytes in [&b""[..], b"these are not the weights", &[0; 600], &[0xff; 600], b"\x80\x02}q\x00."] {
        assert!(matches!(error(bytes), FormatError::UnknownKind { .. }));
    }
    assert!(matches!(error(b"PK\x03\x04 a zip archive, say"), FormatError::Broken { .. }));
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read(folder.path()), Err(FormatError::Read { .. })));
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
