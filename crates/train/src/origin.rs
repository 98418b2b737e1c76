//! What a run keeps of the trained weights that it started from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The file a run started from. A resumed run does not look at it again: its first checkpoint holds the weights.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    /// As the user called it: a path, or a network of the zoo.
    pub name: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// Where it is; not known to a resumed run.
    #[serde(skip)]
    pub file: PathBuf,
    /// What it calls its classes, if it does; not known to a resumed run.
    #[serde(skip)]
    pub classes: Vec<String>,
}
