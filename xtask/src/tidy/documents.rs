//! Rules on documents: links, the two commands, no path of one machine.

use super::Finding;
use super::source::before_tests;
use super::tree::Tree;

/// Starts of paths that exist on one machine only; in halves so that this file keeps the rule.
const MACHINE: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
];

/// Builds and trains; checks everything.
const COMMANDS: [&str; 2] = ["cargo run --release -- train", "cargo xtask test"];

pub(super) fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        // tests may invent homes
        let lines = if path.ends_with(".rs") { before_tests(text) } else { usize::MAX };
        for (index, line) in text.lines().take(lines).enumerate() {
            // part of an address or of a longer path is fine: only the start of an absolute path counts
            let starts = |needle: &str| {
                line.match_indices(needle).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| {
                        c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '/' | '~')
                    })
                })
            };
            let found = MACHINE.iter().find(|needle| starts(needle));
            findings
                .extend(found.map(|needle| Finding::new(path, index + 1, format!("a path under {needle}"))));
        }
    }
    findings
}

pub(super) fn commands(tree: &Tree) -> Vec<Finding> {
    const README: &str = "README.md";
    let text = tree.get(README).unwrap_or_default();
    let missing = COMMANDS.iter().filter(|command| !text.contains(**command));
    missing.map(|command| Finding::new(README, 0, format!("lacks `{command}`"))).collect()
}

pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_ending("md") {
        let mut fenced = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            if fenced {
                continue;
            }
            let line = without_code(line);
            for target in targets(&line) {
                let file = target.split('#').next().unwrap_or_default();
                if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                    continue;
                }
                if !tree.exists(&resolve(path, file)) {
                    findings.push(Finding::new(path, index + 1, format!("no {target}")));
                }
            }
        }
    }
    findings
}

/// The line without what stands between backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Targets of `[text](target)` and `src="target"`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let markdown = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let html = line.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    markdown.chain(html)
}

/// `target` as seen from the folder of `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
