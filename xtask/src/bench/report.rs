//! Measurements as files: a CSV of every number, and a summary that can be read.

use std::fmt::{self, Display, Formatter, Write as _};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{chart, spread};
use crate::machine::Machine;

/// One process that measured itself.
pub(super) struct Row {
    pub(super) round: usize,
    pub(super) contender: String,
    pub(super) threads: f64,
    pub(super) batch: f64,
    pub(super) isa: String,
    pub(super) median_ms: f64,
    pub(super) least_ms: f64,
    pub(super) most_ms: f64,
    pub(super) images_per_s: f64,
    pub(super) peak_rss_mb: f64,
    /// Of the machine, before the process started.
    pub(super) load: f64,
    /// Of the peer.
    pub(super) version: Option<String>,
    /// Images a second of a direct convolution at the whole measured peak, as plusx tells it.
    pub(super) limit: Option<f64>,
}

/// A peer that could not be measured.
pub(super) struct Absent {
    pub(super) name: String,
    pub(super) why: String,
}

impl Display for Absent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} was left out: {}", self.name, self.why)
    }
}

/// What rows are about.
pub(super) struct Report {
    /// Of the files.
    pub(super) name: &'static str,
    pub(super) title: String,
    /// How it was measured.
    pub(super) setup: String,
    /// Who is missing.
    pub(super) absent: Vec<Absent>,
    /// What follows the numbers.
    pub(super) more: String,
}

/// Writes the files of a report and prints the summary.
pub(super) fn finish(report: &Report, (machine, rows): (&Machine, &[Row]), folder: &Path) -> Result<()> {
    let summary = summary(machine, report, rows) + &report.more;
    let name = |end: &str| format!("{}.{end}", report.name);
    let files = [(name("csv"), csv(rows)), (name("md"), summary.clone())];
    write(folder, &files.each_ref().map(|(name, text)| (name.as_str(), text.clone())))?;
    chart::bars(&bars(rows), limit(rows), (&report.title, &folder.join(report.name)))?;
    println!("{summary}\nwritten to {}", folder.display());
    Ok(())
}

/// The contenders, in order.
pub(super) fn names(rows: &[Row]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.contender.as_str()) {
            names.push(&row.contender);
        }
    }
    names
}

/// The rows of one contender.
pub(super) fn of<'r>(rows: &'r [Row], name: &'r str) -> impl Iterator<Item = &'r Row> {
    rows.iter().filter(move |row| row.contender == name)
}

/// Median images a second of each contender, in order.
fn bars(rows: &[Row]) -> Vec<(&str, f64)> {
    let median = |name| spread(of(rows, name).map(|row| row.images_per_s))[1];
    names(rows).into_iter().map(|name| (name, median(name))).collect()
}

/// Median of the direct limits.
fn limit(rows: &[Row]) -> Option<f64> {
    let limits: Vec<f64> = rows.iter().filter_map(|row| row.limit).collect();
    (!limits.is_empty()).then(|| spread(limits)[1])
}

/// Every row, with a header.
pub(super) fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "round,contender,isa,threads,batch,step_ms_median,step_ms_least,step_ms_most,img_per_s,peak_rss_mb,load\n",
    );
    for row in rows {
        let Row { round, contender, isa, threads, batch, .. } = row;
        let Row { median_ms, least_ms, most_ms, images_per_s, peak_rss_mb, load, .. } = row;
        let times = format!("{median_ms:.3},{least_ms:.3},{most_ms:.3},{images_per_s:.3}");
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
    let names = names(rows);
    for &name in &names {
        let [least, median, most] = spread(of(rows, name).map(|row| row.images_per_s));
        let [_, ms, _] = spread(of(rows, name).map(|row| row.median_ms));
        let [_, _, memory] = spread(of(rows, name).map(|row| row.peak_rss_mb));
        let [_, load, _] = spread(of(rows, name).map(|row| row.load));
        let _ = writeln!(
            text,
            "| {name} | {least:.1}, {median:.1}, {most:.1} | {ms:.0} | {memory:.0} | {load:.1} |"
        );
    }
    text.push('\n');
    let ours: Vec<f64> = of(rows, names[0]).map(|row| row.images_per_s).collect();
    for &peer in &names[1..] {
        let ratios = of(rows, peer).zip(&ours).map(|(row, ours)| ours / row.images_per_s);
        let [least, median, most] = spread(ratios);
        let _ = writeln!(
            text,
            "{} is {median:.2} times as fast as {peer} ({least:.2} to {most:.2} over the rounds).  ",
            names[0]
        );
    }
    for absent in &report.absent {
        let _ = writeln!(text, "{absent}.  ");
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
pub(super) mod tests {
    use super::*;

    pub(in crate::bench) fn row(round: usize, contender: &str, images_per_s: f64) -> Row {
        Row {
            round,
            contender: contender.to_owned(),
            threads: 2.0,
            batch: 256.0,
            isa: "avx2".to_owned(),
            median_ms: 256e3 / images_per_s,
            least_ms: 1.0,
            most_ms: 2.0,
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
        let report = Report {
            name: "train",
            title: "Title".to_owned(),
            setup: "setup".to_owned(),
            absent: vec![Absent { name: "c".to_owned(), why: "it has no such network".to_owned() }],
            more: String::new(),
        };
        let text = summary(&Machine::look(), &report, &rows);
        assert!(text.contains("# Title") && text.contains("a does 1.40 times that"), "{text}");
        assert!(text.contains("a is 1.50 times as fast as b (1.00 to 2.00 over the rounds)"), "{text}");
        assert!(text.contains("| a | 60.0, 70.0, 80.0 |"), "{text}");
        assert!(text.contains("\nc was left out: it has no such network."), "{text}");
    }

    #[test]
    fn one_line_a_row() {
        let text = csv(&[row(1, "a", 80.0)]);
        assert_eq!(text.lines().nth(1), Some("1,a,avx2,2,256,3200.000,1.000,2.000,80.000,1000.0,0.50"));
    }
}
