//! Data sets inside files: Parquet as the library `datasets` and `pyarrow` write it, tar archives as `webdataset` writes them
//! (made by tools/golden_sources.py), and CIFAR's binary form.

use plusx_data::{DataError, Dataset, FindOptions, HeldOut, ReadOptions, Samples, open};
use std::fs;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/archives").join(name)
}

/// The set at a place, and what is said of it.
fn told_with(
    name: Option<&str>,
    place: &Path,
    reading: ReadOptions,
) -> Result<(Dataset, Vec<String>), DataError> {
    let options = FindOptions { data_dir: Some(place.to_owned()), reading, ..FindOptions::default() };
    let mut said = Vec::new();
    let set = open(name, &options, &mut |line| said.push(line.to_owned()))?;
    Ok((set, said))
}

fn told(place: &Path) -> Result<(Dataset, Vec<String>), DataError> {
    told_with(None, place, ReadOptions::default())
}

fn refusal(place: &Path) -> String {
    told(place).unwrap_err().to_string()
}

fn names(samples: &dyn Samples) -> Vec<String> {
    (0..samples.len()).map(|index| samples.name(index).into_owned()).collect()
}

/// Whether sample `index` is picture `made` of the script.
fn assert_picture(samples: &dyn Samples, index: usize, made: usize) {
    let mut buffer = Vec::new();
    let pixels = samples.read(index, &mut buffer).unwrap();
    assert_eq!((pixels.shape.h, pixels.shape.w, pixels.shape.c), (12, 16, 3));
    // JPEG is lossy: chroma of neighbours is mixed
    let tolerance = if made % 3 == 2 { 24 } else { 0 };
    for (at, found) in pixels.bytes.chunks_exact(3).enumerate() {
        let wanted = [made * 20, at % 16 * 16, at / 16 * 20];
        for (wanted, found) in wanted.into_iter().zip(found) {
            assert!(wanted.abs_diff(usize::from(*found)) <= tolerance, "picture {made}: {wanted}, {found}");
        }
    }
}

#[test]
fn parquet_of_the_hub_is_read_with_its_class_names_and_splits() {
    let place = golden("hub");
    let (set, said) = told(&place).unwrap();
    assert_eq!((set.name.as_str(), set.held_out, set.drawn), ("parquet", HeldOut::Validation, false));
    assert_eq!(set.classes, ["zebra", "ant", "cat"]);
    assert_eq!((set.train.labels(), set.val.labels()), (&[0, 1, 2, 0, 1, 2][..], &[0, 1, 2][..]));
    // its test split has no labels to give
    assert!(set.test.is_none());
    assert_eq!(set.left_out.len(), 2);
    assert_eq!(set.left_out[1].path, "data/test-00000-of-00001.parquet, row 1");
    assert!(set.left_out[1].reason.contains("no label: -1"), "{:?}", set.left_out);
    assert!(said[0].contains("2 rows left out, 9 pictures stay"), "{said:?}");
    (0..6).for_each(|index| assert_picture(&*set.train, index, index));
    (0..3).for_each(|index| assert_picture(&*set.val, index, 6 + index));
    assert_eq!(names(&*set.train)[4..], ["train/4", "train/5"]);
    assert_eq!(names(&*set.val), ["val/0", "val/1", "val/2"]);
    let (again, _) = told(&place.join("data")).unwrap();
    assert_eq!(again.fingerprint(), set.fingerprint());

    let (with_paths, _) = told(&golden("hub_with_paths")).unwrap();
    assert_eq!(names(&*with_paths.train)[4..], ["0004.png", "0005.png"]);
    assert_ne!(with_paths.fingerprint(), set.fingerprint());
}

#[test]
fn a_parquet_file_of_paths_has_no_pictures() {
    let text = refusal(&golden("paths_only.parquet"));
    assert!(
        text.contains("paths_only.parquet, row 0: it has the path of a picture, photos/0.png, and not"),
        "{text}"
    );
}

#[test]
fn a_single_parquet_file_is_split_by_seed() {
    let (set, said) = told(&golden("pyarrow.parquet")).unwrap();
    assert_eq!((set.drawn, set.classes.join(" ")), (true, "ant cat zebra".into()));
    assert!(said.is_empty(), "{said:?}");
    // 4, 3 and 3 of the classes: one of each is held out
    assert_eq!((set.train.len(), set.val.len()), (7, 3));
    for split in [&set.train, &set.val] {
        for (index, name) in names(&**split).into_iter().enumerate() {
            let made: usize = name.strip_prefix("pyarrow/").unwrap().parse().unwrap();
            assert_picture(&**split, index, made);
            assert_eq!(split.labels()[index] as usize, [2, 0, 1][made % 3]);
        }
    }
    // bytes of pictures are no text to have for a label, and `id` is
    let with = |column: &str| {
        let reading = ReadOptions { label_column: Some(column.into()), ..ReadOptions::default() };
        told_with(None, &golden("pyarrow.parquet"), reading)
    };
    let text = with("img").unwrap_err().to_string();
    assert!(text.contains("--label-column img: it has neither"), "{text}");
    let text = with("lable").unwrap_err().to_string();
    assert!(text.contains("did you mean label?") && text.contains("there are id, img, label"), "{text}");
    // ten classes of one picture each: nothing to hold out
    let text = with("id").unwrap_err().to_string();
    assert!(text.contains("no class has two pictures"), "{text}");
}

#[test]
fn tar_archives_are_read_where_they_lie() {
    let place = golden("webdataset");
    let (set, said) = told(&place).unwrap();
    assert_eq!((set.name.as_str(), set.held_out, set.drawn), ("webdataset", HeldOut::Validation, false));
    assert!(set.left_out.is_empty() && said.is_empty(), "{said:?}");
    assert_eq!(set.classes, ["zebra", "ant", "cat"]);
    assert_eq!((set.train.labels(), set.val.labels()), (&[0, 1, 2, 0, 1][..], &[0, 1][..]));
    assert_eq!(set.train.name(2), "train-000000.tar/s/0002.jpg");
    (0..5).for_each(|index| assert_picture(&*set.train, index, index));
    (0..2).for_each(|index| assert_picture(&*set.val, index, 6 + index));
    // beside names and labels
    let beside = set.train.bytes() - names(&*set.train).iter().map(String::len).sum::<usize>();
    assert!(beside <= 5 * 40, "{beside}");

    let (one, _) = told(&place.join("train-000000.tar")).unwrap();
    assert!(one.drawn);
    assert_eq!((one.train.len(), one.val.len()), (3, 2));
}

/// A file of a tar archive by hand: name, content.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn a_png() -> Vec<u8> {
    let bytes = fs::read(golden("webdataset/val-000000.tar")).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let mut png = Vec::new();
    for mut entry in entries {
        if entry.path_bytes().ends_with(b".png") {
            png.clear();
            std::io::Read::read_to_end(&mut entry, &mut png).unwrap();
        }
    }
    png
}

#[test]
fn what_is_wrong_in_an_archive_is_told_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.tar");
    let png = a_png();
    let long = format!("{}/0", "folder/".repeat(20));
    let (long_png, long_cls) = (format!("{long}.png"), format!("{long}.cls"));
    let files: [(&str, &[u8]); 21] = [
        ("./a.png", &png),
        ("./a.cls", b"ant\n"),
        ("b.png", &png),
        ("b.txt", b"no label"),
        ("c.json", b"{\"label\": \"ant\"}"),
        ("c.png", b""),
        ("d.png", b"<html>"),
        ("d.cls", b"bee"),
        ("e.json", b"{"),
        ("e.png", &png),
        ("f.left.png", &png),
        ("f.right.png", &png),
        ("f.cls", b"bee"),
        ("g.png", &png),
        ("g.mask.png", &png),
        ("g.cls", b"bee"),
        ("h.cls", b"\xff"),
        ("h.png", &png),
        (&long_png, &png),
        (&long_cls, b"bee"),
        ("README", b""),
    ];
    let whole = tar(&files);
    fs::write(&path, &whole).unwrap();
    // bees have a train and a validation picture, ants one to learn from
    let (set, _) = told(&path).unwrap();
    assert_eq!(set.classes, ["ant", "bee"]);
    let mut found = names(&*set.train);
    found.extend(names(&*set.val));
    found.sort();
    assert_eq!(found, ["all.tar/a.png", &format!("all.tar/{long_png}"), "all.tar/g.png"]);
    let why = |key: &str| {
        let out = set.left_out.iter().find(|out| out.path.starts_with(&format!("all.tar/{key}")));
        out.unwrap_or_else(|| panic!("{key} in {:?}", set.left_out)).reason.as_str()
    };
    assert_eq!(set.left_out.len(), 6);
    for (key, said) in [
        ("b", "no label follows or precedes it, neither cls nor json; there is txt"),
        ("c", "an empty file"),
        ("d", "an HTML page"),
        ("e", "its json: EOF"),
        ("f", "several pictures: left.png, right.png"),
        ("h", "not text in UTF-8"),
    ] {
        assert!(why(key).contains(said), "{key}: {}", why(key));
    }

    // cut off inside of the last picture: what was before it stays
    let at = whole.windows(png.len()).rposition(|part| part == png).unwrap();
    fs::write(&path, [&whole[..at + 20]].concat()).unwrap();
    let text = refusal(&path);
    assert!(text.contains("no class has two pictures"), "{text}");
    let entry = tar(&[("0.png", &png), ("0.cls", b"x"), ("1.png", &png), ("1.cls", b"x"), ("2.cls", b"x")]);
    let mut damaged = entry.clone();
    damaged[4 * 1024 + 3] ^= 0x55;
    fs::write(&path, [&damaged[..]].concat()).unwrap();
    let (set, _) = told(&path).unwrap();
    assert!(set.left_out[0].reason.contains("damaged after 1, what follows"), "{:?}", set.left_out);
    // the archive grows shorter after it was opened
    fs::write(&path, &entry[..600]).unwrap();
    let error = set.train.read(0, &mut Vec::new()).and(set.val.read(0, &mut Vec::new()).map(|_| ()));
    assert!(error.unwrap_err().to_string().contains("all.tar/1.png"));
    // what is none at all
    fs::write(&path, vec![b'x'; 2000]).unwrap();
    assert!(refusal(&path).contains("damaged after its start"), "{}", refusal(&path));
    fs::write(&path, b"").unwrap();
    assert!(refusal(&path).contains("holds no picture"), "{}", refusal(&path));
}

#[test]
fn packed_archives_are_to_be_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    fs::write(&path, b"\x1f\x8b").unwrap();
    for place in [path.as_path(), folder.path()] {
        let text = refusal(place);
        assert!(text.contains("cifar-10-binary.tar.gz: a packed archive; unpack it first"), "{text}");
    }
}

/// Damaged files give errors or pictures, and never a panic: every byte of a file's ends, and some of its middle.
fn damage(name: &str, step: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("all.{}", name.rsplit('.').next().unwrap()));
    let whole = fs::read(golden(name)).unwrap();
    let (mut opened, mut refused) = (0, 0);
    let mut look = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        match told(&path) {
            Ok((set, _)) => {
                opened += 1;
                for (_, split) in set.splits() {
                    (0..split.len()).for_each(|index| drop(split.read(index, &mut Vec::new()).map(|_| ())));
                }
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains("all."), "{text}");
            }
        }
    };
    for at in (0..whole.len()).step_by(step) {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            look(&bytes);
        }
        look(&whole[..at]);
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}

#[test]
fn damaged_parquet_files_panic_nowhere() {
    damage("hub/data/train-00000-of-00002.parquet", 17);
    damage("pyarrow.parquet", 47);
}

#[test]
fn damaged_tar_archives_panic_nowhere() {
    damage("webdataset/train-000000.tar", 83);
}

/// Records of CIFAR: picture `n` has the label `n % classes`, and its number in all pixels of red, one more in green, two more
/// in blue but for the last pixel.
fn records(pictures: std::ops::Range<u8>, before: &[u8], classes: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in pictures {
        bytes.extend_from_slice(before);
        bytes.push(n % classes);
        (0..3).for_each(|plane| bytes.extend([n + plane; 1024]));
        *bytes.last_mut().unwrap() = 200;
    }
    bytes
}

fn assert_record(samples: &dyn Samples, index: usize, n: u8) {
    let mut buffer = Vec::new();
    let pixels = samples.read(index, &mut buffer).unwrap();
    assert_eq!((pixels.shape.h, pixels.shape.w, pixels.shape.c), (32, 32, 3));
    assert_eq!(
        (&pixels.bytes[..6], &pixels.bytes[3069..]),
        (&[n, n + 1, n + 2, n, n + 1, n + 2][..], &[n, n + 1, 200][..])
    );
}

#[test]
fn cifar_10_is_read_from_its_binary_form() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-10-batches-bin");
    fs::create_dir(&inner).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(inner.join(name), bytes).unwrap();
    put("data_batch_1.bin", &records(0..3, &[], 3));
    put("data_batch_2.bin", &records(3..6, &[], 3));
    put("test_batch.bin", &records(6..8, &[], 3));
    put("batches.meta.txt", b"airplane\nautomobile\nbird\n\n");
    for place in [folder.path(), &inner] {
        let (set, said) = told(place).unwrap();
        assert_eq!((set.name.as_str(), set.held_out, set.drawn), ("cifar", HeldOut::Test, false));
        assert_eq!(set.classes, ["airplane", "automobile", "bird"]);
        assert!(said.is_empty(), "{said:?}");
        assert_eq!((set.train.labels(), set.val.labels()), (&[0, 1, 2, 0, 1, 2][..], &[0, 1][..]));
        (0..6).for_each(|n| assert_record(&*set.train, usize::from(n), n));
        assert_record(&*set.val, 1, 7);
    }
    // without a test split, and without names
    fs::remove_file(inner.join("test_batch.bin")).unwrap();
    fs::remove_file(inner.join("batches.meta.txt")).unwrap();
    let (set, said) = told(folder.path()).unwrap();
    assert_eq!((set.drawn, set.train.len(), set.val.len()), (true, 3, 3));
    assert_eq!((set.classes.join(" "), said.len()), ("0 1 2".to_owned(), 2));
    assert_eq!((set.val.shape(), set.val.channels()), (set.train.shape(), 3));

    put("batches.meta.txt", b"airplane\nautomobile\n");
    assert!(refusal(folder.path()).contains("batches.meta.txt: names 2 classes, but there is a label 2"));
    put("data_batch_4.bin", &records(0..1, &[], 3));
    assert!(refusal(folder.path()).contains("data_batch_4.bin is there, and data_batch_3.bin is not"));
    put("data_batch_3.bin", &records(0..1, &[], 3)[1..]);
    let text = refusal(folder.path());
    assert!(
        text.contains("data_batch_3.bin: its 3072 bytes are no whole number of records of 3073"),
        "{text}"
    );
    put("data_batch_3.bin", b"");
    assert!(refusal(folder.path()).contains("data_batch_3.bin: its 0 bytes"));
}

#[test]
fn cifar_100_has_fine_labels() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("train.bin", &records(0..6, &[19], 3));
    put("test.bin", &records(6..8, &[19], 3));
    put("coarse_label_names.txt", b"x\n");
    put("fine_label_names.txt", b"apple\naquarium_fish\nbaby\n\n");
    let (set, _) = told(folder.path()).unwrap();
    assert_eq!(
        (set.classes.join(" "), set.train.labels()),
        ("apple aquarium_fish baby".into(), &[0, 1, 2, 0, 1, 2][..])
    );
    (0..6).for_each(|n| assert_record(&*set.train, usize::from(n), n));
    fs::create_dir(folder.path().join("cifar-10-batches-bin")).unwrap();
    put("cifar-10-batches-bin/data_batch_1.bin", &records(0..6, &[], 3));
    assert!(refusal(folder.path()).contains("holds both CIFAR-10 and CIFAR-100"));
}

#[test]
fn pickled_cifar_is_refused_with_what_to_get() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-10-batches-py");
    fs::create_dir(&inner).unwrap();
    for name in ["batches.meta", "data_batch_1", "test_batch"] {
        fs::write(inner.join(name), b"\x80\x02}").unwrap();
    }
    let text = refusal(folder.path());
    assert!(text.contains("as Python pickles it") && text.contains("cifar-10-batches-bin"), "{text}");
    let text = told_with(Some("cifar"), &golden("hub"), ReadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("holds neither data_batch_1.bin"), "{text}");
}
