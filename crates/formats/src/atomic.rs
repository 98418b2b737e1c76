//! Writing a file so that, whenever the power fails, either the old contents or the new ones are there, whole.
//!
//! The steps: write a temporary file beside the target, flush it to the disk, rename it over the target (one atomic
//! step for the file system), flush the folder that holds the name. A failed write removes the temporary file and
//! leaves the target alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::FormatError;

/// Puts `bytes` into the file `path`, replacing what is there.
///
/// # Errors
/// [`FormatError::Write`] with the name of the file, for instance on a full disk; the old contents are untouched.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    write_with(path, |file| file.write_all(bytes))
}

/// As [`write()`], with what `fill` writes, so that it need not be in memory all at once.
///
/// # Errors
/// Those of [`write()`]; what `fill` fails with.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), FormatError> {
    let temporary = temporary_name(path);
    write_new(&temporary, fill).and_then(|()| fs::rename(&temporary, path)).map_err(|source| {
        // the write has failed already: a leftover file is the lesser trouble
        let _ = fs::remove_file(&temporary);
        FormatError::write(path, source)
    })?;
    sync_folder(path).map_err(|source| FormatError::write(path, source))
}

/// `.last.safetensors.tmp` beside `last.safetensors`: one writer at a time (the run's lock) needs one name, and a
/// leftover of a killed process is overwritten, not collected.
fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

fn write_new(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    fill(&mut file)?;
    file.sync_all()
}

/// Flushes the folder that holds `path`, so that the new name survives too.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match File::open(folder)?.sync_all() {
        Err(error) if knows_no_sync(&error) => Ok(()),
        result => result,
    }
}

/// Whether a file system refuses to flush a folder because it has no such thing (some network and FUSE ones): the
/// file itself is flushed and has its name, and there is nothing more to be had.
#[cfg(unix)]
fn knows_no_sync(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

/// Elsewhere a folder cannot be opened as a file; the rename itself is what there is.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_leftover_of_a_killed_writer_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(temporary_name(&path), b"half of somethi").unwrap();
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_names_the_file_and_keeps_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"old").unwrap();
        // a folder in the way of the temporary file
        fs::create_dir(temporary_name(&path)).unwrap();
        let error = write(&path, b"new").unwrap_err();
        assert!(error.to_string().contains("a.bin"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_that_cannot_be_flushed_is_no_failure() {
        // the kernel's own files refuse `fsync` as such file systems do
        let error = File::open("/proc/self").and_then(|folder| folder.sync_all()).unwrap_err();
        assert!(knows_no_sync(&error), "{error}");
        sync_folder(Path::new("/proc/self/status")).unwrap();
        // a disk that fails is another matter
        assert!(!knows_no_sync(&io::Error::from(io::ErrorKind::StorageFull)));
        assert!(!knows_no_sync(&io::Error::other("input/output error")));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_says_so() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let error = write_new(Path::new("/dev/full"), |file| file.write_all(b"x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
