//! Which files of a folder make a data set in IDX: four, named as MNIST's are, with the few freedoms that sets in
//! circulation take.
//!
//! A name is `[set-]split-kind{-|.}idxN{-|.}type[.gz]`, in capital or small letters: `train-images-idx3-ubyte`,
//! `t10k-labels.idx1-ubyte`, `emnist-letters-test-images-idx3-ubyte.gz`. The split is `train`, `t10k` or `test`, the kind
//! `images` or `labels`. Beside them may lie the names of the classes: `classes.txt`, or EMNIST's `[set-]mapping.txt`.

use crate::fashion::set as fashion;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file with the name of a class on each line.
pub(crate) const CLASSES: &str = "classes.txt";

/// How EMNIST's files end that say which letter a label stands for.
const MAPPING: &str = "mapping.txt";

/// The files of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Files {
    /// The folder they are in.
    pub(crate) folder: PathBuf,
    /// What stands before the names of MNIST, `emnist-letters`; mostly nothing.
    pub(crate) prefix: String,
    /// Training images, training labels, test images, test labels: the order of [`fashion::FILES`].
    pub(crate) paths: [PathBuf; 4],
    /// The file that names the classes, if there is one.
    pub(crate) names: Option<ClassFile>,
}

/// A file that names classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ClassFile {
    /// One on each line.
    Lines(PathBuf),
    /// EMNIST's: a label and the codes of the letters it stands for on each line.
    Mapping(PathBuf),
}

/// How well a name fits: of several files for one part the least is taken, MNIST's own name before others, unpacked before
/// packed (it needs no unpacking).
type Rank = (bool, bool, String);

/// The files of the set in `folder`, which must be one; the reason if there is none, or more than one. A set whose names
/// have nothing before them goes before others.
pub(crate) fn in_folder(folder: &Path) -> Result<Files, String> {
    let mut sets: BTreeMap<String, [Option<(Rank, PathBuf)>; 4]> = BTreeMap::new();
    let mut others = Vec::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        match part(&name) {
            // a link counts as what it leads to
            Some((set, part, rank)) if path.is_file() => {
                let place = &mut sets.entry(set).or_default()[part];
                if place.as_ref().is_none_or(|(other, _)| rank < *other) {
                    *place = Some((rank, path));
                }
            }
            _ => others.push(name),
        }
    }
    let lacking = sets.iter().find(|(_, parts)| parts.iter().any(Option::is_none));
    let lacking = lacking.map(|(set, parts)| lacks(set, parts));
    let mut whole: Vec<(String, [PathBuf; 4])> =
        sets.into_iter().filter_map(|(set, parts)| Some((set, complete(parts)?))).collect();
    // sorted by name: one without a name of its own comes first
    if whole.len() > 1 && !whole[0].0.is_empty() {
        let sets: Vec<_> = whole.iter().map(|(set, _)| set.as_str()).collect();
        return Err(format!(
            "holds {} data sets, {}: put the four files of one into a folder of their own",
            sets.len(),
            sets.join(", ")
        ));
    }
    if whole.is_empty() {
        return Err(lacking.unwrap_or_else(|| match others.is_empty() {
            true => "an empty folder".to_owned(),
            false => "none of the files".to_owned(),
        }));
    }
    let (prefix, paths) = whole.swap_remove(0);
    let names = class_names(folder, &prefix, &others);
    Ok(Files { folder: folder.to_owned(), prefix, paths, names })
}

/// Names of what is in a folder, sorted. Names that are no text are none of ours.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let entries = match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => return Err("a file, not a folder".to_owned()),
        Ok(_) => fs::read_dir(folder),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("no such folder".to_owned());
        }
        Err(error) => Err(error),
    };
    let mut names: Vec<String> = entries
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect())
        .map(|names: Vec<_>| names.into_iter().filter_map(|name| name.into_string().ok()).collect())
        .map_err(|error| format!("cannot be read ({error})"))?;
    names.sort_unstable();
    Ok(names)
}

/// Which part of which set a file of this name is.
fn part(name: &str) -> Option<(String, usize, Rank)> {
    let small = name.to_ascii_lowercase();
    let (plain, packed) = small.strip_suffix(".gz").map_or((&small[..], false), |plain| (plain, true));
    let dashed = plain.replace('.', "-");
    let mut words: Vec<&str> = dashed.split('-').collect();
    let [.., split, kind, idx, value] = words[..] else { return None };
    let split = match split {
        "train" => 0,
        "t10k" | "test" => 2,
        _ => return None,
    };
    let kind = match kind {
        "images" => 0,
        "labels" => 1,
        _ => return None,
    };
    let digits = idx.strip_prefix("idx")?;
    if !digits.chars().all(|digit| digit.is_ascii_digit())
        || !["ubyte", "byte", "short", "int", "float", "double"].contains(&value)
    {
        return None;
    }
    words.truncate(words.len() - 4);
    let part = split + kind;
    let usual = !plain.ends_with(fashion::FILES[part].name) || plain.contains('.');
    Some((words.join("-"), part, (usual, packed, name.to_owned())))
}

fn complete(parts: [Option<(Rank, PathBuf)>; 4]) -> Option<[PathBuf; 4]> {
    let [Some(a), Some(b), Some(c), Some(d)] = parts else { return None };
    Some([a.1, b.1, c.1, d.1])
}

/// What is missing of the set.
fn lacks(set: &str, parts: &[Option<(Rank, PathBuf)>; 4]) -> String {
    let before = if set.is_empty() { String::new() } else { format!("{set}-") };
    let missing = fashion::FILES.iter().zip(parts).filter(|(_, part)| part.is_none());
    let missing: Vec<_> = missing.map(|(file, _)| format!("{before}{}", file.name)).collect();
    format!("lacks {} (or .gz)", missing.join(", "))
}

/// The file among `others` that names the classes of `set`.
fn class_names(folder: &Path, set: &str, others: &[String]) -> Option<ClassFile> {
    let mapping = if set.is_empty() { MAPPING.to_owned() } else { format!("{set}-{MAPPING}") };
    let find = |wanted: &str| {
        let name = others.iter().find(|name| name.eq_ignore_ascii_case(wanted))?;
        Some(folder.join(name)).filter(|path| path.is_file())
    };
    find(CLASSES).map(ClassFile::Lines).or_else(|| find(&mapping).map(ClassFile::Mapping))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        folder
    }

    /// The set and the names of its files, or why there is none.
    fn found(names: &[&str]) -> Result<(String, Vec<String>), String> {
        let folder = folder(names);
        let files = in_folder(folder.path())?;
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let names = files.names.iter().map(|names| match names {
            ClassFile::Lines(path) | ClassFile::Mapping(path) => name(path),
        });
        Ok((files.prefix, files.paths.iter().map(name).chain(names).collect()))
    }

    #[test]
    fn the_ways_such_files_are_called_are_understood() {
        for names in [
            [
                "train-images-idx3-ubyte",
                "train-labels-idx1-ubyte",
                "t10k-images-idx3-ubyte",
                "t10k-labels-idx1-ubyte",
            ],
            [
                "train-images.idx3-ubyte",
                "train-labels.idx1-ubyte",
                "t10k-images.idx3-ubyte",
                "t10k-labels.idx1-ubyte",
            ],
            [
                "train-images-idx3-ubyte.gz",
                "train-labels.idx1-ubyte.gz",
                "T10K-IMAGES-IDX3-UBYTE.GZ",
                "test-labels-idx1-ubyte",
            ],
            [
                "train-images-idx4-ubyte",
                "train-labels-idx1-int",
                "test-images.idx4.ubyte",
                "test-labels.idx1.int",
            ],
        ] {
            let (set, files) = found(&names).unwrap();
            assert_eq!((set.as_str(), files), ("", names.map(str::to_owned).to_vec()));
        }
    }

    #[test]
    fn of_two_files_for_one_part_the_usual_name_is_taken_unpacked_before_packed() {
        let usual = fashion::FILES.map(|file| file.name);
        let packed = usual.map(|name| format!("{name}.gz"));
        let dotted = usual.map(|name| name.replace("-idx", ".idx"));
        let mut all: Vec<&str> =
            dotted.iter().map(String::as_str).chain(["test-labels-idx1-ubyte"]).collect();
        assert_eq!(found(&all).unwrap().1, dotted);
        all.extend(packed.iter().map(String::as_str));
        assert_eq!(found(&all).unwrap().1, packed);
        all.extend(usual);
        assert_eq!(found(&all).unwrap().1, usual);
    }

    #[test]
    fn sets_with_a_name_before_are_told_apart() {
        let set =
            |set: &str| fashion::FILES.map(|file| format!("{set}-{}.gz", file.name.replace("t10k", "test")));
        let (letters, digits) = (set("emnist-letters"), set("emnist-digits"));
        let mut names: Vec<&str> = letters.iter().map(String::as_str).collect();
        names.extend(["emnist-letters-mapping.txt", "emnist-digits-mapping.txt"]);
        let (found_set, files) = found(&names).unwrap();
        assert_eq!((found_set.as_str(), files[4].as_str()), ("emnist-letters", "emnist-letters-mapping.txt"));
        names.extend(digits.iter().map(String::as_str));
        let reason = found(&names).unwrap_err();
        assert!(reason.contains("2 data sets, emnist-digits, emnist-letters"), "{reason}");
        // names of the classes go before the mapping, and a set without a name of its own before others
        names.extend(fashion::FILES.map(|file| file.name));
        names.push("Classes.TXT");
        let (found_set, files) = found(&names).unwrap();
        assert_eq!((found_set.as_str(), files[4].as_str()), ("", "Classes.TXT"));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let usual = fashion::FILES.map(|file| file.name);
        assert_eq!(found(&[]).unwrap_err(), "an empty folder");
        assert_eq!(
            found(&["cat.png", "train-images", "train-notes-idx3-ubyte"]).unwrap_err(),
            "none of the files"
        );
        let train_only = found(&usual[..2]).unwrap_err();
        assert_eq!(train_only, "lacks t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (or .gz)");
        let folder = folder(&["file"]);
        assert_eq!(in_folder(&folder.path().join("file")).unwrap_err(), "a file, not a folder");
        assert_eq!(in_folder(&folder.path().join("typo")).unwrap_err(), "no such folder");
    }
}
