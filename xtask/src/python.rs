//! The Python environment of golden data and of the peer's benchmark: one that is given, else one made under target/.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{exists, run, succeeds, target_folder};
use crate::options::Options;

/// Options that choose an environment.
pub(crate) const OPTIONS: [&str; 2] = ["venv", "python"];

/// An interpreter that has torch and numpy.
pub(crate) fn with_torch(root: &Path, options: &Options) -> Result<PathBuf> {
    if let Some(python) = options.text("python") {
        return check(PathBuf::from(python));
    }
    if let Some(folder) = options.text("venv") {
        return check(interpreter(Path::new(folder)));
    }
    let folder = target_folder(root)?.join("torch-venv");
    let python = interpreter(&folder);
    if !has_torch(&python) {
        make(&folder, &python)?;
    }
    check(python)
}

fn interpreter(folder: &Path) -> PathBuf {
    if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") }
}

fn has_torch(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-c", "import torch, numpy"]))
}

fn check(python: PathBuf) -> Result<PathBuf> {
    if !has_torch(&python) {
        bail!("{} cannot import torch and numpy: `{0} -m pip install torch numpy`", python.display());
    }
    Ok(python)
}

fn make(folder: &Path, python: &Path) -> Result<()> {
    let system = ["python3", "python"].into_iter().find(|name| exists(name));
    let system = system.context("PyTorch needs Python 3.10 or newer: no python3 was found")?;
    run(Command::new(system).args(["-m", "venv"]).arg(folder))
        .context("on Debian the module venv is in the package python3-venv")?;
    run(Command::new(python).args(["-m", "pip", "install", "--quiet", "torch", "numpy"]))
}
