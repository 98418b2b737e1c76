//! From a weight file to answers, for programs that only infer: no network client, no decoders, a dozen crates.
//!
//! ```no_run
//! use plusx_infer::{Classifier, Picture};
//!
//! # let (pixels, columns, rows) = (vec![0; 3 * 640 * 480], 640, 480);
//! let net = Classifier::load("model.safetensors")?;
//! let picture = Picture { rgb8: pixels, w: columns, h: rows };
//! for answer in net.predict(&picture)? {
//!     println!("{} {:.1} %", answer.label, 100.0 * answer.prob);
//! }
//! # Ok::<(), plusx_infer::InferError>(())
//! ```
//!
//! A [`Classifier`] answers through `&self`: threads share it by reference or in an [`Arc`](std::sync::Arc). Pictures are
//! pixels here. `plusx-data` decodes picture files.
#![forbid(unsafe_code)]

mod classifier;
mod error;
mod ranked;

pub use classifier::{Classifier, Prediction};
pub use error::InferError;
pub use plusx_engine::{Level, Precision, Prepared, PreparedOptions};
pub use plusx_pixels::Picture;
pub use ranked::ranked_probabilities;
