//! The zip archive that `torch.save` writes since PyTorch 1.6.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ::zip::read::{ArchiveOffset, Config};
use ::zip::{CompressionMethod, ZipArchive};

use super::container::{BIG_ENDIAN, Container, Unread};
use super::mistaken;
use super::storage::{Storages, StoredRange};
use super::unpickle::{self, most_values};

/// An entry of a zip archive.
struct ZipEntry {
    name: String,
    place: StoredRange,
}

/// Opens the archive.
pub(super) fn open(path: &Path) -> Result<Container, Unread> {
    let entries = entries(path)?;
    if let Some((what, advice)) = mistaken::of_archive(entries.iter().map(|entry| entry.name.as_str())) {
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
fn entries(path: &Path) -> Result<Vec<ZipEntry>, Unread> {
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
        let place = StoredRange { at, length: entry.compressed_size(), crc };
        entries.push(ZipEntry { name: entry.name().unwrap_or_default().into_owned(), place });
    }
    let names = || entries.iter().map(|entry| entry.name.as_str());
    if compressed && mistaken::of_archive(names()).is_none() {
        return Err(
            "its entries are compressed, as PyTorch never writes them; unpack it and pack it without compression"
                .into(),
        );
    }
    Ok(entries)
}
