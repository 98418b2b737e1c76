//! `cargo xtask bench`: measurements that go into the repository, as raw numbers and a summary.

pub(crate) mod best;
mod chart;
pub(crate) mod decode;
pub(crate) mod infer;
pub(crate) mod kernels;
mod report;
pub(crate) mod roofline;
pub(crate) mod scaling;
mod settings;
pub(crate) mod start;
pub(crate) mod train;
mod turns;
mod verbose;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::settings::Settings;
use crate::machine::Machine;
use crate::options::Options;

/// Where results go: `--out`, else `docs/benchmarks/<date>-<cpu>`. What is there gets compared, so it holds results of
/// the `usual` settings only: a quick experiment must not replace them.
fn folder(root: &Path, options: &Options, machine: &Machine, usual: &[(&str, String)]) -> Result<PathBuf> {
    if let Some(out) = options.text("out") {
        return Ok(PathBuf::from(out));
    }
    let other = |(name, value): &&(&str, String)| options.text(name).is_some_and(|given| given != *value);
    match usual.iter().find(other) {
        None => Ok(root.join("docs/benchmarks").join(machine.folder())),
        Some((name, value)) => {
            let usual = if value.is_empty() { "none" } else { value.as_str() };
            bail!(
                "--{name} (usually {usual}) makes this an experiment: say with --out where its result goes, because \
                 docs/benchmarks/{} is for results with the usual settings",
                machine.folder()
            )
        }
    }
}

/// Where a comparison goes: as [`folder`] says, with a folder of its own for what is not the usual network, input and batch.
fn comparison_folder(
    root: &Path,
    options: &Options,
    (machine, settings): (&Machine, &Settings),
    command: &str,
) -> Result<PathBuf> {
    let folder = folder(root, options, machine, &Settings::usual(machine).how())?;
    Ok(if options.text("out").is_some() { folder } else { folder.join(settings.corner(command)) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_go_elsewhere() {
        let machine = Machine::look();
        let into = |arguments: &[&str]| {
            let options = Options::parse(arguments, &["rounds", "filter", "out"]).unwrap();
            folder(
                Path::new("root"),
                &options,
                &machine,
                &[("rounds", "3".to_owned()), ("filter", String::new())],
            )
        };
        let usual = Path::new("root/docs/benchmarks").join(machine.folder());
        assert_eq!(into(&[]).unwrap(), usual);
        assert_eq!(into(&["--rounds", "3"]).unwrap(), usual);
        for other in [["--rounds", "1"], ["--filter", "conv"]] {
            let error = into(&other).unwrap_err().to_string();
            assert!(error.contains(other[0]) && error.contains("--out"), "{error}");
            assert_eq!(into(&[other[0], other[1], "--out", "x"]).unwrap(), Path::new("x"));
        }
    }

    #[test]
    fn another_network_has_a_folder_of_its_own() {
        let machine = Machine::look();
        let into = |arguments: &[&str]| {
            let options = Options::parse(arguments, &[&settings::OPTIONS[..], &["out"]].concat()).unwrap();
            let settings = Settings::read(&options, &Settings::usual(&machine)).unwrap();
            comparison_folder(Path::new("root"), &options, (&machine, &settings), "train")
        };
        let day = Path::new("root/docs/benchmarks").join(machine.folder());
        assert_eq!(into(&[]).unwrap(), day);
        let resnet50 = ["--model", "resnet50", "--batch-size", "16"];
        assert_eq!(into(&resnet50).unwrap(), day.join("train-resnet50-batch-16"));
        assert!(into(&[&resnet50[..], &["--rounds", "1"]].concat()).is_err());
        let elsewhere = [&resnet50[..], &["--rounds", "1", "--out", "x"]].concat();
        assert_eq!(into(&elsewhere).unwrap(), Path::new("x"));
    }

    #[test]
    fn spreads() {
        assert_eq!(spread([3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
        assert_eq!(spread([4.0, 1.0]), [1.0, 2.5, 4.0]);
    }
}
