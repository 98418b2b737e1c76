//! `cargo xtask bench train`: a training step of ours, of PyTorch and of MXNet.

use std::path::Path;

use anyhow::Result;

use super::report::{self, Absent, Report};
use super::settings::{self, Settings};
use super::turns::{self, Contender};
use super::verbose;
use crate::machine::Machine;
use crate::options::Options;
use crate::python;

/// Measures and writes train.csv, train.md and train.svg.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = [&settings::OPTIONS[..], &["venv", "python", "mxnet-python", "out"]].concat();
    let options = Options::parse(arguments, &known)?;
    let machine = Machine::look();
    let settings = Settings::read(&options, &Settings::usual(&machine))?;
    let folder = super::comparison_folder(root, &options, (&machine, &settings), "train")?;
    let (mut contenders, mut absent) = contenders(root, &settings, &options)?;
    let measured = turns::measure(&contenders, &settings)?;
    absent.extend(measured.absent);
    contenders.retain(|contender| absent.iter().all(|absent| absent.name != contender.name));
    let said = if settings.is_held() { verbose::say(&contenders[1..], &settings)? } else { String::new() };
    let peers = if settings.is_chapter() { "PyTorch and MXNet" } else { "PyTorch" };
    let report = Report {
        name: "train",
        title: format!("A training step beside {peers}: {}", settings.subject()),
        setup: format!(
            "{} A step is forward, loss, backward and update, on input made outside the clock.",
            settings.describe()
        ),
        absent,
        more: said,
    };
    report::finish(&report, (&machine, &measured.rows), &folder)
}

/// Ours and the peers', and who cannot be one.
pub(super) fn contenders(
    root: &Path,
    settings: &Settings,
    options: &Options,
) -> Result<(Vec<Contender>, Vec<Absent>)> {
    let mut contenders = vec![Contender::plusx(root, settings, "train")?];
    let python = python::with(root, options, &settings.modules(python::TORCH))?;
    for (name, own) in [
        ("torch channels_last", &["--layout", "channels_last"][..]),
        ("torch.compile channels_last", &["--layout", "channels_last", "--compile"]),
        ("torch contiguous", &["--layout", "contiguous"]),
    ] {
        let script = root.join("tools/bench_torch.py");
        contenders.push(Contender::script(name, (&python, script), settings, own));
    }
    let name = "mxnet hybridized";
    let without = |why: &str| Absent { name: name.to_owned(), why: why.to_owned() };
    let mut absent = Vec::new();
    if !settings.is_chapter() {
        absent.push(without("tools/bench_mxnet.py has the chapter's network only"));
        return Ok((contenders, absent));
    }
    match python::mxnet(root, options) {
        Ok(python) => {
            let script = root.join("tools/bench_mxnet.py");
            contenders.push(Contender::script(name, (&python, script), settings, &[]));
        }
        Err(error) => {
            // here and not in the summary: it names folders of this machine
            eprintln!("xtask: without MXNet: {error:#}");
            absent.push(without(
                "MXNet 1.9.1, its last release, could not be imported (it wants Python 3.11 at most)",
            ));
        }
    }
    Ok((contenders, absent))
}
