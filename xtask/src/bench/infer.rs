//! `cargo xtask bench infer`: inference of ours and of ONNX Runtime, OpenVINO, MNN, ncnn and PyTorch.

use std::path::Path;

use anyhow::Result;

use super::report::{self, Report};
use super::settings::{self, Settings};
use super::turns::{self, Contender, Measured};
use crate::machine::Machine;
use crate::options::Options;
use crate::python;

/// Measures and writes infer.csv, infer.md and infer.svg.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = [&settings::OPTIONS[..], &["venv", "python", "out"]].concat();
    let options = Options::parse(arguments, &known)?;
    let machine = Machine::look();
    let settings = Settings::read(&options, &Settings::usual(&machine))?;
    let folder = super::comparison_folder(root, &options, (&machine, &settings), "infer")?;
    let python = python::with(root, &options, &settings.modules(python::ENGINES))?;
    let mut contenders = vec![Contender::plusx(root, &settings, "infer")?];
    for (name, engine) in [
        ("onnxruntime", "onnxruntime"),
        ("openvino", "openvino"),
        ("mnn", "mnn"),
        ("ncnn", "ncnn"),
        ("torch.compile", "torch-compile"),
    ] {
        let script = root.join("tools/bench_infer.py");
        contenders.push(Contender::script(name, (&python, script), &settings, &["--engine", engine]));
    }
    let Measured { rows, absent } = turns::measure(&contenders, &settings)?;
    let report = Report {
        name: "infer",
        title: format!("Inference beside other engines: {}", settings.subject()),
        setup: format!(
            "{} Batch norm in evaluation mode, input made outside the clock.",
            settings.describe()
        ),
        absent,
        more: String::new(),
    };
    report::finish(&report, (&machine, &rows), &folder)
}
