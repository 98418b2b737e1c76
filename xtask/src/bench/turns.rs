//! Contenders in turns: whatever else the machine does falls on all of them. Each is a process of its own that measures
//! itself; all are started and warmed up first, then each runs a few steps while the others wait, round after round, so
//! that the steps of one round lie seconds apart.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::report::Row;
use super::spread;
use crate::command::{capture, cargo, exists, run as run_command, shown, target_folder};
use crate::machine::{Machine, first_cores, load};
use crate::options::Options;

/// Options that [`Settings`] reads.
pub(super) const OPTIONS: [&str; 6] = ["rounds", "steps", "threads", "batch-size", "input", "isa"];

/// What is measured, the same for all.
#[derive(Clone)]
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
            rounds: 6,
            steps: 2,
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

    /// Whether everybody is held to a level below the machine's best.
    pub(super) fn is_held(&self) -> bool {
        self.isa != "auto"
    }

    /// With another number of rounds.
    pub(super) fn with_rounds(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }

    /// With another batch size.
    pub(super) fn at_batch(&self, batch: usize) -> Self {
        Self { batch, ..self.clone() }
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
            "ResNet-18 of the chapter, fp32, input {}, batch {}, {} threads, {pinned}; median of the {} steps of a turn, {} \
             rounds of turns, a process each, all warmed up before the first round.",
            self.input, self.batch, self.threads, self.steps, self.rounds
        )
    }
}

/// Somebody who can be measured.
#[derive(Clone)]
pub(super) struct Contender {
    pub(super) name: String,
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
        Ok(Self { name: "plusx".to_owned(), program, arguments, environment: Vec::new() })
    }

    /// A script of tools/ with these options of its own.
    pub(super) fn script(
        name: &str,
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
        Self { name: name.to_owned(), program: python.to_owned(), arguments, environment }
    }

    /// With an environment variable.
    pub(super) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Under another name.
    pub(super) fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// What starts it, with these arguments more.
    fn command(&self, settings: &Settings, more: &[&str]) -> Command {
        let mut command = match &settings.cores {
            None => Command::new(&self.program),
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", cores]).arg(&self.program);
                command
            }
        };
        command.args(&self.arguments).args(more).envs(self.environment.iter().copied());
        command
    }

    /// All that it prints when nobody else takes turns.
    pub(super) fn output(&self, settings: &Settings, more: &[&str]) -> Result<String> {
        capture(&mut self.command(settings, more))
    }

    /// What it prints about itself when nobody else takes turns.
    pub(super) fn alone(&self, settings: &Settings, more: &[&str]) -> Result<Value> {
        let steps = settings.steps.to_string();
        let text = self.output(settings, &[&["--steps", &steps], more].concat())?;
        let line = text.lines().rev().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("{} printed no JSON object", self.name))?;
        Ok(serde_json::from_str(line)?)
    }

    /// Started, and warmed up when this returns.
    fn start(&self, settings: &Settings) -> Result<Player> {
        let mut command = self.command(settings, &["--turns"]);
        let shown = shown(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let (to, from) = (child.stdin.take(), child.stdout.take().context("the child's stdout is ours")?);
        let mut player = Player { shown, child, to, from: BufReader::new(from) };
        let ready = player.hear()?;
        if ready["ready"] != true {
            bail!("`{}` said {ready} instead of being ready", player.shown);
        }
        Ok(player)
    }
}

/// A contender's process.
struct Player {
    shown: String,
    child: Child,
    /// Taken when it shall end.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Player {
    /// The next JSON object that it prints.
    fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            if self.from.read_line(&mut line)? == 0 {
                bail!("`{}` ended without an answer: {}", self.shown, self.child.wait()?);
            }
        }
        serde_json::from_str(&line).with_context(|| format!("`{}` said {line:?}", self.shown))
    }

    /// Milliseconds of `steps` more steps.
    fn turn(&mut self, steps: usize) -> Result<Vec<f64>> {
        let to = self.to.as_mut().context("the child's stdin is ours")?;
        writeln!(to, "{steps}")?;
        to.flush()?;
        let answer = self.hear()?;
        let times =
            answer["step_ms"].as_array().map(|times| times.iter().filter_map(Value::as_f64).collect());
        let times: Vec<f64> = times.with_context(|| format!("`{}` said {answer}", self.shown))?;
        if times.len() != steps {
            bail!("`{}` ran {} steps instead of {steps}", self.shown, times.len());
        }
        Ok(times)
    }

    /// What it says of itself at the end.
    fn end(mut self) -> Result<Value> {
        drop(self.to.take());
        let last = self.hear()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("`{}` failed: {status}", self.shown);
        }
        Ok(last)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // after an error elsewhere: nobody else will end it
        if self.to.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runtimes let their threads spin for a while after the last work, a fifth of a second in the longest documented default.
const PAUSE: Duration = Duration::from_millis(300);

/// Everybody in turns.
pub(super) fn measure(contenders: &[Contender], settings: &Settings) -> Result<Vec<Row>> {
    let mut players = Vec::new();
    for contender in contenders {
        eprintln!("starting {}", contender.name);
        players.push(contender.start(settings)?);
    }
    let mut turns = Vec::new();
    for round in 1..=settings.rounds {
        for (index, (contender, player)) in contenders.iter().zip(&mut players).enumerate() {
            std::thread::sleep(PAUSE);
            let before = load();
            let times = player.turn(settings.steps)?;
            let [_, median, _] = spread(times.iter().copied());
            eprintln!("round {round} {:<28} {median:>9.1} ms, load {before:.1}", contender.name);
            turns.push((round, index, before, times));
        }
    }
    let said = players.into_iter().map(Player::end).collect::<Result<Vec<Value>>>()?;
    turns
        .into_iter()
        .map(|(round, index, load, times)| row((&contenders[index], &said[index]), (round, load), &times))
        .collect()
}

/// One turn of a contender that said `json` of itself.
fn row((contender, json): (&Contender, &Value), (round, load): (usize, f64), times: &[f64]) -> Result<Row> {
    let number = |name: &str| {
        json[name].as_f64().with_context(|| format!("{}: no number `{name}` in {json}", contender.name))
    };
    let [least_ms, median_ms, most_ms] = spread(times.iter().copied());
    let batch = number("batch")?;
    let version = ["version", "torch", "mxnet"].into_iter().find_map(|name| json[name].as_str());
    Ok(Row {
        round,
        contender: contender.name.clone(),
        threads: number("threads")?,
        batch,
        isa: json["isa"].as_str().unwrap_or("unknown").to_owned(),
        median_ms,
        least_ms,
        most_ms,
        images_per_s: batch * 1e3 / median_ms,
        peak_rss_mb: number("peak_rss_mb")?,
        load,
        version: version.map(str::to_owned),
        limit: json["direct_limit_img_per_s"].as_f64(),
    })
}
