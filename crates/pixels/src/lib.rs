//! From 8-bit pixels to what a network takes: resized, scaled, normalised, as the record in its weight file says.
//!
//! The pixels are the caller's. `plusx-data` decodes picture files; pixels of a camera need no decoder.
#![forbid(unsafe_code)]

mod error;
mod picture;
mod preparer;
pub mod resample;
pub mod resize;
mod resizer;

pub use error::PixelError;
pub use picture::{Picture, grey, luma, prepare};
pub use preparer::Preparer;
pub use resizer::Resizer;
