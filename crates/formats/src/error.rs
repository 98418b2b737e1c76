//! What can be wrong with a file, said with its name and what to do.

use std::path::{Path, PathBuf};

use crate::foreign::Kind;

/// A tensor whose shape is not the network's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misshapen {
    /// Its name.
    pub name: String,
    /// The shape the network needs.
    pub expected: Vec<usize>,
    /// The shape in the file.
    pub found: Vec<usize>,
}

impl std::fmt::Display for Misshapen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {:?} in the file, {:?} in the network", self.name, self.found, self.expected)
    }
}

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
    /// The file is larger than any this crate writes.
    #[error("{}: {size} bytes is more than the limit of {limit} bytes for a weight file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not a safetensors file, or one that was cut short.
    #[error(
        "{}: not a whole safetensors file ({reason}); it may be truncated or of another kind: weights of PyTorch and MXNet \
         are read by plusx import", path.display()
    )]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What the reader stumbled over.
        reason: String,
    },
    /// A safetensors file that does not say what network it is for.
    #[error(
        "{}: no `plusx` entry in the metadata, so the file does not say which network it is for; \
         it was not written by plusx. If it holds the weights of a network that plusx knows, make a weight file of it: \
         plusx import {} --model NAME -o model.safetensors", path.display(), path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The `plusx` entry cannot be understood.
    #[error("{}: bad `plusx` metadata: {reason}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor holds something else than 32-bit floats.
    #[error("{}: tensor {name} holds {found}, expected F32", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What it holds.
        found: String,
    },
    /// A tensor holds an infinity or no number.
    #[error(
        "{}: tensor {name} holds a value that is not a finite number: the training that wrote it diverged; \
         use weights saved before that", path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The tensors are not those of the network.
    #[error("{}: the weights do not fit the network: {}", path.display(), list(missing, extra, misshapen))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Names the network needs and the file lacks.
        missing: Vec<String>,
        /// Names the file has and the network lacks.
        extra: Vec<String>,
        /// Tensors of the wrong shape.
        misshapen: Vec<Misshapen>,
    },
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
        "{} was not written: on image {image} its logits are up to {apart:e} from the model's, whose largest is {largest:e}, \
         and its class is {} where the model's is {}; this is a mistake in plusx, please report it",
        path.display(), classes[1], classes[0]
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
    /// A network that timm does not have.
    #[error("timm has no network that computes what {architecture} does; it has: {}", known.join(", "))]
    NoTwin {
        /// The network.
        architecture: String,
        /// Those that timm has.
        known: Vec<&'static str>,
    },
    /// A file of another program that is not as that program writes it.
    #[error("{}: not a whole {kind} file: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What its first bytes say it is.
        kind: Kind,
        /// What the reader stumbled over.
        reason: String,
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

/// At most so many names of a kind are listed; the rest is counted.
const LISTED: usize = 6;

/// The first of `items`, and how many more there are.
pub(crate) fn some<T: ToString>(items: &[T], separator: &str) -> String {
    let shown = items.iter().take(LISTED).map(T::to_string).collect::<Vec<_>>().join(separator);
    match items.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown}{separator}and {more} more"),
    }
}

fn list(missing: &[String], extra: &[String], misshapen: &[Misshapen]) -> String {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("missing {}", some(missing, ", ")));
    }
    if !extra.is_empty() {
        parts.push(format!("unknown {}", some(extra, ", ")));
    }
    if !misshapen.is_empty() {
        parts.push(some(misshapen, "; "));
    }
    parts.join("; ")
}

impl FormatError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        FormatError::Read { path: path.into(), source }
    }

    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        FormatError::Write { path: path.into(), source }
    }

    pub(crate) fn not_safetensors(path: &Path, reason: &(impl ToString + ?Sized)) -> Self {
        FormatError::NotSafetensors { path: path.into(), reason: reason.to_string() }
    }

    /// `reason` may come from a reader that quotes the file; so much of it is kept as a screen can bear.
    pub(crate) fn broken(path: &Path, kind: Kind, reason: impl Into<String>) -> Self {
        const LONGEST: usize = 300;
        let mut reason: String = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(LONGEST) {
            reason.truncate(end);
            reason.push('…');
        }
        FormatError::Broken { path: path.into(), kind, reason }
    }

    pub(crate) fn metadata(path: &Path, reason: impl std::fmt::Display) -> Self {
        FormatError::Metadata { path: path.into(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_lists_names_and_both_shapes() {
        let error = FormatError::Mismatch {
            path: "a.safetensors".into(),
            missing: (0..8).map(|i| format!("m{i}")).collect(),
            extra: vec!["x".into()],
            misshapen: vec![Misshapen { name: "w".into(), expected: vec![2, 3], found: vec![3, 2] }],
        };
        let text = error.to_string();
        for part in
            ["a.safetensors", "m5, and 2 more", "unknown x", "w is [3, 2] in the file, [2, 3] in the network"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}
