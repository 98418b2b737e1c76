//! Where pictures come from: IDX files, the embedded sample, downloads, decoding, and batches made ahead of the engine;
//! and where pretrained weights come from.
//!
//! [`load`] gives a whole [`Dataset`], [`Loader`] turns one of its [`Split`]s into batches on its own thread.
//! The network is used in [`download`] and nowhere else; nothing here calls it unasked.
//!
//! ```
//! use plusx_data::{BatchPlan, FindOptions, Loader, load};
//! use std::sync::Arc;
//!
//! let set = load("fashion-mnist-mini", &FindOptions::default())?;
//! let plan = BatchPlan { order: (0..300).collect(), batch_size: 256, first: 0, resize: [96, 96] };
//! let mut loader = Loader::new(Arc::new(set.test), plan);
//! let mut sizes = Vec::new();
//! while let Some(batch) = loader.next() {
//!     let batch = batch?;
//!     sizes.push(batch.n);
//!     loader.recycle(batch);
//! }
//! assert_eq!(sizes, [256, 44]);
//! # Ok::<(), plusx_data::DataError>(())
//! ```
#![forbid(unsafe_code)]

mod dataset;
mod download;
mod error;
pub mod fashion;
mod fingerprint;
pub mod idx;
mod loader;
pub mod picture;
mod place;
mod pretrained;
mod sample;
mod unzip;

pub use dataset::{Dataset, Split, load};
pub use download::{DownloadOptions, download};
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use loader::{Batch, BatchPlan, Loader};
pub use place::{FindOptions, cache_dir, locate};
pub use plusx_pixels::resize;
pub use pretrained::{
    HUB, Pin, SOURCES, Source, WeightOptions, Weights, fetch_weights, source_of, weights_path,
};
pub use sample::licenses;
