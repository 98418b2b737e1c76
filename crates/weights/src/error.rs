//! What can be wrong with a weight file, said with its name and what to do.

use std::path::{Path, PathBuf};

use plusx_model::ErrorKind;

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

/// An error of this crate; every one names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any that is read.
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
}

/// At most so many names of a kind are listed; the rest is counted.
const LISTED: usize = 6;

/// The first six of `items`, and how many more there are.
pub fn some<T: ToString>(items: &[T], separator: &str) -> String {
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

impl WeightError {
    /// Whether the file is at fault, or not there, or the system refused to read it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } => ErrorKind::of_io(source),
            Self::TooLarge { .. }
            | Self::NotSafetensors { .. }
            | Self::Foreign { .. }
            | Self::Metadata { .. }
            | Self::Dtype { .. }
            | Self::NotFinite { .. }
            | Self::Mismatch { .. } => ErrorKind::BadFile,
        }
    }

    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.into(), source }
    }

    /// Not a safetensors file; `reason` is what the reader stumbled over.
    pub fn not_safetensors(path: &Path, reason: &(impl ToString + ?Sized)) -> Self {
        Self::NotSafetensors { path: path.into(), reason: reason.to_string() }
    }

    /// An entry that cannot be understood; `reason` is what is wrong with it.
    pub fn metadata(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Metadata { path: path.into(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_lists_names_and_both_shapes() {
        let error = WeightError::Mismatch {
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
