//! `cargo xtask bench train`: a training step of ours and of PyTorch, in turns, so that whatever else the machine does
//! falls on both.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::report::{self, Row};
use crate::command::{capture, cargo, exists, run as run_command, shown, target_folder};
use crate::machine::{Machine, first_cores, load};
use crate::options::Options;
use crate::python;

const OPTIONS: [&str; 9] =
    ["rounds", "steps", "threads", "batch-size", "input", "isa", "venv", "python", "out"];

/// What is measured, the same for all.
struct Settings {
    rounds: usize,
    steps: usize,
    threads: usize,
    batch: usize,
    input: String,
    isa: String,
    /// Cores that everybody is pinned to, where the system can.
    cores: Option<String>,
}

impl Settings {
    /// Those of the results in docs/benchmarks/.
    fn usual(machine: &Machine) -> Self {
        Self {
            rounds: 3,
            steps: 5,
            threads: machine.cores,
            batch: 256,
            input: "1x96x96".to_owned(),
            isa: "auto".to_owned(),
            cores: None,
        }
    }

    /// What was given, over `usual`.
    fn read(options: &Options, usual: &Self) -> Result<Self> {
        let threads = options.count("threads", usual.threads)?;
        Ok(Self {
            rounds: options.count("rounds", usual.rounds)?,
            steps: options.count("steps", usual.steps)?,
            threads,
            batch: options.count("batch-size", usual.batch)?,
            input: options.value("input", usual.input.clone())?,
            isa: options.value("isa", usual.isa.clone())?,
            cores: first_cores(threads).filter(|_| exists("taskset")),
        })
    }

    /// As options.
    fn shown(&self) -> [(&'static str, String); 6] {
        [
            ("rounds", self.rounds.to_string()),
            ("steps", self.steps.to_string()),
            ("threads", self.threads.to_string()),
            ("batch-size", self.batch.to_string()),
            ("input", self.input.clone()),
            ("isa", self.isa.clone()),
        ]
    }
}

/// Somebody who can take a training step.
struct Contender {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
}

/// Measures and writes raw.csv and summary.md.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments, &OPTIONS)?;
    let machine = Machine::look();
    let settings = Settings::read(&options, &Settings::usual(&machine))?;
    let folder = super::folder(root, &options, &machine, &Settings::usual(&machine).shown())?;
    let python = python::with(root, &options, python::TORCH)?;
    run_command(cargo(root).args(["build", "--release", "--package", "plusx-cli"]))?;
    let plusx = target_folder(root)?.join("release").join(format!("plusx{}", std::env::consts::EXE_SUFFIX));
    let contenders = contenders(root, &settings, plusx, &python);
    let mut rows = Vec::new();
    for round in 1..=settings.rounds {
        for contender in &contenders {
            let row = measure(contender, &settings, round)?;
            eprintln!(
                "round {round} {:<20} {:>9.1} ms {:>7.2} images/s {:>7.0} MB, load {:.1}",
                row.contender, row.median_ms, row.images_per_s, row.peak_rss_mb, row.load
            );
            rows.push(row);
        }
    }
    let pinned = settings
        .cores
        .as_ref()
        .map_or_else(|| "not pinned".to_owned(), |list| format!("pinned to cores {list}"));
    let setup = format!(
        "ResNet-18 of the chapter, fp32, input {}, batch {}, {} threads, {pinned}; a step is forward, loss, backward and \
         update on input made outside the clock; median of {} steps after 3 warm-ups, {} rounds in turns, a new process \
         each time. PyTorch {}.",
        settings.input,
        settings.batch,
        settings.threads,
        settings.steps,
        settings.rounds,
        rows.iter().find_map(|row| row.version.as_deref()).unwrap_or("of unknown version")
    );
    let summary = report::summary(&machine, &setup, &rows);
    report::write(&folder, &[("raw.csv", report::csv(&rows)), ("summary.md", summary.clone())])?;
    println!("{summary}\nwritten to {}", folder.display());
    Ok(())
}

fn contenders(root: &Path, settings: &Settings, plusx: PathBuf, python: &Path) -> Vec<Contender> {
    let common = [
        ("--input", settings.input.clone()),
        ("--batch-size", settings.batch.to_string()),
        ("--steps", settings.steps.to_string()),
        ("--threads", settings.threads.to_string()),
    ];
    let common: Vec<String> = common.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
    let mut ours: Vec<String> =
        ["bench", "train", "--model", "resnet18-d2l", "--json"].map(str::to_owned).into();
    ours.extend(common.iter().cloned());
    ours.extend(["--isa".to_owned(), settings.isa.clone()]);
    let torch = |layout: &str| {
        let mut arguments = vec![root.join("tools/bench_torch.py").display().to_string()];
        arguments.extend(common.iter().cloned());
        arguments.extend(["--layout".to_owned(), layout.to_owned()]);
        arguments
    };
    vec![
        Contender { name: "plusx", program: plusx, arguments: ours },
        Contender {
            name: "torch channels_last",
            program: python.to_owned(),
            arguments: torch("channels_last"),
        },
        Contender { name: "torch contiguous", program: python.to_owned(), arguments: torch("contiguous") },
    ]
}

fn measure(contender: &Contender, settings: &Settings, round: usize) -> Result<Row> {
    let mut command = match &settings.cores {
        None => Command::new(&contender.program),
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", cores]).arg(&contender.program);
            command
        }
    };
    let before = load();
    let text = capture(command.args(&contender.arguments))?;
    let line = text.lines().rev().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("`{}` printed no JSON object", shown(&command)))?;
    let json: Value = serde_json::from_str(line)?;
    let number = |name: &str| {
        json[name].as_f64().with_context(|| format!("{}: no number `{name}` in {line}", contender.name))
    };
    Ok(Row {
        round,
        contender: contender.name,
        threads: number("threads")?,
        batch: number("batch")?,
        isa: json["isa"].as_str().unwrap_or("unknown").to_owned(),
        median_ms: number("step_ms_median")?,
        p10_ms: number("step_ms_p10")?,
        p90_ms: number("step_ms_p90")?,
        images_per_s: number("img_per_s")?,
        peak_rss_mb: number("peak_rss_mb")?,
        load: before,
        version: json["torch"].as_str().map(str::to_owned),
    })
}
