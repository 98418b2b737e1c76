//! ONNX files: the network with its weights, for other programs, and residual networks from other programs.
//!
//! [`export`] writes a file only after a proof. The bytes are read back as any file is, the network found in them is run on
//! images, and its answers are compared with the model's own. [`read`] takes what [`export`] and PyTorch's two exporters
//! write for residual networks. Every other operation is refused by name.
//!
//! Files are IR version 8 with opset 17. The input is called `input`; [`Input`] says what it is. The output is called `logits`
//! or, with a softmax, `probabilities`. The batch is free unless [`OnnxOptions::batch`] fixes it. `describe.rs` lists the
//! metadata. `ultralytics.rs` says what a file for Ultralytics is like.

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
mod imported;
mod joins;
mod layers;
mod layout;
mod moves;
mod names;
mod number;
mod options;
mod poolings;
mod preprocess;
mod proto;
mod read;
mod scaling;
mod shortcuts;
mod ultralytics;
mod views;
mod windows;
mod wire;
mod write;

pub use export::{NetworkRun, Proof, agree, export};
pub use imported::{Imported, Normalise};
pub use options::{ExportModel, Input, OnnxOptions};
pub use read::{decode, read};
pub(crate) use shortcuts::injection;
pub use ultralytics::differs;
pub use write::encode;
