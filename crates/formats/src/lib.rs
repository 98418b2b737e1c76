//! How networks and weights travel: safetensors and ONNX files, written so that a crash never loses the previous one.
//!
//! A weight file carries torchvision's names and layouts (`conv1.weight` \[out, in, rows, columns\],
//! `fc.weight` \[out, in\]). Its one metadata entry, `plusx`, is JSON with sorted keys. It holds the architecture, the class
//! names, the preprocessing and, in a checkpoint, the state of the training. Equal contents give equal bytes.
//!
//! [`foreign`] reads weights that other programs wrote. [`class_names`] reads names of classes.
#![forbid(unsafe_code)]

pub mod atomic;
pub mod class_names;
mod error;
pub mod foreign;
mod json;
mod metadata;
pub mod onnx;
pub mod safetensors;
pub mod timm;

pub use error::FormatError;
pub use metadata::ModelFile;
pub use plusx_weights::{Misshapen, WeightError};
