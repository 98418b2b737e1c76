//! Fetching Fashion-MNIST.

use crate::DataError;
use std::path::PathBuf;

/// Where to download from and to.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct DownloadOptions {
    /// The user's cache folder for plusx; the set goes to `fashion-mnist` below it.
    pub cache_dir: PathBuf,
    /// Base address used instead of the official ones; the file names are appended to it.
    pub mirror: Option<String>,
}

/// Fetches what is missing of Fashion-MNIST and returns the folder it is in.
///
/// `progress` hears the file's name, the bytes it has so far and, when the server tells, the bytes there will be.
///
/// # Errors
/// [`DataError::Download`], [`DataError::WrongHash`], [`DataError::Busy`], [`DataError::Io`].
pub fn download(
    options: &DownloadOptions,
    progress: &mut dyn FnMut(&str, u64, Option<u64>),
) -> Result<PathBuf, DataError> {
    let _ = progress;
    todo!("{options:?}")
}
