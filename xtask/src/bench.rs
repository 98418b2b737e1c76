//! `cargo xtask bench`: measurements that go into the repository, as raw numbers and a summary.

pub(crate) mod kernels;
mod report;
pub(crate) mod start;
pub(crate) mod train;

use std::path::{Path, PathBuf};

use crate::machine::Machine;
use crate::options::Options;

/// Where results go: `--out`, else `docs/benchmarks/<date>-<cpu>`.
fn folder(root: &Path, options: &Options, machine: &Machine) -> PathBuf {
    options.text("out").map_or_else(|| root.join("docs/benchmarks").join(machine.folder()), PathBuf::from)
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
    use super::spread;

    #[test]
    fn spreads() {
        assert_eq!(spread([3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
        assert_eq!(spread([4.0, 1.0]), [1.0, 2.5, 4.0]);
    }
}
