//! `cargo xtask kills`: the long form of the tests that kill runs at random moments.

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{cargo, run as run_command};
use crate::options::CommandOptions;

/// Kills `--runs` runs of each kind, up to five times each, and compares what comes of them with runs undisturbed.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = CommandOptions::parse(arguments, &[("runs", "50")])?;
    let runs = options.text("runs").unwrap_or("50");
    if runs.parse::<u32>().is_err() {
        bail!("--runs {runs}: a number of runs");
    }
    // one kind at a time: they are to have the machine for themselves
    run_command(
        cargo(root)
            .args(["nextest", "run", "--package", "plusx-cli", "--test-threads", "1"])
            .args(["--success-output", "immediate", "-E", "test(/resume::killed_/)"])
            .env("PLUSX_KILLED_RUNS", runs),
    )
}
