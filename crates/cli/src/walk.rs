//! The files in a folder and the folders in it, in order. One odd entry does not end the walk: it is found like the others, as
//! something that could not be looked at.

use crate::exit::{bad_file, not_there};
use crate::kinds;
use crate::spelled;
use anyhow::Error;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What a walk comes upon.
#[derive(Debug)]
pub(crate) enum WalkEntry {
    /// A picture, by its name or by its content.
    Picture(PathBuf),
    /// Another file, and its kind, as [`kinds::SkippedKinds`] counts them.
    LeftOut(String),
    /// Something that is left out and is no file of a kind: a line about it.
    Odd(String),
    /// What may be a picture, or a folder of them, and cannot be looked at.
    Failed(Error),
}

/// Goes through a folder, depth first, names in order, hidden ones left out. Pipes, sockets and devices are not opened. Links
/// are followed, but to a folder only once, and not where its pictures are found without the link: neither a circle of
/// links nor a few links to each other make more of the pictures than there are.
///
/// The folders that are open lie on a stack of this struct: however deep they are, the thread's own is not used. At a
/// depth where names become too long for the system (4096 bytes on Linux) a folder is one that cannot be read.
pub(crate) struct Walk {
    /// The folder searched, without links in its path; nothing if the system does not tell.
    root: Option<PathBuf>,
    open: Vec<Folder>,
    entered: HashSet<Identity>,
    /// To be told before the walk goes on.
    next: Option<WalkEntry>,
}

/// A folder whose entries are being gone through.
struct Folder {
    path: PathBuf,
    entries: std::vec::IntoIter<Entry>,
    /// Whether a link leads here.
    linked: bool,
}

/// A name in a folder; none for an entry that the system could not read.
type Entry = (OsString, io::Result<FileType>);

/// What two names of one folder have in common.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    #[cfg(unix)]
    Number { device: u64, inode: u64 },
    #[cfg(not(unix))]
    Path(PathBuf),
}

impl Walk {
    /// A walk through `folder`; the empty path is the folder one stands in.
    pub(crate) fn new(folder: &Path) -> Self {
        let root = fs::canonicalize(here(folder)).ok();
        let mut walk = Self { root, open: Vec::new(), entered: HashSet::new(), next: None };
        walk.next = walk.enter(folder.to_owned(), false);
        walk
    }

    /// Opens a folder; what there is to say if that cannot be or need not be.
    fn enter(&mut self, path: PathBuf, linked: bool) -> Option<WalkEntry> {
        // numbers of folders are not unique on some network file systems: only where links lead do they decide
        let fresh = identity(&path).is_none_or(|found| self.entered.insert(found));
        if linked && !fresh {
            let folder = spelled::path(&path);
            return Some(WalkEntry::Odd(format!(
                "{folder}: a folder that was entered before by another name; left out"
            )));
        }
        let entries = match fs::read_dir(here(&path)) {
            Ok(entries) => entries,
            Err(error) => return Some(refused("read", here(&path), error)),
        };
        let mut named: Vec<Entry> = entries
            .map(|entry| match entry {
                Ok(entry) => (entry.file_name(), entry.file_type()),
                Err(error) => (OsString::new(), Err(error)),
            })
            .filter(|(name, _)| !is_hidden(name.as_encoded_bytes()))
            .collect();
        named.sort_by(|one, other| one.0.cmp(&other.0));
        self.open.push(Folder { path, entries: named.into_iter(), linked });
        None
    }

    /// What one entry is; nothing for a folder that is now open.
    fn look(&mut self, path: PathBuf, found: io::Result<FileType>, linked: bool) -> Option<WalkEntry> {
        let kind = match found {
            Ok(kind) => kind,
            Err(error) => return Some(refused("read", &path, error)),
        };
        if kind.is_dir() {
            return self.enter(path, linked);
        }
        if !kind.is_symlink() {
            return Some(file(path, kind));
        }
        match fs::metadata(&path) {
            Ok(target) if target.is_dir() => self.follow(path),
            Ok(target) => Some(file(path, target.file_type())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let link = spelled::path(&path);
                Some(WalkEntry::Failed(not_there(format!("{link}: a link to what is not there"))))
            }
            Err(error) => Some(refused("follow the link", &path, error)),
        }
    }

    /// A link to a folder.
    fn follow(&mut self, link: PathBuf) -> Option<WalkEntry> {
        let target = fs::canonicalize(&link).ok();
        let inside = target.as_deref().zip(self.root.as_deref());
        let inside = inside.and_then(|(target, root)| target.strip_prefix(root).ok());
        let hidden = |path: &Path| path.iter().any(|name| is_hidden(name.as_encoded_bytes()));
        match inside {
            Some(inside) if !hidden(inside) => Some(WalkEntry::Odd(format!(
                "{}: a link to a folder of this very search; left out, its pictures are found there",
                spelled::path(&link)
            ))),
            _ => self.enter(link, true),
        }
    }
}

impl Iterator for Walk {
    type Item = WalkEntry;

    fn next(&mut self) -> Option<WalkEntry> {
        loop {
            if let Some(found) = self.next.take() {
                return Some(found);
            }
            let folder = self.open.last_mut()?;
            let Some((name, kind)) = folder.entries.next() else {
                self.open.pop();
                continue;
            };
            let (path, linked) = (folder.path.join(name), folder.linked);
            self.next = self.look(path, kind, linked);
        }
    }
}

/// What is in the folder that one stands in goes by its name alone, and the folder itself by none.
pub(crate) fn here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Whether a name is one of those that are not shown unless asked for.
pub(crate) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

/// Something that is no folder, itself or behind a link.
fn file(path: PathBuf, kind: FileType) -> WalkEntry {
    if !kind.is_file() {
        return unopened(&path, kind);
    }
    match kinds::left_out_as(&path) {
        Ok(None) => WalkEntry::Picture(path),
        Ok(Some(kind)) => WalkEntry::LeftOut(kind),
        Err(error) => refused("read", &path, error),
    }
}

/// A pipe, a socket or a device that nobody named: opening one may wait forever.
pub(crate) fn unopened(path: &Path, kind: FileType) -> WalkEntry {
    let text = format!("{}: {}, not a file; it was not opened", spelled::path(path), other(kind));
    // what goes by the name of a picture was meant to be answered
    let called_picture = path.file_name().is_some_and(kinds::is_called_picture);
    if called_picture { WalkEntry::Failed(bad_file(text)) } else { WalkEntry::Odd(text) }
}

fn refused(action: &str, path: &Path, error: io::Error) -> WalkEntry {
    WalkEntry::Failed(Error::new(error).context(format!("cannot {action} {}", spelled::path(path))))
}

#[cfg(unix)]
fn other(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        _ if kind.is_fifo() => "a named pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn other(_: FileType) -> &'static str {
    "a device"
}

#[cfg(unix)]
fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let number = |found: fs::Metadata| Identity::Number { device: found.dev(), inode: found.ino() };
    fs::metadata(here(folder)).map(number).ok()
}

#[cfg(not(unix))]
fn identity(folder: &Path) -> Option<Identity> {
    fs::canonicalize(here(folder)).map(Identity::Path).ok()
}

#[cfg(test)]
mod tests;
