//! What the tests need beyond Rust: rustfmt, clippy, the full Fashion-MNIST set, and Python with other people's programs.
//!
//! Root on Debian gets the last two installed; everybody else is told what is missing and which tests then skip.

mod debian;
mod peers;

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use debian::install;

use crate::command::{cargo, exists, run, succeeds};

/// Where Debian's package puts the full set.
const FOLDER: &str = "/usr/share/datasets/fashion-mnist";

/// Sets everything up; an error names what cannot be done without.
pub(crate) fn run_all(root: &Path) -> Result<()> {
    component(root, "rustfmt", "fmt")?;
    component(root, "clippy", "clippy")?;
    want(
        || is_installed() || is_found(root),
        "dataset-fashion-mnist",
        "the full Fashion-MNIST set is missing: tests take the sample inside the program, and skip what compares the two\n\
         (`cargo run --release -- data get fashion-mnist` fetches it)",
    );
    want(has_jpeg_tools, "libjpeg-turbo-progs", "cjpeg and jpegtran are missing: a part of one test skips");
    if let Err(error) = peers::set_up(root) {
        eprintln!(
            "{error:#}\nSo there is no Python for the tests that compare with torchvision, timm and ONNX Runtime (on Debian:\n\
             `apt-get install {}`). They take the `python3`\n\
             of this shell if it has what they need; else they skip, and are listed at the end.",
            peers::DEBIAN.join(" ")
        );
    }
    if !has_nextest(root) {
        eprintln!(
            "cargo-nextest is not installed: `cargo test` runs the tests instead, one crate after another"
        );
    }
    Ok(())
}

/// Whether tests can run through cargo-nextest.
pub(crate) fn has_nextest(root: &Path) -> bool {
    succeeds(cargo(root).args(["nextest", "--version"]))
}

fn component(root: &Path, name: &str, subcommand: &str) -> Result<()> {
    let mut check = cargo(root);
    if succeeds(check.args([subcommand, "--version"])) {
        return Ok(());
    }
    if exists("rustup") {
        run(Command::new("rustup").args(["component", "add", name]))?;
        return Ok(());
    }
    bail!("{name} is missing: `rustup component add {name}`, or the package of your distribution that has it")
}

/// Has a package of Debian installed if what it brings is not there, and says what is lost without it.
fn want(found: impl Fn() -> bool, package: &str, without: &str) {
    if !found()
        && let Err(error) = install(&[package])
    {
        eprintln!("{error:#}");
    }
    if !found() {
        eprintln!("{without} (on Debian: `apt-get install {package}`)");
    }
}

/// Whether libjpeg-turbo's tools are there, which make JPEG files for a test of the decoder. They know no --version.
fn has_jpeg_tools() -> bool {
    ["cjpeg", "jpegtran"].iter().all(|tool| succeeds(Command::new(tool).arg("-version")))
}

/// Whether Debian's package is there.
fn is_installed() -> bool {
    std::fs::read_dir(FOLDER).is_ok_and(|mut files| files.next().is_some())
}

/// Whether the program, and so the tests, find the set elsewhere: in `$PLUSX_DATA` or the user's cache folder. The
/// program is one that the tests need built in any case.
fn is_found(root: &Path) -> bool {
    run(cargo(root).args(["run", "--package", "plusx-cli", "--", "data", "path", "fashion-mnist"])).is_ok()
}
