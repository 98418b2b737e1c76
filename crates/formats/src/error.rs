//! What can be wrong with a file, said with its name and what to do.

use std::path::{Path, PathBuf};

use plusx_model::ErrorKind;
use plusx_model::words::about;
use plusx_weights::{WeightError, some};

use crate::foreign::kind::FileKind;

/// An error of this crate; every one names the file, or the parameter before there is a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file could not be written; what stood there before still does.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The tensors or the entry of a weight file are not as they should be.
    #[error(transparent)]
    Weights(WeightError),
    /// A parameter has a name that means something else in a weight file.
    #[error(
        "parameter {name}: names that begin with `{prefix}` are the optimiser's in a weight file; \
         give the layer another name"
    )]
    Reserved {
        /// The parameter.
        name: String,
        /// How the names kept for the optimiser begin.
        prefix: &'static str,
    },
    /// An ONNX file that cannot be understood as a whole.
    #[error("{}: {reason}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A node of an ONNX file that cannot be understood.
    #[error(
        "{}: node {node}: {reason}; residual networks as PyTorch exports them can be read", path.display()
    )]
    OnnxNode {
        /// The file.
        path: PathBuf,
        /// The node and its operation.
        node: String,
        /// What about it is not understood.
        reason: String,
    },
    /// An exported file would not compute what the model does.
    #[error(
        "{} was not written: on image {image} its logits are up to {} from the model's, whose largest is {}, \
         and its class is {} where the model's is {}; this is a mistake in plusx, please report it",
        path.display(), about((*apart).into()), about((*largest).into()), classes[1], classes[0]
    )]
    Disproved {
        /// The file.
        path: PathBuf,
        /// The image, counted from 0.
        image: usize,
        /// Largest difference of a logit.
        apart: f32,
        /// Largest logit of the model.
        largest: f32,
        /// Class of the model and of the file.
        classes: [usize; 2],
    },
    /// Whether an exported file computes what the model does could not be found out.
    #[error("{} was not written: {reason}", path.display())]
    NoProof {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file of another network than was asked for.
    #[error("{}: its network is not {wanted}: {reason}", path.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// The network that was asked for.
        wanted: &'static str,
        /// What shows it.
        reason: String,
    },
    /// A pickled network that computes something else than the one that was asked for.
    #[error(
        "{}: the network in the file is another: {}; where its numbers alone are meant, save its state_dict and import that",
        path.display(), some(differences, "; ")
    )]
    Structure {
        /// The file.
        path: PathBuf,
        /// Each layer that differs, with what the file says and what the network has.
        differences: Vec<String>,
    },
    /// A file of class names that is none.
    #[error("{}, as a file of class names: {reason}", path.display())]
    ClassNames {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line or the entry.
        reason: String,
    },
    /// A file with several sets of a network's parameters.
    #[error("{}: {reason}", path.display())]
    Several {
        /// The file.
        path: PathBuf,
        /// Which, and what to do.
        reason: String,
    },
    /// A section that was asked for and holds no parameters of the network.
    #[error("{}: {reason}", path.display())]
    NoSection {
        /// The file.
        path: PathBuf,
        /// What was asked for, and what there is.
        reason: String,
    },
    /// An index of weights in several files that does not fit them.
    #[error("{}: this list of weight files is not understood: {reason}", path.display())]
    Index {
        /// The index, or one of the files.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A symbol of MXNet that computes what cannot be taken over.
    #[error("{}: this MXNet symbol is not understood: {reason}", path.display())]
    Symbol {
        /// The file.
        path: PathBuf,
        /// The node, and what about it.
        reason: String,
    },
    /// A network that timm does not have.
    #[error("timm has no network that computes what {architecture} does; it has: {}", known.join(", "))]
    NoTwin {
        /// The network.
        architecture: String,
        /// Those that timm has.
        known: Vec<&'static str>,
    },
    /// A file of another program that is not as that program writes it.
    #[error("{}: cannot be read as {kind}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What its first bytes say it is.
        kind: FileKind,
        /// What the reader stumbled over.
        reason: String,
    },
    /// A file of another kind, which is known but not read.
    #[error("{}: {what}; {advice}", path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file whose first bytes say nothing.
    #[error(
        "{}: neither a safetensors or ONNX file nor one that PyTorch (torch.save) or MXNet (save_parameters, export) wrote",
        path.display()
    )]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// The contents cannot be put into the format.
    #[error("cannot encode the weights: {reason}")]
    Encode {
        /// Why.
        reason: String,
    },
}

impl FormatError {
    /// What went wrong, roughly.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => ErrorKind::of_io(source),
            Self::Weights(error) => error.kind(),
            // of a file that is as it should be, something was asked for that it does not have
            Self::NoTwin { .. } | Self::NoSection { .. } => ErrorKind::Usage,
            Self::Disproved { .. } | Self::NoProof { .. } | Self::Reserved { .. } | Self::Encode { .. } => {
                ErrorKind::Failed
            }
            Self::Onnx { .. }
            | Self::OnnxNode { .. }
            | Self::OtherNetwork { .. }
            | Self::Structure { .. }
            | Self::ClassNames { .. }
            | Self::Several { .. }
            | Self::Index { .. }
            | Self::Symbol { .. }
            | Self::Broken { .. }
            | Self::OtherKind { .. }
            | Self::UnknownKind { .. } => ErrorKind::BadFile,
        }
    }

    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        FormatError::Read { path: path.into(), source }
    }

    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        FormatError::Write { path: path.into(), source }
    }

    pub(crate) fn other_kind(path: &Path, what: impl Into<String>, advice: &'static str) -> Self {
        FormatError::OtherKind { path: path.into(), what: what.into(), advice }
    }

    /// `reason` may come from a reader that quotes the file; so much of it is kept as a screen can bear.
    pub(crate) fn broken(path: &Path, kind: FileKind, reason: impl Into<String>) -> Self {
        const LONGEST: usize = 300;
        let mut reason: String = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(LONGEST) {
            reason.truncate(end);
            reason.push('…');
        }
        FormatError::Broken { path: path.into(), kind, reason }
    }
}

impl From<WeightError> for FormatError {
    fn from(error: WeightError) -> Self {
        match error {
            WeightError::Read { path, source } => Self::Read { path, source },
            error => Self::Weights(error),
        }
    }
}
