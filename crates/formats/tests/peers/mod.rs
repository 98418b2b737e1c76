//! Other people's Python programs, which tests ask for a second opinion.
// each test uses some of it
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use plusx_model::shape::ImageShape;

/// An interpreter that imports `modules` (`torch, timm`): the one that `cargo xtask test` sets up under the target folder,
/// else the user's own. `None` says that the test skips.
pub(crate) fn python(modules: &str) -> Option<PathBuf> {
    // cargo's folder for tests' files is target/tmp
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-python").join("bin/python");
    let imports = |python: &PathBuf| {
        let import = Command::new(python).args(["-c", &format!("import {modules}")]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let found = [made, "python3".into(), "python".into()].into_iter().find(imports);
    if found.is_none() {
        println!("SKIPPED: needs Python with {modules}");
    }
    found
}

/// Runs a script of tools/ with some arguments; returns what it printed.
///
/// # Panics
/// If it fails, with what it said.
pub(crate) fn run(python: &Path, script: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools").join(script);
    let mut command = Command::new(python);
    command.arg(script).args(arguments.iter().map(|argument| argument.as_ref()));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [said, errors] = [&stdout, &stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(status.success(), "{command:?}: {said}{errors}");
    said
}

/// Writes float32 as the scripts read it.
pub(crate) fn write(path: &Path, values: &[f32]) {
    std::fs::write(path, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
}

/// Images as most other programs take them: channels, rows, columns.
pub(crate) fn channels_first(images: &[f32], shape: ImageShape) -> Vec<f32> {
    let (image, pixels) = (shape.len(), shape.pixels());
    let value = |i: usize| images[i / image * image + i % pixels * shape.c + i % image / pixels];
    (0..images.len()).map(value).collect()
}
