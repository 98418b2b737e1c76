//! What can go wrong while training, said so that a reader knows which file or option and what to do.

use std::path::{Path, PathBuf};

use plusx_data::DataError;
use plusx_formats::FormatError;
use plusx_model::{ErrorKind, ModelError};

use crate::position::RunPosition;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An option has a value that makes no sense.
    #[error("{}: {wanted}", words(option, value))]
    Option {
        /// Without the dashes.
        option: String,
        /// As given.
        value: String,
        /// What would make sense.
        wanted: &'static str,
    },
    /// The network could not be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A weight file could not be read or does not fit.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The engine refused.
    #[error("{0}")]
    Executor(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The data set does not fit the network or the options.
    #[error("data set {data}: {reason}")]
    Unfit {
        /// Its name.
        data: String,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// The run folder is there already.
    #[error(
        "{path} exists: continue it with --resume {path}, replace it with --exist-ok, or choose another --name"
    )]
    Exists {
        /// The folder.
        path: PathDisplay,
    },
    /// Another process is writing into the run folder.
    #[error("{path} is in use by another plusx process: wait for it to end, or train into another folder")]
    Locked {
        /// The folder.
        path: PathDisplay,
    },
    /// There is nothing to resume.
    #[error(
        "no run to resume in {path}: a run is a folder with a file {marker}; name it with --resume FOLDER"
    )]
    NoRun {
        /// Where runs were looked for.
        path: PathDisplay,
        /// The file by which a run is known: `args.yaml`, or that of a comparison.
        marker: &'static str,
    },
    /// A run folder's own files cannot be understood.
    #[error("{path}: {reason}")]
    BadRun {
        /// The file.
        path: PathDisplay,
        /// What is wrong with it.
        reason: String,
    },
    /// A resumed run may not change this.
    #[error(
        "{}: the run was started {}, and a resumed run must keep it (only {may_change} may change); start a new run instead",
        words(option, given),
        had(saved)
    )]
    ResumeChanged {
        /// Without the dashes.
        option: String,
        /// The value in `args.yaml`.
        saved: String,
        /// The value on the command line.
        given: String,
        /// The options that may.
        may_change: String,
    },
    /// A comparison may not change this.
    #[error(
        "{}: the comparison was begun {}, and its runs share one recipe (only {may_change} may change); begin a new comparison \
         instead",
        words(option, given),
        had(saved)
    )]
    ComparisonChanged {
        /// Without the dashes.
        option: String,
        /// The value it was begun with.
        saved: String,
        /// The value on the command line.
        given: String,
        /// The options that may.
        may_change: String,
    },
    /// A run was to go on with other pictures than it learnt from.
    #[error(
        "data set {data} from {from} is not the one that {path} was trained on (SHA-256 {found}, then {saved}): \
         name the folder of that one with --data-dir, or start a new run"
    )]
    OtherData {
        /// Name of the data set.
        data: String,
        /// Where it was read from.
        from: String,
        /// The checkpoint.
        path: PathDisplay,
        /// The hash in the checkpoint, in hexadecimal.
        saved: String,
        /// The hash of what was read.
        found: String,
    },
    /// A network whose maps take more memory than a weight file may ask for.
    #[error(
        "{path}: a single image of {input} takes {needed} MB in this network, and {limit} MB is the limit for a file \
         that is only read"
    )]
    TooLarge {
        /// The weight file.
        path: PathDisplay,
        /// Shape of the input.
        input: String,
        /// Megabytes of 10^6 bytes it takes.
        needed: u64,
        /// Megabytes it may take.
        limit: u64,
    },
    /// A network whose maps take more memory than there is.
    #[error(
        "{path}: a single image takes {needed} MB of memory in this network, and only {left} MB are to be had"
    )]
    NoRoom {
        /// The weight file.
        path: PathDisplay,
        /// Megabytes of 10^6 bytes it takes.
        needed: u64,
        /// Megabytes that may be used.
        left: u64,
    },
    /// A file of class weights cannot be understood, is not there, or names other classes than the data set.
    #[error("{from}: {reason}")]
    ClassWeights {
        /// The file, with the line where one is to blame.
        from: String,
        /// What is wrong, and what to do.
        reason: String,
        /// Whether it is not there, or is not what it should be.
        kind: ErrorKind,
    },
    /// The loss or a weight is not a finite number any more.
    #[error(
        "{what} is not a finite number at epoch {epoch}, step {step}: training has diverged; \
         try a smaller --lr. {kept}"
    )]
    NotFinite {
        /// `the loss` or `a weight`.
        what: &'static str,
        /// Epoch, counted from 1.
        epoch: u32,
        /// Step of the epoch, counted from 1: the one that gave it, or the last before it was found.
        step: u64,
        /// Where the last good checkpoint is.
        kept: Kept,
    },
    /// A file of a run that is under way could not be written.
    #[error("{source}. {kept}")]
    Save {
        /// The file and why.
        source: FormatError,
        /// Bytes that a checkpoint takes.
        needed: u64,
        /// Where the last good checkpoint is.
        kept: Kept,
    },
    /// Not even one step of a run fits into its time.
    #[error(
        "--time {time}: one training step, a test pass and the files of the run take about {needed} on this machine: give at \
         least --time {needed}, or train a smaller network or on smaller images"
    )]
    TooShort {
        /// The time that was given.
        time: String,
        /// The least that would do, written as that is.
        needed: String,
    },
    /// A file of the run folder could not be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// `cannot write` and the like.
        action: &'static str,
        /// The file.
        path: PathDisplay,
        /// Why.
        source: std::io::Error,
    },
}

/// A path that displays itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathDisplay(pub PathBuf);

impl std::fmt::Display for PathDisplay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

/// The last checkpoint on disk, if one was ever written; displays as a sentence.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept(pub Option<Box<Checkpoint>>);

/// A checkpoint on disk: the run goes on from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The file.
    pub path: PathBuf,
    /// How far the run had come when it was written.
    pub at: RunPosition,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(Checkpoint { path, at }) = self.0.as_deref() else {
            return f.write_str("No checkpoint had been written yet");
        };
        write!(f, "The last good checkpoint is kept: {}, ", path.display())?;
        match at {
            RunPosition { epoch: 1, steps: 0 } => f.write_str("as the run began"),
            RunPosition { epoch, steps: 0 } => write!(f, "after epoch {}", epoch - 1),
            RunPosition { epoch, steps } => write!(f, "after step {steps} of epoch {epoch}"),
        }
    }
}

/// An option as a user writes it; a switch has no value.
fn words(option: &str, value: &str) -> String {
    match value {
        "true" => format!("--{option}"),
        value => format!("--{option} {value}"),
    }
}

/// What a run had, after "was started".
fn had(saved: &str) -> String {
    match saved {
        "true" => "with it".to_owned(),
        "false" | "none" => "without it".to_owned(),
        saved => format!("with {saved}"),
    }
}

impl TrainError {
    /// What went wrong, roughly.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Option { .. }
            | Self::TooShort { .. }
            | Self::Exists { .. }
            | Self::ResumeChanged { .. }
            | Self::ComparisonChanged { .. } => ErrorKind::Usage,
            Self::Model(error) => error.kind(),
            Self::Data(error) => error.kind(),
            Self::Format(error) | Self::Save { source: error, .. } => error.kind(),
            Self::ClassWeights { kind, .. } => *kind,
            Self::NoRun { .. } => ErrorKind::NotThere,
            Self::BadRun { .. } | Self::Unfit { .. } | Self::OtherData { .. } | Self::TooLarge { .. } => {
                ErrorKind::BadFile
            }
            Self::Io { source, .. } => ErrorKind::of_io(source),
            Self::Executor(_) | Self::Locked { .. } | Self::NoRoom { .. } | Self::NotFinite { .. } => {
                ErrorKind::Failed
            }
        }
    }

    pub(crate) fn option(option: impl Into<String>, value: &str, wanted: &'static str) -> Self {
        TrainError::Option { option: option.into(), value: value.into(), wanted }
    }

    pub(crate) fn executor<E: std::error::Error + Send + Sync + 'static>(error: E) -> Self {
        TrainError::Executor(Box::new(error))
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        TrainError::Io { action, path: PathDisplay(path.into()), source }
    }

    pub(crate) fn bad_run(path: &Path, reason: impl Into<String>) -> Self {
        TrainError::BadRun { path: PathDisplay(path.into()), reason: reason.into() }
    }
}
