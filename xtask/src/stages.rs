//! `cargo xtask test`: the stages of continuous integration, one after another, each with its time.
//!
//! A stage that fails does not stop the ones after it: one run shows everything that is wrong.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::{cargo, run as run_command, watch};
use crate::options::CommandOptions;
use crate::{notices, setup, skips, tidy};

/// One stage.
struct Stage {
    name: &'static str,
    /// Also tells which tests skipped.
    run: fn(&Path, &mut Vec<String>) -> Result<()>,
}

/// In order: what fails fastest comes first.
const STAGES: &[Stage] = &[
    Stage { name: "setup", run: |root, _| setup::run_all(root) },
    Stage { name: "tidy", run: |root, _| tidy::run(root) },
    Stage { name: "format", run: |root, _| format(root) },
    Stage { name: "clippy", run: |root, _| clippy(root) },
    Stage { name: "docs", run: |root, _| docs(root) },
    Stage { name: "notices", run: |root, _| notices::check(root) },
    Stage { name: "tests", run: tests },
    Stage { name: "doctests", run: |root, _| doctests(root) },
    Stage { name: "release", run: |root, _| release(root) },
];

/// How a stage ended.
struct Outcome {
    name: &'static str,
    took: Duration,
    skips: Vec<String>,
    error: Option<String>,
}

/// Runs all stages, or the one named by `--stage`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = CommandOptions::parse(arguments, &[("stage", "")])?;
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
    for skip in outcomes.iter().flat_map(|outcome| &outcome.skips) {
        eprintln!("skipped   {skip}");
    }
    let failed: Vec<&str> = outcomes.iter().filter(|one| one.error.is_some()).map(|one| one.name).collect();
    let total: Duration = outcomes.iter().map(|one| one.took).sum();
    let total = total.as_secs_f64();
    let skipped = outcomes.iter().map(|one| one.skips.len()).sum::<usize>();
    if !failed.is_empty() {
        bail!("failed: {} ({} of {} stages, {total:.0} s)", failed.join(", "), failed.len(), outcomes.len());
    }
    println!("all {} stages passed in {total:.0} s; tests that skipped: {skipped}", outcomes.len());
    Ok(())
}

fn observe(root: &Path, stage: &Stage) -> Outcome {
    eprintln!("\n== {} ==", stage.name);
    let start = Instant::now();
    let mut skips = Vec::new();
    let error = (stage.run)(root, &mut skips).err().map(|error| format!("{error:#}"));
    let outcome = Outcome { name: stage.name, took: start.elapsed(), skips, error };
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
fn tests(root: &Path, skips: &mut Vec<String>) -> Result<()> {
    let mut command = cargo(root);
    if !setup::has_nextest(root) {
        command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"]);
        let (text, result) = watch(command.args(["--", "--show-output"]))?;
        *skips = skips::found(&text);
        return result;
    }
    // as .config/nextest.toml says; the one of an earlier run must not stand for this one
    let record = root.join("target/nextest/default/junit.xml");
    let _ = fs::remove_file(&record);
    command.args(["nextest", "run", "--profile", "default", "--workspace", "--no-fail-fast"]);
    let result = run_command(&mut command);
    match fs::read_to_string(&record) {
        Ok(text) => *skips = skips::found(&text),
        // without a record there was no run, which has said why
        Err(_) if result.is_err() => {}
        Err(error) => bail!("cannot read {} to see which tests skipped: {error}", record.display()),
    }
    result
}

fn doctests(root: &Path) -> Result<()> {
    run_command(cargo(root).args(["test", "--workspace", "--doc"]))
}

/// The first of the two commands, as far as its plan; then what plusx finds here: the levels are those that were tested.
fn release(root: &Path) -> Result<()> {
    run_command(cargo(root).args(["run", "--release", "--", "train", "--dry-run"]))?;
    run_command(cargo(root).args(["run", "--release", "--", "doctor"]))
}
