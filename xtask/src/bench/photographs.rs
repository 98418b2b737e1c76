//! `cargo xtask bench photos`, `loader` and `transfer`: whole runs on photographs beside PyTorch and torchvision. The scripts in
//! `tools/` measure and write the result; this builds what they measure and gives them a Python.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Bench;
use crate::command::{built, cargo, run, target_folder};
use crate::options::Defaults;
use crate::python::{self, Modules};

/// What the peers need.
const MODULES: Modules<'_> = &["torch", "torchvision", "PIL", "numpy", "safetensors"];

/// Options of all three.
const SHARED: Defaults<'static> = &[("photos", ""), ("work", ""), ("venv", ""), ("python", "")];

/// Photos from scratch: wall time, memory, accuracy.
pub(crate) fn photos(root: &Path, arguments: &[&str]) -> Result<()> {
    measure(root, arguments, "photos", &[("seeds", "3"), ("epochs", "20"), ("side", "128")])
}

/// The loader alone.
pub(crate) fn loader(root: &Path, arguments: &[&str]) -> Result<()> {
    run(cargo(root).args(["build", "--release", "--package", "plusx-data", "--example", "loader_speed"]))?;
    measure(root, arguments, "loader", &[("rounds", "3")])
}

/// A classifier on a frozen backbone.
pub(crate) fn transfer(root: &Path, arguments: &[&str]) -> Result<()> {
    measure(root, arguments, "transfer", &[("rounds", "3")])
}

/// Runs `tools/bench_NAME.py` with its own options as they are.
fn measure(root: &Path, arguments: &[&str], name: &str, own: Defaults<'_>) -> Result<()> {
    let how: Vec<&str> = own.iter().map(|(option, _)| *option).collect();
    let bench = Bench::start(root, arguments, &[SHARED, own].concat(), &how)?;
    let options = &bench.options;
    let photos = options.text("photos").context(
        "--photos FOLDER is needed: tools/bench_pictures.py says at its top which photos these are and how to get them",
    )?;
    let python = python::with(root, options, MODULES)?;
    let work = options.text("work").map_or(target_folder(root)?.join("bench-photos"), Into::into);
    let mut command = Command::new(python);
    command.arg(root.join(format!("tools/bench_{name}.py"))).arg(photos);
    command.arg("--plusx").arg(&bench.plusx).arg("--work").arg(work).arg("--out").arg(&bench.folder);
    if name == "loader" {
        command.arg("--loader").arg(built(root, "examples/loader_speed")?);
    }
    for option in how {
        command.arg(format!("--{option}")).arg(options.text(option).unwrap_or_default());
    }
    run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_one_of_the_script() {
        for (name, own) in [
            ("photos", &["seeds", "epochs", "side"][..]),
            ("loader", &["rounds", "loader"]),
            ("transfer", &["rounds"]),
        ] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tools/bench_{name}.py"));
            let text = std::fs::read_to_string(&script).unwrap();
            for option in own.iter().chain(&["plusx", "work", "out"]) {
                assert!(
                    text.contains(&format!("\"--{option}\"")) || text.contains(&format!("(\"{option}\", ")),
                    "{name}: --{option}"
                );
            }
        }
    }
}
