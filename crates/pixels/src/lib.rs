//! From 8-bit pixels to what a network takes: resized, scaled, normalised, as the record in its weight file says.
//!
//! Where the pixels come from is somebody else's business: `plusx-data` decodes files, a camera needs no decoder.
#![forbid(unsafe_code)]

mod error;
mod prepare;
pub mod resize;

pub use error::PixelError;
pub use prepare::{Picture, prepare, to_tensor};
