//! `cargo xtask bench`: measurements that go into the repository, as raw numbers and a summary.

mod chart;
pub(crate) mod comparison;
pub(crate) mod decode;
pub(crate) mod kernels;
pub(crate) mod logits;
pub(crate) mod photographs;
mod report;
pub(crate) mod scaling;
mod settings;
mod turns;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{built, cargo, run};
use crate::machine::MeasuringMachine;
use crate::options::{CommandOptions, Defaults};

/// What every bench has: its options, plusx built for release, the machine, and where results go.
struct Bench {
    options: CommandOptions,
    plusx: PathBuf,
    machine: MeasuringMachine,
    folder: PathBuf,
}

impl Bench {
    /// Results go to `--out`, else to `docs/benchmarks/<date>-<cpu>`. What is there gets compared, so it holds results of the
    /// usual settings only: an experiment, which is what another value of an option in `how` makes it, must say `--out`.
    fn start(root: &Path, arguments: &[&str], known: Defaults<'_>, how: &[&str]) -> Result<Self> {
        let options = CommandOptions::parse(arguments, &[known, &[("out", "")]].concat())?;
        let out = out(&options, how)?;
        run(cargo(root).args(["build", "--release", "--package", "plusx-cli"]))?;
        let plusx = built(root, "plusx")?;
        let machine = MeasuringMachine::look(&plusx)?;
        let folder = out.unwrap_or_else(|| root.join("docs/benchmarks").join(machine.folder()));
        Ok(Self { options, plusx, machine, folder })
    }

    /// Writes NAME.csv and NAME.md and prints the latter.
    fn finish(&self, name: &str, csv: &str, summary: &str) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        for (ending, text) in [("csv", csv), ("md", summary)] {
            let path = self.folder.join(name).with_extension(ending);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        println!("{summary}\nwritten to {}", self.folder.display());
        Ok(())
    }
}

/// Where the options send results, if they do.
fn out(options: &CommandOptions, how: &[&str]) -> Result<Option<PathBuf>> {
    let out = options.text("out").map(PathBuf::from);
    let changed = how.iter().find_map(|name| Some((name, options.changed(name)?)));
    if let (None, Some((name, usual))) = (&out, changed) {
        bail!(
            "--{name} (usually {}) makes this an experiment: say with --out where its result goes, because docs/benchmarks \
             is for results with the usual settings",
            if usual.is_empty() { "none" } else { usual }
        );
    }
    Ok(out)
}

/// Smallest, median and largest of a list that is not empty.
fn spread(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median =
        if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
    [values[0], median, values[values.len() - 1]]
}

/// The same of quotients: of each number of one list and that of the same round in another.
fn ratios(above: &[f64], below: &[f64]) -> [f64; 3] {
    spread(above.iter().zip(below).map(|(above, below)| above / below))
}

/// Numbers by name, in the order in which the names first appear.
fn by_name<'n>(numbers: impl Iterator<Item = (&'n str, f64)>) -> Vec<(&'n str, Vec<f64>)> {
    let mut all: Vec<(&str, Vec<f64>)> = Vec::new();
    for (name, number) in numbers {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.push(number),
            None => all.push((name, vec![number])),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_go_elsewhere() {
        let into = |arguments: &[&str]| {
            let known = [("rounds", "3"), ("filter", ""), ("model", "a"), ("out", "")];
            out(&CommandOptions::parse(arguments, &known).unwrap(), &["rounds", "filter"])
        };
        for usual in [&[][..], &["--rounds", "3"], &["--model", "b"]] {
            assert_eq!(into(usual).unwrap(), None);
        }
        for other in [["--rounds", "1"], ["--filter", "conv"]] {
            let error = into(&other).unwrap_err().to_string();
            assert!(error.contains(other[0]) && error.contains("--out"), "{error}");
            assert_eq!(into(&[&other[..], &["--out", "x"]].concat()).unwrap(), Some(PathBuf::from("x")));
        }
    }

    #[test]
    fn spreads() {
        assert_eq!(spread([3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
        assert_eq!(spread([4.0, 1.0]), [1.0, 2.5, 4.0]);
    }
}
