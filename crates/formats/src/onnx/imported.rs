//! What comes out of an ONNX file.

use plusx_model::graph::Graph;
use plusx_model::params::Params;

use crate::metadata::ModelFile;

/// What came out of a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Imported {
    /// The network, up to its logits. Parameters have PyTorch's names where the file has (`layer1.0.conv1.weight`), else
    /// those of the nodes.
    pub graph: Graph,
    /// Its parameters.
    pub params: Params,
    /// What a file that plusx wrote says about itself; `None` for others.
    pub meta: Option<ModelFile>,
    /// Preprocessing inside the file, before [`Imported::graph`]; `None` if it takes prepared images.
    pub normalise: Option<Normalise>,
    /// Whether a softmax, or its logarithm, follows [`Imported::graph`] in the file.
    pub softmax: bool,
    /// What was not taken as it stands: other outputs, numbers of other widths, a softmax, preparation. A sentence each.
    pub notes: Vec<String>,
}

/// `(byte / 255 - mean) / std`, per channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Normalise {
    /// Subtracted, per channel.
    pub mean: Vec<f32>,
    /// Divided by, per channel; not 0.
    pub std: Vec<f32>,
}
