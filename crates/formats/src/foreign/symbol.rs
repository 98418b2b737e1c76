//! What MXNet's numbers mean: the network in the `-symbol.json` beside a `.params` file, as `export` and `save_checkpoint`
//! write the two.
//!
//! A symbol lists nodes in topological order: variables (the images, the parameters) and operators with their settings as
//! texts. Defaults are those of MXNet 1.9's operators (`src/operator/nn/`), which are not Gluon's: a batch norm has epsilon
//! 1e-3 and, unless it says otherwise, a gamma of 1 whatever is stored (`fix_gamma`).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use plusx_model::graph::{Graph, ParamId};
use plusx_model::params::Params;

use super::operators::{Build, SymbolValue};
use super::symbol_file::Symbol;
use super::tensor::NamedTensor;
use crate::error::FormatError;

/// Most bytes of a symbol: that of a ResNet-152 has 400,000.
const LARGEST: u64 = 64 << 20;

/// A network and what is to be said of how it was read.
pub(super) struct SymbolNetwork {
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
    tensors: &[NamedTensor],
    [rows, columns]: [usize; 2],
) -> Result<SymbolNetwork, FormatError> {
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
    network(&symbol, tensors, [rows, columns]).map_err(wrong)
}

/// The network of a symbol.
fn network(symbol: &Symbol, tensors: &[NamedTensor], sizes: [usize; 2]) -> Result<SymbolNetwork, String> {
    let output = symbol.heads.first().and_then(|head| head.first()?.as_u64());
    let output = match (symbol.heads.len(), output) {
        (1, Some(output)) => output as usize,
        (count, _) => return Err(format!("it has {count} outputs, expected one: the classes")),
    };
    let needed = symbol.needed(output)?;
    let mut build = Build::new(tensors);
    for (index, node) in symbol.nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
        let value = match node.op.as_str() {
            "null" => SymbolValue::Variable,
            _ => build
                .operator(symbol, node, sizes)
                .map_err(|reason| format!("{} ({}): {reason}", node.name, node.op))?,
        };
        build.values.insert(index, value);
    }
    let Some(SymbolValue::Map(id)) = build.values.get(&output).copied() else {
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
    Ok(SymbolNetwork { graph, params, fixed, epsilons, unused })
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
