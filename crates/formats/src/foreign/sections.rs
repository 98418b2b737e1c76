//! What a file of PyTorch holds before any of its numbers is read: tensors by name, and under which keys they lie. A
//! checkpoint has several networks or states of one (`state_dict`, `ema`, the optimiser's); which of them is meant is for
//! others to say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::modules::Said;
use super::numbers::Number;
use super::storage::{Storages, View};
use super::{Kind, Tensor, Weights, names};
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
    pub(super) tensors: Vec<Entry>,
    /// What a pickled module says about its layers.
    pub(super) said: Option<Said>,
}

impl Section {
    /// Whether it is the state of an optimiser, twice as large as its network.
    fn is_optimisers(&self) -> bool {
        self.path.iter().any(|key| key.starts_with("optimizer"))
    }
}

/// A tensor whose numbers have not been read.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its key.
    pub(super) name: String,
    /// Dimensions, outermost first.
    pub(super) dims: Vec<usize>,
    /// What it holds.
    pub(super) content: Content,
}

/// What a tensor holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Floating-point numbers, somewhere in the file.
    Floats(Number, View),
    /// The same number everywhere: what a module computes with where it has no tensor.
    Filled(f32),
    /// Something that is no parameter, or of which none can be made: `int64`, "a sparse tensor".
    Other(String),
}

/// All of a file.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) all: Vec<Section>,
    pub(super) storages: Storages,
}

impl Sections {
    /// Reads all numbers. A tensor's name is the path of its section and its own, joined by dots; what can be no parameter is
    /// in [`Weights::skipped`].
    pub(super) fn read(&self) -> Result<Weights, FormatError> {
        let broken = |reason: String| FormatError::broken(&self.path, self.kind, reason);
        let (mut found, mut skipped): (Vec<(String, &Entry)>, Vec<String>) = Default::default();
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
                Content::Floats(number, view) => {
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
                Content::Filled(value) => vec![*value; entry.dims.iter().product()],
                Content::Other(what) => {
                    others.insert(name.clone(), what.clone());
                    skipped.push(name);
                    continue;
                }
            };
            tensors.push(Tensor { name, dims: entry.dims.clone(), values });
        }
        let said = self.all.iter().filter_map(|section| Some(section.said.as_ref()?.below(&section.path)));
        let said = said.reduce(Said::and);
        Ok(Weights { skipped, others, said, ..Weights::new(&self.path, self.kind, tensors) })
    }
}

/// A path of keys and the last of them.
pub(super) fn joined(path: &[String], name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (false, true) => path.join("."),
        (false, false) => format!("{}.{name}", path.join(".")),
    }
}
