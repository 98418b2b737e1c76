//! Where pictures and pretrained weights come from.
//!
//! Pictures come from IDX files, the embedded sample, downloads, folders, tables and archives. [`open`] gives a whole [`Dataset`]. A
//! [`Loader`] turns one of its splits into batches, on threads of its own, ahead of the engine. Weights come from a hub, by
//! [`fetch_weights`].
//!
//! The network is used by [`download()`] and [`fetch_weights`] only, and nothing here calls them unasked.
//!
//! ```
//! use plusx_data::{BatchPlan, FindOptions, Loader, load};
//! use plusx_model::{preprocess::Preprocess, shape::ImageShape};
//!
//! let set = load("fashion-mnist-mini", &FindOptions::default())?;
//! let preprocess = Preprocess::chapter(ImageShape::new(1, 96, 96));
//! let plan = BatchPlan { order: (0..300).collect(), batch_size: 256, first: 0, preprocess, augment: None, threads: 1 };
//! let mut loader = Loader::new(set.val, plan);
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

pub mod augment;
mod cache;
mod check;
mod classes;
mod dataset;
mod download;
mod error;
pub mod fashion;
mod files;
mod fingerprint;
pub mod idx;
mod idx_hash;
mod load;
mod loader;
mod memory;
pub mod picture;
mod place;
mod pretrained;
mod reading;
mod remarks;
mod sample;
mod samples;
mod sources;
mod unzip;

pub use augment::{Augment, Crop, Draws, EraseWith, Mix, Mixed, Policy, Warp};
pub use cache::Cached;
pub use check::{CheckFinding, CheckOptions, CheckReport, FindingKind, SplitCounts, check};
pub use dataset::{Dataset, HeldOut, LeftOut};
pub use download::{DownloadOptions, download};
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use load::{as_place, load, open};
pub use loader::{AugmentPlan, Batch, BatchPlan, Loader};
pub use memory::InMemory;
pub use place::{FindOptions, IDX, cache_dir, locate};
pub use pretrained::{
    FetchedWeights, HUB, Pin, Preparation, PretrainedSource, SOURCES, WeightOptions, fetch_weights,
    source_of, weights_path,
};
pub use reading::ReadOptions;
pub use sample::licenses;
pub use samples::{Pixels, Samples, Subset};
