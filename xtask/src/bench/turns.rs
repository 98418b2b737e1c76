//! Contenders in turns: whatever else the machine does falls on all of them. Each is a process of its own that measures
//! itself; all are started and warmed up first, then each runs a few steps while the others wait, round after round, so
//! that the steps of one round lie seconds apart. A peer that cannot run the network at all is left out, and it is said why.

use std::fmt::{self, Display, Formatter};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::settings::{HIGHEST, Settings};
use super::spread;
use crate::command::shown;
use crate::machine::load;

/// Somebody who can be measured.
pub(super) struct Contender {
    name: String,
    /// Whether it is what is measured, and no peer: if that cannot run, nothing is to be compared.
    ours: bool,
    program: PathBuf,
    arguments: Vec<String>,
    environment: &'static [(&'static str, &'static str)],
}

/// Holds peers that are built on oneDNN to AVX2.
const AVX2: &[(&str, &str)] =
    &[("ONEDNN_MAX_CPU_ISA", "AVX2"), ("DNNL_MAX_CPU_ISA", "AVX2"), ("ATEN_CPU_CAPABILITY", "avx2")];

impl Contender {
    /// A build of plusx: `plusx bench COMMAND`.
    pub(super) fn plusx(name: &str, plusx: &Path, command: &str, settings: &Settings) -> Self {
        let mut arguments =
            ["bench", command, "--json", "--turns", "--isa", &settings.isa].map(str::to_owned).to_vec();
        arguments.extend(settings.arguments());
        Self { name: name.to_owned(), ours: true, program: plusx.to_owned(), arguments, environment: &[] }
    }

    /// The same at a precision of plusx. The usual one goes without saying: builds from before there were others do not know
    /// the option.
    pub(super) fn at(mut self, precision: &str) -> Self {
        if precision != HIGHEST {
            self.arguments.extend(["--precision".to_owned(), precision.to_owned()]);
        }
        self
    }

    /// The same as one who is measured beside others.
    pub(super) fn peer(self) -> Self {
        Self { ours: false, ..self }
    }

    /// A script of tools/ with these options of its own.
    pub(super) fn script(
        name: &str,
        python: &Path,
        script: &Path,
        settings: &Settings,
        own: &[&str],
    ) -> Self {
        let mut arguments = vec![script.display().to_string()];
        arguments.extend(settings.arguments());
        arguments.extend(own.iter().map(|argument| (*argument).to_owned()));
        let environment = if settings.isa == "avx2" { AVX2 } else { &[] };
        Self { name: name.to_owned(), ours: false, program: python.to_owned(), arguments, environment }
    }

    /// What starts it.
    fn command(&self, settings: &Settings) -> Command {
        let mut command = match &settings.cores {
            None => Command::new(&self.program),
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", cores]).arg(&self.program);
                command
            }
        };
        command.args(&self.arguments).envs(self.environment.iter().copied());
        command
    }

    /// Started, and warmed up when this returns.
    fn start(&self, settings: &Settings) -> Result<Player> {
        let mut command = self.command(settings);
        let shown = shown(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let (to, from) = (child.stdin.take(), child.stdout.take().context("the child's stdout is ours")?);
        let (name, ours, from) = (self.name.clone(), self.ours, BufReader::new(from));
        let mut player = Player { name, ours, shown, child, to, from };
        let ready = player.hear()?;
        if ready["ready"] != true {
            bail!("it said {ready} instead of being ready");
        }
        Ok(player)
    }
}

/// A contender's process.
struct Player {
    name: String,
    /// As of its contender.
    ours: bool,
    /// As one would type it.
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

/// One turn of a contender.
pub(super) struct TurnRow {
    pub(super) round: usize,
    pub(super) contender: String,
    pub(super) threads: f64,
    pub(super) batch: f64,
    pub(super) isa: String,
    /// What it computed in, as it says: a precision of plusx, or the peer's type of numbers.
    pub(super) precision: String,
    pub(super) median_ms: f64,
    pub(super) least_ms: f64,
    pub(super) most_ms: f64,
    pub(super) images_per_s: f64,
    pub(super) peak_rss_mb: f64,
    /// Of the machine, before the turn.
    pub(super) load: f64,
    /// Of the peer.
    pub(super) version: Option<String>,
    /// How far a peer's logits are from those of PyTorch in fp32, as a part of the largest, where it compares them.
    pub(super) logit_difference: Option<f64>,
    /// Images a second of a direct convolution at the whole measured peak, as plusx tells it.
    pub(super) limit: Option<f64>,
}

/// A peer that could not be measured.
pub(super) struct MissingPeer {
    pub(super) name: String,
    pub(super) why: String,
}

impl Display for MissingPeer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} was left out: {}", self.name, self.why)
    }
}

/// What came of it.
pub(super) struct Measured {
    pub(super) rows: Vec<TurnRow>,
    /// Peers that could not start.
    pub(super) left_out: Vec<MissingPeer>,
}

/// One turn.
struct Turn {
    round: usize,
    /// Of the player.
    index: usize,
    /// Of the machine, before it.
    load: f64,
    /// Of its steps, in milliseconds.
    times: Vec<f64>,
}

/// Everybody in turns.
pub(super) fn measure(contenders: &[Contender], settings: &Settings) -> Result<Measured> {
    let (mut playing, left_out) = start(contenders, settings)?;
    let mut turns = Vec::new();
    for round in 1..=settings.rounds {
        for (index, player) in playing.iter_mut().enumerate() {
            std::thread::sleep(PAUSE);
            let load = load();
            let times = player.turn(settings.steps)?;
            let [_, median, _] = spread(times.iter().copied());
            eprintln!("round {round} {:<28} {median:>9.1} ms, load {load:.1}", player.name);
            turns.push(Turn { round, index, load, times });
        }
    }
    let names: Vec<String> = playing.iter().map(|player| player.name.clone()).collect();
    let said = playing.into_iter().map(Player::end).collect::<Result<Vec<_>>>()?;
    let rows = turns.iter().map(|turn| row(turn, &names[turn.index], &said[turn.index]));
    Ok(Measured { rows: rows.collect::<Result<_>>()?, left_out })
}

/// Everybody's process, and who has none. Ours must start, and one peer at least if there are any.
fn start(contenders: &[Contender], settings: &Settings) -> Result<(Vec<Player>, Vec<MissingPeer>)> {
    let (mut playing, mut left_out) = (Vec::new(), Vec::new());
    for contender in contenders {
        eprintln!("starting {}", contender.name);
        match contender.start(settings) {
            Ok(player) => playing.push(player),
            Err(error) if contender.ours => {
                return Err(error.context(format!("`{}`", shown(&contender.command(settings)))));
            }
            Err(error) => {
                let missing = MissingPeer { name: contender.name.clone(), why: format!("{error:#}") };
                eprintln!("xtask: {missing}");
                left_out.push(missing);
            }
        }
    }
    if playing.iter().all(|player| player.ours) && !left_out.is_empty() {
        let all: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        bail!("no peer can run this, so there is nothing to compare:\n{}", all.join("\n"));
    }
    Ok((playing, left_out))
}

/// A turn of a contender that said `json` of itself.
fn row(turn: &Turn, name: &str, json: &Value) -> Result<TurnRow> {
    let number =
        |key: &str| json[key].as_f64().with_context(|| format!("{name}: no number `{key}` in {json}"));
    let [least_ms, median_ms, most_ms] = spread(turn.times.iter().copied());
    let batch = number("batch")?;
    Ok(TurnRow {
        round: turn.round,
        contender: name.to_owned(),
        threads: number("threads")?,
        batch,
        isa: json["isa"].as_str().unwrap_or("unknown").to_owned(),
        // what says nothing of it has no other
        precision: json["precision"].as_str().unwrap_or("fp32").to_owned(),
        median_ms,
        least_ms,
        most_ms,
        images_per_s: batch * 1e3 / median_ms,
        peak_rss_mb: number("peak_rss_mb")?,
        load: turn.load,
        version: json["version"].as_str().map(str::to_owned),
        logit_difference: json["logit_difference"].as_f64(),
        limit: json["direct_limit_img_per_s"].as_f64(),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::settings::DEFAULTS;
    use super::*;
    use crate::options::CommandOptions;

    /// A shell script as a contender.
    fn contender(name: &str, script: &str) -> Contender {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let ours = name.starts_with("plusx");
        Contender { name: name.to_owned(), ours, program: "sh".into(), arguments, environment: &[] }
    }

    const PLAYS: &str = r#"echo '{"ready": true}'; read steps; echo '{"step_ms": [5.0]}'
        echo '{"threads": 1, "batch": 4, "peak_rss_mb": 10, "isa": "avx2"}'"#;
    const PLAYS_IN_BF16: &str = r#"echo '{"ready": true}'; read steps; echo '{"step_ms": [5.0]}'
        echo '{"threads": 1, "batch": 4, "peak_rss_mb": 10, "precision": "bf16", "logit_difference": 0.05}'"#;
    const CANNOT: &str = r#"echo 'some talk'; echo '{"failed": "its converter failed"}'; exit 1"#;
    const DIES: &str = "exit 3";

    fn played(contenders: &[(&str, &str)]) -> Result<Measured> {
        let contenders: Vec<Contender> =
            contenders.iter().map(|(name, script)| contender(name, script)).collect();
        let once = CommandOptions::parse(&["--rounds", "1", "--steps", "1"], DEFAULTS)?;
        measure(&contenders, &Settings::read(&once, 1)?)
    }

    #[test]
    fn who_cannot_run_is_left_out_and_said_why() {
        let Measured { rows, left_out } =
            played(&[("plusx", PLAYS), ("one", CANNOT), ("two", PLAYS), ("three", DIES)]).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.contender.as_str()).collect();
        assert_eq!(names, ["plusx", "two"]);
        assert_eq!(rows[1].images_per_s, 800.0);
        let left_out: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        assert_eq!(left_out[0], "one was left out: its converter failed");
        assert!(left_out[1].starts_with("three was left out: it ended without an answer: exit status: 3"));
    }

    #[test]
    fn precisions_are_those_that_were_told() {
        let rows = played(&[("plusx", PLAYS), ("one", PLAYS_IN_BF16)]).unwrap().rows;
        let told: Vec<_> = rows.iter().map(|row| (row.precision.as_str(), row.logit_difference)).collect();
        assert_eq!(told, [("fp32", None), ("bf16", Some(0.05))]);
        let settings = Settings::read(&CommandOptions::parse(&[], DEFAULTS).unwrap(), 1).unwrap();
        let plusx = || Contender::plusx("plusx", Path::new("plusx"), "train", &settings);
        assert!(!plusx().at(HIGHEST).arguments.contains(&"--precision".to_owned()));
        assert_eq!(plusx().at("medium").arguments.last().map(String::as_str), Some("medium"));
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
        assert!(said(&[("plusx", PLAYS), ("plusx highest", PLAYS), ("one", CANNOT)]).contains("no peer"));
        assert_eq!(said(&[("plusx", PLAYS)]), "went on");
        // after its start a failure is no lack of ability
        let later = r#"echo '{"ready": true}'; read steps; echo '{"failed": "memory"}'"#;
        assert!(said(&[("plusx", PLAYS), ("one", later)]).ends_with("memory"));
    }
}
