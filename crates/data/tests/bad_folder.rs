//! A folder with everything that lies in folders of pictures: what is left out is told by its path, and the rest is loaded.
#![cfg(unix)]

mod jpeg;
mod png;

use jpeg::Jpeg;
use plusx_data::{
    BatchPlan, CheckOptions, Dataset, FindOptions, FindingKind, LeftOut, Loader, Samples, check, open,
};
use plusx_model::{preprocess::Preprocess, shape::ImageShape};
use png::{Png, chunk, zlib};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink, net::UnixListener};
use std::path::Path;
use std::sync::Arc;

/// What must become of a file.
#[derive(Clone, Copy)]
enum Fate {
    /// It is a picture.
    Kept,
    /// It is left out, whenever that is noticed, with these words.
    Left(&'static str),
    /// It is left out when the folder is opened, with these words.
    Opening(&'static str),
    /// It is left out when it is read, with these words.
    Reading(&'static str),
    /// Nothing is said of it: systems and programs leave such things.
    Skipped,
}
use Fate::{Kept, Left, Opening, Reading, Skipped};

/// A PNG that no other of these tests is like.
fn picture(seed: u32) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..40_u32 {
        rows.push(0);
        // squares of 8 x 8 pixels in made-up colours
        let level = |x: u32, c: u32| {
            let square = seed * 75 + (y / 8) * 15 + (x / 8) * 3 + c;
            (square.wrapping_mul(2_654_435_761).rotate_left(15).wrapping_mul(2_246_822_519) >> 24) as u8
        };
        rows.extend((0..120).map(|at| level(at / 3, at % 3)));
    }
    Png::new(40, 40, 2, 8).with_data(&zlib(&rows))
}

fn photo() -> Vec<u8> {
    Jpeg::new(40, 48, &[(2, 2), (1, 1), (1, 1)]).write()
}

/// Files: where, content, what must become of them.
fn files() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let ftyp = |brand: &[u8; 4]| [b"\0\0\0\x18ftyp", &brand[..], b"\0\0\0\0"].concat();
    let grey = Png::new(40, 40, 0, 16).write();
    let huge = Png::new(20_000, 20_000, 2, 8);
    let huge = huge.with_data(&zlib(&[0; 1000]));
    let mut damaged = picture(40);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() * 2 / 3].to_vec();
    let mut rows: Vec<(&'static str, Vec<u8>, Fate)> = vec![
        ("cat/no bytes.png", Vec::new(), Opening("an empty file")),
        ("cat/text.jpg", b"this is no picture\n".to_vec(), Opening("no picture of a known kind")),
        ("cat/one byte.jpg", b"\xff".to_vec(), Opening("no picture of a known kind")),
        ("cat/cut.jpg", cut(photo()), Reading("truncated")),
        ("cat/cut.png", cut(picture(41)), Reading("")),
        ("cat/only its beginning.png", picture(42)[..20].to_vec(), Left("")),
        ("cat/only its beginning.jpg", photo()[..12].to_vec(), Left("")),
        ("cat/damaged.png", damaged, Reading("")),
        ("cat/png.jpg", picture(43), Kept),
        ("cat/jpeg.png", photo(), Kept),
        ("cat/no ending", picture(44), Kept),
        ("cat/jfif.jfif", Jpeg::new(41, 48, &[(1, 1)]).write(), Kept),
        ("cat/CAPITALS.PNG", picture(45), Kept),
        ("cat/huge.png", huge, Opening("its number of pixels is 400000000, the limit is 256000000")),
        ("cat/zero wide.png", Png::new(0, 10, 2, 8).write(), Left("")),
        ("cat/1x1.png", Png::new(1, 1, 2, 8).write(), Kept),
        ("cat/one row.png", Png::new(300, 1, 2, 8).write(), Kept),
        ("cat/16 bits.png", grey, Kept),
        ("cat/bytes after the end.png", [picture(46), b"more".to_vec()].concat(), Kept),
        (
            "cat/a chunk too many.png",
            {
                let end = picture(47).len() - 12;
                [&picture(47)[..end], &chunk(b"teXt", b"a\0b"), &picture(47)[end..]].concat()
            },
            Kept,
        ),
        ("cat/new\nline.png", picture(48), Kept),
        ("cat/comma, and \"quotes\".png", picture(49), Kept),
        ("cat/bell\u{7}\u{1b}[31m.png", picture(50), Kept),
        ("cat/猫 é e\u{301}.png", picture(51), Kept),
        ("cat/folder.png/inside.png", picture(52), Kept),
        ("cat/a/b/c/d/e/f/g/h/i/j/deep.png", picture(53), Kept),
        ("cat/the same.png", picture(54), Kept),
        ("dog/the same.png", picture(54), Kept),
        ("Cat/first.png", picture(55), Kept),
        ("Cat/second.png", picture(56), Kept),
        ("cat/page.jpg", b"<!DOCTYPE html><html>404</html>".to_vec(), Opening("an HTML page")),
        (
            "cat/pointer.jpg",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(),
            Opening("Git LFS"),
        ),
        ("cat/document.jpg", b"%PDF-1.7\n".to_vec(), Opening("a PDF document")),
        ("cat/archive.jpg", b"PK\x03\x04....".to_vec(), Opening("a ZIP archive")),
        ("cat/phone.heic", ftyp(b"heic"), Opening("a HEIC picture")),
        ("cat/new.avif", ftyp(b"avif"), Opening("an AVIF picture")),
        ("cat/film.jpg", ftyp(b"isom"), Opening("a video")),
        ("cat/drawing.svg", b"<svg xmlns=\"\"/>".to_vec(), Opening("an SVG drawing")),
        ("cat/packed.png", b"\x1f\x8b\x08\0....".to_vec(), Opening("a gzip archive")),
        ("cat/array.npy", b"\x93NUMPY\x01\0".to_vec(), Opening("a NumPy array")),
        ("cat/icon.ico", b"\0\0\x01\0\x01\0".to_vec(), Opening("an icon")),
        ("cat/layers.psd", b"8BPS\0\x01".to_vec(), Opening("a Photoshop file")),
        ("cat/labels.csv", b"path,label\na,b\n".to_vec(), Opening("no picture of a known kind")),
        ("cat/.hidden.png", picture(57), Skipped),
        ("cat/.ipynb_checkpoints/copy.png", picture(58), Skipped),
        (".git/objects/picture.png", picture(59), Skipped),
        ("__MACOSX/cat/._picture.png", b"\0\x05\x16\x07".to_vec(), Skipped),
        ("cat/Thumbs.db", b"\xd0\xcf\x11\xe0".to_vec(), Skipped),
        ("cat/desktop.ini", b"[x]".to_vec(), Skipped),
        ("cat/.DS_Store", b"\0\0\0\x01Bud1".to_vec(), Skipped),
        ("beside the classes.png", picture(60), Skipped),
        ("readme.txt", b"hello".to_vec(), Skipped),
    ];
    for seed in 0..6 {
        rows.push((
            ["cat/0", "cat/1", "cat/2", "cat/3", "cat/4", "cat/5"][seed as usize],
            picture(seed),
            Kept,
        ));
        rows.push((
            ["dog/0", "dog/1", "dog/2", "dog/3", "dog/4", "dog/5"][seed as usize],
            picture(20 + seed),
            Kept,
        ));
    }
    rows
}

/// What is no file: how it is made, and what must become of it.
fn others(root: &Path) -> Vec<(String, Fate)> {
    let mut rows = Vec::new();
    let mut add = |path: &str, fate: Fate| rows.push((path.to_owned(), fate));
    fs::create_dir(root.join("empty class")).unwrap();
    fs::create_dir(root.join("cat/empty folder")).unwrap();
    add("cat/empty folder", Opening("an empty folder"));
    symlink("..", root.join("cat/circle")).unwrap();
    add("cat/circle", Opening("a link to a folder that is read already"));
    symlink("itself", root.join("cat/itself")).unwrap();
    add("cat/itself", Opening("cannot be read"));
    symlink("nowhere.png", root.join("cat/broken.png")).unwrap();
    add("cat/broken.png", Opening("cannot be read"));
    symlink("0", root.join("cat/link.png")).unwrap();
    add("cat/link.png", Kept);
    symlink("../cat", root.join("dog/cats")).unwrap();
    add("dog/cats", Opening("a link to a folder that is read already"));
    let odd = OsStr::from_bytes(b"cat/\xff\xfe.png");
    fs::write(root.join(odd), picture(61)).unwrap();
    add("cat/\u{fffd}\u{fffd}.png", Opening("not Unicode"));
    fs::create_dir(root.join(OsStr::from_bytes(b"\xe9t\xe9"))).unwrap();
    add("\u{fffd}t\u{fffd}", Opening("not Unicode"));
    match std::process::Command::new("mkfifo").arg(root.join("cat/pipe.png")).status() {
        Ok(status) if status.success() => add("cat/pipe.png", Opening("neither a file nor a folder")),
        _ => println!("SKIPPED: there is no mkfifo to make a pipe with"),
    }
    drop(UnixListener::bind(root.join("cat/socket")).unwrap());
    add("cat/socket", Opening("neither a file nor a folder"));
    let shut = root.join("cat/shut.png");
    fs::write(&shut, picture(62)).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&shut).is_ok() {
        println!("SKIPPED: permissions do not bind this user, so that no file is unreadable");
        fs::remove_file(&shut).unwrap();
    } else {
        add("cat/shut.png", Opening("ermission denied"));
    }
    rows
}

fn all_batches(split: &Arc<dyn Samples>, threads: usize) -> (Vec<f32>, Vec<u32>, Vec<LeftOut>) {
    let preprocess = Preprocess::chapter(ImageShape::new(3, 24, 24));
    let order = (0..split.len() as u32).rev().collect();
    let plan = BatchPlan { order, batch_size: 7, first: 0, preprocess, augment: None, threads };
    let mut loader = Loader::new(Arc::clone(split), plan);
    let (mut images, mut indices, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(batch) = loader.next() {
        let batch = batch.unwrap();
        images.extend_from_slice(&batch.images);
        indices.extend_from_slice(&batch.indices);
        left_out.extend_from_slice(&batch.left_out);
        loader.recycle(batch);
    }
    (images, indices, left_out)
}

fn opened(place: &Path) -> (Dataset, Vec<String>) {
    let mut told = Vec::new();
    let options = FindOptions { data_dir: Some(place.to_owned()), ..FindOptions::default() };
    let set = open(None, &options, &mut |remark| told.push(remark.to_owned())).unwrap();
    (set, told)
}

#[test]
fn every_file_has_the_fate_that_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut fates = BTreeMap::new();
    for (path, content, fate) in files() {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), content).unwrap();
        fates.insert(path.to_owned(), fate);
    }
    fates.extend(others(root));
    assert!(fates.len() >= 60, "{}", fates.len());

    let (set, told) = opened(root);
    assert_eq!(set.classes, ["Cat", "cat", "dog"]);
    assert_eq!(set.empty_classes, ["empty class",]);
    assert!(told.iter().any(|remark| remark.contains("left out")), "{told:?}");
    let at_opening: BTreeMap<String, String> =
        set.left_out.iter().map(|out| (out.path.clone(), out.reason.clone())).collect();
    assert_eq!(at_opening.len(), set.left_out.len(), "nothing is told twice");

    // the rest is loaded, whatever the number of threads
    let (mut kept, mut when_read) = (BTreeSet::new(), BTreeMap::new());
    for (_, split) in set.splits() {
        let [one, two, five] = [1, 2, 5].map(|threads| all_batches(split, threads));
        assert!(one == two && one == five);
        let (images, indices, left_out) = one;
        assert_eq!(images.len(), indices.len() * 3 * 24 * 24);
        assert_eq!(indices.len() + left_out.len(), split.len());
        kept.extend(indices.iter().map(|index| split.name(*index as usize).into_owned()));
        when_read.extend(left_out.into_iter().map(|out| (out.path, out.reason)));
    }
    for (path, fate) in &fates {
        let found = (kept.contains(path), at_opening.get(path), when_read.get(path));
        let right = match (fate, found) {
            (Kept, (true, None, None)) | (Skipped, (false, None, None)) => true,
            (Opening(words), (false, Some(said), None)) | (Reading(words), (false, None, Some(said))) => {
                said.contains(words)
            }
            (Left(words), (false, Some(said), None) | (false, None, Some(said))) => said.contains(words),
            _ => false,
        };
        assert!(right, "{path:?}: {found:?}");
    }
    let known = |path: &String| fates.contains_key(path);
    assert!(kept.iter().chain(at_opening.keys()).chain(when_read.keys()).all(known), "{kept:?}");

    // the check says the same, and what is wrong with the pictures
    let reports = [1, 3].map(|threads| check(&set, &CheckOptions { threads, side: 32 }, &|_| {}).unwrap());
    assert_eq!(reports[0], reports[1]);
    let report = &reports[0];
    assert_eq!(report.readable, kept.len());
    let paths = |kind: FindingKind| -> BTreeSet<&str> {
        report.of_kind(kind).iter().map(|finding| finding.path.as_str()).collect()
    };
    let bad: BTreeSet<&str> = at_opening.keys().chain(when_read.keys()).map(String::as_str).collect();
    assert_eq!(paths(FindingKind::Unreadable), bad);
    assert_eq!(paths(FindingKind::TwoLabels), BTreeSet::from(["cat/the same.png", "dog/the same.png"]));
    assert_eq!(paths(FindingKind::AlikeClasses), BTreeSet::from(["cat"]));
    assert_eq!(paths(FindingKind::EmptyClass), BTreeSet::from(["empty class"]));
    assert_eq!(paths(FindingKind::WrongEnding), BTreeSet::from(["cat/png.jpg", "cat/jpeg.png"]));
    assert_eq!(paths(FindingKind::OneColour), BTreeSet::from(["cat/1x1.png"]));
    assert!(paths(FindingKind::Small).is_superset(&BTreeSet::from(["cat/1x1.png", "cat/one row.png"])));
    assert!(report.must_be_mended());
    // a file and the link to it are one picture, wherever the split put them
    let [leaks, twins] = [FindingKind::Leak, FindingKind::Duplicate].map(paths);
    let copies: BTreeSet<&str> = leaks.union(&twins).copied().collect();
    assert!(copies.contains("cat/link.png") || copies.contains("cat/0"), "{copies:?}");
}
