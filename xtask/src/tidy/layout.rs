//! Rules on files: how long, how called, where, and how they open.

use super::finding::Finding;
use super::tree::Tree;

/// Longer files have two subjects.
const MAX_LINES: usize = 400;

/// Files that are one table, which cannot be cut: one entry after another, however many there are.
const TABLES: [&str; 1] = ["crates/train/src/options/table.rs"];

/// Names that say nothing about a file.
const EMPTY_NAMES: [&str; 8] = ["utils", "util", "base", "common", "misc", "helpers", "helper", "stuff"];

pub(super) fn short_files(tree: &Tree) -> Vec<Finding> {
    let rust = tree.rust().filter(|file| file.is_product()).map(|file| (file.path, file.lines_before_tests));
    let python = tree.with_ending("py").map(|(path, text)| (path, text.lines().count()));
    rust.chain(python)
        .filter(|(path, lines)| *lines > MAX_LINES && !TABLES.contains(path))
        .map(|(path, lines)| Finding::new(path, 0, format!("{lines} lines")))
        .collect()
}

pub(super) fn opening(tree: &Tree) -> Vec<Finding> {
    let opens = |path: &str, text: &str| {
        if path.ends_with(".rs") {
            return text.starts_with("//!");
        }
        // a script may name its interpreter first
        let first = text.lines().find(|line| !line.starts_with("#!"));
        first.is_some_and(|line| line.starts_with("\"\"\""))
    };
    tree.files()
        .filter(|(path, text)| (path.ends_with(".rs") || path.ends_with(".py")) && !opens(path, text))
        .map(|(path, _)| Finding::new(path, 1, "does not say what the file is for"))
        .collect()
}

pub(super) fn names(tree: &Tree) -> Vec<Finding> {
    let part_is_empty = |part: &str| EMPTY_NAMES.contains(&part.split('.').next().unwrap_or(part));
    tree.files()
        .filter(|(path, _)| path.split('/').any(part_is_empty))
        .map(|(path, _)| Finding::new(path, 0, "a name that says nothing"))
        .collect()
}

pub(super) fn python(tree: &Tree) -> Vec<Finding> {
    tree.with_ending("py")
        .filter(|(path, _)| !path.starts_with("tools/"))
        .map(|(path, _)| Finding::new(path, 0, "Python outside of tools/"))
        .collect()
}
