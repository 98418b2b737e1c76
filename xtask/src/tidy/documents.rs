//! Rules on documents: links, the two commands, no path of one machine, where the compiler stops a new operation.

use super::finding::Finding;
use super::source::{before_tests, has_word};
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

/// More places than this, and an operation is no longer something one adds in an afternoon.
const MOST_STOPS: usize = 8;

pub(super) fn operations(tree: &Tree) -> Vec<Finding> {
    const DOCUMENT: &str = "docs/adding-an-op.md";
    let Some(graph) = tree.get("crates/model/src/graph.rs") else {
        return Vec::new();
    };
    let variants = variants(graph, "Op");
    let lists_all = |code: &str| {
        let has = |variant: &String| code.lines().any(|line| has_word(line, &format!("Op::{variant}")));
        !variants.is_empty() && variants.iter().all(has)
    };
    let stops: Vec<&str> = tree.rust().filter(|file| lists_all(&file.code)).map(|file| file.path).collect();
    // the paths before the first step are those the compiler leads to
    let text = tree.get(DOCUMENT).unwrap_or_default();
    let start = text.split("\n1. ").next().unwrap_or_default();
    let named: Vec<&str> = start.split('`').skip(1).step_by(2).filter(|path| path.ends_with(".rs")).collect();
    let unnamed = stops.iter().filter(|path| !named.contains(path));
    let mut findings: Vec<Finding> = unnamed
        .map(|path| Finding::new(path, 0, format!("lists every operation, and {DOCUMENT} does not name it")))
        .collect();
    let stale = named.iter().filter(|path| !stops.contains(path));
    findings
        .extend(stale.map(|path| Finding::new(DOCUMENT, 0, format!("{path} does not list every operation"))));
    if stops.len() > MOST_STOPS {
        let what = format!("{} files list every operation, more than {MOST_STOPS}", stops.len());
        findings.push(Finding::new(DOCUMENT, 0, what));
    }
    findings
}

/// Names of the variants of a public enum, written as rustfmt writes them.
fn variants(text: &str, name: &str) -> Vec<String> {
    let head = format!("pub enum {name} {{");
    let body = text.lines().skip_while(|line| *line != head).skip(1).take_while(|line| *line != "}");
    // four blanks and a capital: fields stand deeper, attributes and comments start otherwise
    let names =
        body.filter_map(|line| line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase)));
    names.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()
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
