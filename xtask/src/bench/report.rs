//! Measurements as files: a CSV of every number, and a summary that can be read.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{chart, spread};
use crate::machine::Machine;

/// One process that measured itself.
pub(super) struct Row {
    pub(super) round: usize,
    pub(super) contender: &'static str,
    pub(super) threads: f64,
    pub(super) batch: f64,
    pub(super) isa: String,
    pub(super) median_ms: f64,
    pub(super) p10_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) images_per_s: f64,
    pub(super) peak_rss_mb: f64,
    /// Of the machine, before the process started.
    pub(super) load: f64,
    /// Of the peer.
    pub(super) version: Option<String>,
    /// Images a second of a direct convolution at the whole measured peak, as plusx tells it.
    pub(super) limit: Option<f64>,
}

/// What rows are about.
pub(super) struct Report {
    /// Of the files.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// How it was measured.
    pub(super) setup: String,
}

/// Writes the files of a report and prints the summary.
pub(super) fn finish(report: &Report, (machine, rows): (&Machine, &[Row]), folder: &Path) -> Result<()> {
    let summary = summary(machine, report, rows);
    let name = |end: &str| format!("{}.{end}", report.name);
    let files = [(name("csv"), csv(rows)), (name("md"), summary.clone())];
    write(folder, &files.each_ref().map(|(name, text)| (name.as_str(), text.clone())))?;
    chart::bars(&bars(rows), limit(rows), (report.title, &folder.join(report.name)))?;
    println!("{summary}\nwritten to {}", folder.display());
    Ok(())
}

/// Median images a second of each contender, in order.
fn bars(rows: &[Row]) -> Vec<(&'static str, f64)> {
    let mut bars: Vec<(&'static str, f64)> = Vec::new();
    for row in rows {
        if !bars.iter().any(|(name, _)| *name == row.contender) {
            let own = rows.iter().filter(|other| other.contender == row.contender);
            let [_, median, _] = spread(own.map(|row| row.images_per_s));
            bars.push((row.contender, median));
        }
    }
    bars
}

/// Median of the direct limits.
fn limit(rows: &[Row]) -> Option<f64> {
    let limits: Vec<f64> = rows.iter().filter_map(|row| row.limit).collect();
    (!limits.is_empty()).then(|| spread(limits)[1])
}

/// Every row, with a header.
fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "round,contender,isa,threads,batch,step_ms_median,step_ms_p10,step_ms_p90,img_per_s,peak_rss_mb,load\n",
    );
    for row in rows {
        let Row { round, contender, isa, threads, batch, .. } = row;
        let Row { median_ms, p10_ms, p90_ms, images_per_s, peak_rss_mb, load, .. } = row;
        let times = format!("{median_ms:.3},{p10_ms:.3},{p90_ms:.3},{images_per_s:.3}");
        // writing to a string cannot fail
        let _ =
            writeln!(text, "{round},{contender},{isa},{threads},{batch},{times},{peak_rss_mb:.1},{load:.2}");
    }
    text
}

/// Speed and memory of each contender, and our speed as a multiple of each peer's in the same round.
fn summary(machine: &Machine, report: &Report, rows: &[Row]) -> String {
    let mut text = format!("# {}\n\n{}\n{}\n\n", report.title, machine.describe(), report.setup);
    text.push_str(
        "| | images/s (least, median, most) | ms a step (median) | peak memory, MB | load before |\n",
    );
    text.push_str("|---|---|---|---|---|\n");
    let of = |name: &'static str| rows.iter().filter(move |row| row.contender == name);
    let mut names: Vec<&'static str> = Vec::new();
    for row in rows {
        if !names.contains(&row.contender) {
            names.push(row.contender);
        }
    }
    for &name in &names {
        let [least, median, most] = spread(of(name).map(|row| row.images_per_s));
        let [_, ms, _] = spread(of(name).map(|row| row.median_ms));
        let [_, _, memory] = spread(of(name).map(|row| row.peak_rss_mb));
        let [_, load, _] = spread(of(name).map(|row| row.load));
        let _ = writeln!(
            text,
            "| {name} | {least:.1}, {median:.1}, {most:.1} | {ms:.0} | {memory:.0} | {load:.1} |"
        );
    }
    text.push('\n');
    let ours: Vec<f64> = of(names[0]).map(|row| row.images_per_s).collect();
    for &peer in &names[1..] {
        let ratios = of(peer).zip(&ours).map(|(row, ours)| ours / row.images_per_s);
        let [least, median, most] = spread(ratios);
        let _ = writeln!(
            text,
            "{} is {median:.2} times as fast as {peer} ({least:.2} to {most:.2} over the rounds).  ",
            names[0]
        );
    }
    if let Some(limit) = limit(rows) {
        let [_, ours, _] = spread(ours.iter().copied());
        let _ = writeln!(
            text,
            "A direct convolution at the whole fp32 peak, measured in the same processes, would do {limit:.1} images/s: {} \
             does {:.2} times that.",
            names[0],
            ours / limit
        );
    }
    let versions: Vec<String> = rows
        .iter()
        .filter(|row| row.round == 1)
        .filter_map(|row| row.version.as_ref().map(|version| format!("{} {version}", row.contender)))
        .collect();
    if !versions.is_empty() {
        let _ = writeln!(text, "\nVersions: {}.", versions.join(", "));
    }
    text
}

/// Writes files into `folder`, which is made.
pub(super) fn write(folder: &Path, files: &[(&str, String)]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(round: usize, contender: &'static str, images_per_s: f64) -> Row {
        Row {
            round,
            contender,
            threads: 2.0,
            batch: 256.0,
            isa: "avx2".to_owned(),
            median_ms: 256e3 / images_per_s,
            p10_ms: 1.0,
            p90_ms: 2.0,
            images_per_s,
            peak_rss_mb: 1000.0,
            load: 0.5,
            version: None,
            limit: Some(50.0),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let rows = [row(1, "a", 80.0), row(1, "b", 40.0), row(2, "a", 60.0), row(2, "b", 60.0)];
        let report = Report { name: "train", title: "Title", setup: "setup".to_owned() };
        let text = summary(&Machine::look(), &report, &rows);
        assert!(text.contains("# Title") && text.contains("a does 1.40 times that"), "{text}");
        assert!(text.contains("a is 1.50 times as fast as b (1.00 to 2.00 over the rounds)"), "{text}");
        assert!(text.contains("| a | 60.0, 70.0, 80.0 |"), "{text}");
    }

    #[test]
    fn one_line_a_row() {
        let text = csv(&[row(1, "a", 80.0)]);
        assert_eq!(text.lines().nth(1), Some("1,a,avx2,2,256,3200.000,1.000,2.000,80.000,1000.0,0.50"));
    }
}
