//! What goes into an ONNX file, and how it is written.

use plusx_model::graph::Graph;
use plusx_model::params::Params;

use crate::metadata::ModelFile;

/// Larger files are neither read nor written: protocol buffers end at 2 GiB.
pub(super) const LARGEST: u64 = (2 << 30) - 1;

/// What goes into a file.
#[derive(Clone, Copy, Debug)]
pub struct ExportModel<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Its parameters and running statistics.
    pub params: &'a Params,
    /// Class names, preprocessing and the like; it must be the network's.
    pub meta: &'a ModelFile,
}

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OnnxOptions {
    /// Whether batch norms stay nodes of their own. By default those that follow a convolution become part of it.
    pub keep_batch_norm: bool,
    /// Whether the file ends with a softmax: `probabilities` in place of `logits`. One for Ultralytics always does.
    pub softmax: bool,
    /// What the file takes.
    pub input: Input,
    /// How many images it takes at once, at least 1. `None` leaves it free, but for Ultralytics, where it means 1.
    pub batch: Option<usize>,
}

/// What a file takes, and so how much of the preprocessing it does itself. Resizing and cropping stay with the caller: no
/// operator of ONNX resizes as plusx does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Input {
    /// Prepared images: floats, \[batch\]\[channels\]\[rows\]\[columns\].
    #[default]
    Prepared,
    /// Bytes, \[batch\]\[rows\]\[columns\]\[channels\]. The file divides by 255, subtracts the mean, divides by the standard
    /// deviation and brings channels to the front.
    Bytes,
    /// The same values as floats from 0 to 255, \[batch\]\[channels\]\[rows\]\[columns\], for programs that take no bytes.
    Floats,
    /// Floats from 0 to 1, \[batch\]\[3\]\[rows\]\[columns\], as Ultralytics prepares pictures for a classifier; the file has the
    /// metadata with which it opens classifiers of its own. [`differs`](super::differs) says what Ultralytics does otherwise.
    Ultralytics,
}

impl OnnxOptions {
    /// With what follows from the input.
    pub(super) fn settled(self) -> Self {
        match self.input {
            Input::Ultralytics => Self { softmax: true, batch: self.batch.or(Some(1)), ..self },
            _ => self,
        }
    }
}
