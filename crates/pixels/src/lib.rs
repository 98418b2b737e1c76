//! From 8-bit pixels to what a network takes: resized, scaled, normalised, as the record in its weight file says.
//!
//! The pixels are the caller's. `plusx-data` decodes picture files; pixels of a camera need no decoder.
#![forbid(unsafe_code)]

pub mod augment;
mod error;
mod picture;
mod preparer;
pub mod resample;
pub mod resize;

pub use error::PixelError;
pub use picture::{Picture, grey, prepare};
pub use preparer::Preparer;
