//! Weight files, read with nothing but the standard library.
//!
//! A weight file is a safetensors file: parameters under torchvision's names and layouts, and one metadata entry,
//! `plusx`, that says which network it is, what its classes are called and how pictures become its input. [`read`] gives
//! all of it; [`WeightFile::graph`] builds the network and [`WeightFile::params`] its parameters. Nothing in a file is
//! trusted or ever run. (Writing, and what else the entry holds, is `plusx-formats`.)
#![forbid(unsafe_code)]

mod entry;
mod error;
mod file;
mod header;
mod json;

pub use entry::{Entry, LAYOUT};
pub use error::{Misshapen, WeightError, some};
pub use file::{KEY, LARGEST, MOST_BYTES, VELOCITY, WeightFile, decode, read, whole};
