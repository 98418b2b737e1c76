//! Other people's programs, which tests ask for a second opinion.
#![allow(dead_code, reason = "each test asks whom it needs")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Columns, rows and RGB of a picture.
pub(crate) type Pixels = (usize, usize, Vec<u8>);

/// A picture, or why there is none.
pub(crate) type Answer = Result<Pixels, String>;

/// An interpreter with Pillow 13 or newer: the one that `cargo xtask test` sets up under the target folder, else the user's
/// own. `None` says that the test skips.
pub(crate) fn pillow() -> Option<PathBuf> {
    // cargo's folder for tests' files is target/tmp
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-python").join("bin/python");
    let has = |python: &PathBuf| {
        let check = "import PIL, sys; sys.exit(int(PIL.__version__.split('.')[0]) < 13)";
        Command::new(python).args(["-c", check]).output().is_ok_and(|output| output.status.success())
    };
    let found = [made, "python3".into(), "python".into()].into_iter().find(has);
    if found.is_none() {
        println!("SKIPPED: needs Python with Pillow 13");
    }
    found
}

/// What Pillow makes of these files, in one process.
pub(crate) fn ask_pillow(python: &Path, folder: &Path, paths: &[PathBuf]) -> Vec<Answer> {
    let (list, answers) = (folder.join("list.txt"), folder.join("answers"));
    let lines: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    std::fs::write(&list, lines).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/pillow_decode.py");
    let output = Command::new(python).arg(script).arg(list).arg(&answers).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(answers).unwrap();
    let mut rest = bytes.as_slice();
    let answers = paths.iter().map(|_| {
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        let Some(size) = line.strip_prefix("ok ") else { return Err(line.to_owned()) };
        let (w, h) = size.split_once(' ').unwrap();
        let (w, h): (usize, usize) = (w.parse().unwrap(), h.parse().unwrap());
        let (pixels, after) = rest.split_at(3 * w * h);
        rest = after;
        Ok((w, h, pixels.to_vec()))
    });
    answers.collect()
}

/// Files of a format as Pillow writes them, by kind.
pub(crate) fn pillow_files(python: &Path, format: &str) -> BTreeMap<String, Vec<Vec<u8>>> {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/pillow_encode.py");
    let output = Command::new(python).arg(script).arg(format).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut kinds: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = name.split_once("--").unwrap().0;
        kinds.entry(kind.to_owned()).or_default().push(std::fs::read(&path).unwrap());
    }
    kinds
}

/// Whether the tools of libjpeg-turbo are here; says that a part of the test skips if not.
pub(crate) fn has_jpeg_tools() -> bool {
    let found = ["cjpeg", "jpegtran"].iter().all(|tool| Command::new(tool).arg("-version").output().is_ok());
    if !found {
        println!("SKIPPED: needs cjpeg and jpegtran (libjpeg-turbo-progs)");
    }
    found
}

/// What a tool writes to its output for a file.
pub(crate) fn tool(name: &str, options: &[&str], file: &Path) -> Option<Vec<u8>> {
    let output = Command::new(name).args(options).arg(file).output().unwrap();
    output.status.success().then_some(output.stdout)
}
