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
    /// Whether the rows are of several precisions.
    pub(super) mixed: bool,
    pub(super) left_out: Vec<MissingPeer>,
    pub(super) rows: Vec<TurnRow>,
}

impl MeasuredComparison {
    /// What each contender did in every round, ours first.
    fn each(&self, what: impl Fn(&TurnRow) -> f64) -> Vec<(&str, Vec<f64>)> {
        by_name(self.rows.iter().map(|row| (row.contender.as_str(), what(row))))
    }

    /// A contender's first row.
    fn first(&self, contender: &str) -> Option<&TurnRow> {
        self.rows.iter().find(|row| row.contender == contender)
    }

    /// Its precision, as it says.
    fn precision(&self, contender: &str) -> &str {
        self.first(contender).map_or("", |row| &row.precision)
    }

    /// Whether anybody compared logits.
    fn compares_logits(&self) -> bool {
        self.rows.iter().any(|row| row.logit_difference.is_some())
    }

    /// Its name in a chart, where a precision beside it is of interest.
    fn label(&self, contender: &str) -> String {
        let precision = self.precision(contender);
        let said = !self.mixed || contender.ends_with(precision);
        if said { contender.to_owned() } else { format!("{contender} ({precision})") }
    }

    /// Median of the direct limits.
    fn limit(&self) -> Option<f64> {
        let limits: Vec<f64> = self.rows.iter().filter_map(|row| row.limit).collect();
        (!limits.is_empty()).then(|| spread(limits)[1])
    }

    /// Draws `path.svg` and `path.png`: median images a second of each contender.
    pub(super) fn draw(&self, path: &Path) -> Result<()> {
        let speeds = self.each(|row| row.images_per_s).into_iter();
        let bars: Vec<_> = speeds.map(|(name, speeds)| (self.label(name), spread(speeds)[1])).collect();
        chart::bars(&self.title, &bars, self.limit(), path)
    }

    /// Every row, with a header.
    pub(super) fn csv(&self) -> String {
        let mut text = String::from(
            "round,contender,isa,threads,batch,step_ms_median,step_ms_least,step_ms_most,img_per_s,peak_rss_mb,load,\
             precision,logit_difference\n",
        );
        for row in &self.rows {
            let TurnRow { round, contender, isa, threads, batch, .. } = row;
            let TurnRow { median_ms, least_ms, most_ms, images_per_s, peak_rss_mb, load, .. } = row;
            // writing to a string cannot fail
            let _ = write!(text, "{round},{contender},{isa},{threads},{batch},{median_ms:.3},{least_ms:.3},");
            let difference =
                row.logit_difference.map_or(String::new(), |difference| format!("{difference:.2e}"));
            let _ = write!(text, "{most_ms:.3},{images_per_s:.3},{peak_rss_mb:.1},{load:.2},");
            let _ = writeln!(text, "{},{difference}", row.precision);
        }
        text
    }

    /// Our speed as a multiple of that of the fastest in each precision, and what the columns of a mixed table say.
    fn fastest(&self, speeds: &[(&str, Vec<f64>)]) -> String {
        let (our_name, ours) = &speeds[0];
        let mut text = String::new();
        if self.compares_logits() {
            text.push_str(
                "Logits off by: the largest difference from logits of PyTorch in fp32, as a part of the largest of these, \
                 where a program is given the same weights.\n\n",
            );
        }
        let _ = writeln!(
            text,
            "| {our_name} beside the fastest in | which is | times as fast (least to most over the rounds) |\n|---|---|---|"
        );
        let median = |speeds: &[f64]| spread(speeds.iter().copied())[1];
        let mut fastest: Vec<(&str, &str, &[f64])> = Vec::new();
        for (name, theirs) in &speeds[1..] {
            let precision = self.precision(name);
            match fastest.iter_mut().find(|(known, ..)| *known == precision) {
                Some(best) if median(theirs) > median(best.2) => *best = (precision, name, theirs),
                Some(_) => {}
                None => fastest.push((precision, name, theirs)),
            }
        }
        for (precision, name, theirs) in fastest {
            let [least, middle, most] = ratios(ours, theirs);
            let _ = writeln!(text, "| {precision} | {name} | {middle:.2} ({least:.2} to {most:.2}) |");
        }
        text.push('\n');
        text
    }

    /// Speed and memory of each contender, and our speed as a multiple of each peer's in the same round.
    pub(super) fn summary(&self, machine: &MeasuringMachine) -> String {
        let mut text = format!("# {}\n\n{}\n{}\n\n", self.title, machine.describe(), self.setup);
        text.push_str(
            "| | images/s (least, median, most) | ms a step (median) | peak memory, MB | load before |",
        );
        let (more, lines) = match (self.mixed, self.compares_logits()) {
            (true, true) => (" precision | logits off by |", "---|---|"),
            (true, false) => (" precision |", "---|"),
            (false, _) => ("", ""),
        };
        let _ = writeln!(text, "{more}\n|---|---|---|---|---|{lines}");
        let speeds = self.each(|row| row.images_per_s);
        let times = self.each(|row| row.median_ms);
        let memory = self.each(|row| row.peak_rss_mb);
        let loads = self.each(|row| row.load);
        let median = |of: &[(&str, Vec<f64>)], at: usize| spread(of[at].1.iter().copied())[1];
        for (at, (name, own)) in speeds.iter().enumerate() {
            let [least, middle, most] = spread(own.iter().copied());
            let [_, _, memory] = spread(memory[at].1.iter().copied());
            let (ms, load) = (median(&times, at), median(&loads, at));
            let _ = write!(
                text,
                "| {name} | {least:.1}, {middle:.1}, {most:.1} | {ms:.0} | {memory:.0} | {load:.1} |"
            );
            if self.mixed {
                let _ = write!(text, " {} |", self.precision(name));
            }
            if self.mixed && self.compares_logits() {
                let difference = self.first(name).and_then(|row| row.logit_difference).map(per_cent);
                let _ = write!(text, " {} |", difference.unwrap_or_default());
            }
            text.push('\n');
        }
        text.push('\n');
        if self.mixed {
            text.push_str(&self.fastest(&speeds));
        }
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

/// A share in per cent, to hundredths.
fn per_cent(share: f64) -> String {
    if share < 1e-4 { "<0.01 %".to_owned() } else { format!("{:.2} %", share * 100.0) }
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
            precision: "fp32".to_owned(),
            version: None,
            logit_difference: None,
            limit: Some(50.0),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let comparison = MeasuredComparison {
            title: "Title".to_owned(),
            setup: "setup".to_owned(),
            mixed: false,
            left_out: vec![MissingPeer { name: "c".to_owned(), why: "it has no such network".to_owned() }],
            rows: vec![row(1, "a", 80.0), row(1, "b", 40.0), row(2, "a", 60.0), row(2, "b", 60.0)],
        };
        let text = comparison.summary(&MeasuringMachine::made_up());
        assert!(text.contains("# Title") && text.contains("a does 1.40 times that"), "{text}");
        assert!(text.contains("a is 1.50 times as fast as b (1.00 to 2.00 over the rounds)"), "{text}");
        assert!(text.contains("| a | 60.0, 70.0, 80.0 |"), "{text}");
        assert!(text.contains("\nc was left out: it has no such network."), "{text}");
        let csv = comparison.csv();
        assert_eq!(csv.lines().nth(1), Some("1,a,avx2,2,256,3200.000,1.000,2.000,80.000,1000.0,0.50,fp32,"));
    }

    #[test]
    fn rows_of_several_precisions_name_the_fastest_of_each() {
        let of = |contender: &str, precision: &str, images_per_s: f64| TurnRow {
            precision: precision.to_owned(),
            logit_difference: match precision {
                "bf16" => Some(0.0893),
                "fp32" => Some(3e-7),
                _ => None,
            },
            ..row(1, contender, images_per_s)
        };
        let comparison = MeasuredComparison {
            title: "Title".to_owned(),
            setup: "setup".to_owned(),
            mixed: true,
            left_out: Vec::new(),
            rows: vec![
                of("plusx medium", "medium", 90.0),
                of("plusx highest", "highest", 30.0),
                of("one fp32", "fp32", 10.0),
                of("two fp32", "fp32", 20.0),
                of("one default", "bf16", 60.0),
                of("two bf16", "bf16", 50.0),
            ],
        };
        let text = comparison.summary(&MeasuringMachine::made_up());
        for line in [
            "| one default | 60.0, 60.0, 60.0 | 4267 | 1000 | 0.5 | bf16 | 8.93 % |",
            "| two fp32 | 20.0, 20.0, 20.0 | 12800 | 1000 | 0.5 | fp32 | <0.01 % |",
            "| plusx highest | 30.0, 30.0, 30.0 | 8533 | 1000 | 0.5 | highest |  |",
            "| highest | plusx highest | 3.00 (3.00 to 3.00) |",
            "| fp32 | two fp32 | 4.50 (4.50 to 4.50) |",
            "| bf16 | one default | 1.50 (1.50 to 1.50) |",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(!text.contains("| fp32 | one fp32 |") && !text.contains("| bf16 | two bf16 |"), "{text}");
        assert_eq!(comparison.label("one default"), "one default (bf16)");
        assert_eq!(comparison.label("two bf16"), "two bf16");
        assert!(comparison.csv().contains(",0.50,bf16,8.93e-2\n"));
    }
}
