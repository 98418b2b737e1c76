//! Contenders in turns: whatever else the machine does falls on all of them. Each is a process of its own that measures
//! itself; all are started and warmed up first, then each runs a few steps while the others wait, round after round, so
//! that the steps of one round lie seconds apart. A peer that cannot run the network at all is left out, and it is said why.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::report::{Absent, Row};
use super::settings::Settings;
use super::spread;
use crate::command::{capture, cargo, run as run_command, shown, target_folder};
use crate::machine::load;

/// Somebody who can be measured.
#[derive(Clone)]
pub(super) struct Contender {
    pub(super) name: String,
    /// Whether it is plusx: if that cannot run, nothing is to be compared.
    ours: bool,
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
        let mut arguments: Vec<String> = ["bench", command, "--json"].map(str::to_owned).into();
        arguments.extend(settings.arguments());
        arguments.extend(["--isa".to_owned(), settings.isa.clone()]);
        Ok(Self { name: "plusx".to_owned(), ours: true, program, arguments, environment: Vec::new() })
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
        Self { name: name.to_owned(), ours: false, program: python.to_owned(), arguments, environment }
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
            bail!("it said {ready} instead of being ready");
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
    /// The next JSON object that it prints; its reason, if it says that it failed.
    fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            if self.from.read_line(&mut line)? == 0 {
                bail!("it ended without an answer: {}", self.child.wait()?);
            }
        }
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("it said {line:?}"))?;
        if let Some(why) = answer["failed"].as_str() {
            // it ends by itself, and cleans up
            self.to.take();
            self.child.wait()?;
            bail!("{why}");
        }
        Ok(answer)
    }

    /// Milliseconds of `steps` more steps.
    fn turn(&mut self, steps: usize) -> Result<Vec<f64>> {
        let to = self.to.as_mut().context("the child's stdin is ours")?;
        writeln!(to, "{steps}")?;
        to.flush()?;
        let answer = self.hear().with_context(|| format!("`{}`", self.shown))?;
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
        let last = self.hear().with_context(|| format!("`{}`", self.shown))?;
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

/// What came of it.
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    /// Peers that could not start.
    pub(super) absent: Vec<Absent>,
}

/// Everybody in turns.
pub(super) fn measure(contenders: &[Contender], settings: &Settings) -> Result<Measured> {
    let (mut playing, absent) = start(contenders, settings)?;
    let mut turns = Vec::new();
    for round in 1..=settings.rounds {
        for (index, (contender, player)) in playing.iter_mut().enumerate() {
            std::thread::sleep(PAUSE);
            let before = load();
            let times = player.turn(settings.steps)?;
            let [_, median, _] = spread(times.iter().copied());
            eprintln!("round {round} {:<28} {median:>9.1} ms, load {before:.1}", contender.name);
            turns.push((round, index, before, times));
        }
    }
    let said = playing
        .into_iter()
        .map(|(contender, player)| Ok((contender, player.end()?)))
        .collect::<Result<Vec<_>>>()?;
    let row = |(round, index, load, times): (usize, usize, f64, Vec<f64>)| {
        let (contender, json) = &said[index];
        row((contender, json), (round, load), &times)
    };
    Ok(Measured { rows: turns.into_iter().map(row).collect::<Result<_>>()?, absent })
}

/// A contender and its process.
type Playing<'c> = (&'c Contender, Player);

/// Everybody's process, and who has none. Ours must start, and one peer at least if there are any.
fn start<'c>(contenders: &'c [Contender], settings: &Settings) -> Result<(Vec<Playing<'c>>, Vec<Absent>)> {
    let (mut playing, mut absent) = (Vec::new(), Vec::new());
    for contender in contenders {
        eprintln!("starting {}", contender.name);
        match contender.start(settings) {
            Ok(player) => playing.push((contender, player)),
            Err(error) if contender.ours => {
                return Err(error.context(format!("`{}`", shown(&contender.command(settings, &[])))));
            }
            Err(error) => {
                let left_out = Absent { name: contender.name.clone(), why: format!("{error:#}") };
                eprintln!("xtask: {left_out}");
                absent.push(left_out);
            }
        }
    }
    if playing.iter().all(|(contender, _)| contender.ours) && !absent.is_empty() {
        let all: Vec<String> = absent.iter().map(ToString::to_string).collect();
        bail!("no peer can run this, so there is nothing to compare:\n{}", all.join("\n"));
    }
    Ok((playing, absent))
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::machine::Machine;

    /// A shell script as a contender.
    fn contender(name: &str, script: &str) -> Contender {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let ours = name == "plusx";
        Contender { name: name.to_owned(), ours, program: "sh".into(), arguments, environment: Vec::new() }
    }

    const PLAYS: &str = r#"echo '{"ready": true}'; read steps; echo '{"step_ms": [5.0]}'
        echo '{"threads": 1, "batch": 4, "peak_rss_mb": 10, "isa": "avx2"}'"#;
    const CANNOT: &str = r#"echo 'some talk'; echo '{"failed": "its converter failed"}'; exit 1"#;
    const DIES: &str = "exit 3";

    fn played(contenders: &[(&str, &str)]) -> Result<Measured> {
        let contenders: Vec<Contender> =
            contenders.iter().map(|(name, script)| contender(name, script)).collect();
        let mut settings = Settings::usual(&Machine::look()).with_rounds(1);
        settings.steps = 1;
        measure(&contenders, &settings)
    }

    #[test]
    fn who_cannot_run_is_left_out_and_said_why() {
        let Measured { rows, absent } =
            played(&[("plusx", PLAYS), ("one", CANNOT), ("two", PLAYS), ("three", DIES)]).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.contender.as_str()).collect();
        assert_eq!(names, ["plusx", "two"]);
        assert_eq!(rows[1].images_per_s, 800.0);
        let absent: Vec<String> = absent.iter().map(ToString::to_string).collect();
        assert_eq!(absent[0], "one was left out: its converter failed");
        assert!(absent[1].starts_with("three was left out: it ended without an answer: exit status: 3"));
    }

    #[test]
    fn ours_and_one_peer_must_run() {
        let said = |contenders: &[(&str, &str)]| match played(contenders) {
            Ok(_) => "went on".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        assert!(said(&[("plusx", CANNOT), ("one", PLAYS)]).ends_with("its converter failed"));
        let nobody = said(&[("plusx", PLAYS), ("one", CANNOT), ("two", DIES)]);
        assert!(nobody.contains("no peer") && nobody.contains("one was left out: its converter"), "{nobody}");
        assert_eq!(said(&[("plusx", PLAYS)]), "went on");
        // after its start a failure is no lack of ability
        let later = r#"echo '{"ready": true}'; read steps; echo '{"failed": "memory"}'"#;
        assert!(said(&[("plusx", PLAYS), ("one", later)]).ends_with("memory"));
    }
}
