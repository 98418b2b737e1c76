//! Ready-made networks: one table of specs, one function that turns a spec into blocks.
//! Adding a model: see `docs/adding-a-model.md`.
//!
//! `specs.rs` is the table of specs, and `spec.rs` says what a spec is. `build.rs` turns one into blocks: `stems.rs` is how
//! networks begin, `units.rs` what they repeat. Parameters have torchvision's names wherever torchvision has the layer:
//! conv1, bn1, layer1.0.conv1, ..., fc.

mod build;
mod spec;
mod specs;
mod stems;
mod units;

use crate::block::Block;
use crate::error::ModelError;

pub use self::spec::{Naming, Shortcut, Spec, Stem, Unit, ZooOptions};
pub use self::specs::SPECS;

/// The names in [`SPECS`], in order.
pub fn names() -> Vec<&'static str> {
    SPECS.iter().map(|spec| spec.name).collect()
}

/// The spec called `name`; the error lists the names there are.
pub fn find(name: &str) -> Result<&'static Spec, ModelError> {
    let unknown = || ModelError::UnknownModel { name: name.to_owned(), known: names() };
    SPECS.iter().find(|spec| spec.name == name).ok_or_else(unknown)
}

/// The network called `name`; the error lists the names there are.
pub fn build(name: &str, options: ZooOptions) -> Result<Box<dyn Block>, ModelError> {
    Ok(Box::new(find(name)?.build(options)))
}
