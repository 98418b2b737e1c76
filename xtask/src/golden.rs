//! `cargo xtask golden`: makes the golden data again: of networks, of the resize, of pictures, of data sets, and files of other programs.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::run as run_command;
use crate::options::CommandOptions;
use crate::python;

/// The scripts in tools/ and what they are told; those of MXNet have an environment of their own.
const SCRIPTS: &[&[&str]] = &[
    &["golden.py", "--out", "tests/golden"],
    &["golden_units.py", "--out", "tests/golden"],
    &["golden_learning.py", "--out", "tests/golden"],
    &["golden_pictures.py"],
    &["golden_sources.py"],
    &["golden_prepared.py"],
    &["golden_schedules.py"],
    &["golden_layer_decay.py"],
    &["golden_lr_find.py"],
    &["golden_recipes.py"],
    &["golden_augment.py"],
    &["golden_onnx.py"],
    &["golden_onnx_exports.py", "dynamo", "tests/golden/onnx/dynamo"],
    &["golden_weights.py", "torch"],
    &["golden_weights.py", "bare"],
    &["zoo_names.py"],
];
const SCRIPTS_OF_MXNET: &[&[&str]] = &[&["golden_weights.py", "mxnet"], &["golden_symbols.py"]];

/// Runs the scripts.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = CommandOptions::parse(arguments, python::DEFAULTS)?;
    // both are looked for before anything is written
    let usual = python::with(root, &options, python::GOLDEN)?;
    let mxnet = python::mxnet(root, &options)?;
    for (python, scripts) in [(usual, SCRIPTS), (mxnet, SCRIPTS_OF_MXNET)] {
        for script in scripts {
            let tools = Path::new("tools").join(script[0]);
            run_command(Command::new(&python).current_dir(root).arg(tools).args(&script[1..]))?;
        }
    }
    Ok(())
}
