//! WebDataset: tar archives in which a picture and its label follow each other as `key.jpg` and `key.cls` or `key.json`.
//!
//! Archives are never unpacked: what is kept is where in them each picture lies. Labels that all are whole numbers are in their
//! order, and called as `classes.txt` beside the archives says; others are in the order of code points.

mod groups;
mod store;

use self::groups::{Group, is_label, is_picture, key_and_field};
use self::store::{Entries, Entry};
use super::labels::Labelled;
use super::listing::Listing;
use super::names::NameList;
use super::quick;
use super::shards::{self, ShardFile};
use crate::dataset::LeftOut;
use crate::reading::{Part, ReadOptions};
use crate::{DataError, picture};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tar::{Archive, EntryType};

const ENDING: [&str; 1] = ["tar"];
const PACKED: [&str; 7] = ["tar.gz", "tgz", "tar.zst", "tar.xz", "tar.bz2", "tbz2", "txz"];

/// Most bytes of a field that says a label.
const LABEL: u64 = 1 << 20;

pub(crate) fn is_at(place: &Path) -> bool {
    [&ENDING[..], &PACKED].iter().any(|endings| shards::find(place, endings).is_some())
}

/// Lists what is in the archives at `place`.
pub(crate) fn list(
    place: &Path,
    options: &ReadOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Listing<Entries>, DataError> {
    let Some(mut shards) = shards::find(place, &ENDING) else {
        let first = shards::find(place, &PACKED).map(|shards| shards.path(&shards.files[0]));
        return Err(match first {
            Some(path) => shards::packed(&path),
            None => DataError::malformed(place, "holds no file that ends in .tar"),
        });
    };
    shards.only_splits(tell);
    let mut found = Found::default();
    for (index, file) in shards.files.iter().enumerate() {
        found.add(&shards.path(file), file, index as u32, options)?;
    }
    found.names.shrink();
    let Found { names, entries, labels, parts, left_out } = found;
    let paths: Vec<_> = shards.files.iter().map(|file| shards.path(file)).collect();
    let looks = quick::look(entries.len(), |index| {
        let Entry { start, size, shard } = entries[index];
        let path = &paths[shard as usize];
        let mut file = File::open(path).map_err(DataError::io("open", path))?;
        picture::ends_within(&mut file, path, [start, u64::from(size)], &options.limits)
    });
    let Labelled { classes, labels } = Labelled::by_number(&labels, &shards.root)?;
    let store = Entries { root: shards.root, shards: Arc::new(paths), entries };
    let source = place.display().to_string();
    Ok(Listing { store, source, names, looks, labels, parts, classes, left_out })
}

/// What is found in archives.
#[derive(Default)]
struct Found {
    names: NameList,
    entries: Vec<Entry>,
    /// As they are written.
    labels: NameList,
    parts: Vec<Part>,
    left_out: Vec<LeftOut>,
}

impl Found {
    /// Adds what is in an archive. What follows damage in it is left out.
    fn add(
        &mut self,
        path: &Path,
        file: &ShardFile,
        shard: u32,
        options: &ReadOptions,
    ) -> Result<(), DataError> {
        let opened = File::open(path).map_err(DataError::io("open", path))?;
        let len = opened.metadata().map_err(DataError::io("read", path))?.len();
        let column = options.label_column.as_deref();
        let mut archive = Archive::new(opened);
        let mut group = Group::default();
        let entries = archive.entries_with_seek().map_err(DataError::io("read", path))?;
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let after = if group.key.is_empty() { "its start" } else { group.key.as_str() };
                    let reason = format!("damaged after {after}, what follows in it is not read: {error}");
                    self.leave_out(file, "", &reason);
                    break;
                }
            };
            let (start, size) = (entry.raw_file_position(), entry.size());
            let is_file = matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous);
            let Ok(name) = String::from_utf8(entry.path_bytes().into_owned()) else {
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                self.leave_out(file, &name, "its name is not Unicode (UTF-8)");
                continue;
            };
            let Some((key, field)) = key_and_field(&name) else { continue };
            if !is_file {
                if is_picture(&field) {
                    self.leave_out(file, &name, "a link or another thing that is no file");
                }
                continue;
            }
            if key != group.key {
                let before = std::mem::replace(&mut group, Group::new(key));
                self.finish(before, file, column);
            }
            if start.checked_add(size).is_none_or(|end| end > len) {
                self.leave_out(file, &name, "the archive ends inside of it; fetch the archive again");
                break;
            }
            if is_label(&field, column) && size <= LABEL {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(DataError::io("read", path))?;
                group.add_label(&field, &content, column);
            } else if is_picture(&field) {
                match u32::try_from(size) {
                    Ok(size) => group.add_picture(field, Entry { start, size, shard }),
                    Err(_) => self.leave_out(file, &name, "it has more than 4 GiB"),
                }
            } else {
                group.add_other(field);
            }
        }
        self.finish(group, file, column);
        Ok(())
    }

    fn leave_out(&mut self, file: &ShardFile, name: &str, reason: &str) {
        let path = if name.is_empty() { file.path.clone() } else { called(file, name) };
        self.left_out.push(LeftOut { path, reason: reason.to_owned() });
    }

    /// Adds the picture of a group that is whole.
    fn finish(&mut self, group: Group, file: &ShardFile, column: Option<&str>) {
        let key = group.key.clone();
        match group.finish(column) {
            None => {}
            Some(Err(reason)) => self.leave_out(file, &key, &reason),
            Some(Ok(found)) => {
                self.names.push(&called(file, &format!("{key}.{}", found.field)));
                self.entries.push(found.entry);
                self.labels.push(&found.label);
                self.parts.extend(file.part);
            }
        }
    }
}

/// What a picture in an archive is called.
fn called(file: &ShardFile, name: &str) -> String {
    format!("{}/{}", file.path, name.strip_prefix("./").unwrap_or(name))
}
