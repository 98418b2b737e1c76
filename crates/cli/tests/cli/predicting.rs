//! `plusx predict`: folders with odd things in them, tables, names, percentages.

use crate::import::network;
use crate::looking::GREY_PNG;
use crate::program::{Place, Said, start};
use serde_json::Value;

const PREDICT: &str = "predict --weights net.safetensors --threads 1 --topk 1";

fn place() -> Place {
    let place = Place::new();
    network(&place, "net.safetensors");
    place
}

/// The names in lines of JSON.
fn named(said: &Said) -> Vec<String> {
    let name = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        answer["filename"].as_str().expect("a name").to_owned()
    };
    said.stdout.lines().map(name).collect()
}

#[test]
fn a_folder_says_what_it_leaves_out() {
    let place = place();
    for name in ["a.PNG", "b.jpe", "noending", "odd.dat", "deep/er/c.png", "cats.jpg/d.png"] {
        place.write(&format!("shots/{name}"), GREY_PNG);
    }
    for name in ["1.heic", "2.HEIC", "deep/3.heic", "4.mp4", "notes.txt", "more.txt"] {
        place.write(&format!("shots/{name}"), b"\0\0\0\x18ftypheic");
    }
    place.write("shots/picture", b"\0\0\0\x18ftypheic\0\0\0\0");
    place.write("shots/README", b"hello");
    place.write("shots/.hidden.png", GREY_PNG);
    place.write("shots/.git/e.png", GREY_PNG);
    let said = place.ok(&format!("{PREDICT} --json shots"));
    let names = ["a.PNG", "b.jpe", "cats.jpg/d.png", "deep/er/c.png", "noending", "odd.dat"];
    assert_eq!(named(&said), names.map(|name| format!("shots/{name}")));
    let left_out = "shots: left out 8 files of other kinds than JPEG, PNG, WebP, BMP, GIF and TIFF: 3 .heic, 2 .txt, 1 .mp4, 1 HEIF, 1 without an ending";
    assert_eq!(said.stderr.trim_end(), left_out);

    // from inside, without the dot in front; folders that are given twice are answered twice
    let inside = |arguments: &str| {
        let mut command = place.command(&format!("{PREDICT} --json {arguments}").replace("net.", "../net."));
        command.current_dir(place.path("shots"));
        start(command).wait()
    };
    assert_eq!(named(&inside(".")), names);
    assert_eq!(named(&inside("./deep deep/")), ["deep/er/c.png", "deep/er/c.png"]);
    assert_eq!(named(&inside("./?.PNG cats.* **/c.png")), ["a.PNG", "cats.jpg/d.png", "deep/er/c.png"]);
}

#[test]
fn a_folder_without_pictures_is_nothing_found() {
    let place = place();
    place.write("notes/a.txt", b"x");
    place.write("notes/b.heic", b"\0\0\0\x18ftypheic");
    std::fs::create_dir(place.path("empty")).expect("a folder");
    for (argument, said) in [
        (
            "notes",
            "notes: no picture in this folder that is JPEG, PNG, WebP, BMP, GIF or TIFF, only 2 files of other kinds than JPEG, PNG, WebP, BMP, GIF and TIFF: 1 .heic, 1 .txt",
        ),
        ("empty", "empty: no picture in this folder that is JPEG, PNG, WebP, BMP, GIF or TIFF"),
        ("none/*.png", "none/*.png: no file matches this pattern"),
        ("IMG[1.png", "IMG[1.png: no file matches this pattern"),
        ("nowhere.png", "nowhere.png"),
        ("nowhere/", "nowhere/"),
    ] {
        let found = place.plusx(&format!("{PREDICT} {argument}"));
        assert_eq!((found.code, found.stdout.as_str()), (Some(66), ""), "{argument}: {found:?}");
        assert!(found.stderr.contains(said), "{argument}: {found:?}");
    }
}

#[test]
fn spreadsheets_get_text() {
    let place = place();
    for name in ["=1+1.png", "Grün.png", "007.png"] {
        place.write(name, GREY_PNG);
    }
    let bytes = |arguments: &str| {
        let output = place.command(&format!("{PREDICT} {arguments}")).output().expect("plusx runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    for separator in [",", ";"] {
        let option = if separator == "," { "--excel" } else { "--excel=semicolon --results-format csv" };
        let (code, table, told) = bytes(&format!("{option} *.png"));
        assert_eq!((code, told.as_str()), (Some(0), ""));
        let lines: Vec<_> = table.split("\r\n").collect();
        assert_eq!(lines.len(), 5, "{table:?}");
        assert_eq!(lines[0], "\u{feff}filename,index,label,prob".replace(',', separator));
        for (line, name) in lines[1..4].iter().zip(["007.png", "=1+1.png", "Grün.png"]) {
            let cells: Vec<_> = line.split(separator).collect();
            assert_eq!((cells[0], cells[2]), (&*format!("\"=\"\"{name}\"\"\""), "\"=\"\"x\"\"\""), "{line}");
            let number = if separator == "," { cells[3].to_owned() } else { cells[3].replace(',', ".") };
            assert!(number.parse::<f64>().is_ok_and(|prob| prob > 0.0 && prob < 1.0), "{line}");
        }
        assert_eq!(lines[4], "");
    }
    // programs get names as they are, and people a word, once
    let (code, table, told) = bytes("--results-format csv *.png");
    assert!(code == Some(0) && table.contains("\n=1+1.png,"), "{table}");
    assert_eq!(told.matches("--excel").count(), 1, "{told}");
    assert!(told.starts_with("=1+1.png: "), "{told}");
    for options in ["--excel --json", "--excel --results-format text", "--excel=tab", "--excel=,"] {
        assert_eq!(bytes(&format!("{options} 007.png")).0, Some(2), "{options}");
    }
}

#[test]
fn answers_of_infinite_weights_are_refused() {
    let place = place();
    place.write("grey.png", GREY_PNG);
    let mut file = place.read("net.safetensors");
    // the file ends with finite numbers of 32 bits
    let end = file.len() / 8 * 4;
    for at in (end..file.len()).step_by(4) {
        file[at..at + 4].copy_from_slice(&3e38_f32.to_le_bytes());
    }
    place.write("net.safetensors", &file);
    let said = place.plusx(&format!("{PREDICT} grey.png"));
    assert_eq!((said.code, said.stdout.as_str()), (Some(65), ""), "{said:?}");
    assert!(said.stderr.contains("not finite"), "{said:?}");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn one_odd_entry_does_not_silence_a_folder() {
        let place = place();
        let odd = OsStr::from_bytes(b"caf\xe9.png");
        for name in ["a.png", "new\nline.png", "sub/z.png"] {
            place.write(&format!("shots/{name}"), GREY_PNG);
        }
        fs::write(place.path("shots").join(odd), GREY_PNG).expect("a file");
        fs::write(place.path("shots").join(OsStr::from_bytes(b"bad\xff.png")), b"no picture")
            .expect("a file");
        place.write("shots/empty.png", b"");
        for (link, target) in [("broken.png", "gone"), ("loop", "."), ("own", "own"), ("sub/up", "..")] {
            symlink(target, place.path("shots").join(link)).expect("a link");
        }
        let pipes = start(place.shell("mkfifo shots/pipe shots/tube.png")).wait();
        assert_eq!(pipes.code, Some(0), "{pipes:?}");

        let said = place.plusx(&format!("{PREDICT} --json shots"));
        let answered = ["shots/a.png", "shots/caf\\xe9.png", "shots/new\nline.png", "shots/sub/z.png"];
        assert_eq!(named(&said), answered, "{said:?}");
        let flags = said.stdout.lines().filter(|line| line.contains("\"filename_escaped\":true")).count();
        assert_eq!(flags, 1, "{said:?}");
        let told = [
            "bad\\xff.png",
            "shots/broken.png: a link to what is not there",
            "shots/empty.png",
            "shots/loop: a link to a folder of this very search",
            "shots/own",
            "shots/pipe: a named pipe, not a file",
            "shots/sub/up: a link to a folder of this very search",
            "shots/tube.png: a named pipe, not a file",
        ];
        assert_eq!(said.stderr.lines().count(), told.len(), "{said:?}");
        for (line, part) in said.stderr.lines().zip(told) {
            assert!(line.contains(part), "{part}: {line}");
        }
        // of the first failure: no picture under a name like one
        assert_eq!(said.code, Some(65), "{said:?}");

        // text keeps to its lines; the table gives such a name back; a pattern finds it
        let said = place.plusx(&format!("{PREDICT} shots/new?line.png shots/caf?.png"));
        let names: Vec<_> = said.stdout.lines().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!((said.code, &names[..]), (Some(0), &["shots/new\\nline.png", "shots/caf\\xe9.png"][..]));
        let said = place.ok(&format!("{PREDICT} --results-format csv shots/new?line.png shots/caf*"));
        assert!(
            said.stdout.contains("\n\"shots/new\nline.png\",")
                && said.stdout.contains("\nshots/caf\\xe9.png,")
        );
        let mut command = place.command(PREDICT);
        command.arg(OsStr::from_bytes(b"shots/caf\xe9.png"));
        assert_eq!(start(command).wait().code, Some(0));
    }

    #[test]
    fn a_pipe_that_is_named_is_read() {
        let place = place();
        place.write("grey.png", GREY_PNG);
        let script = format!("mkfifo pipe; cat grey.png > pipe & \"$PLUSX\" {PREDICT} pipe grey.png");
        let said = start(place.shell(&script)).wait();
        assert_eq!((said.code, said.stdout.lines().count()), (Some(0), 2), "{said:?}");
    }

    #[test]
    fn what_may_not_be_read_is_named() {
        let place = place();
        for name in ["a.png", "b.png", "locked/c.png", "nameless", "secret.txt", "z.png"] {
            place.write(&format!("shots/{name}"), GREY_PNG);
        }
        let mode = |name: &str, bits: u32| {
            fs::set_permissions(place.path(name), fs::Permissions::from_mode(bits)).expect("permissions");
        };
        for name in ["shots/b.png", "shots/locked", "shots/nameless", "shots/secret.txt"] {
            mode(name, 0);
        }
        let Some(said) = place.unprivileged(&format!("{PREDICT} --json shots")) else { return };
        mode("shots/locked", 0o755);
        assert_eq!(said.code, Some(74), "{said:?}");
        assert_eq!(named(&said), ["shots/a.png", "shots/z.png"], "{said:?}");
        let told = ["shots/b.png", "cannot read shots/locked", "cannot read shots/nameless", "1 .txt"];
        assert_eq!(said.stderr.lines().count(), told.len(), "{said:?}");
        for (line, part) in said.stderr.lines().zip(told) {
            assert!(line.contains(part), "{part}: {line}");
        }
        mode("shots", 0);
        let said = place.unprivileged(&format!("{PREDICT} shots"));
        mode("shots", 0o755);
        assert!(said.is_none_or(|said| said.code == Some(74) && said.stderr.contains("shots")));
    }
}
