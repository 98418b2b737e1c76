//! `cargo xtask bench train`: a training step of ours, of PyTorch and of MXNet.

use std::path::Path;

use anyhow::Result;

use super::report::{self, Report};
use super::turns::{self, Contender, Settings};
use super::verbose;
use crate::machine::Machine;
use crate::options::Options;
use crate::python;

/// Measures and writes train.csv, train.md and train.svg.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = [&turns::OPTIONS[..], &["venv", "python", "mxnet-python", "out"]].concat();
    let options = Options::parse(arguments, &known)?;
    let machine = Machine::look();
    let settings = Settings::read(&options, &Settings::usual(&machine))?;
    let folder = super::folder(root, &options, &machine, &Settings::usual(&machine).shown())?;
    let contenders = contenders(root, &settings, &options)?;
    let rows = turns::measure(&contenders, &settings)?;
    let said = if settings.is_held() { verbose::say(&contenders[1..], &settings)? } else { String::new() };
    let report = Report {
        name: "train",
        title: "A training step beside PyTorch and MXNet",
        setup: format!(
            "{} A step is forward, loss, backward and update, on input made outside the clock.",
            settings.describe()
        ),
        more: said,
    };
    report::finish(&report, (&machine, &rows), &folder)
}

/// Ours and the peers'.
pub(super) fn contenders(root: &Path, settings: &Settings, options: &Options) -> Result<Vec<Contender>> {
    let mut contenders = vec![Contender::plusx(root, settings, "train")?];
    let python = python::with(root, options, python::TORCH)?;
    for (name, own) in [
        ("torch channels_last", &["--layout", "channels_last"][..]),
        ("torch.compile channels_last", &["--layout", "channels_last", "--compile"]),
        ("torch contiguous", &["--layout", "contiguous"]),
    ] {
        let script = root.join("tools/bench_torch.py");
        contenders.push(Contender::script(name, (&python, script), settings, own));
    }
    match python::mxnet(root, options) {
        Ok(python) => {
            let script = root.join("tools/bench_mxnet.py");
            contenders.push(Contender::script("mxnet hybridized", (&python, script), settings, &[]));
        }
        // its last release runs on no Python above 3.11
        Err(error) => eprintln!("xtask: without MXNet: {error:#}"),
    }
    Ok(contenders)
}
