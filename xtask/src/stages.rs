//! `cargo xtask test`: the stages of continuous integration, one after another, each with its time.
//!
//! A stage that fails does not stop the ones after it: one run shows everything that is wrong.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::{cargo, run as run_command};
use crate::machine::levels;
use crate::options::Options;
use crate::{setup, tidy};

/// One stage.
struct Stage {
    name: &'static str,
    run: fn(&Path) -> Result<()>,
}

/// In order: what fails fastest comes first.
const STAGES: &[Stage] = &[
    Stage { name: "setup", run: setup::run_all },
    Stage { name: "tidy", run: tidy::run },
    Stage { name: "format", run: format },
    Stage { name: "clippy", run: clippy },
    Stage { name: "docs", run: docs },
    Stage { name: "tests", run: tests },
    Stage { name: "doctests", run: doctests },
    Stage { name: "release", run: release },
];

/// How a stage ended.
struct Outcome {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

/// Runs all stages, or the one named by `--stage`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments, &["stage"])?;
    let chosen: Vec<&Stage> = match options.text("stage") {
        None => STAGES.iter().collect(),
        Some(name) => STAGES.iter().filter(|stage| stage.name == name).collect(),
    };
    if chosen.is_empty() {
        let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("no such stage; there are: {}", names.join(", "));
    }
    let outcomes: Vec<Outcome> = chosen.into_iter().map(|stage| observe(root, stage)).collect();
    if outcomes.len() > 1 {
        eprintln!("\n== summary ==");
        outcomes.iter().for_each(|outcome| eprintln!("{}", line(outcome)));
    }
    let failed: Vec<&str> = outcomes.iter().filter(|one| one.error.is_some()).map(|one| one.name).collect();
    let total: Duration = outcomes.iter().map(|one| one.took).sum();
    let total = total.as_secs_f64();
    if !failed.is_empty() {
        bail!("failed: {} ({} of {} stages, {total:.0} s)", failed.join(", "), failed.len(), outcomes.len());
    }
    println!(
        "all {} stages passed in {total:.0} s; levels of this machine: {}",
        outcomes.len(),
        levels().join(", ")
    );
    Ok(())
}

fn observe(root: &Path, stage: &Stage) -> Outcome {
    eprintln!("\n== {} ==", stage.name);
    let start = Instant::now();
    let error = (stage.run)(root).err().map(|error| format!("{error:#}"));
    let outcome = Outcome { name: stage.name, took: start.elapsed(), error };
    eprintln!("{}", line(&outcome));
    outcome
}

fn line(outcome: &Outcome) -> String {
    let end = outcome.error.as_deref().map_or_else(|| "ok".to_owned(), |error| format!("FAILED: {error}"));
    format!("{:<9} {:>6.1} s  {end}", outcome.name, outcome.took.as_secs_f64())
}

fn format(root: &Path) -> Result<()> {
    run_command(cargo(root).args(["fmt", "--all", "--check"]))
}

fn clippy(root: &Path) -> Result<()> {
    run_command(cargo(root).args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn docs(root: &Path) -> Result<()> {
    let mut command = cargo(root);
    run_command(command.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Unit, property, golden and command-line tests. Tests of kernels and of the engine go through every level that the
/// machine supports by themselves.
fn tests(root: &Path) -> Result<()> {
    let mut command = cargo(root);
    if setup::has_nextest(root) {
        command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
    } else {
        command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"]);
    }
    run_command(&mut command)
}

fn doctests(root: &Path) -> Result<()> {
    run_command(cargo(root).args(["test", "--workspace", "--doc"]))
}

/// The first of the two commands, as far as its plan.
fn release(root: &Path) -> Result<()> {
    run_command(cargo(root).args(["run", "--release", "--", "train", "--dry-run"]))
}
