//! What measurements must be read beside: the processor, its levels, memory, versions, the load, the date.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::capture;

/// The machine that measures.
#[derive(Debug)]
pub(crate) struct MeasuringMachine {
    /// As the processor calls itself.
    pub(crate) processor: String,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// The instruction levels that it has, best first.
    levels: String,
    /// In GB; 0 if unknown.
    memory_gb: f64,
    /// The operating system and its version.
    system: String,
    /// The compiler.
    rustc: String,
    /// Today, UTC.
    date: String,
}

impl MeasuringMachine {
    /// As `plusx doctor` finds it.
    pub(crate) fn look(plusx: &Path) -> Result<Self> {
        let found = capture(Command::new(plusx).args(["doctor", "--json"]))?;
        Self::read(&serde_json::from_str(&found)?)
    }

    fn read(found: &Value) -> Result<Self> {
        let levels = found["isa_levels"].as_array().context("`plusx doctor` names no levels")?;
        let levels: Vec<&str> = levels.iter().rev().filter_map(Value::as_str).collect();
        let cores = found["available_parallelism"].as_u64().context("`plusx doctor` counts no cores")?;
        Ok(Self {
            processor: found["processor"].as_str().unwrap_or("unknown").to_owned(),
            cores: usize::try_from(cores)?,
            levels: levels.join(", "),
            memory_gb: found["memory_bytes"].as_f64().unwrap_or(0.0) / 1e9,
            system: first_line("uname", &["-sr"]),
            rustc: first_line("rustc", &["--version"]),
            date: first_line("date", &["-u", "+%F"]),
        })
    }

    /// One with two cores, for tests.
    #[cfg(test)]
    pub(crate) fn made_up() -> Self {
        let found = serde_json::json!({ "processor": "AMD EPYC 9B14", "isa_levels": ["portable", "avx2"],
                                        "available_parallelism": 2, "memory_bytes": 25e9 });
        Self { date: "2026-01-31".to_owned(), ..Self::read(&found).unwrap() }
    }

    /// Name of the folder of a day's measurements: `2026-01-31-amd-epyc-9b14`.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}", self.date, slug(&self.processor))
    }

    /// The same as a few lines of markdown.
    pub(crate) fn describe(&self) -> String {
        let Self { processor, cores, levels, memory_gb, system, rustc, date } = self;
        format!(
            "- processor: {processor}, {cores} cores used, levels {levels}\n- memory: {memory_gb:.0} GB\n\
             - system: {system}\n- compiler: {rustc}\n- date: {date}\n"
        )
    }
}

/// Processes that ran or waited for a core, on average over the last minute; `NaN` where the system does not say.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

/// The first `threads` cores that this process may use, as `taskset` wants them; `None` where the system does not say.
pub(crate) fn first_cores(threads: usize) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = Vec::new();
    for range in allowed.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?);
    }
    cores.truncate(threads);
    Some(cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Letters and digits in lower case, everything else one hyphen; words that every processor has are left out.
fn slug(processor: &str) -> String {
    let name = processor.split('@').next().unwrap_or_default().replace("(R)", "").replace("(TM)", "");
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.filter(|word| !["cpu", "processor", "core"].contains(word)).collect();
    if words.is_empty() { "unknown".to_owned() } else { words.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_described() {
        let machine = MeasuringMachine::made_up();
        assert_eq!(machine.folder(), "2026-01-31-amd-epyc-9b14");
        let text = machine.describe();
        assert!(
            text.starts_with("- processor: AMD EPYC 9B14, 2 cores used, levels avx2, portable\n"),
            "{text}"
        );
        assert!(text.contains("- memory: 25 GB\n"), "{text}");
        assert!(MeasuringMachine::read(&serde_json::json!({})).is_err());
    }

    #[test]
    fn slugs() {
        assert_eq!(slug("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"), "intel-xeon-platinum-8481c");
        assert_eq!(slug("???"), "unknown");
    }
}
