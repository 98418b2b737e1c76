//! No circles between the files of a crate: what a file uses must not lead back to it.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::paths::{Arrow, ModuleTree};
use super::tree::Tree;

pub(super) fn circles(tree: &Tree) -> Vec<Finding> {
    let mut crates: BTreeMap<&str, ModuleTree<'_>> = BTreeMap::new();
    for file in tree.rust().filter(|file| file.is_product()) {
        if let Some((folder, inside)) = file.path.split_once("/src/") {
            crates.entry(folder).or_default().add(inside, &file);
        }
    }
    crates.values().flat_map(|modules| of_crate(&modules.arrows())).collect()
}

/// The shortest circle through each file, each told once.
fn of_crate(arrows: &[Arrow<'_>]) -> Vec<Finding> {
    let mut next: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for Arrow { from, line, to } in arrows {
        next.entry(from).or_default().entry(to).or_insert(*line);
    }
    let mut findings = Vec::new();
    let mut told: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (&from, uses) in &next {
        let way = way_back(&next, from);
        if !way.is_empty() && told.insert(way.iter().copied().collect()) {
            findings.push(Finding::new(from, uses[way[1]], way.join(" -> ")));
        }
    }
    findings
}

/// The shortest way from a file back to it, both ends included; empty if there is none.
fn way_back<'s>(next: &BTreeMap<&'s str, BTreeMap<&'s str, usize>>, from: &'s str) -> Vec<&'s str> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for &to in next.get(way[way.len() - 1]).into_iter().flat_map(BTreeMap::keys) {
                let way = [&way[..], &[to]].concat();
                if to == from {
                    return way;
                }
                if seen.insert(to) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    Vec::new()
}
