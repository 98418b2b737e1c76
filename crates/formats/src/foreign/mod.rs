//! Weights that other programs wrote: a safetensors file without our entry, what `torch.save` and Gluon write, ONNX files.
//!
//! [`ForeignFile::read`] reads a file whole, whatever its container is. [`ForeignFile::weights_for`] takes from it what a
//! network of the zoo needs: [`ForeignWeights`], a list of named tensors. [`ForeignWeights::adopt`] finds among them the
//! parameters of a graph.
//!
//! Nothing in a file is ever run. What a file says about sizes is held against its length before memory is asked for.

mod adopt;
mod agree;
mod container;
mod file;
mod gluon;
pub(crate) mod kind;
mod layers;
mod mistaken;
mod modules;
mod names;
mod network;
pub(crate) mod numbers;
mod one_file;
mod operators;
mod part;
mod pickle;
mod report;
mod scalars;
mod sections;
mod select;
mod shards;
mod stages;
mod storage;
mod stream;
mod structure;
mod symbol;
mod symbol_file;
mod tar;
mod tensor;
mod tensors;
mod torch;
mod unpickle;
mod unread;
mod weights;
mod zip;

pub use adopt::{Adopted, Allow};
pub use file::ForeignFile;
pub use kind::FileKind;
pub use network::from_onnx;
pub use report::{AdoptReport, NewHead};
pub use tensor::NamedTensor;
pub use weights::ForeignWeights;
