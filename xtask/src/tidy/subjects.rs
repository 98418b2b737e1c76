//! The rule on subjects of commits. It looks at the newest ones only: what is in the history stays there.

use std::path::Path;
use std::process::Command;

use super::finding::Finding;
use super::tree::Tree;

/// The commit after which the rule holds.
const BASE: &str = "43fb5256c9e4a807eaf10d24267f4dbcdc87719a";

/// How many commits are looked at.
const NEWEST: &str = "20";

/// Characters of a subject.
const MOST: usize = 72;

/// Lines of an abbreviated hash and a subject, newest first. Empty where there is no history that reaches back to the base:
/// in an archive, or in a shallow clone.
pub(super) fn read(root: &Path) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["log", "--no-merges", "--format=%h %s", "--max-count", NEWEST]);
    match git.arg(format!("{BASE}..HEAD")).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => {
            println!("tidy: subjects of commits are not checked: there is no history back to {BASE}");
            String::new()
        }
    }
}

pub(super) fn subjects(tree: &Tree) -> Vec<Finding> {
    let wrong = |line: &str| {
        let (hash, subject) = line.split_once(' ')?;
        let what = match subject.chars().count() {
            length if length > MOST => format!("{length} characters: {subject}"),
            _ if subject.ends_with('.') => format!("a full stop: {subject}"),
            _ if !subject.contains(' ') => format!("says too little: {subject}"),
            _ => return None,
        };
        Some(Finding::new(&format!("commit {hash}"), 0, what))
    };
    tree.subjects().lines().filter_map(wrong).collect()
}
