//! A comparison as files: a CSV of every number, a summary that can be read, a chart.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::turns::{MissingPeer, TurnRow};
use super::{by_name, chart, ratios, spread};
use crate::machine::MeasuringMachine;

/// What was measured.
pub(super) struct MeasuredComparison {
    pub(super) title: String,
    /// How it was measured.
    pub(super) setup: String,
    pub(super) left_out: Vec<MissingPeer>,
    pub(super) rows: Vec<TurnRow>,
}

impl MeasuredComparison {
    /// What each contender did in every round, ours first.
    fn each(&self, what: impl Fn(&TurnRow) -> f64) -> Vec<(&str, Vec<f64>)> {
        by_name(self.rows.iter().map(|row| (row.contender.as_str(), what(row))))
    }

    /// Median of the direct limits.
    fn limit(&self) -> Option<f64> {
        let limits: Vec<f64> = self.rows.iter().filter_map(|row| row.limit).collect();
        (!limits.is_empty()).then(|| spread(limits)[1])
    }

    /// Draws `path.svg` and `path.png`: median images a second of each contender.
    pub(super) fn draw(&self, path: &Path) -> Result<()> {
        let speeds = self.each(|row| row.images_per_s).into_iter();
        let bars: Vec<_> = speeds.map(|(name, speeds)| (name, spread(speeds)[1])).collect();
        chart::bars(&self.title, &bars, self.limit(), path)
    }

    /// Every row, with a header.
    pub(super) fn csv(&self) -> String {
        let mut text = String::from(
            "round,contender,isa,threads,batch,step_ms_median,step_ms_least,step_ms_most,img_per_s,peak_rss_mb,load\n",
        );
        for row in &self.rows {
            let TurnRow { round, contender, isa, threads, batch, .. } = row;
            let TurnRow { median_ms, least_ms, most_ms, images_per_s, peak_rss_mb, load, .. } = row;
            // writing to a string cannot fail
            let _ = write!(text, "{round},{contender},{isa},{threads},{batch},{median_ms:.3},{least_ms:.3},");
            let _ = writeln!(text, "{most_ms:.3},{images_per_s:.3},{peak_rss_mb:.1},{load:.2}");
        }
        text
    }

    /// Speed and memory of each contender, and our speed as a multiple of each peer's in the same round.
    pub(super) fn summary(&self, machine: &MeasuringMachine) -> String {
        let mut text = format!("# {}\n\n{}\n{}\n\n", self.title, machine.describe(), self.setup);
        text.push_str(
            "| | images/s (least, median, most) | ms a step (median) | peak memory, MB | load before |\n|---|---|---|---|---|\n",
        );
        let speeds = self.each(|row| row.images_per_s);
        let times = self.each(|row| row.median_ms);
        let memory = self.each(|row| row.peak_rss_mb);
        let loads = self.each(|row| row.load);
        let median = |of: &[(&str, Vec<f64>)], at: usize| spread(of[at].1.iter().copied())[1];
        for (at, (name, own)) in speeds.iter().enumerate() {
            let [least, middle, most] = spread(own.iter().copied());
            let [_, _, memory] = spread(memory[at].1.iter().copied());
            let (ms, load) = (median(&times, at), median(&loads, at));
            let _ = writeln!(
                text,
                "| {name} | {least:.1}, {middle:.1}, {most:.1} | {ms:.0} | {memory:.0} | {load:.1} |"
            );
        }
        text.push('\n');
        let (our_name, ours) = &speeds[0];
        for (peer, theirs) in &speeds[1..] {
            let [least, middle, most] = ratios(ours, theirs);
            let _ = writeln!(
                text,
                "{our_name} is {middle:.2} times as fast as {peer} ({least:.2} to {most:.2} over the rounds).  "
            );
        }
        for left_out in &self.left_out {
            let _ = writeln!(text, "{left_out}.  ");
        }
        if let Some(limit) = self.limit() {
            let _ = writeln!(
                text,
                "A direct convolution at the whole fp32 peak, measured in the same processes, would do {limit:.1} images/s: \
                 {our_name} does {:.2} times that.",
                median(&speeds, 0) / limit
            );
        }
        let first = self.rows.iter().filter(|row| row.round == 1);
        let versions: Vec<String> =
            first.filter_map(|row| Some(format!("{} {}", row.contender, row.version.as_ref()?))).collect();
        if !versions.is_empty() {
            let _ = writeln!(text, "\nVersions: {}.", versions.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(round: usize, contender: &str, images_per_s: f64) -> TurnRow {
        TurnRow {
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
        let comparison = MeasuredComparison {
            title: "Title".to_owned(),
            setup: "setup".to_owned(),
            left_out: vec![MissingPeer { name: "c".to_owned(), why: "it has no such network".to_owned() }],
            rows: vec![row(1, "a", 80.0), row(1, "b", 40.0), row(2, "a", 60.0), row(2, "b", 60.0)],
        };
        let text = comparison.summary(&MeasuringMachine::made_up());
        assert!(text.contains("# Title") && text.contains("a does 1.40 times that"), "{text}");
        assert!(text.contains("a is 1.50 times as fast as b (1.00 to 2.00 over the rounds)"), "{text}");
        assert!(text.contains("| a | 60.0, 70.0, 80.0 |"), "{text}");
        assert!(text.contains("\nc was left out: it has no such network."), "{text}");
        let csv = comparison.csv();
        assert_eq!(csv.lines().nth(1), Some("1,a,avx2,2,256,3200.000,1.000,2.000,80.000,1000.0,0.50"));
    }
}
