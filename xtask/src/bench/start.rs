//! `cargo xtask bench start`: how long after the start of the process the first training step ends, beside what a step
//! takes.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{report, spread};
use crate::command::{cargo, run as run_command, target_folder};
use crate::machine::{Machine, load};
use crate::options::Options;

const OPTIONS: [&str; 3] = ["rounds", "data", "out"];

/// The usual settings.
const ROUNDS: usize = 5;
const DATA: &str = "fashion-mnist-mini";

/// Of the first steps of a run: the second to the last say what a step takes, the first is compared with it.
const STEPS: usize = 4;

/// When each of the first steps ended, in seconds from the start of the process.
struct Round {
    load: f64,
    ends: [f64; STEPS],
}

impl Round {
    /// Seconds from the start to the end of the first step.
    fn first(&self) -> f64 {
        self.ends[0]
    }

    /// Seconds of the steps after it, median.
    fn step(&self) -> f64 {
        let [_, median, _] = spread(self.ends.windows(2).map(|pair| pair[1] - pair[0]));
        median
    }
}

/// Runs `plusx train` for a few steps, several times; writes start.csv and start.md.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments, &OPTIONS)?;
    let machine = Machine::look();
    let rounds = options.count("rounds", ROUNDS)?;
    let data = options.text("data").unwrap_or(DATA);
    let usual = [("rounds", ROUNDS.to_string()), ("data", DATA.to_owned())];
    let folder = super::folder(root, &options, &machine, &usual)?;
    run_command(cargo(root).args(["build", "--release", "--package", "plusx-cli"]))?;
    let target = target_folder(root)?;
    let plusx = target.join("release").join(format!("plusx{}", std::env::consts::EXE_SUFFIX));
    let runs = target.join("bench-start");
    let rounds: Vec<Round> = (0..rounds).map(|_| measure(&plusx, data, &runs)).collect::<Result<_>>()?;
    let text = summary(&machine, data, &rounds);
    report::write(&folder, &[("start.csv", csv(&rounds)), ("start.md", text.clone())])?;
    println!("{text}\nwritten to {}", folder.display());
    Ok(())
}

/// One process; the clock starts before it does.
fn measure(plusx: &Path, data: &str, runs: &Path) -> Result<Round> {
    let load = load();
    let mut command = Command::new(plusx);
    command
        .args(["train", "--json", "--exist-ok", "--name", "start", "--data", data])
        .arg("--output")
        .arg(runs);
    command.args(["--max-steps", &STEPS.to_string()]).stdout(Stdio::piped()).stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", plusx.display()))?;
    let stdout = child.stdout.take().context("the child's stdout is ours")?;
    let mut ends = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let event: Value = serde_json::from_str(&line?)?;
        if event["event"] == "step" {
            ends.push(started.elapsed().as_secs_f64());
        }
        if ends.len() == STEPS {
            // nothing after the last step is measured
            child.kill()?;
            break;
        }
    }
    child.wait()?;
    let Ok(ends) = ends.try_into() else { bail!("`plusx train --data {data}` ended before step {STEPS}") };
    Ok(Round { load, ends })
}

fn csv(rounds: &[Round]) -> String {
    let mut text = String::from("round,first_step_s,step_s,load\n");
    for (index, round) in rounds.iter().enumerate() {
        // writing to a string cannot fail
        let _ = writeln!(text, "{},{:.3},{:.3},{:.2}", index + 1, round.first(), round.step(), round.load);
    }
    text
}

fn summary(machine: &Machine, data: &str, rounds: &[Round]) -> String {
    let [_, first, _] = spread(rounds.iter().map(Round::first));
    let [_, step, _] = spread(rounds.iter().map(Round::step));
    let [least, median, most] = spread(rounds.iter().map(|round| round.first() - round.step()));
    let [_, _, load] = spread(rounds.iter().map(|round| round.load));
    format!(
        "# From the start of the process to the end of its first step\n\n{}- load before: at most {load:.1}\n\n\
         `plusx train --data {data}`, batch 256, every core, {} processes: the first step ends {first:.2} s after the \
         start (median). The steps after it take {step:.2} s each. What is not the step itself takes {median:.2} s \
         (median, {least:.2} to {most:.2}): loading the images, tracing and planning the network, drawing the weights, \
         the first touch of the memory.\n",
        machine.describe(),
        rounds.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_taken_within_a_round() {
        let round = |first: f64, step: f64| Round {
            load: 0.0,
            ends: [0, 1, 2, 3].map(|k| first + step * f64::from(k)),
        };
        let rounds = [round(3.0, 2.5), round(2.5, 2.25), round(4.0, 2.0)];
        let text = summary(&Machine::look(), "made-up", &rounds);
        assert!(text.contains("ends 3.00 s after"), "{text}");
        assert!(text.contains("takes 0.50 s (median, 0.25 to 2.00)"), "{text}");
        assert_eq!(csv(&rounds).lines().nth(2), Some("2,2.500,2.250,0.00"));
    }
}
