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

/// Debian's package, and a file of it.
const PACKAGE: &str = "dataset-fashion-mnist";
const FOLDER: &str = "/usr/share/datasets/fashion-mnist";

/// Sets everything up; an error names what cannot be done without.
pub(crate) fn run_all(root: &Path) -> Result<()> {
    component(root, "rustfmt", "fmt")?;
    component(root, "clippy", "clippy")?;
    data_set(root);
    if let Err(error) = peers::set_up(root) {
        eprintln!(
            "{error:#}\nSo there is no Python for the tests that compare with torchvision, timm and ONNX Runtime (on Debian:\n\
             `apt-get install {}`). They take the `python3`\n\
             of this shell if it has what they need; else they skip, and are listed at the end.",
            peers::DEBIAN.join(" ")
        );
    }
    if let Err(error) = jpeg_tools() {
        eprintln!("{error:#}");
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

fn data_set(root: &Path) {
    if is_installed() || is_found(root) {
        return;
    }
    if let Err(error) = install(&[PACKAGE]) {
        eprintln!("{error:#}");
    }
    if !is_installed() {
        eprintln!(
            "the full Fashion-MNIST set is missing (on Debian: `apt-get install {PACKAGE}`; anywhere:\n\
             `cargo run --release -- data get fashion-mnist`). The tests go on with the sample that is embedded in\n\
             the program; only the ones that compare that sample with the full set, or fetch the full set from a\n\
             server of their own, skip, and are listed at the end."
        );
    }
}

/// libjpeg-turbo's tools, which make JPEG files for a test of the decoder.
fn jpeg_tools() -> Result<()> {
    const PACKAGE: &str = "libjpeg-turbo-progs";
    // they know no --version
    let found = || ["cjpeg", "jpegtran"].iter().all(|tool| succeeds(Command::new(tool).arg("-version")));
    if !found() {
        install(&[PACKAGE])?;
    }
    if !found() {
        bail!(
            "cjpeg and jpegtran are missing (on Debian: `apt-get install {PACKAGE}`): a part of one test skips"
        );
    }
    Ok(())
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
