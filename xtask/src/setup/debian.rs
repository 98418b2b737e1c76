//! Packages of Debian.

use std::process::Command;

use anyhow::Result;

use crate::command::{exists, run};

/// Installs packages of Debian, where we may.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if !(is_root() && exists("apt-get")) {
        return Ok(());
    }
    // the lists of a fresh container are empty; a stale list still may do
    run(&mut apt(&["update"]))?;
    run(apt(&["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // an unreachable mirror must not hold the tests up for minutes
    command.args(["--quiet", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
