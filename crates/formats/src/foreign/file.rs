//! A weight file on its way to a network: read and parsed once, and everything that is asked of it answered from that.

use std::path::{Path, PathBuf};

use plusx_model::zoo::Spec;

use super::kind::FileKind;
use super::network::from_onnx;
use super::one_file;
use super::shards::{self, FileSet};
use super::weights::ForeignWeights;
use crate::error::FormatError;
use crate::onnx::{self, Imported};

/// What was read from a weight file of whatever kind, whole.
#[derive(Clone, PartialEq, Debug)]
pub struct ForeignFile {
    path: PathBuf,
    content: FileContent,
}

/// What a file holds.
#[derive(Clone, PartialEq, Debug)]
enum FileContent {
    /// Tensors by name, perhaps of more than one network.
    Tensors(Box<ForeignWeights>),
    /// A whole network, of an ONNX file.
    Network(Box<Imported>),
}

impl ForeignFile {
    /// Reads a weight file of whatever kind. Of weights in several files `path` is the index, one of them, or their folder.
    ///
    /// # Errors
    /// One that names the file: unreadable, too large, of no known kind, damaged, or holding numbers that are none. Those of
    /// [`onnx::read`] for an ONNX file.
    pub fn read(path: &Path) -> Result<Self, FormatError> {
        let content = match FileSet::of(path)? {
            FileSet::File(file) if one_file::kind(&file)? == FileKind::Onnx => {
                FileContent::Network(Box::new(onnx::read(&file)?))
            }
            files => FileContent::Tensors(Box::new(shards::read(path, files)?)),
        };
        Ok(Self { path: path.into(), content })
    }

    /// The network that the file says it is of, as files of plusx do.
    pub fn architecture(&self) -> Option<&str> {
        let meta = match &self.content {
            FileContent::Tensors(weights) => weights.meta.as_ref(),
            FileContent::Network(found) => found.meta.as_ref(),
        };
        meta.map(|meta| meta.architecture.as_str())
    }

    /// All tensors as the file has them, whichever network they are of.
    ///
    /// # Errors
    /// [`FormatError::Onnx`] for an ONNX file, whose tensors have meaning for a network only.
    pub fn tensors(self) -> Result<ForeignWeights, FormatError> {
        match self.content {
            FileContent::Tensors(weights) => Ok(*weights),
            FileContent::Network(_) => Err(one_file::needs_network(&self.path)),
        }
    }

    /// The parameters of `spec`. `section` says which of several sets of them is meant: what stands before their names, or a
    /// segment of that (`state_dict_ema`, `teacher`). Without it the file must hold one, or one whose names begin with a
    /// usual key of checkpoints (`state_dict`, `model`, `params`, .. before `ema`), which is taken and said in
    /// [`ForeignWeights::notes`]. For MXNet's exported parameters the network is read from the symbol beside them, if it is
    /// there.
    ///
    /// # Errors
    /// Those of [`from_onnx`] for an ONNX file, [`FormatError::OtherNetwork`] for a file that says that it is of another
    /// network or whose parameters another network of the zoo has, [`FormatError::Several`] where it cannot be told which of
    /// several sets is meant, [`FormatError::NoSection`] if `section` names none, [`FormatError::Symbol`] for a symbol that
    /// is not understood.
    pub fn weights_for(self, spec: &Spec, section: Option<&str>) -> Result<ForeignWeights, FormatError> {
        let weights = match self.content {
            FileContent::Tensors(weights) => *weights,
            FileContent::Network(found) => from_onnx(*found, &self.path, spec)?,
        };
        match &weights.meta {
            Some(meta) if meta.architecture != spec.name => Err(FormatError::OtherNetwork {
                path: self.path,
                wanted: spec.name,
                reason: format!("it says that it holds {}", meta.architecture),
            }),
            _ => weights.part_for(spec, section),
        }
    }
}
