//! Files that commands are told to write: what is there already stays unless it may be replaced.

use crate::exit::usage;
use anyhow::Result;
use std::fs;
use std::path::Path;

/// Refuses a place for a file that is taken. What is no plain file, a folder or a device, is not replaced in any case; a
/// link counts as what it leads to, and as taken if that is nothing.
pub(crate) fn free(path: &Path, overwrite: bool) -> Result<()> {
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(()) };
    let plain = match there.is_symlink() {
        true => fs::metadata(path).map_or(true, |target| target.is_file()),
        false => there.is_file(),
    };
    match (plain, overwrite) {
        (false, _) => Err(usage(format!("{} is there and no file; write to another place", path.display()))),
        (true, false) => Err(usage(format!(
            "{} is there already; --overwrite replaces it, or write to another place",
            path.display()
        ))),
        (true, true) => Ok(()),
    }
}

/// The same for files of these names in a folder, which may be there.
pub(crate) fn free_in(folder: &Path, names: &[&str], overwrite: bool) -> Result<()> {
    match fs::metadata(folder) {
        Ok(there) if !there.is_dir() => free(folder, false),
        _ => names.iter().try_for_each(|name| free(&folder.join(name), overwrite)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.bin");
        free(&file, false).unwrap();
        fs::write(&file, b"a").unwrap();
        assert!(free(&file, false).unwrap_err().to_string().contains("--overwrite"));
        free(&file, true).unwrap();
        assert!(free(folder.path(), true).unwrap_err().to_string().contains("no file"));
        free_in(folder.path(), &["b.bin"], false).unwrap();
        assert!(free_in(folder.path(), &["b.bin", "a.bin"], false).is_err());
        free_in(folder.path(), &["a.bin"], true).unwrap();
        assert!(free_in(&file, &["a.bin"], true).is_err());
        free_in(&folder.path().join("new"), &["a.bin"], false).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn links_and_devices() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, nowhere] = ["a", "b", "c"].map(|name| folder.path().join(name));
        fs::write(&file, b"a").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::os::unix::fs::symlink("none", &nowhere).unwrap();
        for path in [&link, &nowhere] {
            assert!(free(path, false).is_err());
            free(path, true).unwrap();
        }
        assert!(free(Path::new("/dev/null"), true).is_err());
    }
}
