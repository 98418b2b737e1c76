//! Room on the disk: a word before a run that may fill it, and how to go on after a file could not be written.

use crate::screen::{bytes, note};
use plusx_formats::FormatError;
use plusx_train::TrainError;
use std::io::ErrorKind;
use std::path::Path;

/// Says so if the disk under `folder` (which need not be there yet) has less room than a run's files take.
pub(crate) fn warn(folder: &Path, needed: u64) {
    if let Some(free) = free(folder).filter(|free| *free < needed) {
        note(&format!(
            "warning: the weight files of the run take {} at their most, and {} has room for {}",
            bytes(needed),
            folder.display(),
            bytes(free)
        ));
    }
}

/// Tells the error that ended a run and, if `command` can go on with it, how; the exit code. What is no error is passed on.
pub(crate) fn told<T>(result: Result<T, TrainError>, command: Option<String>) -> Result<T, u8> {
    result.map_err(|error| {
        let advice = advice(&error, command);
        let error = error.into();
        crate::exit::report(&error);
        if let Some(advice) = advice {
            note(&advice);
        }
        crate::exit::of(&error)
    })
}

/// What to do about a file that could not be written.
fn advice(error: &TrainError, command: Option<String>) -> Option<String> {
    let TrainError::Save { source: FormatError::Write { path, source }, needed, .. } = error else { return None };
    let takes = format!("a checkpoint takes {}", bytes(*needed));
    let free = path.parent().and_then(free);
    let room = match (source.kind(), free) {
        (ErrorKind::StorageFull, Some(free)) => format!("{takes}, {} are free there: make room", bytes(free)),
        (ErrorKind::StorageFull | ErrorKind::QuotaExceeded, _) => format!("{takes}: make room"),
        (ErrorKind::FileTooLarge, _) => format!("{takes}: raise the limit on the size of files (ulimit -f)"),
        (ErrorKind::ReadOnlyFilesystem, _) => "make the disk writable again".into(),
        (ErrorKind::PermissionDenied, _) => "make the folder writable again".into(),
        _ => "see to the folder".into(),
    };
    Some(match command {
        Some(command) => format!("{room}, then go on with:\n  {command}"),
        None => room,
    })
}

/// Bytes that this user can still write under `path`, or where it would be made; `None` where the system does not tell.
#[cfg(unix)]
fn free(path: &Path) -> Option<u64> {
    let here = Path::new(".");
    let there = path.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
    let system = there.filter_map(|path| rustix::fs::statvfs(path).ok()).next()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

#[cfg(not(unix))]
fn free(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_train::Kept;
    use std::io;

    fn save(kind: ErrorKind) -> TrainError {
        let source = FormatError::Write { path: "last.safetensors".into(), source: io::Error::from(kind) };
        TrainError::Save { source, needed: 45_000_000, kept: Kept(None) }
    }

    #[test]
    fn the_reason_decides_the_advice() {
        let go_on = || Some("plusx train --resume a".to_owned());
        for (kind, words) in [
            (ErrorKind::StorageFull, "a checkpoint takes 45.0 MB"),
            (ErrorKind::QuotaExceeded, "make room"),
            (ErrorKind::FileTooLarge, "ulimit -f"),
            (ErrorKind::ReadOnlyFilesystem, "writable"),
            (ErrorKind::NotFound, "folder"),
        ] {
            let advice = advice(&save(kind), go_on()).unwrap();
            assert!(advice.contains(words) && advice.ends_with("\n  plusx train --resume a"), "{advice}");
        }
        assert_eq!(told(Ok::<_, TrainError>(3), None), Ok(3));
        assert_eq!(advice(&TrainError::NoRoom {
            path: plusx_train::PathDisplay("w".into()),
            needed: 1,
            left: 0
        }, go_on()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn folders_that_are_not_there_yet_have_a_disk() {
        assert!(free(Path::new("not/there/yet")).is_some_and(|free| free > 0));
        assert!(free(Path::new("/")).is_some());
    }
}
