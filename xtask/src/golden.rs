//! `cargo xtask golden`: makes tests/golden/ again.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::run as run_command;
use crate::options::Options;
use crate::python;

/// Runs tools/golden.py.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments, &python::OPTIONS)?;
    let python = python::with_torch(root, &options)?;
    run_command(Command::new(python).current_dir(root).args(["tools/golden.py", "--out", "tests/golden"]))
}
