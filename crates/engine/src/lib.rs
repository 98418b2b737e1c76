//! How a graph becomes time on cores.
//!
//! An [`Engine`] takes a [`Graph`](plusx_model::graph::Graph) and makes a [`Plan`] for each mode and batch size it is
//! asked for:
//! - `lower` decides which values are stored and which are computed where they are read.
//! - `plan` decides which steps happen, with which kernels, and where in one arena every buffer lives.
//! - `run` lends each step its buffers and hands its pieces to the engine's own threads (`threads`).
//!
//! Results are the same bytes for any number of threads and for every instruction level of one arithmetic profile.
//!
//! [`Engine`] trains and infers for one caller. [`Prepared`] only infers, for any number of callers at once. Parameters,
//! folded batch norms and transformed filters are there once. What changes while a plan runs is each call's own.
//!
//! `unsafe` is confined to `arena` and `threads`.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod arena;
mod check;
mod engine;
mod error;
mod lower;
#[cfg(test)]
#[path = "../tests/interpreter/networks.rs"]
mod networks;
mod params;
mod plan;
mod precision;
mod prepared;
mod profile;
mod run;
mod seat;
#[cfg(test)]
mod stored;
#[allow(unsafe_code)]
mod threads;

pub use engine::{Engine, EngineOptions};
pub use error::EngineError;
pub use plan::{Mode, Plan};
pub use plusx_kernels::Level;
pub use plusx_kernels::simd::peak_gflops;
pub use precision::Precision;
pub use prepared::{Prepared, PreparedOptions};
pub use profile::StepProfile;
pub use threads::settle_threads;
