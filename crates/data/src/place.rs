//! Where a data set may lie, and in which order the places are tried.

use crate::files::{self, Files};
use crate::reading::ReadOptions;
use crate::{DataError, fashion, sample};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name of data in IDX files that are not Fashion-MNIST.
pub const IDX: &str = "idx";

/// Which data set is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WantedSet {
    /// Fashion-MNIST, and nothing else under its name.
    Fashion,
    /// Whatever the files are.
    Idx,
    /// Whatever the files are, but not a damaged Fashion-MNIST.
    Any,
}

/// Where Debian's package `dataset-fashion-mnist` installs the set.
const SYSTEM_DIR: &str = "/usr/share/datasets/fashion-mnist";

/// Below each place: the folder itself, the folder `plusx data get` makes, and the one torchvision makes.
const BELOW: [&str; 3] = ["", fashion::NAME, "FashionMNIST/raw"];

/// Where to look for data sets, and how to read them. All are optional; the environment is read by the caller, never here.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct FindOptions {
    /// `--data-dir`: a folder, or a file with a list of pictures or with the pictures themselves. When given it is the only
    /// place: a mistyped folder must not be answered with another one.
    pub data_dir: Option<PathBuf>,
    /// `$PLUSX_DATA`.
    pub env_dir: Option<PathBuf>,
    /// The user's cache folder for plusx, see [`cache_dir`].
    pub cache_dir: Option<PathBuf>,
    /// How a set is read that does not say it itself.
    pub reading: ReadOptions,
}

/// The user's cache folder for plusx by the platform's convention, from a lookup of environment variables
/// (`|name| std::env::var_os(name)` in a program). `None` if the variables it needs are unset or relative.
///
/// `$XDG_CACHE_HOME/plusx`, else `~/.cache/plusx`; on macOS `~/Library/Caches/plusx`; on Windows
/// `%LOCALAPPDATA%\plusx\cache`.
pub fn cache_dir(lookup: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // the XDG specification: a relative path is to be ignored
    let folder = |name: &str| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        folder("LOCALAPPDATA").map(|base| base.join("plusx").join("cache"))
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Caches/plusx"))
    } else {
        folder("XDG_CACHE_HOME")
            .or_else(|| Some(folder("HOME")?.join(".cache")))
            .map(|base| base.join("plusx"))
    }
}

/// The folder that holds the data set `name`, or `None` if it is in none of the places (or is embedded). Only names of files
/// are looked at; [`open`](crate::open) tells what they hold.
///
/// The places are `data_dir` alone if it is given; else `env_dir`, `cache_dir` and
/// `/usr/share/datasets/fashion-mnist`, in this order; of the data set `idx`, `data_dir` alone. In each, the folder itself,
/// `fashion-mnist` and `FashionMNIST/raw` below it are tried; a folder counts if all four files are in it, plain or `.gz`:
/// training and test images and labels, called as MNIST's (`train-images-idx3-ubyte`), also with a dot before `idx`, with
/// `test` for `t10k`, in capital letters, or with the name of a set before (`emnist-letters-train-images-idx3-ubyte`).
pub fn locate(name: &str, options: &FindOptions) -> Option<PathBuf> {
    let wanted = match name {
        fashion::NAME => WantedSet::Fashion,
        IDX => WantedSet::Idx,
        _ => return None,
    };
    find(wanted, options).ok().map(|files| files.folder)
}

/// The files of the set, or the reason if no place has them.
pub(crate) fn find(wanted: WantedSet, options: &FindOptions) -> Result<Files, DataError> {
    find_with_system(wanted, options, Path::new(SYSTEM_DIR))
}

fn find_with_system(wanted: WantedSet, options: &FindOptions, system: &Path) -> Result<Files, DataError> {
    let places = match &options.data_dir {
        _ if wanted != WantedSet::Fashion => vec![("--data-dir", options.data_dir.as_deref())],
        Some(folder) => vec![("--data-dir", Some(folder.as_path()))],
        None => vec![
            ("$PLUSX_DATA", options.env_dir.as_deref()),
            ("cache folder", options.cache_dir.as_deref()),
            ("system folder", Some(system)),
        ],
    };
    let mut looked = Vec::new();
    for (label, place) in places {
        let Some(place) = place else {
            looked.push(format!("{label}: not set"));
            continue;
        };
        match in_place(place) {
            Ok(found) => return Ok(found),
            Err(reason) => looked.push(format!("{label} {}: {reason}", place.display())),
        }
    }
    let (name, ways) = match wanted {
        WantedSet::Fashion => (fashion::NAME, ways()),
        WantedSet::Idx => (IDX, vec![own_folder()]),
        WantedSet::Any => ("the data set", ways()),
    };
    Err(DataError::NotFound { name: name.to_owned(), looked, ways })
}

/// Whether `place` is meant for IDX: all of its files are there, or some.
pub(crate) fn is_idx(place: &Path) -> bool {
    in_place(place).map_or_else(|reason| reason.starts_with("lacks"), |_| true)
}

/// The files of a folder at or below `place` that has all of them, or why there is none.
fn in_place(place: &Path) -> Result<Files, String> {
    let mut reason = None;
    for below in BELOW {
        let folder = if below.is_empty() { place.to_owned() } else { place.join(below) };
        if !below.is_empty() && !folder.is_dir() {
            continue;
        }
        match files::in_folder(&folder) {
            Ok(files) => return Ok(files),
            // of several the one that says most: what is below has some of the files, or nothing has
            Err(said) if reason.is_none() || said.starts_with("lacks") => reason = Some(said),
            Err(_) => {}
        }
    }
    Err(reason.unwrap_or_default())
}

fn ways() -> Vec<String> {
    let known = [
        "plusx data get fashion-mnist, or plusx train --download (31 MB from the network; --mirror URL for another server)"
            .to_owned(),
        "on Debian and Ubuntu: apt-get install dataset-fashion-mnist".to_owned(),
        own_folder(),
        format!("--data {}: the sample inside this program", sample::NAME),
    ];
    known.to_vec()
}

fn own_folder() -> String {
    "--data-dir PLACE: four IDX files (plain or .gz), a folder of pictures for each class, a table (.csv) of paths and \
     labels, CIFAR's binary files, Parquet files, or a WebDataset's tar archives"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn put_set(folder: &Path, suffix: &str) {
        fs::create_dir_all(folder).unwrap();
        for file in fashion::FILES {
            fs::write(folder.join(format!("{}{suffix}", file.name)), b"").unwrap();
        }
    }

    #[test]
    fn places_are_tried_in_order() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let options = FindOptions {
            data_dir: None,
            env_dir: Some(at("env")),
            cache_dir: Some(at("cache")),
            ..FindOptions::default()
        };
        let find = |options: &FindOptions| {
            find_with_system(WantedSet::Fashion, options, &at("system")).map(|files| files.folder)
        };

        assert!(find(&options).unwrap_err().is_not_found());
        put_set(&at("system"), ".gz");
        assert_eq!(find(&options).unwrap(), at("system"));
        put_set(&at("cache/fashion-mnist"), ".gz");
        assert_eq!(find(&options).unwrap(), at("cache/fashion-mnist"));
        put_set(&at("env/FashionMNIST/raw"), "");
        assert_eq!(find(&options).unwrap(), at("env/FashionMNIST/raw"));
        put_set(&at("own"), "");
        assert_eq!(find(&FindOptions { data_dir: Some(at("own")), ..options.clone() }).unwrap(), at("own"));
    }

    #[test]
    fn a_given_folder_is_the_only_place() {
        let root = tempfile::tempdir().unwrap();
        put_set(&root.path().join("system"), "");
        let options = FindOptions { data_dir: Some(root.path().join("typo")), ..FindOptions::default() };
        let error = find_with_system(WantedSet::Fashion, &options, &root.path().join("system")).unwrap_err();
        assert!(error.is_not_found());
        let text = error.to_string();
        assert!(text.contains("typo: no such folder") && text.contains("apt-get install"), "{text}");
    }

    #[test]
    fn an_incomplete_folder_says_what_it_lacks() {
        let root = tempfile::tempdir().unwrap();
        put_set(root.path(), ".gz");
        fs::remove_file(root.path().join("t10k-labels-idx1-ubyte.gz")).unwrap();
        let options = FindOptions { data_dir: Some(root.path().to_owned()), ..FindOptions::default() };
        let text = find(WantedSet::Fashion, &options).unwrap_err().to_string();
        assert!(text.contains("lacks t10k-labels-idx1-ubyte (or .gz)"), "{text}");
        assert_eq!(locate("imagenet", &options), None);
    }

    #[test]
    fn data_without_a_name_have_no_place_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        put_set(root.path(), "");
        let elsewhere = FindOptions { env_dir: Some(root.path().to_owned()), ..FindOptions::default() };
        let text = find(WantedSet::Idx, &elsewhere).unwrap_err().to_string();
        assert!(text.contains("idx was not found") && text.contains("--data-dir PLACE"), "{text}");
        let given = FindOptions { data_dir: Some(root.path().to_owned()), ..FindOptions::default() };
        assert_eq!(locate(IDX, &given).as_deref(), Some(root.path()));
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_cache_follows_xdg() {
        let with = |pairs: &'static [(&str, &str)]| {
            cache_dir(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.into()))
        };
        assert_eq!(with(&[("HOME", "/home/a"), ("XDG_CACHE_HOME", "/c")]).unwrap(), Path::new("/c/plusx"));
        assert_eq!(
            with(&[("HOME", "/home/a"), ("XDG_CACHE_HOME", "c")]).unwrap(),
            Path::new("/home/a/.cache/plusx")
        );
        assert_eq!(with(&[("HOME", "/home/a")]).unwrap(), Path::new("/home/a/.cache/plusx"));
        assert_eq!(with(&[]), None);
    }
}
