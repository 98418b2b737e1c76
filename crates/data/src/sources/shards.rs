//! Files that together are one data set, as Parquet and WebDataset have them: `train-00000-of-00002.parquet`,
//! `validation-000000.tar`.
//!
//! They lie in the folder that is given, in its folder `data`, in folders called as the splits, or in the only folder that
//! there is. A file beside folders, whose name says no split, is none of them. The split is a word of the file's name, else the name of its folder.

use super::folder::entries;
use crate::DataError;
use crate::reading::Part;
use std::path::{Path, PathBuf};

/// Folders inside of each other that are gone into where there is no other way.
const DEPTH: usize = 3;

/// The files of a data set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shards {
    /// What their paths are relative to.
    pub(crate) root: PathBuf,
    /// Not empty; in the order of their splits and then of their paths.
    pub(crate) files: Vec<ShardFile>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ShardFile {
    /// `None` for all of them if they come as one.
    pub(crate) part: Option<Part>,
    /// Below the root, with `/` between the parts.
    pub(crate) path: String,
}

/// The files with one of these endings, which have no dot before, at `place`; `None` if it has none.
pub(crate) fn find(place: &Path, endings: &[&str]) -> Option<Shards> {
    if place.is_file() {
        let name = place.file_name()?.to_str().filter(|name| ends_in(name, endings))?;
        let root = place.parent().filter(|root| !root.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let files = vec![ShardFile { part: None, path: name.to_owned() }];
        return Some(Shards { root: root.to_owned(), files });
    }
    let mut root = place.to_owned();
    for _ in 0..DEPTH {
        let mut files = Vec::new();
        let mut folders = Vec::new();
        for name in names(&root) {
            match root.join(&name).is_dir() {
                true => folders.push(name),
                false => files.push(name),
            }
        }
        let below = |folder: &String| {
            let mut below = names(&root.join(folder));
            below.retain(|name| ends_in(name, endings));
            below.into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<String>>()
        };
        let is_split = |folder: &&String| Part::named(folder).is_some();
        // the archive that the folders beside it were unpacked from is no shard
        let unpacked = folders.iter().filter(is_split).any(|folder| below(folder).is_empty());
        let counts = |name: &str| folders.is_empty() || (!unpacked && part_of(name).is_some());
        files.retain(|name| ends_in(name, endings) && counts(name));
        let known = folders.iter().filter(|folder| folder.as_str() == "data" || is_split(folder));
        files.extend(known.flat_map(below).collect::<Vec<String>>());
        if !files.is_empty() {
            let mut files: Vec<ShardFile> =
                files.into_iter().map(|path| ShardFile { part: part_of(&path), path }).collect();
            files.sort();
            return Some(Shards { root, files });
        }
        let [only] = &folders[..] else { return None };
        root.push(only);
    }
    None
}

/// NameList of what is in a folder; those that are not Unicode are nobody's shards.
fn names(folder: &Path) -> Vec<String> {
    let entries = entries(folder).unwrap_or_default();
    entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether the name ends so, in capital or small letters.
pub(crate) fn ends_in(name: &str, endings: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    endings.iter().any(|ending| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.')))
}

/// The split that a file's name or its folder's says.
fn part_of(path: &str) -> Option<Part> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let words = name.split(['-', '_', '.']);
    let named = |word: &str| Part::named(word.trim_end_matches(|mark: char| mark.is_ascii_digit()));
    words.into_iter().find_map(named).or_else(|| Part::named(folder))
}

impl Shards {
    /// Leaves files of no split away where others are of one.
    pub(crate) fn only_splits(&mut self, tell: &mut dyn FnMut(&str)) {
        if self.files.iter().all(|file| file.part.is_none()) {
            return;
        }
        let (kept, ignored): (Vec<ShardFile>, Vec<ShardFile>) =
            std::mem::take(&mut self.files).into_iter().partition(|file| file.part.is_some());
        self.files = kept;
        if !ignored.is_empty() {
            let ignored: Vec<&str> = ignored.iter().map(|file| file.path.as_str()).collect();
            tell(&format!(
                "{}: files whose names say no split are ignored beside those that do: {}",
                self.root.display(),
                ignored.join(", ")
            ));
        }
    }

    /// Whole path of a file.
    pub(crate) fn path(&self, file: &ShardFile) -> PathBuf {
        self.root.join(&file.path)
    }
}

/// Refuses a file that is packed as a whole.
pub(crate) fn packed(path: &Path) -> DataError {
    DataError::malformed(
        path,
        "a packed archive; unpack it first: `tar -xf` for an archive of files, `gunzip` for shards of a WebDataset; then \
         give the folder with what was in it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn found(paths: &[&str]) -> Option<(PathBuf, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let shards = find(folder.path(), &["parquet"])?;
        let said = |file: &ShardFile| format!("{} {}", file.part.map_or("-", Part::name), file.path);
        let root = shards.root.strip_prefix(folder.path()).unwrap().to_owned();
        Some((root, shards.files.iter().map(said).collect()))
    }

    #[test]
    fn shards_are_found_where_the_hub_keeps_them() {
        for (paths, root, wanted) in [
            (
                &["validation-00000-of-00001.parquet", "train-00001-of-00002.parquet", "README.md"][..],
                "",
                &["train train-00001-of-00002.parquet", "val validation-00000-of-00001.parquet"][..],
            ),
            (&["data/test-0.PARQUET", "images/a.png"], "", &["test data/test-0.PARQUET"]),
            (&["default/train/0000.parquet", ".git/x"], "default", &["train train/0000.parquet"]),
            (&["plain_text/imagenet1k-train0.parquet"], "plain_text", &["train imagenet1k-train0.parquet"]),
            (&["contest.parquet", "all.parquet"], "", &["- all.parquet", "- contest.parquet"]),
        ] {
            assert_eq!(found(paths).unwrap(), (root.into(), wanted.iter().map(|&w| w.to_owned()).collect()));
        }
        // an archive beside what was in it
        assert_eq!(found(&["photos.parquet", "cats/1.png", "dogs/1.png"]), None);
        assert_eq!(found(&["train.parquet", "train/cats/1.png", "val/cats/1.png"]), None);
        assert_eq!(found(&["cats/1.parquet", "dogs/2.parquet"]), None);
        assert_eq!(found(&["train/cats/1.parquet", "val/cats/2.parquet"]), None);
        assert_eq!(found(&["parquet", "x.parquet.tmp"]), None);
    }
}
