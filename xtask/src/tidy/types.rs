//! One name, one type: a newcomer who looks for a type must find one.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::tree::Tree;

/// What a type is declared with.
const KINDS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

pub(super) fn types(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for file in tree.rust().filter(|file| file.is_product()) {
        for (line, code) in file.product_lines() {
            let Some(name) = declared(code) else { continue };
            match known.get(name) {
                Some(other) => {
                    findings.push(Finding::new(file.path, line, format!("`{name}` is also in {other}")));
                }
                None => _ = known.insert(name.to_owned(), format!("{}:{line}", file.path)),
            }
        }
    }
    findings
}

/// The type that a line declares for other files: `pub(crate) struct Name<T> {` gives "Name". Types inside an `impl` or a
/// trait have no `pub`.
fn declared(code: &str) -> Option<&str> {
    let rest = code.trim_start().strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(inside) => inside.split_once(')')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace().skip_while(|word| *word == "unsafe");
    words.next().filter(|word| KINDS.contains(word))?;
    words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}
