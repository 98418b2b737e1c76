//! `cargo xtask golden`: makes the golden data again: of networks, of the resize, of pictures, and files of other programs.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::run as run_command;
use crate::options::Options;
use crate::python;

/// Runs the scripts tools/golden*.py.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments, &[&python::OPTIONS[..], &["mxnet-python"]].concat())?;
    // all are looked for before anything is written
    let torch = python::with(root, &options, python::WEIGHTS)?;
    let opencv = python::with(root, &options, python::OPENCV)?;
    let pillow = python::with(root, &options, python::PILLOW)?;
    let onnx = python::with(root, &options, python::ONNX)?;
    let mxnet = python::mxnet(root, &options)?;
    for script in ["tools/golden.py", "tools/golden_units.py"] {
        run_command(Command::new(&torch).current_dir(root).args([script, "--out", "tests/golden"]))?;
    }
    run_command(Command::new(opencv).current_dir(root).arg("tools/golden_resize.py"))?;
    for script in ["tools/golden_pillow.py", "tools/golden_pictures.py"] {
        run_command(Command::new(&pillow).current_dir(root).arg(script))?;
    }
    run_command(Command::new(&onnx).current_dir(root).arg("tools/golden_onnx.py"))?;
    let variants = ["tools/golden_onnx_exports.py", "dynamo", "tests/golden/onnx/dynamo"];
    run_command(Command::new(onnx).current_dir(root).args(variants))?;
    for (python, part) in [(&torch, "torch"), (&mxnet, "mxnet"), (&torch, "bare")] {
        run_command(Command::new(python).current_dir(root).args(["tools/golden_weights.py", part]))?;
    }
    Ok(())
}
