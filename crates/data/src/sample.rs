//! The sample embedded in the program.

use crate::{DataError, Dataset};

/// Name of the sample on the command line.
pub const NAME: &str = "fashion-mnist-mini";

/// Name, licence notice of everything of others that this crate embeds: `(what, text)`.
pub fn licenses() -> Vec<(&'static str, &'static str)> {
    todo!()
}

pub(crate) fn load() -> Result<Dataset, DataError> {
    todo!()
}
