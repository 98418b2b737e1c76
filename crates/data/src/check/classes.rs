//! Classes: names that look alike, pictures that are not there, and far more of one class than of another.

use super::finding::{CheckFinding, FindingKind};
use super::report::SplitCounts;
use crate::Dataset;
use plusx_model::summary::thousands;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// How many times the pictures of the smallest class the largest may have.
const LOPSIDED: usize = 3;

/// What is to be said of the classes.
pub(super) fn find(set: &Dataset, splits: &[SplitCounts]) -> Vec<CheckFinding> {
    let mut found = alike(&set.classes);
    for class in &set.empty_classes {
        found.push(CheckFinding::new(FindingKind::EmptyClass, class, "no picture is of this class"));
    }
    let count = |split: usize, class: usize| splits.get(split).map_or(0, |split| split.counts[class]);
    for (class, name) in set.classes.iter().enumerate() {
        let [train, held_out] = [0, 1].map(|split| count(split, class));
        let all: usize = splits.iter().map(|split| split.counts[class]).sum();
        let (kind, reason) = match (all, train, held_out) {
            (0, ..) => (FindingKind::EmptyClass, "no picture is of this class".to_owned()),
            (_, 0, _) => (FindingKind::UnlearntClass, "no picture to learn from is of this class".to_owned()),
            (.., 0) => {
                (FindingKind::UnmeasuredClass, format!("no {} picture is of this class", set.held_out))
            }
            _ => continue,
        };
        found.push(CheckFinding::new(kind, name, reason));
    }
    found.extend(lopsided(set, splits));
    found
}

/// Classes whose names look alike.
fn alike(classes: &[String]) -> Vec<CheckFinding> {
    let mut by_look: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for class in classes {
        by_look.entry(folded(class)).or_default().push(class);
    }
    let mut found = Vec::new();
    for names in by_look.values().filter(|names| names.len() > 1) {
        let [first, others @ ..] = &names[..] else { continue };
        for other in others {
            let reason = format!(
                "{other:?} and {first:?} are two classes; their names differ only in capitals, blanks or the encoding of letters"
            );
            found.push(CheckFinding::new(FindingKind::AlikeClasses, *other, reason));
        }
    }
    found
}

/// A name without what is hard to see: capitals, blanks at the ends and doubled ones, and the way letters are encoded (Unicode's
/// compatibility composition, NFKC).
fn folded(name: &str) -> String {
    let lower: String = name.nfkc().collect::<String>().to_lowercase();
    lower.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lopsided(set: &Dataset, splits: &[SplitCounts]) -> Option<CheckFinding> {
    let counts = &splits.first()?.counts;
    let classes = || counts.iter().zip(&set.classes).filter(|(count, _)| **count > 0);
    // of equals the first
    let (most, largest) = classes().rev().max_by_key(|(count, _)| **count)?;
    let (least, smallest) = classes().min_by_key(|(count, _)| **count)?;
    if *most <= LOPSIDED * least {
        return None;
    }
    let [most, least] = [*most, *least].map(|count| thousands(count as u64));
    let reason = format!(
        "{largest} has {most} pictures to learn from, {smallest} {least}: a network learns to answer {largest}. Add pictures to \
         the small classes, or judge it by the accuracy of each class"
    );
    Some(CheckFinding::new(FindingKind::Lopsided, &*set.source, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_found() {
        // a letter with an accent, and a letter and an accent
        let classes = ["Cat", "cat ", "caf\u{e9}", "cafe\u{301}", "hot  dog", "hot dog", "dog", "ＤＯＧ"];
        let found = alike(&classes.map(str::to_owned));
        let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["cafe\u{301}", "cat ", "ＤＯＧ", "hot dog"]);
        assert!(found[1].reason.contains(r#""cat " and "Cat""#), "{found:?}");
        assert!(alike(&["a", "b"].map(str::to_owned)).is_empty());
    }
}
