//! Data sets with faults: what `plusx check` tells of them, and what `plusx train` does with them.

use crate::program::{Place, Said};
use serde_json::Value;

/// A PNG of 40 x 40 pixels, of squares in colours that `seed` decides.
fn picture(seed: u32) -> Vec<u8> {
    let mut pixels = Vec::new();
    for at in 0..40 * 40_u32 {
        let square = seed * 25 + at / 40 / 8 * 5 + at % 40 / 8;
        let colour = square.wrapping_mul(2_654_435_761).rotate_left(15).wrapping_mul(2_246_822_519);
        pixels.extend_from_slice(&colour.to_be_bytes()[..3]);
    }
    png(&pixels, 40)
}

/// A PNG without compression.
fn png(pixels: &[u8], w: u32) -> Vec<u8> {
    let h = pixels.len() as u32 / 3 / w;
    let mut rows: Vec<u8> = Vec::new();
    for row in pixels.chunks(3 * w as usize) {
        rows.push(0);
        rows.extend_from_slice(row);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    rows.iter().for_each(|byte| {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    });
    let len = rows.len() as u16;
    let stream =
        [b"\x78\x01\x01", &len.to_le_bytes()[..], &(!len).to_le_bytes(), &rows, &(b << 16 | a).to_be_bytes()];
    let head = [&w.to_be_bytes()[..], &h.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [(b"IHDR", head), (b"IDAT", stream.concat()), (b"IEND", Vec::new())] {
        let named = [&name[..], &content].concat();
        file.extend((content.len() as u32).to_be_bytes());
        file.extend_from_slice(&named);
        file.extend(crc(&named).to_be_bytes());
    }
    file
}

/// The checksum of PNG (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Pictures of two classes in two splits, under `folder`.
fn sound(place: &Place, folder: &str) {
    for (number, (split, class)) in
        [("train", "cat"), ("train", "dog"), ("val", "cat"), ("val", "dog")].into_iter().enumerate()
    {
        for each in 0..4 {
            place
                .write(&format!("{folder}/{split}/{class}/{each}.png"), &picture((4 * number + each) as u32));
        }
    }
}

fn counts(said: &Said) -> Vec<(String, u64)> {
    let found: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let counts = found["counts"].as_object().expect("counts");
    let counts = counts.iter().map(|(kind, count)| (kind.clone(), count.as_u64().expect("a count")));
    counts.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_sound_set_has_nothing_to_mend_and_faults_are_told_worst_first() {
    let place = Place::new();
    sound(&place, "photos");
    let said = place.ok("check photos --strict");
    assert!(said.stdout.starts_with("photos: 16 pictures of 2 classes\n"), "{said:?}");
    assert!(said.stdout.contains("Nothing has to be mended."), "{said:?}");
    assert_eq!(place.ok("check --data-dir photos").stdout, said.stdout);

    // a test picture that is learnt from, one in two classes, one that is cut off, one of one colour and one of another format
    place.write("photos/val/cat/leak.png", &picture(0));
    place.write("photos/train/dog/cat.png", &picture(1));
    place.write("photos/train/dog/cut.png", &picture(30)[..3000]);
    place.write("photos/train/dog/black.png", &png(&[7; 3 * 40 * 40], 40));
    place.write("photos/train/dog/named.jpg", &picture(31));
    place.write("photos/train/Dog /1.png", &picture(32));
    std::fs::create_dir(place.path("photos/train/horse")).expect("a folder");
    let one = place.ok("check photos --json --threads 1");
    assert_eq!(one.stdout, place.ok("check photos --json --threads 3").stdout);
    let expected = [
        ("alike-classes", 1),
        ("empty-class", 1),
        ("leak", 1),
        ("lopsided", 1),
        ("one-colour", 1),
        ("two-labels", 2),
        ("unmeasured-class", 1),
        ("unreadable", 1),
        ("wrong-ending", 1),
    ];
    assert_eq!(counts(&one), expected.map(|(kind, count)| (kind.to_owned(), count)));
    // the same pictures are small for a larger input
    assert!(counts(&place.ok("check photos --json --resize 64")).contains(&("small".to_owned(), 21)));

    let said = place.plusx("check photos --strict --output found");
    assert_eq!(said.code, Some(3), "{said:?}");
    let at = |part: &str| said.stdout.find(part).unwrap_or_else(|| panic!("{part}: {said:?}"));
    let order = [
        "val/cat/leak.png: the same pixels as train/cat/0.png, which is in train; this one is in val",
        "train/cat/1.png: the same pixels as train/dog/cat.png; that is dog, this cat",
        "train/dog/cut.png: ",
        "Remarks",
        "train/dog/black.png: it is of one colour",
        "train/dog/named.jpg: its name ends in .jpg, and it is PNG",
        "found/bad_files.csv",
        "Pictures of each class",
    ];
    assert!(order.map(at).is_sorted(), "{said:?}");
    let list = place.text("found/bad_files.csv");
    let rows: Vec<&str> = list.lines().collect();
    assert_eq!((rows[0], rows.len()), ("path,reason,kind", 11), "{list}");
    assert!(rows[1].starts_with("val/cat/leak.png,") && rows[1].ends_with(",leak"), "{list}");
    assert!(!place.exists("bad_files.csv"));
}

#[test]
fn a_set_of_which_nothing_can_be_read_is_a_bad_file() {
    let place = Place::new();
    for name in ["a/1.png", "a/2.png", "b/1.png", "b/2.png"] {
        place.write(&format!("cut/{name}"), &picture(1)[..2000]);
    }
    for (arguments, code, part) in [
        ("check cut", 65, "not one of its 4 pictures can be read; a/"),
        ("check none/none", 66, "none/none"),
        ("check cut --data-dir cut", 2, "give one place"),
        ("check cut --val-split 1", 2, "above 0 and below 1"),
        ("check", 2, "DATA"),
    ] {
        let said = place.plusx(arguments);
        assert_eq!(said.code, Some(code), "plusx {arguments}: {said:?}");
        assert!(said.stderr.contains(part) && said.stdout.is_empty(), "plusx {arguments}: {said:?}");
    }
}

#[test]
fn the_sample_in_the_program_can_be_checked() {
    let said = Place::new().ok("check fashion-mnist-mini --json");
    let found: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&found["readable"], &found["splits"]["train"]["coat"]), (&7000.into(), &600.into()));
}

/// Options of a run that is over soon.
const SHORT: &str = "--model resnet20 --resize 8 --epochs 1 --batch-size 8 --threads 2 --name one";

#[test]
fn training_goes_on_with_what_is_left_and_lists_the_rest() {
    let place = Place::new();
    sound(&place, "photos");
    place.write("photos/train/dog/cut.png", &picture(30)[..3000]);
    place.write("photos/train/dog/page.jpg", b"<html>not found</html>");
    place.write("photos/val/dog/text.png", b"words");
    let said = place.ok(&format!("train --data photos {SHORT}"));
    for part in ["2 files left out", "train/dog/page.jpg: it is an HTML page", "train/dog/cut.png: "] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    let list = place.text("runs/train/one/bad_files.csv");
    let paths: Vec<&str> = list.lines().skip(1).map(|row| row.split(',').next().expect("a path")).collect();
    assert_eq!(paths, ["train/dog/cut.png", "train/dog/page.jpg", "val/dog/text.png"], "{list}");
}

#[test]
fn places_that_are_no_data_set_are_refused_with_what_to_do() {
    let place = Place::new();
    for each in 0..4 {
        place.write(&format!("flat/{each}.png"), &picture(each));
        place.write(&format!("one/cat/{each}.png"), &picture(each));
        place.write(&format!("inner/train/{each}.png"), &picture(each));
        place.write(&format!("pictures/{each}.png"), &picture(each));
    }
    place.write("words/a/readme.txt", b"words");
    place.write("lonely/a/1.png", &picture(1));
    place.write("lonely/b/1.png", &picture(2));
    place.write("header.csv", b"name;kind\n1.png;cat\n");
    place.write("nobody.csv", b"path,a,b\n1.png,cat,dog\n");
    place.write("split.csv", b"path,label,split\npictures/0.png,cat,train\npictures/1.png,cat,holdout\n");
    place.write("latin.csv", b"path,label\n1.png,\xe9t\xe9\n");
    place.write("ragged.csv", b"path,label\npictures/0.png,cat\npictures/1.png\n");
    place.write("empty.csv", b"");
    place.write("head.csv", b"path,label\n");
    place.write("gone.csv", b"path,label\nnone/1.png,cat\nnone/2.png,dog\n");
    for (data, code, parts) in [
        ("flat", 66, ["flat", "a folder of pictures for each class"]),
        ("inner", 65, ["inner", "folder for each class"]),
        ("words", 65, ["words", "a/readme.txt"]),
        ("lonely", 65, ["lonely", "add pictures"]),
        ("header.csv", 65, ["header.csv", "name, kind"]),
        ("nobody.csv", 65, ["nobody.csv", "--label-column"]),
        (
            "split.csv",
            65,
            ["split.csv", "line 3: there is no split called \"holdout\"; use train, val or test"],
        ),
        ("latin.csv", 65, ["latin.csv: line 2", "UTF-8"]),
        ("ragged.csv", 65, ["ragged.csv", "line 3 has 1 cell, the header has 2"]),
        ("empty.csv", 65, ["empty.csv", "path,label"]),
        ("head.csv", 65, ["head.csv", "names no picture"]),
        ("gone.csv", 65, ["gone.csv", "none/1.png"]),
    ] {
        let said = place.plusx(&format!("train --data ./{data} {SHORT}"));
        assert_eq!(said.code, Some(code), "{data}: {said:?}");
        assert!(parts.iter().all(|part| said.stderr.contains(part)), "{data}: {said:?}");
        assert!(!place.exists("runs"), "{data}");
    }
    // a single class can be learnt, for what that is worth
    let said = place.ok(&format!("train --data ./one {SHORT}"));
    assert!(said.stderr.contains("all images are of one class"), "{said:?}");
}

#[test]
fn tables_of_many_makes_are_read_and_their_bad_rows_left_out_by_line() {
    let place = Place::new();
    for each in 0..8 {
        place.write(&format!("pictures/{each}.png"), &picture(each));
    }
    let row = |each: usize| format!("pictures/{each}.png;{};\"a;b\"\r\n", ["cat", "dog"][each % 2]);
    let rows: String = (0..8).map(row).collect();
    let table =
        format!("\u{feff}File;Class;note\r\n{rows}pictures/9.png;cat;\r\n;cat;\r\npictures/0.png;;\r\n");
    place.write("table.csv", table.as_bytes());
    let said = place.ok(&format!("train --data table.csv {SHORT}"));
    for part in [
        "3 files left out, 8 pictures stay",
        "line 11: it has no path",
        "line 12 has no label for it",
        "pictures/9.png",
    ] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    let list = place.text("runs/train/one/bad_files.csv");
    assert_eq!(list.lines().count(), 4, "{list}");
}

#[test]
fn where_decoded_pictures_are_kept_changes_no_byte() {
    let place = Place::new();
    sound(&place, "photos");
    let mut hashes = Vec::new();
    for (cache, word) in
        [("off", ""), ("ram", "kept in memory"), ("disk", "kept on the disk"), ("auto", "kept in memory")]
    {
        let options =
            "--model resnet20 --resize 8 --epochs 3 --batch-size 4 --scale 0.5,1 --hflip 0.5 --threads 2";
        let said = place.ok(&format!("train --data photos {options} --cache {cache} --name {cache}"));
        assert!(said.stderr.contains(word) && (cache != "off" || !said.stderr.contains("kept")), "{said:?}");
        let weights = said.stderr.lines().find(|line| line.starts_with("weights sha256")).expect("a hash");
        hashes.push(weights.split(' ').nth(2).map(str::to_owned));
    }
    assert!(hashes.windows(2).all(|two| two[0] == two[1]), "{hashes:?}");
}

#[test]
fn a_comparison_keeps_decoded_pictures_too() {
    let place = Place::new();
    sound(&place, "photos");
    let options =
        "--models plain20,resnet20 --seeds 1 --resize 8 --epochs 1 --batch-size 4 --threads 2 --data photos";
    for (cache, word) in [("off", false), ("ram", true)] {
        let said = place.ok(&format!("compare {options} --cache {cache} --name {cache}"));
        assert_eq!(said.stderr.contains("kept in memory"), word, "{said:?}");
    }
    let weights =
        |name: &str| place.read(&format!("runs/compare/{name}/resnet20-seed42/weights/last.safetensors"));
    assert!(weights("off") == weights("ram"));
}

#[test]
fn a_recipe_is_chosen_for_pictures_of_ones_own_and_told() {
    let place = Place::new();
    sound(&place, "photos");
    let plan = place.ok("train --data photos --dry-run");
    assert!(plan.stderr.contains("recipe small, because "), "{plan:?}");
    assert!(plan.stdout.contains("100 epochs of"), "{plan:?}");
    // a recipe that is named is the recipe
    let named = place.ok("train --data photos --recipe d2l --dry-run");
    assert!(!named.stderr.contains("because") && named.stdout.contains("resnet18-d2l: "), "{named:?}");
    // what is given goes before the choice, and args.yaml holds what came of both
    place.ok("train --data photos --epochs 1 --model resnet20 --resize 8 --threads 2");
    let args = place.text("runs/train/exp/args.yaml");
    for line in
        ["recipe: small", "model: resnet20", "resize: 8", "epochs: 1", "batch_size: 32", "sched: cosine"]
    {
        assert!(args.contains(&format!("{line}\n")), "{line}: {args}");
    }
    let again = place.ok("train -c runs/train/exp/args.yaml");
    assert!(!again.stderr.contains("because"), "{again:?}");
    let weights = |run: &str| place.read(&format!("runs/train/{run}/weights/last.safetensors"));
    assert!(weights("exp") == weights("exp2"));
}
