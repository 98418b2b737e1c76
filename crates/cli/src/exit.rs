//! Exit codes, in one place.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed: diverged, disk full, no memory, cannot run |
//! | 2 | bad usage |
//! | 65 | a file is not what it should be |
//! | 66 | a file or data set is not there |
//! | 74 | the system refused to read or write |
//! | 129, 130, 143 | stopped by SIGHUP, SIGINT, SIGTERM; the state is saved |

use anyhow::{Error, Result};
use plusx_data::DataError;
use plusx_formats::{FormatError, WeightError};
use plusx_infer::InferError;
use plusx_model::ModelError;
use plusx_train::TrainError;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

/// All went well.
pub(crate) const DONE: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const BAD_DATA: u8 = 65;
const NO_INPUT: u8 = 66;
const IO: u8 = 74;

/// Options that cannot be meant; the text says what to do.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A file that is not there; the text says how to get it.
#[derive(Debug)]
pub(crate) struct Absent(pub(crate) String);

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Absent {}

/// Something that is not the file it should be; the text names it.
#[derive(Debug)]
pub(crate) struct BadFile(pub(crate) String);

impl std::fmt::Display for BadFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadFile {}

/// Prints the error, if there is one, and gives the process's exit code.
pub(crate) fn code(result: Result<u8>) -> ExitCode {
    let error = match result {
        Ok(code) => return code.into(),
        Err(error) => error,
    };
    if let Some(error) = error.downcast_ref::<io::Error>()
        && error.kind() == ErrorKind::BrokenPipe
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
    error
        .chain()
        .find_map(|cause| {
            if cause.is::<Usage>() {
                Some(USAGE)
            } else if cause.is::<Absent>() {
                Some(NO_INPUT)
            } else if cause.is::<BadFile>() {
                Some(BAD_DATA)
            } else if let Some(error) = cause.downcast_ref::<ModelError>() {
                of_model(error)
            } else if let Some(error) = cause.downcast_ref::<TrainError>() {
                of_train(error)
            } else if let Some(error) = cause.downcast_ref::<DataError>() {
                of_data(error)
            } else if let Some(error) = cause.downcast_ref::<FormatError>() {
                of_format(error)
            } else if let Some(error) = cause.downcast_ref::<InferError>() {
                of_infer(error)
            } else {
                cause.downcast_ref::<io::Error>().map(of_io)
            }
        })
        .unwrap_or(FAILED)
}

fn of_train(error: &TrainError) -> Option<u8> {
    match error {
        TrainError::Option { .. }
        | TrainError::Exists { .. }
        | TrainError::ResumeChanged { .. }
        | TrainError::ComparisonChanged { .. } => Some(USAGE),
        TrainError::Model(error) => of_model(error),
        TrainError::NoRun { .. } => Some(NO_INPUT),
        TrainError::BadRun { .. }
        | TrainError::Unfit { .. }
        | TrainError::OtherData { .. }
        | TrainError::TooLarge { .. } => Some(BAD_DATA),
        TrainError::Data(error) => of_data(error),
        TrainError::Format(error) | TrainError::Save { source: error, .. } => of_format(error),
        TrainError::Io { source, .. } => Some(of_io(source)),
        _ => Some(FAILED),
    }
}

/// Networks are described by options, so what is wrong with one is wrong with an option. Networks in weight files are
/// not: their errors come as [`FormatError`] and name the file.
fn of_model(error: &ModelError) -> Option<u8> {
    match error {
        // no option leads here: the program contradicts itself
        ModelError::Malformed { .. } | ModelError::ParamLength { .. } => Some(FAILED),
        _ => Some(USAGE),
    }
}

fn of_data(error: &DataError) -> Option<u8> {
    match error {
        DataError::NotFound { .. } => Some(NO_INPUT),
        DataError::UnknownName { .. }
        | DataError::Mirror { .. }
        | DataError::UnknownWeights { .. }
        | DataError::NoPin { .. }
        | DataError::Hash { .. } => Some(USAGE),
        DataError::Io { source, .. } => Some(of_io(source)),
        DataError::Malformed { .. }
        | DataError::Truncated { .. }
        | DataError::TooLarge { .. }
        | DataError::WrongHash { .. }
        | DataError::Impostor { .. }
        | DataError::Picture { .. }
        | DataError::Pixels(_) => Some(BAD_DATA),
        _ => Some(FAILED),
    }
}

fn of_format(error: &FormatError) -> Option<u8> {
    match error {
        FormatError::Read { source, .. } | FormatError::Write { source, .. } => Some(of_io(source)),
        FormatError::NoTwin { .. } | FormatError::NoSection { .. } => Some(USAGE),
        FormatError::Disproved { .. }
        | FormatError::NoProof { .. }
        | FormatError::Reserved { .. }
        | FormatError::Encode { .. } => Some(FAILED),
        _ => Some(BAD_DATA),
    }
}

fn of_infer(error: &InferError) -> Option<u8> {
    match error {
        InferError::Weights(WeightError::Read { source, .. }) => Some(of_io(source)),
        // a network that takes no pictures, or answers with no numbers, is the weight file's fault
        InferError::Weights(_)
        | InferError::TooLarge { .. }
        | InferError::Pixels(_)
        | InferError::NotFinite { .. } => Some(BAD_DATA),
        _ => Some(FAILED),
    }
}

fn of_io(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => NO_INPUT,
        // nobody refused: there was no room
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::FileTooLarge
        | ErrorKind::OutOfMemory => FAILED,
        // the bytes were had, and are not what they should be: no text, or too few
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => BAD_DATA,
        _ => IO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_missing_file_and_a_bad_one_differ() {
        let source = io::Error::from(ErrorKind::NotFound);
        let missing = FormatError::Read { path: PathBuf::from("w"), source };
        assert_eq!(of(&Error::from(missing)), NO_INPUT);
        let foreign = || WeightError::Foreign { path: PathBuf::from("w") };
        assert_eq!(of(&Error::from(TrainError::Format(foreign().into()))), BAD_DATA);
        assert_eq!(of(&Error::from(InferError::from(foreign()))), BAD_DATA);
        assert_eq!(of(&Error::from(Usage("no".into())).context("while reading options")), USAGE);
        assert_eq!(of(&anyhow::anyhow!("whatever")), FAILED);
        assert_eq!(of(&Error::from(BadFile("a pipe".into()))), BAD_DATA);
        assert_eq!(of(&Error::from(Absent("nothing".into()))), NO_INPUT);
    }

    #[test]
    fn what_the_system_says_has_one_code_wherever_it_happens() {
        for (kind, code) in [
            (ErrorKind::NotFound, NO_INPUT),
            (ErrorKind::PermissionDenied, IO),
            (ErrorKind::ReadOnlyFilesystem, IO),
            (ErrorKind::IsADirectory, IO),
            (ErrorKind::NotADirectory, IO),
            (ErrorKind::StorageFull, FAILED),
            (ErrorKind::QuotaExceeded, FAILED),
            (ErrorKind::FileTooLarge, FAILED),
            (ErrorKind::InvalidData, BAD_DATA),
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
