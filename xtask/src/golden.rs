//! `cargo xtask golden`: makes the golden data again: of networks, of the resize and of ONNX files.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::run as run_command;
use crate::options::Options;
use crate::python;

/// Runs tools/golden.py, tools/golden_units.py, tools/golden_resize.py and tools/golden_onnx.py.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments, &python::OPTIONS)?;
    // all are looked for before anything is written
    let torch = python::with(root, &options, python::TORCH)?;
    let opencv = python::with(root, &options, python::OPENCV)?;
    let onnx = python::with(root, &options, python::ONNX)?;
    for script in ["tools/golden.py", "tools/golden_units.py"] {
        run_command(Command::new(&torch).current_dir(root).args([script, "--out", "tests/golden"]))?;
    }
    run_command(Command::new(opencv).current_dir(root).arg("tools/golden_resize.py"))?;
    run_command(Command::new(onnx).current_dir(root).arg("tools/golden_onnx.py"))
}
