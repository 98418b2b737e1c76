//! What can go wrong with data, always with the file (or address) it went wrong in and what to do about it.

use plusx_model::ErrorKind;
use plusx_model::words::{count, did_you_mean};
use std::io;
use std::path::{Path, PathBuf};

/// Everything this crate can complain about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No data set goes by this name.
    #[error(
        "there is no data set called \"{name}\"{}, and no such folder or file; known: {}",
        did_you_mean(name, known.iter().map(String::as_str)),
        known.join(", ")
    )]
    UnknownName {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The data set is in none of the places looked at.
    #[error("{name} was not found; looked in:{}\nways to get it:{}", bullets(looked), bullets(ways))]
    NotFound {
        /// Name of the data set.
        name: String,
        /// Every place, with what was missing there.
        looked: Vec<String>,
        /// Ways to get the data set, one a line.
        ways: Vec<String>,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done: "read", "write", "create", "rename" ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not what it should be: foreign, damaged, or longer than it says.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file ends too early.
    #[error(
        "{} is truncated: {} of data announced, {found} found; fetch the file again",
        path.display(),
        count(*expected as usize, "byte")
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes the header announces.
        expected: u64,
        /// Bytes that were there.
        found: u64,
    },
    /// The file is bigger than this crate is willing to read.
    #[error("{}: {what} is {size}, the limit is {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too large, with its unit.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The content is not the official one.
    #[error(
        "{}: SHA-256 of the content is {found}, expected {expected}; the file is damaged or another one",
        path.display()
    )]
    WrongHash {
        /// The file, or the address it came from.
        path: PathBuf,
        /// The official hash, in hexadecimal.
        expected: String,
        /// The hash of what is there.
        found: String,
    },
    /// A data set goes by the name of Fashion-MNIST and is another, or a damaged one.
    #[error(
        "{folder} does not hold the Fashion-MNIST of its authors: SHA-256 of {file}, decompressed, is {found}, not {expected}. \
         If it is damaged, plusx data get fashion-mnist fetches it; if it is other data, or changed on purpose, \
         --data idx --data-dir {folder} takes it as it is",
        folder = folder.display()
    )]
    Impostor {
        /// The folder it was read from.
        folder: PathBuf,
        /// The first file that differs, without `.gz`.
        file: &'static str,
        /// The official hash, in hexadecimal.
        expected: &'static str,
        /// The hash of what is there.
        found: String,
    },
    /// No address gave the file.
    #[error("cannot download {file}; tried:{}\n{}", bullets(tried), after_download(*kept, other))]
    Download {
        /// Name of the file.
        file: String,
        /// Every address, with why it failed.
        tried: Vec<String>,
        /// Whether some of it was received and kept.
        kept: bool,
        /// The option that names another server.
        other: &'static str,
    },
    /// A network whose weights are nowhere to be had.
    #[error(
        "there are no pretrained weights for \"{model}\"{}; there are for: {}",
        did_you_mean(model, known.iter().map(String::as_str)),
        known.join(", ")
    )]
    UnknownWeights {
        /// What was asked for.
        model: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Weights whose content cannot be checked.
    #[error(
        "the SHA-256 of the weights of {model} is not known to plusx: give it with --sha256 HASH (the hub shows it on the \
         page of model.safetensors), or take the hub's word for it with --trust-hub"
    )]
    NoPin {
        /// The network.
        model: String,
    },
    /// A hash that is none.
    #[error("\"{hash}\" is no SHA-256, which has 64 hexadecimal digits")]
    Hash {
        /// What was given.
        hash: String,
    },
    /// A base address that cannot be used.
    #[error("the mirror \"{mirror}\" is not usable: {reason}")]
    Mirror {
        /// What was given.
        mirror: String,
        /// Why not.
        reason: String,
    },
    /// Another process is writing the same file.
    #[error("{} is being written by another download; wait for it or stop it", path.display())]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// A picture that cannot be decoded.
    #[error("{}: cannot decode the picture: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        reason: String,
    },
    /// A picture that cannot be prepared.
    #[error(transparent)]
    Pixels(#[from] plusx_pixels::PixelError),
    /// A number of the augmentation that is out of its range.
    #[error("augmentation: {option} is {found}; it must be {expected}")]
    Augment {
        /// Which one.
        option: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A batch plan that makes no sense.
    #[error("bad batch plan: {reason}")]
    Plan {
        /// What is wrong with it.
        reason: String,
    },
    /// The system gave no thread to prepare batches on.
    #[error("cannot start the thread that prepares batches: {source}")]
    Thread {
        /// The system's reason.
        source: io::Error,
    },
    /// The loader's thread ended in a panic.
    #[error("the thread that prepares batches panicked: {message}")]
    LoaderPanicked {
        /// The panic's message.
        message: String,
    },
}

impl DataError {
    /// What went wrong, roughly.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownName { .. }
            | Self::UnknownWeights { .. }
            | Self::NoPin { .. }
            | Self::Hash { .. }
            | Self::Mirror { .. }
            | Self::Augment { .. } => ErrorKind::Usage,
            Self::NotFound { .. } => ErrorKind::NotThere,
            Self::Io { source, .. } => ErrorKind::of_io(source),
            Self::Malformed { .. }
            | Self::Truncated { .. }
            | Self::TooLarge { .. }
            | Self::WrongHash { .. }
            | Self::Impostor { .. }
            | Self::Picture { .. } => ErrorKind::BadFile,
            Self::Pixels(error) => error.kind(),
            Self::Download { .. }
            | Self::Busy { .. }
            | Self::Plan { .. }
            | Self::Thread { .. }
            | Self::LoaderPanicked { .. } => ErrorKind::Failed,
        }
    }

    /// What is wrong, without the name of the file that an error about a picture begins with.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Picture { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }

    /// Whether this is [`DataError::NotFound`]: the one failure a caller may answer with the embedded sample.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  - {line}")).collect()
}

fn after_download(kept: bool, other: &str) -> String {
    if kept {
        "what was received so far is kept; run the command again to go on from there".to_owned()
    } else {
        format!("another server can be given with {other}")
    }
}
