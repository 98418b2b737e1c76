//! Where a data set may lie, and in which order the places are tried.

use crate::{DataError, dataset, fashion, sample};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where Debian's package `dataset-fashion-mnist` installs the set.
const SYSTEM_DIR: &str = "/usr/share/datasets/fashion-mnist";

/// Below each place: the folder itself, the folder `plusx data get` makes, and the one torchvision makes.
const BELOW: [&str; 3] = ["", fashion::NAME, "FashionMNIST/raw"];

/// Where to look for data sets. All are optional; the environment is read by the caller, never here.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct FindOptions {
    /// `--data-dir`. When given it is the only place: a mistyped folder must not be answered with another one.
    pub data_dir: Option<PathBuf>,
    /// `$PLUSX_DATA`.
    pub env_dir: Option<PathBuf>,
    /// The user's cache folder for plusx, see [`cache_dir`].
    pub cache_dir: Option<PathBuf>,
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

/// The folder that holds the data set `name`, or `None` if it is in none of the places (or is embedded).
///
/// The places are `data_dir` alone if it is given; else `env_dir`, `cache_dir` and
/// `/usr/share/datasets/fashion-mnist`, in this order. In each, the folder itself, `fashion-mnist` and
/// `FashionMNIST/raw` below it are tried; a folder counts if all four files are in it, plain or `.gz`.
pub fn locate(name: &str, options: &FindOptions) -> Option<PathBuf> {
    find(name, options).ok()
}

/// As [`locate`], with the reason if there is no such folder.
pub(crate) fn find(name: &str, options: &FindOptions) -> Result<PathBuf, DataError> {
    find_with_system(name, options, Path::new(SYSTEM_DIR))
}

fn find_with_system(name: &str, options: &FindOptions, system: &Path) -> Result<PathBuf, DataError> {
    if name != fashion::NAME {
        return Err(dataset::unknown(name));
    }
    let places = match &options.data_dir {
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
            Ok(folder) => return Ok(folder),
            Err(reason) => looked.push(format!("{label} {}: {reason}", place.display())),
        }
    }
    Err(DataError::NotFound { name: name.to_owned(), looked, ways: ways() })
}

/// The folder at or below `place` with all files, or why there is none.
fn in_place(place: &Path) -> Result<PathBuf, String> {
    if !place.is_dir() {
        return Err("no such folder".to_owned());
    }
    let mut reason = "none of the files".to_owned();
    for below in BELOW {
        let folder = if below.is_empty() { place.to_owned() } else { place.join(below) };
        let missing: Vec<_> = fashion::FILES
            .iter()
            .filter(|file| file.in_folder(&folder).is_none())
            .map(|file| file.name)
            .collect();
        match missing.len() {
            0 => return Ok(folder),
            n if n < fashion::FILES.len() => reason = format!("lacks {} (or .gz)", missing.join(", ")),
            _ => {}
        }
    }
    Err(reason)
}

fn ways() -> Vec<String> {
    let known = [
        "plusx data get fashion-mnist, or plusx train --download (31 MB from the network; --mirror URL for another server)"
            .to_owned(),
        "on Debian and Ubuntu: apt-get install dataset-fashion-mnist".to_owned(),
        "--data-dir FOLDER with the four IDX files, plain or .gz".to_owned(),
        format!("--data {}: the sample inside this program", sample::NAME),
    ];
    known.to_vec()
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
        let options = FindOptions { data_dir: None, env_dir: Some(at("env")), cache_dir: Some(at("cache")) };
        let find = |options: &FindOptions| find_with_system(fashion::NAME, options, &at("system"));

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
        let error = find_with_system(fashion::NAME, &options, &root.path().join("system")).unwrap_err();
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
        let text = find(fashion::NAME, &options).unwrap_err().to_string();
        assert!(text.contains("lacks t10k-labels-idx1-ubyte (or .gz)"), "{text}");
        assert!(find("imagenet", &options).unwrap_err().to_string().contains("fashion-mnist-mini"));
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
