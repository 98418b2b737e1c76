//! What a run keeps of the trained weights that it started from.

use std::sync::Arc;

use plusx_formats::foreign::ForeignWeights;
use serde::{Deserialize, Serialize};

/// The file a run started from. A resumed run does not look at it again: its first checkpoint holds the weights.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    /// As the user called it: a path, or a network of the zoo.
    pub name: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// What was read from it. A resumed run does not know it.
    #[serde(skip)]
    pub weights: Option<Arc<ForeignWeights>>,
}

impl Pretrained {
    /// What the file calls its classes; none if it does not say, or the run was resumed.
    pub(crate) fn classes(&self) -> &[String] {
        let meta = self.weights.as_ref().and_then(|weights| weights.meta.as_ref());
        meta.map_or(&[], |meta| meta.classes.as_slice())
    }
}
