//! What the three containers of `torch.save` have in common: what was saved, as a pickle, and where the numbers of its
//! tensors lie.
//!
//! A few kilobytes must not become gigabytes. `torch.save` never compressed anything, so an archive of another make is
//! refused. What a file says about sizes is held against its length.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::kind::FileKind;
use super::numbers::Type;
use super::pickle::{Id, Pickle, PickleValue};
use super::storage::{Storages, StoredRange, View};
use crate::error::FormatError;

/// Said of a file whose numbers are big-endian.
pub(super) const BIG_ENDIAN: &str = "its numbers have their highest byte first, as a machine of another kind wrote them; load it with \
                          PyTorch and save it again";

/// What a file holds.
#[derive(Debug)]
pub(super) struct Container {
    /// What was given to `torch.save`.
    pub(super) saved: Pickle,
    /// Where numbers are.
    pub(super) storages: Storages,
    /// Tensors by the name that the pickle has for them; only in tar archives, elsewhere it describes them itself.
    pub(super) tensors: HashMap<String, (Type, View)>,
}

/// Why a container cannot be opened.
pub(super) enum Unread {
    /// The system says no.
    Io(std::io::Error),
    /// It is not whole.
    Broken(String),
    /// It is something else: what, and what to do.
    Other(String, &'static str),
}

impl Unread {
    pub(super) fn of(self, path: &Path, kind: FileKind) -> FormatError {
        match self {
            Unread::Io(source) => FormatError::read(path, source),
            Unread::Broken(reason) => FormatError::broken(path, kind, reason),
            Unread::Other(what, advice) => FormatError::other_kind(path, what, advice),
        }
    }
}

impl From<std::io::Error> for Unread {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Unread::Broken("it ends too early".to_owned()),
            _ => Unread::Io(error),
        }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Unread::Broken(reason)
    }
}

impl From<&str> for Unread {
    fn from(reason: &str) -> Self {
        Unread::Broken(reason.to_owned())
    }
}

/// The storage that begins here: how many numbers of `size` bytes it has, then these, which are stepped over. It must lie
/// before `end`.
pub(super) fn next(file: &mut BufReader<File>, size: usize, end: u64) -> Result<StoredRange, Unread> {
    let mut count = [0; 8];
    file.read_exact(&mut count)?;
    let (at, length) = (file.stream_position()?, u64::from_le_bytes(count).checked_mul(size as u64));
    match length.and_then(|length| Some((length, at.checked_add(length)?))) {
        Some((length, behind)) if behind <= end => {
            file.seek(SeekFrom::Start(behind))?;
            Ok(StoredRange { at, length, crc: None })
        }
        _ => Err("it ends before its numbers do; the file may have been cut short".into()),
    }
}

/// Whether the machine that wrote a file had the lowest byte of a number first.
pub(super) fn is_little_endian(system: &Pickle) -> Result<bool, Unread> {
    let items = system.items(system.root).unwrap_or_default();
    let order = items.into_iter().find(|(key, _)| system.text(*key) == Some("little_endian"));
    match order.map(|(_, value)| system.get(value)) {
        Some(PickleValue::Bool(order)) => Ok(*order),
        _ => Err("it does not say in which order the bytes of its numbers are".into()),
    }
}

/// The name of a storage or a tensor: a text or a number.
pub(super) fn key_of(pickle: &Pickle, id: Id) -> Option<String> {
    match pickle.get(id) {
        PickleValue::Text(text) => Some(text.to_string()),
        PickleValue::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
