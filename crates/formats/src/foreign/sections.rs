//! What a file of PyTorch holds before any of its numbers is read: tensors by name, and under which keys they lie. A
//! checkpoint has several networks or states of one (`state_dict`, `ema`, the optimiser's); which of them is meant is for
//! others to say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::kind::FileKind;
use super::modules::Said;
use super::names;
use super::storage::Storages;
use super::tensor::NamedTensor;
use super::unread::{TensorContent, UnreadTensor, joined};
use super::weights::ForeignWeights;
use crate::error::FormatError;

/// The tensors may be so many times as large as the file: the same numbers may stand in it under several keys, as the
/// last, the best and the whole network.
const SHARED: u64 = 8;

/// Tensors that lie in one dictionary, list or pickled module.
#[derive(Debug)]
pub(super) struct Section {
    /// Keys that lead to it, from the outermost on: `["ema", "state_dict"]`; none for the file's own dictionary.
    pub(super) path: Vec<String>,
    /// In the order of the file. Those of a module have the names of its `state_dict()`.
    pub(super) tensors: Vec<UnreadTensor>,
    /// What a pickled module says about its layers.
    pub(super) said: Option<Said>,
}

impl Section {
    /// Whether it is the state of an optimiser, twice as large as its network.
    fn is_optimisers(&self) -> bool {
        self.path.iter().any(|key| key.starts_with("optimizer"))
    }
}

/// All of a file.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) path: PathBuf,
    pub(super) kind: FileKind,
    pub(super) all: Vec<Section>,
    pub(super) storages: Storages,
}

impl Sections {
    /// Reads all numbers. A tensor's name is the path of its section and its own, joined by dots; what can be no parameter is
    /// in [`ForeignWeights::skipped`].
    pub(super) fn read(&self) -> Result<ForeignWeights, FormatError> {
        let broken = |reason: String| FormatError::broken(&self.path, self.kind, reason);
        let (mut found, mut skipped): (Vec<(String, &UnreadTensor)>, Vec<String>) = Default::default();
        for section in &self.all {
            if section.is_optimisers() {
                skipped.extend(section.tensors.iter().map(|entry| joined(&section.path, &entry.name)));
                continue;
            }
            found.extend(section.tensors.iter().map(|entry| (joined(&section.path, &entry.name), entry)));
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut left = self.storages.size().saturating_mul(SHARED);
        let (mut tensors, mut others) = (Vec::new(), BTreeMap::new());
        for (name, entry) in found {
            // counts of batches are none of a network's numbers, whatever type they have become
            if names::is_count(&name) {
                skipped.push(name);
                continue;
            }
            let values = match &entry.content {
                TensorContent::Floats(number, view) => {
                    let size = view.count().saturating_mul(number.size() as u64);
                    left = left.checked_sub(size).ok_or_else(|| {
                        broken(format!(
                            "tensor {name} and those before it claim more numbers than the file has"
                        ))
                    })?;
                    let bytes = self.storages.read(view, number.size()).map_err(|error| match error {
                        Ok(source) => FormatError::read(&self.path, source),
                        Err(reason) => broken(format!("tensor {name}: {reason}")),
                    })?;
                    number.floats(&bytes)
                }
                TensorContent::Filled(value) => vec![*value; entry.dims.iter().product()],
                TensorContent::Other(what) => {
                    others.insert(name.clone(), what.clone());
                    skipped.push(name);
                    continue;
                }
            };
            tensors.push(NamedTensor { name, dims: entry.dims.clone(), values });
        }
        let said = self.all.iter().filter_map(|section| Some(section.said.as_ref()?.below(&section.path)));
        let said = said.reduce(Said::and);
        Ok(ForeignWeights { skipped, others, said, ..ForeignWeights::new(&self.path, self.kind, tensors) })
    }
}
