//! Fetching Fashion-MNIST, only when asked. With `pretrained`, which fetches by the same means, the one place where this
//! project uses the network.
//!
//! The addresses are plain HTTP and HTTPS alike: what makes the bytes trustworthy is the SHA-256 of the content,
//! known beforehand. TLS is there for mirrors that offer nothing else.
//!
//! A proxy is taken from `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, as everywhere (it is asked to
//! `CONNECT`, also for plain HTTP); addresses of this very machine are reached without it.

mod ask;
mod fetch;
#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;

use crate::{DataError, fashion};
pub(crate) use ask::announced;
pub(crate) use fetch::{Fetcher, Target};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The authors' own server, then the copy that MXNet's `gluon.data.vision.FashionMNIST` loads.
const OFFICIAL: [&str; 2] = [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/gluon/dataset/fashion-mnist/",
];

/// Pause before a cut transfer is taken up again.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Where to download from and to.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct DownloadOptions {
    /// The user's cache folder for plusx (see [`cache_dir`](crate::cache_dir)); the set goes to `fashion-mnist` below
    /// it, where [`locate`](crate::locate) finds it.
    pub cache_dir: PathBuf,
    /// Base address used instead of the official ones, `http://` or `https://`; the files' names (ending in `.gz`)
    /// are appended to it.
    pub mirror: Option<String>,
}

/// Fetches what is missing of Fashion-MNIST (31 MB in all) and returns the folder it is in.
///
/// A file that is there and has the right content is left alone. A transfer that breaks off is taken up where it
/// stopped, at once or by the next call: the bytes received so far are in `NAME.gz.part`. A file gets its name only
/// after its content was checked.
///
/// `progress` hears the file's name, the bytes it has so far and, when the server tells, the bytes there will be.
///
/// # Errors
/// [`DataError::Mirror`] for an unusable address, [`DataError::WrongHash`] if a mirror's file is not the official
/// one, [`DataError::Download`] if no address gives the file, [`DataError::Busy`] if another process is fetching it,
/// [`DataError::Io`] if it cannot be stored.
pub fn download(
    options: &DownloadOptions,
    progress: &mut dyn FnMut(&str, u64, Option<u64>),
) -> Result<PathBuf, DataError> {
    let bases = match &options.mirror {
        Some(mirror) => vec![base(mirror)?],
        None => OFFICIAL.map(str::to_owned).to_vec(),
    };
    let folder = options.cache_dir.join(fashion::NAME);
    fs::create_dir_all(&folder).map_err(DataError::io("create", &folder))?;
    let mut fetcher = Fetcher { bases: &bases, folder: &folder, pause: PAUSE, other: "--mirror", progress };
    for file in &fashion::FILES {
        fetcher.fetch_packed(file)?;
    }
    Ok(folder)
}

/// A mirror's address with a slash at its end.
pub(crate) fn base(mirror: &str) -> Result<String, DataError> {
    let unusable = |reason: &str| DataError::Mirror { mirror: mirror.to_owned(), reason: reason.to_owned() };
    let uri: ureq::http::Uri = mirror.parse().map_err(|_| unusable("not an address"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(unusable("it must start with http:// or https://")),
    }
    if uri.query().is_some() {
        return Err(unusable("the files' names are appended to it, so it cannot end in a query"));
    }
    Ok(format!("{}/", mirror.trim_end_matches('/')))
}
