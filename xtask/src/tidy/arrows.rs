//! Rules on Cargo.toml files: who depends on whom, and dependencies with a reason.
//!
//! They are read line by line, which is enough for manifests written the usual way: one dependency a line.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::tree::Tree;

/// Arrows between rooms, as ARCHITECTURE.md draws them.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("kernels", &[]),
    ("pixels", &["kernels", "model"]),
    ("weights", &["model"]),
    ("formats", &["model", "weights"]),
    ("engine", &["kernels", "model"]),
    ("infer", &["engine", "model", "pixels", "weights"]),
    ("data", &["model", "pixels"]),
    ("train", &["data", "engine", "formats", "model", "weights"]),
    ("plusx", &["data", "engine", "formats", "infer", "kernels", "model", "train"]),
    ("cli", &["data", "engine", "formats", "infer", "model", "train"]),
    ("xtask", &[]),
];

/// Rooms that may use anyhow; all others have typed errors.
const ANYHOW: [&str; 2] = ["cli", "xtask"];

/// A dependency as a manifest names it.
struct Dependency {
    name: String,
    line: usize,
    /// From a `dev-dependencies` table.
    dev: bool,
}

/// Manifests of rooms: (room, path, text).
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, &str, &str)> {
    tree.with_ending("toml").filter_map(|(path, text)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        Some((folder.strip_prefix("crates/").unwrap_or(folder), path, text))
    })
}

/// The table a line opens: `[dependencies]` gives "dependencies".
fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut table = "";
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        if let Some(name) = header(line) {
            table = name;
            // [dependencies.name]
            if let Some((parent, name)) =
                name.rsplit_once('.').filter(|(parent, _)| parent.ends_with("dependencies"))
            {
                let dev = parent.contains("dev-");
                found.push(Dependency { name: name.to_owned(), line: index + 1, dev });
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| table.ends_with("dependencies")) else {
            continue;
        };
        let key = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
        let renamed = value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
        let (name, dev) = (renamed.unwrap_or(key).to_owned(), table.contains("dev-"));
        found.push(Dependency { name, line: index + 1, dev });
    }
    found
}

/// The room of one of our packages ("plusx-model" gives "model").
fn room_of(package: &str) -> Option<&str> {
    match package {
        "plusx" | "xtask" => Some(package),
        _ => package.strip_prefix("plusx-"),
    }
}

pub(super) fn arrows(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let outside = |path: &str| path.starts_with("examples/") || path.starts_with("fuzz/");
    for (room, path, text) in manifests(tree).filter(|(_, path, _)| !outside(path)) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            findings.push(Finding::new(path, 0, "a crate that the drawing does not know"));
            continue;
        };
        // tests may look further up, except from the two rooms at the bottom; nothing may depend on the top
        let bottom = matches!(room, "model" | "kernels");
        for dependency in dependencies(text) {
            let arrow = room_of(&dependency.name);
            let wrong = match arrow {
                Some(to) if dependency.dev => bottom || matches!(to, "cli" | "xtask"),
                Some(to) => !allowed.contains(&to),
                None => dependency.name == "anyhow" && !ANYHOW.contains(&room),
            };
            if wrong {
                findings.push(Finding::new(
                    path,
                    dependency.line,
                    format!("{room} must not use {}", dependency.name),
                ));
            }
        }
    }
    findings
}

pub(super) fn documented(tree: &Tree) -> Vec<Finding> {
    const DOCUMENT: &str = "docs/dependencies.md";
    let Some(document) = tree.get(DOCUMENT) else {
        return vec![Finding::new(DOCUMENT, 0, "is missing")];
    };
    let mut used: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for (_, path, text) in manifests(tree) {
        for dependency in dependencies(text).into_iter().filter(|one| room_of(&one.name).is_none()) {
            used.entry(dependency.name).or_insert((path.to_owned(), dependency.line));
        }
    }
    let explained: BTreeSet<&str> = document.lines().filter_map(explained).collect();
    let missing = used
        .iter()
        .filter(|(name, _)| !explained.contains(name.as_str()))
        .map(|(name, (path, line))| Finding::new(path, *line, format!("`{name}` has no row in {DOCUMENT}")));
    let stale = explained
        .iter()
        .filter(|name| !used.contains_key(**name))
        .map(|name| Finding::new(DOCUMENT, 0, format!("`{name}` is no dependency")));
    missing.chain(stale).collect()
}

/// The crate that a row of the table is about: "| `name` | ..."
fn explained(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split('`').next()
}
