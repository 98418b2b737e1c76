//! Pictures from files.

use crate::DataError;
use std::path::Path;

/// A decoded picture, upright, three 8-bit channels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Pixels, `[h][w][3]`.
    pub rgb8: Vec<u8>,
    /// Columns.
    pub w: usize,
    /// Rows.
    pub h: usize,
}

/// Decodes a PNG or JPEG file and turns it upright.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Picture`], [`DataError::TooLarge`].
pub fn open(path: &Path) -> Result<Picture, DataError> {
    todo!("{path:?}")
}
