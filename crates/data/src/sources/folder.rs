//! A folder for each class, as torchvision's `ImageFolder` reads it, perhaps with a folder for each split around them.
//!
//! Classes are in the order of their names' code points. The pictures of a class are all files at any depth below its folder,
//! in the order of their folders and then of their names. Hidden files and folders are skipped. A symbolic link is followed,
//! but no folder is read twice. Endings of names are not asked.

use super::encoded::FilesBelow;
use super::listing::Listing;
use super::names::NameList;
use super::quick;
use crate::DataError;
use crate::dataset::LeftOut;
use crate::reading::{Part, ReadOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

/// Files that systems leave beside pictures.
const CLUTTER: [&str; 4] = ["Thumbs.db", "desktop.ini", "__MACOSX", "Icon\r"];

/// Why a folder is left out that a link leads to.
const LINK: &str = "a link to a folder that is read already";

/// Whether there is a folder in the folder `place`.
pub(crate) fn is_at(place: &Path) -> bool {
    entries(place).is_ok_and(|entries| entries.iter().any(|entry| entry.path().is_dir()))
}

/// What is below a folder.
struct Below {
    /// The folder that all names are relative to.
    root: PathBuf,
    names: NameList,
    left_out: Vec<LeftOut>,
    /// Folders that were read or will be, by their true paths.
    read: BTreeSet<PathBuf>,
    /// Folders of classes that are read under their own names.
    own: BTreeSet<String>,
}

/// Lists what is below `place`.
pub(crate) fn list(
    place: &Path,
    options: &ReadOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Listing<FilesBelow>, DataError> {
    let source = place.display().to_string();
    let root = only_folder(place)?;
    if root != place {
        tell(&format!("{source}: all of it is in {}", root.display()));
    }
    let mut below = Below {
        root: root.clone(),
        names: NameList::default(),
        left_out: Vec::new(),
        read: BTreeSet::new(),
        own: BTreeSet::new(),
    };
    let inside = below.folders(&root)?;
    let mut splits: BTreeMap<Part, Vec<String>> = BTreeMap::new();
    for name in &inside {
        if let Some(part) = Part::named(name) {
            splits.entry(part).or_default().push(name.clone());
        }
    }
    let has_splits = splits.contains_key(&Part::Train);
    let tops: Vec<(Option<Part>, String)> = match has_splits {
        true => {
            let others: Vec<&str> =
                inside.iter().filter(|name| Part::named(name).is_none()).map(String::as_str).collect();
            if !others.is_empty() {
                tell(&format!("{source}: beside train these folders are ignored: {}", others.join(", ")));
            }
            splits
                .into_iter()
                .flat_map(|(part, names)| names.into_iter().map(move |name| (Some(part), name)))
                .collect()
        }
        false => vec![(None, String::new())],
    };
    // the classes of all splits, before any label is known
    let mut classes = BTreeSet::new();
    let mut folders = Vec::new();
    for (part, top) in tops {
        let names = if top.is_empty() { inside.clone() } else { below.folders(&root.join(&top))? };
        for class in names {
            let path = if top.is_empty() { class.clone() } else { format!("{top}/{class}") };
            classes.insert(class.clone());
            folders.push((part, class, path));
        }
    }
    let classes: Vec<String> = classes.into_iter().collect();
    if classes.is_empty() {
        let reason =
            "has no folder for each class: put the pictures of each class into a folder called as the class";
        return Err(DataError::malformed(&root, reason));
    }
    let (mut labels, mut parts) = (Vec::new(), Vec::new());
    below.claim(&folders)?;
    for (part, class, path) in folders {
        if !below.own.contains(&path) {
            below.leave_out(&root.join(&path), LINK);
            continue;
        }
        below.pictures(&path)?;
        let label = classes.binary_search(&class).unwrap_or_default() as u32;
        labels.resize(below.names.len(), label);
        parts.extend(part.into_iter().cycle().take(below.names.len() - parts.len()));
    }
    below.names.shrink();
    let Below { root, names, left_out, .. } = below;
    let looks = quick::look_at_files(&root, &names, &options.limits);
    Ok(Listing { store: FilesBelow { root }, source, names, looks, labels, parts, classes, left_out })
}

/// The folder that holds something besides one other folder of folders: what an archive is unpacked into has just that.
fn only_folder(place: &Path) -> Result<PathBuf, DataError> {
    let mut place = place.to_owned();
    // no archive is deeper than this for a reason
    for _ in 0..4 {
        let inside = entries(&place)?;
        let [only] = &inside[..] else { break };
        let deeper = only.path();
        let named = only.file_name().to_str().is_some_and(|name| Part::named(name).is_some());
        let folders = deeper.is_dir() && entries(&deeper)?.iter().all(|entry| entry.path().is_dir());
        if named || !folders || entries(&deeper)?.is_empty() {
            break;
        }
        place = deeper;
    }
    Ok(place)
}

/// What is in a folder and is not hidden, in the order of names.
pub(super) fn entries(folder: &Path) -> Result<Vec<DirEntry>, DataError> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("read the folder", folder))? {
        let entry = entry.map_err(DataError::io("read the folder", folder))?;
        let name = entry.file_name();
        let skipped =
            name.as_encoded_bytes().starts_with(b".") || CLUTTER.iter().any(|clutter| name == *clutter);
        if !skipped {
            all.push(entry);
        }
    }
    all.sort_by_key(DirEntry::file_name);
    Ok(all)
}

/// The path of a folder without links in it.
fn true_path(folder: &Path) -> Result<PathBuf, DataError> {
    fs::canonicalize(folder).map_err(DataError::io("find", folder))
}

impl Below {
    /// NameList of the folders in `folder`.
    fn folders(&mut self, folder: &Path) -> Result<Vec<String>, DataError> {
        let mut names = Vec::new();
        for entry in entries(folder)? {
            if !entry.path().is_dir() {
                continue;
            }
            match entry.file_name().into_string() {
                Ok(name) => names.push(name),
                Err(_) => self.leave_out(&entry.path(), "its name is not Unicode (UTF-8); rename it"),
            }
        }
        Ok(names)
    }

    fn leave_out(&mut self, path: &Path, reason: impl Into<String>) {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        self.left_out.push(LeftOut { path: below.to_string_lossy().into_owned(), reason: reason.into() });
    }

    /// Takes the folders of the classes for the classes' own, so that a link to one of them from elsewhere does not. Of a folder
    /// and a link to it the folder is taken.
    fn claim(&mut self, folders: &[(Option<Part>, String, String)]) -> Result<(), DataError> {
        self.read.insert(true_path(&self.root)?);
        let is_link = |path: &str| self.root.join(path).is_symlink();
        let (links, folders): (Vec<&str>, Vec<&str>) =
            folders.iter().map(|(_, _, path)| path.as_str()).partition(|path| is_link(path));
        for path in folders.into_iter().chain(links) {
            if self.read.insert(true_path(&self.root.join(path))?) {
                self.own.insert(path.to_owned());
            }
        }
        Ok(())
    }

    /// Adds the files below `top`, itself below the root.
    fn pictures(&mut self, top: &str) -> Result<(), DataError> {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        let mut to_read = vec![top.to_owned()];
        while let Some(path) = to_read.pop() {
            let folder = self.root.join(&path);
            if path != top && !self.read.insert(true_path(&folder)?) {
                self.leave_out(&folder, LINK);
                continue;
            }
            let inside = match entries(&folder) {
                Ok(inside) => inside,
                Err(error) => {
                    self.leave_out(&folder, error.reason());
                    continue;
                }
            };
            if inside.is_empty() && path != top {
                self.leave_out(&folder, "an empty folder");
            }
            let mut files = Vec::new();
            for entry in inside {
                let full = entry.path();
                let Ok(name) = entry.file_name().into_string() else {
                    self.leave_out(&full, "its name is not Unicode (UTF-8); rename it");
                    continue;
                };
                // of what a link leads to
                match fs::metadata(&full) {
                    Ok(about) if about.is_dir() => to_read.push(format!("{path}/{name}")),
                    Ok(about) if about.is_file() => files.push(name),
                    // a pipe would be waited for without an end
                    Ok(_) => self.leave_out(&full, "neither a file nor a folder"),
                    Err(error) => self.leave_out(&full, format!("cannot be read: {error}")),
                }
            }
            found.push((path, files));
        }
        // as Python sorts the tuples of `os.walk`: by the path of the folder, then by name
        found.sort();
        for (path, files) in found {
            files.iter().for_each(|name| self.names.push(&format!("{path}/{name}")));
        }
        Ok(())
    }
}
