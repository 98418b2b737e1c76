//! Exit codes, in one place.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed: diverged, disk full, no memory, cannot run |
//! | 2 | bad usage |
//! | 3 | `check --strict`: there is something to mend |
//! | 65 | a file is not what it should be |
//! | 66 | a file or data set is not there |
//! | 74 | the system refused to read or write |
//! | 129, 130, 143 | stopped by SIGHUP, SIGINT, SIGTERM; the state is saved |

use anyhow::{Error, Result};
use plusx_data::DataError;
use plusx_engine::EngineError;
use plusx_formats::FormatError;
use plusx_infer::InferError;
use plusx_model::{ErrorKind, ModelError};
use plusx_train::TrainError;
use std::io;
use std::process::ExitCode;

/// All went well.
pub(crate) const DONE: u8 = 0;

/// A data set has something to mend, and this was asked about.
pub(crate) const TO_MEND: u8 = 3;

/// An error of the command line itself: what kind it is, and a text that says what to do.
#[derive(Debug)]
struct Complaint {
    kind: ErrorKind,
    text: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Complaint {}

/// Options that cannot be meant; the text says what to do.
pub(crate) fn usage(text: impl Into<String>) -> Error {
    Complaint { kind: ErrorKind::Usage, text: text.into() }.into()
}

/// A file that is not there; the text says how to get it.
pub(crate) fn not_there(text: impl Into<String>) -> Error {
    Complaint { kind: ErrorKind::NotThere, text: text.into() }.into()
}

/// Something that is not the file it should be; the text names it.
pub(crate) fn bad_file(text: impl Into<String>) -> Error {
    Complaint { kind: ErrorKind::BadFile, text: text.into() }.into()
}

/// Prints the error, if there is one, and gives the process's exit code.
pub(crate) fn code(result: Result<u8>) -> ExitCode {
    let error = match result {
        Ok(code) => return code.into(),
        Err(error) => error,
    };
    if let Some(error) = error.downcast_ref::<io::Error>()
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        // the reader of our output has seen enough
        return DONE.into();
    }
    report(&error);
    of(&error).into()
}

/// Writes `error` and its causes to stderr.
pub(crate) fn report(error: &Error) {
    let (red, plain) = if crate::screen::can_colour() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    // typed errors name their causes themselves; a context of ours stands before them
    let mut text = format!("{error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    // names of files may hold characters that change the terminal
    let lines: Vec<_> = text.lines().map(crate::spelled::one_line).collect();
    crate::screen::note(&format!("{red}error:{plain} {}", lines.join("\n")));
}

/// The exit code for `error`.
pub(crate) fn of(error: &Error) -> u8 {
    match error.chain().find_map(kind).unwrap_or(ErrorKind::Failed) {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::BadFile => 65,
        ErrorKind::NotThere => 66,
        ErrorKind::Io => 74,
    }
}

/// What an error says of itself, if it is one of ours or the system's.
fn kind(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    /// The kind that `error` says, if it is of the first of these types, else of the second and so on.
    macro_rules! said_by {
        ($($type:ty),*) => { None$(.or_else(|| error.downcast_ref().map(<$type>::kind)))* };
    }
    said_by!(TrainError, DataError, FormatError, InferError, EngineError, ModelError)
        .or_else(|| error.downcast_ref().map(|complaint: &Complaint| complaint.kind))
        .or_else(|| error.downcast_ref().map(ErrorKind::of_io))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_formats::WeightError;
    use std::io::ErrorKind as Said;
    use std::path::PathBuf;

    const FAILED: u8 = 1;
    const USAGE: u8 = 2;
    const BAD_DATA: u8 = 65;
    const NO_INPUT: u8 = 66;
    const IO: u8 = 74;

    #[test]
    fn a_missing_file_and_a_bad_one_differ() {
        let source = io::Error::from(Said::NotFound);
        let missing = FormatError::Read { path: PathBuf::from("w"), source };
        assert_eq!(of(&Error::from(missing)), NO_INPUT);
        let foreign = || WeightError::Foreign { path: PathBuf::from("w") };
        assert_eq!(of(&Error::from(TrainError::Format(foreign().into()))), BAD_DATA);
        assert_eq!(of(&Error::from(InferError::from(foreign()))), BAD_DATA);
        assert_eq!(of(&usage("no").context("while reading options")), USAGE);
        assert_eq!(of(&anyhow::anyhow!("whatever")), FAILED);
        assert_eq!(of(&bad_file("a pipe")), BAD_DATA);
        assert_eq!(of(&not_there("nothing")), NO_INPUT);
    }

    #[test]
    fn what_the_system_says_has_one_code_wherever_it_happens() {
        for (kind, code) in [
            (Said::NotFound, NO_INPUT),
            (Said::PermissionDenied, IO),
            (Said::ReadOnlyFilesystem, IO),
            (Said::IsADirectory, IO),
            (Said::NotADirectory, IO),
            (Said::StorageFull, FAILED),
            (Said::QuotaExceeded, FAILED),
            (Said::FileTooLarge, FAILED),
            (Said::InvalidData, BAD_DATA),
        ] {
            let (path, source) = (|| PathBuf::from("p"), || io::Error::from(kind));
            let written = || FormatError::Write { path: path(), source: source() };
            let shown = || plusx_train::PathDisplay(path());
            for error in [
                Error::from(source()).context("cannot read p"),
                FormatError::Read { path: path(), source: source() }.into(),
                written().into(),
                DataError::Io { action: "open", path: path(), source: source() }.into(),
                InferError::from(WeightError::Read { path: path(), source: source() }).into(),
                TrainError::Format(written()).into(),
                TrainError::Io { action: "cannot make", path: shown(), source: source() }.into(),
            ] {
                assert_eq!(of(&error), code, "{kind:?}: {error:?}");
            }
        }
    }
}
