//! What is looked at in a file before its reader may unpack it: a few kilobytes must not become gigabytes.
//!
//! `torch.save` never compressed anything and its pickles, which only describe the tensors, are small. So an archive of
//! another make is refused, and no legitimate file is.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::{Kind, pickle};
use crate::error::FormatError;

/// Most bytes of pickles. The largest residual networks of 2017 describe themselves in half a megabyte, and each byte of
/// a pickle can become a hundred in memory.
const LARGEST_PICKLE: u64 = 4 << 20;

/// Refuses a file that would unpack to more than it is.
pub(super) fn check(path: &Path, kind: Kind) -> Result<(), FormatError> {
    let reason = match kind {
        Kind::TorchZip => zip(path),
        Kind::TorchStream => stream(path),
        Kind::TorchTar => tar(path),
        _ => Ok(None),
    };
    match reason.map_err(|source| FormatError::read(path, source))? {
        None => Ok(()),
        Some(reason) => Err(FormatError::broken(path, kind, reason)),
    }
}

/// What is wrong with a zip archive, if anything.
fn zip(path: &Path) -> std::io::Result<Option<String>> {
    let mut archive = match ZipArchive::new(BufReader::new(File::open(path)?)) {
        Ok(archive) => archive,
        Err(error) => return Ok(Some(error.to_string())),
    };
    for index in 0..archive.len() {
        let entry = match archive.by_index_raw(index) {
            Ok(entry) => entry,
            Err(error) => return Ok(Some(error.to_string())),
        };
        if entry.compression() != CompressionMethod::Stored {
            return Ok(Some("its entries are compressed, as PyTorch never writes them".to_owned()));
        }
        if entry.size() != entry.compressed_size() {
            return Ok(Some("the sizes of an entry contradict each other".to_owned()));
        }
        let name = entry.name().unwrap_or_default();
        if name.ends_with(".pkl") && entry.size() > LARGEST_PICKLE {
            return Ok(Some(format!("its description of the tensors takes {} bytes", entry.size())));
        }
    }
    Ok(None)
}

/// Pickles before the numbers of a stream: magic number, protocol, system, the saved object, the order of the numbers.
const PICKLES: usize = 5;

/// What is wrong with a stream, if anything.
fn stream(path: &Path) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_PICKLE).read_to_end(&mut bytes)?;
    let mut rest = &bytes[..];
    for _ in 0..PICKLES {
        let Some(length) = pickle::length(rest) else {
            let reason =
                "its description of the tensors does not end, or is longer than any of a real network";
            return Ok(Some(reason.to_owned()));
        };
        rest = &rest[length..];
    }
    Ok(None)
}

/// Bytes of a record of a tar archive.
const RECORD: u64 = 512;

/// What is wrong with a tar archive, if anything: entries that are no plain files can claim more than they hold.
fn tar(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut at = 0;
    while at + RECORD <= size {
        let mut record = [0; RECORD as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut record)?;
        if record.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if !matches!(record[156], b'0' | 0 | b'5') {
            return Ok(Some("it has an entry that is no plain file".to_owned()));
        }
        let Some(length) = octal(&record[124..136]) else {
            return Ok(Some("an entry has no length".to_owned()));
        };
        let name = &record[..100];
        let holds_tensors = ["storages", "./storages"].iter().any(|own| name.starts_with(own.as_bytes()));
        if !holds_tensors && length > LARGEST_PICKLE {
            return Ok(Some(format!("its description of the tensors takes {length} bytes")));
        }
        at += RECORD + length.div_ceil(RECORD) * RECORD;
    }
    Ok(None)
}

/// A number as tar headers spell it: octal digits, then a blank or zero.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}
