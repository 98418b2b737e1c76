//! `cargo xtask bench train` and `bench infer`: plusx beside other programs, or beside another build of plusx, in turns.

use std::path::Path;

use anyhow::Result;

use super::Bench;
use super::report::MeasuredComparison;
use super::settings::{self, HIGHEST, Settings};
use super::turns::{self, Contender, MissingPeer};
use crate::python::{self, Modules};

/// What differs between the two.
struct Work {
    /// The command of `plusx bench`, and the name of the files.
    name: &'static str,
    title: &'static str,
    /// What is measured, and what is not.
    about: &'static str,
    /// Who takes part where all compute in fp32.
    peers: Peers,
    /// Who does where plusx rounds to bf16: the fastest peers in fp32, and those that can in bf16.
    mixed: Peers,
    /// Whether MXNet takes part.
    has_mxnet: bool,
}

/// Other programs.
struct Peers {
    /// Each one's name, its script and the script's own options.
    scripts: &'static [(&'static str, &'static str, &'static [&'static str])],
    modules: Modules<'static>,
}

const TRAIN: Work = Work {
    name: "train",
    title: "A training step",
    about: "A step is forward, loss, backward and update, on input made outside the clock.",
    peers: Peers {
        scripts: &[
            ("torch channels_last", "bench_torch.py", &[]),
            ("torch.compile channels_last", "bench_torch.py", &["--compile"]),
            ("torch contiguous", "bench_torch.py", &["--layout", "contiguous"]),
        ],
        modules: python::TORCH,
    },
    mixed: Peers {
        scripts: &[
            ("torch channels_last fp32", "bench_torch.py", &[]),
            ("torch.compile channels_last fp32", "bench_torch.py", &["--compile"]),
            ("torch channels_last bf16", "bench_torch.py", &["--precision", "bf16"]),
            ("torch.compile channels_last bf16", "bench_torch.py", &["--compile", "--precision", "bf16"]),
        ],
        modules: python::TORCH,
    },
    has_mxnet: true,
};

const INFER: Work = Work {
    name: "infer",
    title: "Inference",
    about: "Batch norm in evaluation mode, input made outside the clock.",
    peers: Peers {
        scripts: &[
            ("onnxruntime", "bench_infer.py", &["--engine", "onnxruntime"]),
            ("openvino", "bench_infer.py", &["--engine", "openvino"]),
            ("mnn", "bench_infer.py", &["--engine", "mnn"]),
            ("ncnn", "bench_infer.py", &["--engine", "ncnn"]),
            ("torch.compile", "bench_infer.py", &["--engine", "torch-compile"]),
        ],
        modules: python::ENGINES,
    },
    mixed: Peers {
        scripts: &[
            ("onnxruntime fp32", "bench_infer.py", &["--engine", "onnxruntime"]),
            ("openvino fp32", "bench_infer.py", &["--engine", "openvino"]),
            // what that is on a processor, it says itself
            ("openvino default", "bench_infer.py", &["--engine", "openvino", "--precision", "bf16"]),
            ("torch.compile bf16", "bench_infer.py", &["--engine", "torch-compile", "--precision", "bf16"]),
        ],
        modules: python::BF16_ENGINES,
    },
    has_mxnet: false,
};

/// Measures and writes train.csv, train.md, train.svg and train.png, or train-medium.csv and so on.
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
    let precision = &settings.precision;
    let plusx = |name: &str, build: &Path| Contender::plusx(name, build, work.name, &settings);
    let name = if settings.is_mixed() { format!("plusx {precision}") } else { "plusx".to_owned() };
    let mut contenders = vec![plusx(&name, &bench.plusx).at(precision)];
    let mut left_out = Vec::new();
    let others = if let Some(other) = bench.options.text("beside") {
        contenders.push(plusx("the other build", Path::new(other)).at(precision).peer());
        "another build of plusx"
    } else {
        let peers = if settings.is_mixed() { &work.mixed } else { &work.peers };
        let python = python::with(root, &bench.options, &settings.modules(peers.modules))?;
        if settings.is_mixed() {
            contenders.push(plusx("plusx highest", &bench.plusx).at(HIGHEST));
        }
        for (name, script, own) in peers.scripts {
            let script = root.join("tools").join(script);
            contenders.push(Contender::script(name, &python, &script, &settings, own));
        }
        if work.has_mxnet {
            match mxnet(root, &bench, &settings) {
                Ok(contender) => contenders.push(contender),
                Err(missing) => left_out.push(missing),
            }
        }
        "other programs"
    };
    let measured = turns::measure(&contenders, &settings)?;
    left_out.extend(measured.left_out);
    let comparison = MeasuredComparison {
        title: format!("{} beside {others}: {}", work.title, settings.subject()),
        setup: format!("{} {}", settings.describe(), work.about),
        mixed: settings.is_mixed(),
        left_out,
        rows: measured.rows,
    };
    let file = settings.file(work.name);
    bench.finish(&file, &comparison.csv(), &comparison.summary(&bench.machine))?;
    comparison.draw(&bench.folder.join(file))
}

/// MXNet, or why it cannot take part.
fn mxnet(root: &Path, bench: &Bench, settings: &Settings) -> Result<Contender, MissingPeer> {
    const NAME: &str = "mxnet hybridized";
    let missing = |why: &str| MissingPeer { name: NAME.to_owned(), why: why.to_owned() };
    if !settings.is_chapter() {
        return Err(missing("tools/bench_mxnet.py has the chapter's network only"));
    }
    let python = python::mxnet(root, &bench.options).map_err(|error| {
        // here and not in the summary: it names folders of this machine
        eprintln!("xtask: without MXNet: {error:#}");
        missing("MXNet 1.9.1, its last release, could not be imported (it wants Python 3.11 at most)")
    })?;
    Ok(Contender::script(NAME, &python, &root.join("tools/bench_mxnet.py"), settings, &[]))
}
