//! `cargo xtask bench kernels`: every convolution kernel on the shapes of the d2l network, on one core.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Bench;
use crate::command::{capture, cargo};
use crate::machine::{MeasuringMachine, load};

/// Builds and runs the bench of the kernels crate; writes kernels.csv and kernels.md.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let bench = Bench::start(root, arguments, &[("filter", "")], &["filter"])?;
    let before = load();
    let filter = bench.options.text("filter").unwrap_or_default();
    let mut kernels = cargo(root);
    kernels.args(["bench", "--package", "plusx-kernels", "--bench", "conv", "--", filter]);
    // the engine's memory lies on large pages; so shall the bench's
    kernels.env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
    let csv = capture(&mut kernels)?;
    bench.finish("kernels", &csv, &summary(&bench.machine, before, &csv)?)
}

/// A row a layer and pass, a column a level: GFLOP/s and the share of the level's peak.
fn summary(machine: &MeasuringMachine, load: f64, csv: &str) -> Result<String> {
    let mut levels: Vec<String> = Vec::new();
    let mut images = "no";
    let mut rows: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in csv.lines().skip(1) {
        let [layer, kernel, count, ms, gflops, _, share, direct] = line.split(',').collect::<Vec<_>>()[..]
        else {
            bail!("the bench printed `{line}`");
        };
        images = count;
        let (pass, level) = kernel.rsplit_once('/').with_context(|| format!("kernel {kernel}"))?;
        let share: f64 = share.parse().with_context(|| format!("share {share}"))?;
        let cell = match pass {
            // once per step, however many images
            transform if transform.starts_with("winograd_filters") => format!("{ms} ms"),
            winograd if winograd.starts_with("winograd") => {
                format!("{gflops} ({:.0} %), {direct} x direct at peak", 100.0 * share)
            }
            _ => format!("{gflops} ({:.0} %)", 100.0 * share),
        };
        let key = format!("{layer} | {pass}");
        if !levels.iter().any(|known| known == level) {
            levels.push(level.to_owned());
        }
        match rows.iter_mut().find(|(known, _)| *known == key) {
            Some((_, cells)) => cells.push((level.to_owned(), cell)),
            None => rows.push((key, vec![(level.to_owned(), cell)])),
        }
    }
    let mut text = format!(
        "# Convolution kernels on one core\n\n{}- load before: {load:.1}\n\nGFLOP/s in fp32, and the share of what this \
         core reaches in independent multiply-adds of the same level. A multiply-add is two operations, and counts if \
         its tap lies inside the map; of a Winograd kernel the products are counted, not the transforms, and beside them \
         stands how many times as fast it is as a direct convolution would be at the whole peak. Source and gradient are \
         plain maps, {images} images; the quickest of many runs.\n\n\
         | layer | pass | {} |\n|---|---|{}\n",
        machine.describe(),
        levels.join(" | "),
        "---|".repeat(levels.len())
    );
    for (key, cells) in rows {
        let cell = |level: &String| cells.iter().find(|(name, _)| name == level).map_or("", |(_, cell)| cell);
        let cells: Vec<&str> = levels.iter().map(cell).collect();
        // writing to a string cannot fail
        let _ = writeln!(text, "| {key} | {} |", cells.join(" | "));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_a_layer_and_pass() {
        let csv = "layer,kernel,images,ms,gflops,peak_gflops,share,direct\n\
                   fc,conv_forward/avx2,12,0.1,40.00,80.00,0.500,0.500\n\
                   fc,conv_forward/portable,12,0.1,5.00,20.00,0.250,0.250\n\
                   a,winograd_forward/avx2,12,0.1,60.00,80.00,0.750,2.500\n\
                   a,winograd_filters/avx2,12,0.1,0.00,80.00,0.000,0.000\n";
        let text = summary(&MeasuringMachine::made_up(), 0.0, csv).unwrap();
        assert!(text.contains("| layer | pass | avx2 | portable |"), "{text}");
        assert!(text.contains("| fc | conv_forward | 40.00 (50 %) | 5.00 (25 %) |"), "{text}");
        assert!(text.contains("| a | winograd_forward | 60.00 (75 %), 2.500 x direct at peak |"), "{text}");
        assert!(text.contains("| a | winograd_filters | 0.1 ms |") && text.contains("12 images"), "{text}");
        assert!(summary(&MeasuringMachine::made_up(), 0.0, "header\nnonsense\n").is_err());
    }
}
