//! The kinds of errors that all crates share: from the kind follows what a program does about an error, its exit code say.

use std::io;

/// What went wrong, roughly. Every error type of this project's libraries tells its own with a method `kind`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// What was asked for cannot be meant: an option, an argument, a name that nobody knows.
    Usage,
    /// A file is there and is not what it should be.
    BadFile,
    /// A file or a data set is not there.
    NotThere,
    /// The system refused to read or write.
    Io,
    /// What was asked for was tried and did not come about: diverged, no memory, no room on the disk, cannot run.
    Failed,
}

impl ErrorKind {
    /// The kind of what the system said about a file.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotThere,
            // nobody refused: there was no room
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::OutOfMemory => Self::Failed,
            // the bytes were had, and are not what they should be: no text, or too few
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::BadFile,
            _ => Self::Io,
        }
    }
}
