//! What `plusx check` tells people: the important things first, then how many pictures there are of each class.

use crate::screen::{is_unicode, width};
use crate::spelled::one_line;
use plusx_data::{CheckReport, Dataset, FindingKind};
use plusx_model::summary::thousands;
use plusx_model::words::counted;
use std::path::Path;

/// Findings of one kind that are shown, at most.
const SHOWN: usize = 3;

/// Classes that are drawn, at most: a screen of them. Of more the largest and the smallest are.
const DRAWN: usize = 40;

/// What was found, and where the list of all of it is.
pub(crate) struct CheckSummary<'a> {
    pub(crate) set: &'a Dataset,
    pub(crate) report: &'a CheckReport,
    pub(crate) list: Option<&'a Path>,
}

impl CheckSummary<'_> {
    /// The lines, without a line end behind the last.
    pub(crate) fn text(&self) -> String {
        let Self { set, report, .. } = self;
        let mut lines = vec![format!(
            "{}: {} of {}",
            one_line(&set.source),
            counted(report.readable as u64, "picture"),
            counted(report.classes.len() as u64, "class")
        )];
        for (title, must) in [("To mend", true), ("Remarks", false)] {
            let kinds = FindingKind::ALL.into_iter().filter(|kind| kind.must_be_mended() == must);
            let found: Vec<String> = kinds.flat_map(|kind| self.of_kind(kind)).collect();
            if !found.is_empty() {
                lines.extend([String::new(), title.to_owned()]);
                lines.extend(found);
            } else if must {
                lines.extend([String::new(), "Nothing has to be mended.".to_owned()]);
            }
        }
        if !report.findings.is_empty() {
            lines.push(String::new());
            lines.push(match self.list {
                Some(list) => format!("All of it is in {}", list.display()),
                None => "--output DIR writes all of it into DIR/bad_files.csv, --json prints it".to_owned(),
            });
        }
        lines.extend([String::new(), "Pictures of each class".to_owned()]);
        lines.extend(bars(report, width(), is_unicode()));
        lines.join("\n")
    }

    fn of_kind(&self, kind: FindingKind) -> Vec<String> {
        let findings = self.report.of_kind(kind);
        if findings.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![format!("- {}", headline(kind, findings.len() as u64))];
        for finding in findings.iter().take(SHOWN) {
            lines.push(format!("    {}: {}", one_line(&finding.path), one_line(&finding.reason)));
        }
        if findings.len() > SHOWN {
            lines.push(format!("    and {} more", thousands((findings.len() - SHOWN) as u64)));
        }
        lines
    }
}

/// What a kind of finding means, and what to do.
fn headline(kind: FindingKind, n: u64) -> String {
    let [pictures, classes, files] = ["picture", "class", "file"].map(|noun| counted(n, noun));
    let is = if n == 1 { "is" } else { "are" };
    match kind {
        FindingKind::Leak => format!(
            "{pictures} held out {is} in an earlier split, too: what is measured on them is memory. Delete one of each pair"
        ),
        FindingKind::TwoLabels => {
            format!("{pictures} {is} in two classes: decide which is right, and delete the other")
        }
        FindingKind::Unreadable => {
            format!("{files} left out, no picture can be had from what is there: fetch again, or delete")
        }
        FindingKind::AlikeClasses => {
            format!("{classes} called almost as another: if they are one, give them one name")
        }
        FindingKind::EmptyClass => format!("{classes} without a picture: add pictures, or delete the class"),
        FindingKind::UnlearntClass => {
            format!("{classes} without a picture to learn from: a network takes them for other classes")
        }
        FindingKind::UnmeasuredClass => {
            format!("{classes} without a picture to measure on: how well they are known will not be seen")
        }
        FindingKind::Lopsided => "the classes are of very different sizes".to_owned(),
        FindingKind::Duplicate => format!("{pictures} {is} there twice in one split: they count double"),
        FindingKind::NearDuplicate => format!("{pictures} {is} in one split twice, nearly"),
        FindingKind::OneColour => format!("{pictures} {is} of one colour: is that meant so?"),
        FindingKind::Small if n == 1 => "small pictures are enlarged".to_owned(),
        FindingKind::Small => format!("{pictures} {is} small and will be enlarged"),
        FindingKind::WrongEnding => {
            format!(
                "{files} with the ending of another format than what is inside: plusx reads them, other programs may not"
            )
        }
    }
}

/// A line for each class, in lines of at most `width` columns.
fn bars(report: &CheckReport, width: usize, unicode: bool) -> Vec<String> {
    let all = |class: usize| report.splits.iter().map(|split| split.counts[class]).sum::<usize>();
    let mut order: Vec<usize> = (0..report.classes.len()).collect();
    let mut hidden = 0;
    if order.len() > DRAWN {
        order.sort_by_key(|class| std::cmp::Reverse(all(*class)));
        hidden = order.len() - DRAWN;
        order.drain(DRAWN / 2..order.len() - DRAWN / 2);
    }
    let names: Vec<String> =
        order.iter().map(|class| shortened(&report.classes[*class], width / 3)).collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let numbers = |class: usize| {
        report
            .splits
            .iter()
            .map(|split| format!("  {} {:>7}", split.name, thousands(split.counts[class] as u64)))
            .collect::<String>()
    };
    let number_width = order.first().map_or(0, |class| numbers(*class).len());
    let room = width.saturating_sub(name_width + number_width + 3).clamp(5, 60);
    let most = order.iter().map(|class| all(*class)).max().unwrap_or(0).max(1);
    let mut lines: Vec<String> = order
        .iter()
        .zip(names)
        .map(|(class, name)| {
            let pad = " ".repeat(name_width - name.chars().count());
            let bar = bar(all(*class), most, room, unicode);
            let rest = " ".repeat(room - bar.chars().count());
            format!("{name}{pad} {bar}{rest}{}", numbers(*class))
        })
        .collect();
    if hidden > 0 {
        let between = format!("… {} between these …", counted(hidden as u64, "class"));
        lines.insert(DRAWN / 2, between);
    }
    lines
}

/// A bar of `room` columns for `most`. Whoever has something has a mark.
fn bar(count: usize, most: usize, room: usize, unicode: bool) -> String {
    if !unicode {
        return "#".repeat((count * room).div_ceil(most));
    }
    let eighths = (8 * count * room).div_ceil(most);
    let last = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + last
}

/// A name on one line of at most `limit` characters.
fn shortened(name: &str, limit: usize) -> String {
    let name = one_line(name);
    let limit = limit.max(8);
    match name.chars().count() > limit {
        true => name.chars().take(limit - 1).chain(['…']).collect(),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_data::SplitCounts;

    fn report(classes: &[&str], train: &[usize], val: &[usize]) -> CheckReport {
        let split = |name, counts: &[usize]| SplitCounts { name, counts: counts.to_vec() };
        CheckReport {
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            splits: vec![split("train", train), split("val", val)],
            readable: 0,
            findings: Vec::new(),
        }
    }

    #[test]
    fn bars_are_in_proportion_and_within_the_width() {
        let report = report(&["cat", "a very long name of a class indeed", "é"], &[80, 40, 0], &[20, 10, 1]);
        for unicode in [true, false] {
            let lines = bars(&report, 70, unicode);
            assert!(lines.iter().all(|line| line.chars().count() <= 70), "{lines:#?}");
            let length = |line: &str| line.chars().filter(|c| "#█▉▊▋▌▍▎▏".contains(*c)).count();
            assert!(length(&lines[0]).abs_diff(2 * length(&lines[1])) <= 1, "{lines:#?}");
            assert_eq!(length(&lines[2]), 1);
            assert!(lines[0].contains("80") && lines[2].ends_with("1"), "{lines:#?}");
        }
        assert!(bars(&report, 10, true).len() == 3, "no room at all");
    }

    #[test]
    fn of_many_classes_the_largest_and_the_smallest_are_drawn() {
        let names: Vec<String> = (0..100).map(|class| format!("c{class}")).collect();
        let counts: Vec<usize> = (1..=100).collect();
        let lines =
            bars(&report(&names.iter().map(String::as_str).collect::<Vec<_>>(), &counts, &counts), 80, true);
        assert_eq!(lines.len(), 41);
        assert!(
            lines[0].starts_with("c99 ") && lines[20].contains("60 classes") && lines[40].starts_with("c0 ")
        );
    }
}
