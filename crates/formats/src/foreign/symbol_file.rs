//! A symbol as its file has it: nodes in topological order, and their settings as texts.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A symbol as its file has it.
#[derive(Deserialize)]
pub(super) struct Symbol {
    pub(super) nodes: Vec<SymbolNode>,
    pub(super) heads: Vec<Vec<serde_json::Value>>,
}

/// A node. What is called `attrs` now was `attr` and, before MXNet 1.0, `param`.
#[derive(Deserialize)]
pub(super) struct SymbolNode {
    pub(super) op: String,
    pub(super) name: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    #[serde(default)]
    attr: BTreeMap<String, String>,
    #[serde(default)]
    param: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) inputs: Vec<Vec<usize>>,
}

impl Symbol {
    /// Which nodes the output depends on; inputs must stand before their readers.
    pub(super) fn needed(&self, output: usize) -> Result<Vec<bool>, String> {
        let mut needed = vec![false; self.nodes.len()];
        *needed.get_mut(output).ok_or("its output is no node of it")? = true;
        for (index, node) in self.nodes.iter().enumerate().rev() {
            for input in &node.inputs {
                match input.first() {
                    Some(&input) if input < index => needed[input] |= needed[index],
                    _ => return Err(format!("{}: an input is no node before it", node.name)),
                }
            }
        }
        Ok(needed)
    }
}

impl SymbolNode {
    /// A setting, if it is there.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        [&self.attrs, &self.attr, &self.param].into_iter().find_map(|map| map.get(key)).map(String::as_str)
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.text(key) {
            None => Ok(default),
            Some("True" | "true" | "1") => Ok(true),
            Some("False" | "false" | "0") => Ok(false),
            Some(other) => Err(format!("{key} is {other}, expected True or False")),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, key: &str, default: Option<T>) -> Result<T, String> {
        match (self.text(key), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(format!("it lacks {key}")),
            (Some(text), _) => text.parse().map_err(|_| format!("{key} is {text}, expected a number")),
        }
    }

    /// Two sizes: `(3, 3)`; an empty tuple is the default.
    pub(super) fn pair(&self, key: &str, default: Option<usize>) -> Result<[usize; 2], String> {
        let text = self.text(key).map(|text| text.trim_matches(['(', ')', '[', ']', ' ']));
        let default = || default.map(|one| [one, one]).ok_or_else(|| format!("it lacks {key}"));
        let Some(text) = text.filter(|text| !text.is_empty()) else { return default() };
        let sizes: Option<Vec<usize>> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| part.trim_end_matches('L').parse().ok())
            .collect();
        match sizes.as_deref() {
            Some([rows, columns]) => Ok([*rows, *columns]),
            _ => Err(format!("{key} is ({text}), expected two sizes")),
        }
    }

    /// Refuses a setting that is none of `known`.
    pub(super) fn one_of(&self, key: &str, known: &[&str]) -> Result<(), String> {
        match self.text(key) {
            Some(text) if !known.contains(&text) => {
                Err(format!("{key} is {text}, and only {} is read", known[0]))
            }
            _ => Ok(()),
        }
    }
}
