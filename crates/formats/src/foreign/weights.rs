//! Tensors by name, whatever the container was, with all that a file says about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plusx_model::preprocess::Preprocess;

use super::kind::FileKind;
use super::modules::Said;
use super::tensor::NamedTensor;
use crate::metadata::ModelFile;
use crate::onnx::Imported;

/// What a file holds.
#[derive(Clone, PartialEq, Debug)]
pub struct ForeignWeights {
    pub(super) path: PathBuf,
    /// What the file was.
    pub kind: FileKind,
    /// The part of the file the tensors come from, if it has several: `state_dict`.
    pub section: Option<String>,
    /// What stood before every name: `module.` of PyTorch's `DataParallel`.
    pub prefix: String,
    /// In the order of the file, where it has one; else by name.
    pub tensors: Vec<NamedTensor>,
    /// Names of what is no parameter: counts of batches and other whole numbers, the state of an optimiser, other
    /// sections.
    pub skipped: Vec<String>,
    /// What those of them hold that are tensors, by name, where it is known: `int64`, "a sparse tensor".
    pub(super) others: BTreeMap<String, String>,
    /// What a pickled module says about its layers.
    pub(super) said: Option<Said>,
    /// What a file that plusx wrote says about itself; `None` for others.
    pub meta: Option<ModelFile>,
    /// How pictures become the network's input, if the file says so; of an ONNX file at least the shape is known.
    pub preprocess: Option<Preprocess>,
    /// Batch norms that an ONNX file has inside its convolutions: here they change nothing but add a shift.
    pub folded: usize,
    /// Whether what the layers compute was read, too, from this file or one beside it; names are then the network's.
    pub described: bool,
    /// The network of an ONNX file as it was read, with its parameters: a proof compares its answers with those of ours.
    pub network: Option<Box<Imported>>,
    /// What else should be said to whoever reads the file, each a sentence.
    pub notes: Vec<String>,
    /// How many files the tensors were in.
    pub files: usize,
    /// Whether MXNet's names tell parameters from statistics, as those of a network saved with its symbol do.
    pub(super) exported: bool,
}

impl ForeignWeights {
    /// Nothing but tensors.
    pub(super) fn new(path: &Path, kind: FileKind, tensors: Vec<NamedTensor>) -> Self {
        Self {
            path: path.into(),
            kind,
            section: None,
            prefix: String::new(),
            tensors,
            skipped: Vec::new(),
            others: BTreeMap::new(),
            said: None,
            meta: None,
            preprocess: None,
            folded: 0,
            described: false,
            network: None,
            notes: Vec::new(),
            files: 1,
            exported: false,
        }
    }

    /// Where they were read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives every tensor another name.
    pub(super) fn rename(&mut self, rule: impl Fn(&str) -> String) {
        for tensor in &mut self.tensors {
            let name = rule(&tensor.name);
            if let Some(said) = &mut self.said {
                said.renamed(&tensor.name, &name);
            }
            tensor.name = name;
        }
    }

    /// Number of classes: rows of the last matrix. After [`ForeignFile::weights_for`](super::ForeignFile::weights_for) that is
    /// the classifier's. Other tensors of a network have one or four dimensions.
    pub fn classes(&self) -> Option<usize> {
        let last = self.tensors.iter().rfind(|tensor| tensor.dims.len() == 2);
        last.map(|matrix| matrix.dims[0])
    }
}
