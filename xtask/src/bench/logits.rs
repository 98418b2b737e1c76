//! `cargo xtask bench logits`: how far logits at lower precision are from those of fp32, beside OpenVINO and PyTorch in bf16. The
//! script in `tools/` measures and writes the result; this builds what it runs and gives it a Python.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Bench;
use crate::command::{built, cargo, run, target_folder};
use crate::options::Defaults;
use crate::python::{self, Modules};

/// What the script and the peers need.
const MODULES: Modules<'_> = &["torch", "torchvision", "openvino", "safetensors", "PIL", "numpy"];

/// Options of the script.
const OWN: Defaults<'static> = &[("images", "1000"), ("epochs", "5")];

/// Measures and writes logits.csv and logits.md.
pub(crate) fn measure(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = [OWN, &[("work", ""), ("venv", ""), ("python", "")]].concat();
    let own = OWN.iter().map(|(option, _)| *option);
    let bench = Bench::start(root, arguments, &known, &own.clone().collect::<Vec<_>>())?;
    run(cargo(root).args(["build", "--release", "--package", "plusx-infer", "--example", "logits"]))?;
    let python = python::with(root, &bench.options, MODULES)?;
    let work = bench.options.text("work").map_or(target_folder(root)?.join("bench-logits"), Into::into);
    let mut command = Command::new(python);
    command.arg(root.join("tools/bench_logits.py")).arg("--plusx").arg(&bench.plusx);
    command.arg("--logits").arg(built(root, "examples/logits")?);
    command.arg("--work").arg(work).arg("--out").arg(&bench.folder);
    for option in own {
        command.arg(format!("--{option}")).arg(bench.options.text(option).unwrap_or_default());
    }
    run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_one_of_the_script() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/bench_logits.py");
        let text = std::fs::read_to_string(&script).unwrap();
        for (option, default) in OWN {
            let line = format!("\"--{option}\", type=int, default={default})");
            assert!(text.contains(&line), "{line}");
        }
        for option in ["plusx", "logits", "work", "out"] {
            assert!(text.contains(&format!("\"--{option}\", required=True")), "--{option}");
        }
    }
}
