//! Where a data set may lie, and in which order the places are tried.

use crate::DataError;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where to look for data sets. All are optional; the environment is read by the caller, never here.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct FindOptions {
    /// `--data-dir`. When given it is the only place: a mistyped folder must not be answered with another one.
    pub data_dir: Option<PathBuf>,
    /// `$PLUSX_DATA`.
    pub env_dir: Option<PathBuf>,
    /// The user's cache folder for plusx, see [`cache_dir`].
    pub cache_dir: Option<PathBuf>,
}

/// The user's cache folder for plusx by the platform's convention, from a lookup of environment variables
/// (`std::env::var_os` in a program). `None` if the variables it needs are unset.
///
/// `$XDG_CACHE_HOME/plusx` or `~/.cache/plusx`; on macOS `~/Library/Caches/plusx`; on Windows
/// `%LOCALAPPDATA%\plusx\cache`.
pub fn cache_dir(lookup: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let _ = lookup;
    todo!()
}

/// The folder that holds the data set `name`, or `None` if it is in none of the places (or is embedded).
pub fn locate(name: &str, options: &FindOptions) -> Option<PathBuf> {
    find(name, options).ok()
}

pub(crate) fn find(name: &str, options: &FindOptions) -> Result<PathBuf, DataError> {
    todo!("{name} {options:?}")
}
