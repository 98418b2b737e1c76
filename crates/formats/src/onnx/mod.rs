//! ONNX files: the network with its weights, for other programs, and residual networks from other programs.
//!
//! [`export`] writes a file only after a proof: the bytes are read back as any file is, the network found in them is run
//! on images, and its answers are compared with the model's own. [`read`] takes what [`export`] and PyTorch's two
//! exporters write for residual networks; every other operation is refused by name.
//!
//! Files are IR version 8 with opset 17. The input is called `input` and is what [`Input`] says; the output `logits` or, with
//! a softmax, `probabilities`; the batch is free unless [`Options::batch`] fixes it. What the metadata says is listed in
//! `describe.rs`, what a file for Ultralytics is like in `ultralytics.rs`.

mod affine;
mod arithmetic;
mod array;
mod attributes;
mod builder;
mod constants;
mod describe;
mod evaluate;
mod export;
mod fold;
mod images;
mod joins;
mod layers;
mod layout;
mod moves;
mod names;
mod number;
mod preprocess;
mod proto;
mod read;
mod shortcuts;
mod ultralytics;
mod views;
mod windows;
mod wire;
mod write;

use plusx_model::graph::Graph;
use plusx_model::params::Params;

use crate::error::FormatError;
use crate::metadata::ModelFile;

pub use export::{Proof, Run, agree, export};
pub use read::{Imported, Normalise, decode, read};
pub(crate) use shortcuts::injection;
pub use ultralytics::differs;

/// Larger files are neither read nor written: protocol buffers end at 2 GiB.
const LARGEST: u64 = (2 << 30) - 1;

/// What goes into a file.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Its parameters and running statistics.
    pub params: &'a Params,
    /// Class names, preprocessing and the like; it must be the network's.
    pub meta: &'a ModelFile,
}

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
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
    /// metadata with which it opens classifiers of its own. [`differs`] says what Ultralytics does otherwise.
    Ultralytics,
}

impl Options {
    /// With what follows from the input.
    fn settled(self) -> Self {
        match self.input {
            Input::Ultralytics => Self { softmax: true, batch: self.batch.or(Some(1)), ..self },
            _ => self,
        }
    }
}

/// The bytes of a file, unproven; see [`export`]. Equal arguments give equal bytes: no date, no host.
///
/// # Errors
/// [`FormatError::Encode`] if graph, parameters and metadata do not belong together, a softmax is asked of a map,
/// [`Options::batch`] is no size of a batch, Ultralytics has no such images, or the file would be larger than ONNX allows.
pub fn encode(model: &Model<'_>, options: Options) -> Result<Vec<u8>, FormatError> {
    write::encode(model, options.settled())
}
