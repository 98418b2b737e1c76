//! What MXNet's numbers mean: the network in the `-symbol.json` beside a `.params` file, as `export` and `save_checkpoint`
//! write the two.
//!
//! A symbol lists nodes in topological order: variables (the images, the parameters) and operators with their settings as
//! texts. Defaults are those of MXNet 1.9's operators (`src/operator/nn/`), which are not Gluon's: a batch norm has epsilon
//! 1e-3 and, unless it says otherwise, a gamma of 1 whatever is stored (`fix_gamma`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use plusx_model::graph::{Graph, ParamId};
use plusx_model::params::Params;
use serde::Deserialize;

use super::Tensor;
use super::operators::{Build, Value};
use crate::error::FormatError;

/// Most bytes of a symbol: that of a ResNet-152 has 400,000.
const LARGEST: u64 = 64 << 20;

/// A network and what is to be said of how it was read.
pub(super) struct Network {
    pub(super) graph: Graph,
    pub(super) params: Params,
    /// Batch norms whose gamma is 1 whatever is stored.
    pub(super) fixed: usize,
    /// Epsilons of its batch norms, each once.
    pub(super) epsilons: Vec<f32>,
    /// Names of tensors that it does not use.
    pub(super) unused: Vec<String>,
}

/// Where the symbol of a file is, if it is there: `net-symbol.json` for `net-0012.params` and `net.params`.
pub(super) fn beside(path: &Path) -> Option<PathBuf> {
    let found = place(path)?;
    found.is_file().then_some(found)
}

/// Where the symbol of a file would be.
pub(super) fn place(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?;
    let name = match stem.rsplit_once('-') {
        Some((name, epoch)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => stem,
    };
    Some(path.with_file_name(format!("{name}-symbol.json")))
}

/// Reads the network in `path`, on images of `rows` x `columns`; its parameters are among `tensors`.
pub(super) fn read(
    path: &Path,
    tensors: &[Tensor],
    [rows, columns]: [usize; 2],
) -> Result<Network, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let size = file.take(LARGEST + 1).read_to_string(&mut text);
    let wrong = |reason: String| FormatError::Symbol { path: path.into(), reason };
    match size {
        Ok(size) if size as u64 > LARGEST => return Err(wrong("it is longer than any symbol".to_owned())),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(wrong("it is no text".to_owned()));
        }
        size => size.map_err(failed)?,
    };
    let symbol: Symbol = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    symbol.network(tensors, [rows, columns]).map_err(wrong)
}

/// A symbol as its file has it.
#[derive(Deserialize)]
pub(super) struct Symbol {
    pub(super) nodes: Vec<SymbolNode>,
    heads: Vec<Vec<serde_json::Value>>,
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
    fn network(&self, tensors: &[Tensor], sizes: [usize; 2]) -> Result<Network, String> {
        let output = self.heads.first().and_then(|head| head.first()?.as_u64());
        let output = match (self.heads.len(), output) {
            (1, Some(output)) => output as usize,
            (count, _) => return Err(format!("it has {count} outputs, expected one: the classes")),
        };
        let needed = self.needed(output)?;
        let mut build = Build::new(tensors);
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
            let value = match node.op.as_str() {
                "null" => Value::Variable,
                _ => build
                    .operator(self, node, sizes)
                    .map_err(|reason| format!("{} ({}): {reason}", node.name, node.op))?,
            };
            build.values.insert(index, value);
        }
        let Some(Value::Map(id)) = build.values.get(&output).copied() else {
            return Err("its output is no value of a network".to_owned());
        };
        let Build { mut graph, values_of, used, fixed, epsilons, .. } = build;
        let names = tensors.iter().map(|tensor| &tensor.name);
        let unused = names.filter(|name| !used.contains(name.as_str())).cloned().collect();
        graph.output = Some(id);
        graph.check().map_err(|error| error.to_string())?;
        let mut params = Params::zeros(&graph);
        for (index, values) in values_of.iter().enumerate() {
            params.set(ParamId(index as u32), values).map_err(|error| error.to_string())?;
        }
        Ok(Network { graph, params, fixed, epsilons, unused })
    }

    /// Which nodes the output depends on; inputs must stand before their readers.
    fn needed(&self, output: usize) -> Result<Vec<bool>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_beside_its_numbers() {
        for (file, symbol) in [
            ("a/net-0000.params", "a/net-symbol.json"),
            ("net-0120.params", "net-symbol.json"),
            ("resnet-18-0000.params", "resnet-18-symbol.json"),
            ("net.params", "net-symbol.json"),
            ("resnet-v1.params", "resnet-v1-symbol.json"),
        ] {
            assert_eq!(place(Path::new(file)), Some(symbol.into()));
        }
    }
}
