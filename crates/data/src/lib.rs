//! Where pictures and pretrained weights come from.
//!
//! Pictures come from IDX files, the embedded sample, downloads and picture files. [`open`] gives a whole [`Dataset`]. A
//! [`Loader`] turns one of its [`Split`]s into batches, on its own thread, ahead of the engine. Weights come from a hub, by
//! [`fetch_weights`].
//!
//! The network is used by [`download()`] and [`fetch_weights`] only, and nothing here calls them unasked.
//!
//! ```
//! use plusx_data::{BatchPlan, FindOptions, Loader, load};
//! use plusx_model::{preprocess::Preprocess, shape::ImageShape};
//! use std::sync::Arc;
//!
//! let set = load("fashion-mnist-mini", &FindOptions::default())?;
//! let preprocess = Preprocess::chapter(ImageShape::new(1, 96, 96));
//! let plan = BatchPlan { order: (0..300).collect(), batch_size: 256, first: 0, preprocess };
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

mod classes;
mod dataset;
mod download;
mod error;
pub mod fashion;
mod files;
mod fingerprint;
pub mod idx;
mod load;
mod loader;
pub mod picture;
mod place;
mod pretrained;
mod remarks;
mod sample;
mod split;
mod unzip;

pub use dataset::Dataset;
pub use download::{DownloadOptions, download};
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use load::{load, open};
pub use loader::{Batch, BatchPlan, Loader};
pub use place::{FindOptions, IDX, cache_dir, locate};
pub use pretrained::{
    FetchedWeights, HUB, Pin, Preparation, PretrainedSource, SOURCES, WeightOptions, fetch_weights,
    source_of, weights_path,
};
pub use sample::licenses;
pub use split::Split;
