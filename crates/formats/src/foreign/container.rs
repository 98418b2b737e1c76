//! The three containers of `torch.save`: what was saved, as a pickle, and where the numbers of its tensors lie.
//!
//! A few kilobytes must not become gigabytes. `torch.save` never compressed anything, so an archive of another make is
//! refused; what a file says about sizes is held against its length.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::numbers::Type;
use super::pickle::{Id, Pickle, Value};
use super::storage::{Place, Storages, View};
use super::unpickle::{self, most_values};
use super::{Kind, kinds, tar};
use crate::error::FormatError;

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

/// Opens a file of one of PyTorch's kinds.
pub(super) fn open(path: &Path, kind: Kind) -> Result<Container, FormatError> {
    let opened = match kind {
        Kind::TorchStream => stream(path),
        Kind::TorchTar => tar::open(path),
        _ => zip(path),
    };
    opened.map_err(|error| error.of(path, kind))
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
    fn of(self, path: &Path, kind: Kind) -> FormatError {
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

const BIG_ENDIAN: &str = "its numbers have their highest byte first, as a machine of another kind wrote them; load it with \
                          PyTorch and save it again";

/// An entry of a zip archive.
struct Entry {
    name: String,
    place: Place,
}

fn zip(path: &Path) -> Result<Container, Unread> {
    let entries = entries(path)?;
    if let Some((what, advice)) = kinds::of_archive(entries.iter().map(|entry| entry.name.as_str())) {
        return Err(Unread::Other(what, advice));
    }
    let root = |name: &'_ str| {
        let root = name.strip_suffix("data.pkl")?;
        (root.is_empty() || root.ends_with('/')).then(|| root.to_owned())
    };
    let Some((saved, root)) = entries.iter().find_map(|entry| Some((entry, root(&entry.name)?))) else {
        return Err("the description of its tensors (data.pkl) is missing".into());
    };
    let mut storages = Storages::of(path)?;
    let inside = |name: &str| entries.iter().find(|entry| entry.name.strip_prefix(&*root) == Some(name));
    if let Some(order) = inside("byteorder")
        && storages.bytes(order.place.at, order.place.length.min(6)).is_ok_and(|order| order == b"big")
    {
        return Err(BIG_ENDIAN.into());
    }
    let bytes = storages.bytes(saved.place.at, saved.place.length).map_err(|error| match error {
        Ok(error) => Unread::Io(error),
        Err(reason) => Unread::Broken(reason),
    })?;
    if saved.place.crc.is_some_and(|crc| crc32fast::hash(&bytes) != crc) {
        return Err(
            "its description of the tensors is damaged: the checksum is not what the file says".into()
        );
    }
    let saved = unpickle::read(&mut &bytes[..], most_values(storages.size()))?;
    for entry in &entries {
        let key = entry.name.strip_prefix(&*root).and_then(|name| name.strip_prefix("data/"));
        if let Some(key) = key {
            storages.places.insert(key.to_owned(), entry.place);
        }
    }
    Ok(Container { saved, storages, tensors: HashMap::new() })
}

/// The entries of an archive, none of them compressed unless it is no archive of `torch.save`.
fn entries(path: &Path) -> Result<Vec<Entry>, Unread> {
    let damaged = "it is not a whole zip archive: the list of its entries at the end is missing or damaged; the file may \
                   have been cut short, say by a download that was broken off";
    // nothing stands before the archive. Left to find that out, the reader takes the second entry of the list for the first
    // where that has as many bytes as the two records which PyTorch writes behind the list: names of 21 characters do that
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, BufReader::new(File::open(path)?))
        .map_err(|_| Unread::from(damaged))?;
    let (mut entries, mut compressed) = (Vec::new(), false);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|_| Unread::from(damaged))?;
        compressed |= entry.compression() != CompressionMethod::Stored;
        if entry.compression() == CompressionMethod::Stored && entry.size() != entry.compressed_size() {
            return Err("the sizes of an entry contradict each other".into());
        }
        // 0 where none was computed
        let crc = Some(entry.crc32()).filter(|crc| *crc != 0);
        let at = entry.data_start().ok_or_else(|| Unread::from(damaged))?;
        let place = Place { at, length: entry.compressed_size(), crc };
        entries.push(Entry { name: entry.name().unwrap_or_default().into_owned(), place });
    }
    let names = || entries.iter().map(|entry| entry.name.as_str());
    if compressed && kinds::of_archive(names()).is_none() {
        return Err(
            "its entries are compressed, as PyTorch never writes them; unpack it and pack it without compression"
                .into(),
        );
    }
    Ok(entries)
}

/// What the protocol's number is in every stream.
const PROTOCOL: i64 = 1001;

fn stream(path: &Path) -> Result<Container, Unread> {
    let mut storages = Storages::of(path)?;
    let most = most_values(storages.size());
    let mut file = BufReader::new(File::open(path)?);
    // the magic number, which told the kind of the file
    unpickle::read(&mut file, most)?;
    let protocol = unpickle::read(&mut file, most)?;
    if protocol.int(protocol.root) != Some(PROTOCOL) {
        return Err("its protocol is none that is known".into());
    }
    let system = unpickle::read(&mut file, most)?;
    if !is_little_endian(&system)? {
        return Err(BIG_ENDIAN.into());
    }
    let saved = unpickle::read(&mut file, most)?;
    let keys = unpickle::read(&mut file, most)?;
    let sizes = sizes(&saved);
    let Some(order) = keys.sequence(keys.root) else {
        return Err("the list of its storages is none".into());
    };
    for key in order {
        let key = key_of(&keys, *key).ok_or("a storage has no name")?;
        let size = *sizes.get(&key).ok_or_else(|| format!("no tensor uses storage {key}"))?;
        let place = next(&mut file, size, storages.size())?;
        storages.places.insert(key, place);
    }
    Ok(Container { saved, storages, tensors: HashMap::new() })
}

/// The storage that begins here: how many numbers of `size` bytes it has, then these, which are stepped over. It must lie
/// before `end`.
pub(super) fn next(file: &mut BufReader<File>, size: usize, end: u64) -> Result<Place, Unread> {
    let mut count = [0; 8];
    file.read_exact(&mut count)?;
    let (at, length) = (file.stream_position()?, u64::from_le_bytes(count).checked_mul(size as u64));
    match length.and_then(|length| Some((length, at.checked_add(length)?))) {
        Some((length, behind)) if behind <= end => {
            file.seek(SeekFrom::Start(behind))?;
            Ok(Place { at, length, crc: None })
        }
        _ => Err("it ends before its numbers do; the file may have been cut short".into()),
    }
}

/// Whether the machine that wrote a file had the lowest byte of a number first.
pub(super) fn is_little_endian(system: &Pickle) -> Result<bool, Unread> {
    let items = system.items(system.root).unwrap_or_default();
    let order = items.into_iter().find(|(key, _)| system.text(*key) == Some("little_endian"));
    match order.map(|(_, value)| system.get(value)) {
        Some(Value::Bool(order)) => Ok(*order),
        _ => Err("it does not say in which order the bytes of its numbers are".into()),
    }
}

/// Bytes of a number in each storage that a pickle refers to.
fn sizes(saved: &Pickle) -> HashMap<String, usize> {
    let outside = saved.values.iter().filter_map(|value| match value {
        Value::Outside(id) => saved.sequence(*id),
        _ => None,
    });
    let storages = outside.filter_map(|parts| match parts {
        [tag, class, key, ..] if saved.text(*tag) == Some("storage") => {
            let size = Type::of_storage(&saved.class(*class)?.name)?.size;
            Some((key_of(saved, *key)?, size))
        }
        _ => None,
    });
    storages.collect()
}

/// The name of a storage or a tensor: a text or a number.
pub(super) fn key_of(pickle: &Pickle, id: Id) -> Option<String> {
    match pickle.get(id) {
        Value::Text(text) => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
