//! The Python in which tests ask other people's programs: Debian's PyTorch and torchvision, with what Debian lacks from PyPI.
//!
//! PyPI's PyTorch would be ten times the download. A virtual environment under target/ sees Debian's packages; it is made once,
//! and again when what belongs into it changes. `crates/formats/tests/peers` looks for it there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian::install;
use crate::command::{capture, succeeds, target_folder};
use crate::python::{interpreter, make};

/// The environment's name under target/.
const FOLDER: &str = "test-python";

/// Debian's own interpreter, which sees Debian's packages, whatever `python3` is.
const PYTHON: &str = "/usr/bin/python3";

/// OpenBLAS because the package that is installed otherwise, the reference BLAS, computes PyTorch's f64 ten times slower.
pub(super) const DEBIAN: [&str; 4] =
    ["python3-torch", "python3-torchvision", "python3-venv", "libopenblas0-pthread"];

/// Releases that run with Debian 12's PyTorch 1.13 and numpy 1.24, and have wheels for the Python of Debian 13 as well.
const PYPI: [&str; 6] = [
    "onnx==1.19.1",
    "onnxruntime==1.23.2",
    "timm==1.0.31",
    "safetensors==0.6.2",
    // what timm loads files with; later ones bring a web client of their own along
    "huggingface_hub==0.36.0",
    // whose bytes pictures are compared with; torchvision and timm run with it as with Debian's
    "pillow==13.0.0",
];

/// Makes the environment, unless it is there.
///
/// # Errors
/// If something is missing that cannot be installed here.
pub(super) fn set_up(root: &Path) -> Result<()> {
    if !succeeds(&mut torch()) {
        install(&DEBIAN)?;
    }
    if !succeeds(&mut torch()) {
        bail!("{PYTHON} cannot import torch and torchvision");
    }
    let numpy = numpy()?;
    let folder = target_folder(root)?.join(FOLDER);
    let contents = format!("{}\n{numpy}\n", PYPI.join("\n"));
    // written last: a folder without it is half made
    let stamp = folder.join("contents.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == contents) && interpreter(&folder).exists() {
        return Ok(());
    }
    make(&folder, PYTHON, &["--system-site-packages", "--clear"], &[&PYPI[..], &[&numpy]].concat())?;
    fs::write(&stamp, contents).with_context(|| format!("cannot write {}", stamp.display()))
}

/// A check whether Debian's interpreter has Debian's packages.
fn torch() -> Command {
    let mut command = Command::new(PYTHON);
    command.args(["-c", "import torch, torchvision, venv, ensurepip"]);
    command
}

/// What pip must leave as it is: PyTorch was compiled for the numpy beside it.
fn numpy() -> Result<String> {
    let version = capture(Command::new(PYTHON).args(["-c", "import numpy; print(numpy.__version__)"]))?;
    Ok(format!("numpy=={}", version.trim()))
}
