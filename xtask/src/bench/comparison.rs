//! `cargo xtask bench train` and `bench infer`: plusx beside other programs, or beside another build of plusx, in turns.

use std::path::Path;

use anyhow::Result;

use super::Bench;
use super::report::MeasuredComparison;
use super::settings::{self, Settings};
use super::turns::{self, Contender, MissingPeer};
use crate::python::{self, Modules};

/// What differs between the two.
struct Work {
    /// The command of `plusx bench`, and the name of the files.
    name: &'static str,
    title: &'static str,
    /// What is measured, and what is not.
    about: &'static str,
    /// The peers: each one's name, its script and the script's own options.
    peers: &'static [(&'static str, &'static str, &'static [&'static str])],
    modules: Modules<'static>,
}

const TRAIN: Work = Work {
    name: "train",
    title: "A training step",
    about: "A step is forward, loss, backward and update, on input made outside the clock.",
    peers: &[
        ("torch channels_last", "bench_torch.py", &["--layout", "channels_last"]),
        ("torch.compile channels_last", "bench_torch.py", &["--layout", "channels_last", "--compile"]),
        ("torch contiguous", "bench_torch.py", &["--layout", "contiguous"]),
    ],
    modules: python::TORCH,
};

const INFER: Work = Work {
    name: "infer",
    title: "Inference",
    about: "Batch norm in evaluation mode, input made outside the clock.",
    peers: &[
        ("onnxruntime", "bench_infer.py", &["--engine", "onnxruntime"]),
        ("openvino", "bench_infer.py", &["--engine", "openvino"]),
        ("mnn", "bench_infer.py", &["--engine", "mnn"]),
        ("ncnn", "bench_infer.py", &["--engine", "ncnn"]),
        ("torch.compile", "bench_infer.py", &["--engine", "torch-compile"]),
    ],
    modules: python::ENGINES,
};

/// Measures and writes train.csv, train.md, train.svg and train.png.
pub(crate) fn train(root: &Path, arguments: &[&str]) -> Result<()> {
    compare(root, &TRAIN, arguments)
}

/// The same of inference.
pub(crate) fn infer(root: &Path, arguments: &[&str]) -> Result<()> {
    compare(root, &INFER, arguments)
}

fn compare(root: &Path, work: &Work, arguments: &[&str]) -> Result<()> {
    let known = [settings::DEFAULTS, python::DEFAULTS, &[("beside", "")]].concat();
    let mut bench = Bench::start(root, arguments, &known, &[settings::HOW, &["beside"]].concat())?;
    let settings = Settings::read(&bench.options, bench.machine.cores)?;
    if bench.options.text("out").is_none() {
        bench.folder.push(settings.corner(work.name));
    }
    let mut contenders = vec![Contender::plusx("plusx", &bench.plusx, work.name, &settings)];
    let mut left_out = Vec::new();
    let beside = bench.options.text("beside");
    match beside {
        Some(other) => {
            let other = Contender::plusx("the other build", Path::new(other), work.name, &settings);
            contenders.push(other.peer());
        }
        None => peers(root, &bench, work, &settings, (&mut contenders, &mut left_out))?,
    }
    let measured = turns::measure(&contenders, &settings)?;
    left_out.extend(measured.left_out);
    let others = if beside.is_some() { "another build of plusx" } else { "other programs" };
    let comparison = MeasuredComparison {
        title: format!("{} beside {others}: {}", work.title, settings.subject()),
        setup: format!("{} {}", settings.describe(), work.about),
        left_out,
        rows: measured.rows,
    };
    bench.finish(work.name, &comparison.csv(), &comparison.summary(&bench.machine))?;
    comparison.draw(&bench.folder.join(work.name))
}

/// Adds the programs of others, and says who of them cannot take part.
fn peers(
    root: &Path,
    bench: &Bench,
    work: &Work,
    settings: &Settings,
    (contenders, left_out): (&mut Vec<Contender>, &mut Vec<MissingPeer>),
) -> Result<()> {
    let python = python::with(root, &bench.options, &settings.modules(work.modules))?;
    for (name, script, own) in work.peers {
        contenders.push(Contender::script(name, &python, &root.join("tools").join(script), settings, own));
    }
    if work.name == INFER.name {
        return Ok(());
    }
    let why = if !settings.is_chapter() {
        "tools/bench_mxnet.py has the chapter's network only"
    } else {
        match python::mxnet(root, &bench.options) {
            Ok(python) => {
                let script = root.join("tools/bench_mxnet.py");
                contenders.push(Contender::script("mxnet hybridized", &python, &script, settings, &[]));
                return Ok(());
            }
            Err(error) => {
                // here and not in the summary: it names folders of this machine
                eprintln!("xtask: without MXNet: {error:#}");
                "MXNet 1.9.1, its last release, could not be imported (it wants Python 3.11 at most)"
            }
        }
    };
    left_out.push(MissingPeer { name: "mxnet hybridized".to_owned(), why: why.to_owned() });
    Ok(())
}
