//! Weight files, read with nothing but the standard library.
//!
//! A weight file is a safetensors file with parameters under torchvision's names and layouts. Its one metadata entry, `plusx`,
//! says which network it is, what its classes are called and how pictures become its input. [`read`] gives all of it.
//! [`WeightFile::graph`] builds the network, and [`WeightFile::params`] its parameters. Nothing in a file is trusted or ever
//! run. `plusx-formats` writes such files.
#![forbid(unsafe_code)]

mod entry;
mod error;
mod file;
mod header;
mod json;
mod safetensors;

pub use entry::{LAYOUT, NetworkEntry};
pub use error::{Misshapen, WeightError, some};
pub use file::{
    FIRST_MOMENT, KEY, MOST_BYTES, PREFIXES, SECOND_MOMENT, UPDATES, VELOCITY, WeightFile, about, decode,
    is_state, read,
};
pub use json::JsonValue;
pub use safetensors::{LARGEST, LARGEST_HEADER, SafetensorsFile, StoredTensor};
