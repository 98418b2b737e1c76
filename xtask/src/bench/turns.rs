//! Contenders in turns: whatever else the machine does falls on all of them. Each measures itself in a process of its own
//! and prints a JSON object.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::report::Row;
use crate::command::{capture, cargo, exists, run as run_command, shown, target_folder};
use crate::machine::{Machine, first_cores, load};
use crate::options::Options;

/// Options that [`Settings`] reads.
pub(super) const OPTIONS: [&str; 6] = ["rounds", "steps", "threads", "batch-size", "input", "isa"];

/// What is measured, the same for all.
pub(super) struct Settings {
    pub(super) rounds: usize,
    pub(super) steps: usize,
    threads: usize,
    batch: usize,
    input: String,
    isa: String,
    /// Cores that everybody is pinned to, where the system can.
    cores: Option<String>,
}

impl Settings {
    /// Those of the results in docs/benchmarks/.
    pub(super) fn usual(machine: &Machine) -> Self {
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
    pub(super) fn read(options: &Options, usual: &Self) -> Result<Self> {
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
    pub(super) fn shown(&self) -> [(&'static str, String); 6] {
        [
            ("rounds", self.rounds.to_string()),
            ("steps", self.steps.to_string()),
            ("threads", self.threads.to_string()),
            ("batch-size", self.batch.to_string()),
            ("input", self.input.clone()),
            ("isa", self.isa.clone()),
        ]
    }

    /// As the contenders' options.
    pub(super) fn arguments(&self) -> Vec<String> {
        let common = [
            ("--input", self.input.clone()),
            ("--batch-size", self.batch.to_string()),
            ("--steps", self.steps.to_string()),
            ("--threads", self.threads.to_string()),
        ];
        common.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        let pinned = match &self.cores {
            Some(list) => format!("pinned to cores {list}"),
            None => "not pinned".to_owned(),
        };
        format!(
            "ResNet-18 of the chapter, fp32, input {}, batch {}, {} threads, {pinned}; median of {} steps after 3 warm-ups, \
             {} rounds in turns, a new process each time.",
            self.input, self.batch, self.threads, self.steps, self.rounds
        )
    }
}

/// Somebody who can be measured.
pub(super) struct Contender {
    pub(super) name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
}

impl Contender {
    /// plusx itself, built for release: `plusx bench COMMAND`.
    pub(super) fn plusx(root: &Path, settings: &Settings, command: &str) -> Result<Self> {
        run_command(cargo(root).args(["build", "--release", "--package", "plusx-cli"]))?;
        let folder = target_folder(root)?.join("release");
        let program = folder.join(format!("plusx{}", std::env::consts::EXE_SUFFIX));
        let mut arguments: Vec<String> =
            ["bench", command, "--model", "resnet18-d2l", "--json"].map(str::to_owned).into();
        arguments.extend(settings.arguments());
        arguments.extend(["--isa".to_owned(), settings.isa.clone()]);
        Ok(Self { name: "plusx", program, arguments, environment: Vec::new() })
    }

    /// A script of tools/ with these options of its own.
    pub(super) fn script(
        name: &'static str,
        (python, script): (&Path, PathBuf),
        settings: &Settings,
        own: &[&str],
    ) -> Self {
        let mut arguments = vec![script.display().to_string()];
        arguments.extend(settings.arguments());
        arguments.extend(own.iter().map(|argument| (*argument).to_owned()));
        // peers built on oneDNN are held to the level that plusx is held to
        let environment = match settings.isa.as_str() {
            "avx2" => vec![
                ("ONEDNN_MAX_CPU_ISA", "AVX2"),
                ("DNNL_MAX_CPU_ISA", "AVX2"),
                ("ATEN_CPU_CAPABILITY", "avx2"),
            ],
            _ => Vec::new(),
        };
        Self { name, program: python.to_owned(), arguments, environment }
    }

    /// With one more argument.
    pub(super) fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// What it prints about itself.
    pub(super) fn json(&self, settings: &Settings) -> Result<Value> {
        let mut command = match &settings.cores {
            None => Command::new(&self.program),
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", cores]).arg(&self.program);
                command
            }
        };
        let text = capture(command.args(&self.arguments).envs(self.environment.iter().copied()))?;
        let line = text.lines().rev().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("`{}` printed no JSON object", shown(&command)))?;
        Ok(serde_json::from_str(line)?)
    }

    fn measure(&self, settings: &Settings, round: usize) -> Result<Row> {
        let before = load();
        let json = self.json(settings)?;
        let number = |name: &str| {
            json[name].as_f64().with_context(|| format!("{}: no number `{name}` in {json}", self.name))
        };
        let version = ["version", "torch", "mxnet"].into_iter().find_map(|name| json[name].as_str());
        Ok(Row {
            round,
            contender: self.name,
            threads: number("threads")?,
            batch: number("batch")?,
            isa: json["isa"].as_str().unwrap_or("unknown").to_owned(),
            median_ms: number("step_ms_median")?,
            p10_ms: number("step_ms_p10")?,
            p90_ms: number("step_ms_p90")?,
            images_per_s: number("img_per_s")?,
            peak_rss_mb: number("peak_rss_mb")?,
            load: before,
            version: version.map(str::to_owned),
            limit: json["direct_limit_img_per_s"].as_f64(),
        })
    }
}

/// Everybody in turns.
pub(super) fn measure(contenders: &[Contender], settings: &Settings) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for round in 1..=settings.rounds {
        for contender in contenders {
            let row = contender.measure(settings, round)?;
            eprintln!(
                "round {round} {:<20} {:>9.1} ms {:>7.2} images/s {:>7.0} MB, load {:.1}",
                row.contender, row.median_ms, row.images_per_s, row.peak_rss_mb, row.load
            );
            rows.push(row);
        }
    }
    Ok(rows)
}
