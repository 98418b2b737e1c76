//! What a network *is*: shapes, operations, the graph, blocks that trace themselves into it, parameters.
//! Runs nothing and reads no file.
//!
//! A [`Block`](block::Block) is a recipe; [`trace`](trace::trace) walks through it once with the shape of an
//! image and writes down what it did as a [`Graph`](graph::Graph), a plain value that everything else reads.
//!
//! ```
//! use plusx_model::{block::Block, layers::Conv2d, shape::ImageShape, trace::{Names, trace}};
//!
//! let mut names = Names::new();
//! let graph = trace(&Conv2d::new(6, 3).padding(1).strides(2), ImageShape::new(3, 6, 6), &mut names)?;
//! assert_eq!(graph.output_shape(), ImageShape::new(6, 3, 3));
//! # Ok::<(), plusx_model::ModelError>(())
//! ```
#![forbid(unsafe_code)]

pub mod block;
pub mod check;
pub mod containers;
pub mod error;
mod error_kind;
pub mod executor;
pub mod graph;
mod image_shape;
pub mod init;
pub mod layers;
pub mod op;
mod pair;
pub mod params;
pub mod preprocess;
pub mod random;
pub mod shape;
pub mod summary;
pub mod targets;
mod thousands;
pub mod trace;
mod tracer;
pub mod update;
pub mod words;
pub mod zoo;

pub use error::ModelError;
pub use error_kind::ErrorKind;
