//! Augmentation: what is done at random to pictures before a network learns from them, as torchvision's transforms do it to
//! pictures of PIL.
//!
//! An [`Augment`] says what is wanted, an [`Augmenter`] does it to one picture after the other. The operations are open to
//! others in [`tone`], [`warp`] and [`policy`]. `docs/augmentation.md` says what equals torchvision to the byte.

mod augmenter;
pub mod boxes;
mod draws;
pub mod mix;
pub mod policy;
mod raster;
mod record;
pub mod tone;
mod trigonometry;
pub mod warp;

pub use augmenter::Augmenter;
pub use draws::{Draws, Use};
pub use mix::{Mix, Mixed};
pub use raster::Raster;
pub use record::{Augment, Crop, EraseWith, Policy};
pub use warp::Warp;
