//! What a quick look says of picture files, beside what the decoders say.

mod bmp;
mod gif;
mod jpeg;
mod png;
mod tiff;

use bmp::Bmp;
use gif::Gif;
use jpeg::Jpeg;
use plusx_data::picture::{self, PictureKind, Probed};
use png::Png;
use std::path::{Path, PathBuf};
use tiff::Tiff;

fn put(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("probed");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Files of every kind, small ones and such as are longer than what is looked at.
fn files() -> Vec<(PictureKind, Vec<u8>)> {
    let golden = |folder: &str, ending: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|found| found == ending) {
                files.push(std::fs::read(path).unwrap());
            }
        }
        assert!(!files.is_empty());
        files
    };
    let sampling = &[(1, 1), (1, 1), (1, 1)];
    let preview = (0xe1, [b"Exif\0\0".to_vec(), vec![0; 65_000]].concat());
    let long = Jpeg { segments: vec![preview.clone(), preview], ..Jpeg::new(400, 300, sampling) };
    let long = Jpeg { segments: long.segments[..1].to_vec(), ..long };
    let tiff = Tiff { rows: 10, ..Tiff::new([500, 400], 2, 3, 8) };
    let mut middle = tiff.write();
    middle.extend([0; 900_000]);
    let all = [
        (PictureKind::Jpeg, golden("jpeg", "jpg")),
        (PictureKind::WebP, golden("others", "webp")),
        (PictureKind::Gif, golden("others", "gif")),
        (PictureKind::Bmp, golden("others", "bmp")),
        (PictureKind::Tiff, golden("others", "tif")),
        (PictureKind::Jpeg, vec![long.write()]),
        (PictureKind::Png, vec![Png::new(20, 11, 6, 16).write(), Png::new(500, 400, 2, 8).write()]),
        (
            PictureKind::Gif,
            vec![Gif { screen: [4, 60], ..Gif::new(33, 17, 4) }.write(), Gif::new(600, 500, 8).write()],
        ),
        (PictureKind::Bmp, vec![Bmp::new(500, -400, 24).write(), Bmp::new(5, 3, 1).write()]),
        (
            PictureKind::Tiff,
            vec![tiff.write(), Tiff { wide: true, big_endian: true, ..tiff }.write(), middle],
        ),
    ];
    all.into_iter().flat_map(|(kind, files)| files.into_iter().map(move |file| (kind, file))).collect()
}

#[test]
fn sides_are_those_of_the_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let mut turned = 0;
    for (index, (kind, file)) in files().into_iter().enumerate() {
        let path = put(folder.path(), &file);
        let opened = picture::open(&path).unwrap();
        let (w, h) = (opened.w as u32, opened.h as u32);
        let probed = picture::probe(&path).unwrap();
        let Probed { stored: Some(stored), has_end: true, .. } = probed else {
            panic!("{index}: {probed:?}")
        };
        assert_eq!(probed.kind, kind);
        assert!(stored == [w, h] || stored == [h, w], "{index}: {probed:?}, decoded {w}x{h}");
        turned += usize::from(stored != [w, h]);
    }
    assert_eq!(turned, 2, "the others lie as they are seen");
}

#[test]
fn files_that_are_cut_off_have_no_end() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (kind, file)) in files().into_iter().enumerate() {
        // the last one has nothing to lose but what is no part of it
        let file = if file.ends_with(&[0; 900]) { &file[..file.len() - 900_000] } else { &file[..] };
        for share in [2, 3, 5] {
            let path = put(folder.path(), &file[..file.len() * share / 6]);
            let probed = picture::probe(&path).unwrap();
            assert!(!probed.has_end && probed.kind == kind, "{index} {share}: {probed:?}");
            assert!(picture::open(&path).is_err(), "{index} {share}: {probed:?}");
        }
    }
}

#[test]
fn other_files_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, kind) in [
        (&b""[..], PictureKind::Other("an empty file")),
        (b"not a picture", PictureKind::Unknown),
        (b"\0\0\0\x18ftypheic\0\0\0\0", PictureKind::Other("a HEIC picture")),
        (b"GIF89a", PictureKind::Gif),
        (b"II*\0\xff\xff\xff\xff", PictureKind::Tiff),
        (b"\x89PNG\r\n\x1a\n\0", PictureKind::Png),
        (b"RIFF\xff\xff\xff\xffWEBP", PictureKind::WebP),
    ] {
        let probed = picture::probe(&put(folder.path(), bytes)).unwrap();
        assert_eq!(probed, Probed { kind, stored: None, has_end: false });
    }
    assert!(picture::probe(&folder.path().join("nowhere")).is_err());
}
