//! Room on the disk: a word before a run that may fill it, and advice after a file could not be written.

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
    let (path, source, takes) = match error {
        TrainError::Save { source: FormatError::Write { path, source }, needed, .. } => {
            (path.as_path(), source, format!("a checkpoint takes {}, ", bytes(*needed)))
        }
        TrainError::Format(FormatError::Write { path, source }) => (path.as_path(), source, String::new()),
        TrainError::Io { path, source, .. } => (path.0.as_path(), source, String::new()),
        _ => return None,
    };
    let free = path
        .parent()
        .and_then(free)
        .map_or(String::new(), |free| format!("{} are free there: ", bytes(free)));
    let room = match source.kind() {
        ErrorKind::StorageFull => format!("{takes}{free}make room"),
        ErrorKind::QuotaExceeded => format!("{takes}more than the quota has left: make room"),
        ErrorKind::FileTooLarge => format!("{takes}more than a file may have: raise the limit (ulimit -f)"),
        ErrorKind::ReadOnlyFilesystem => "make the disk writable again".into(),
        ErrorKind::PermissionDenied => "make the folder writable again".into(),
        // nothing can be advised, only how to go on
        _ => return command.map(|command| format!("to go on from there:\n  {command}")),
    };
    Some(match command {
        Some(command) => format!("{room}, then go on with:\n  {command}"),
        None => room,
    })
}

/// Bytes that this user can still write under `path`, or where it would be made; `None` where the system does not tell.
#[cfg(unix)]
pub(crate) fn free(path: &Path) -> Option<u64> {
    let here = Path::new(".");
    let there = path.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
    let system = there.filter_map(|path| rustix::fs::statvfs(path).ok()).next()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

#[cfg(not(unix))]
pub(crate) fn free(_path: &Path) -> Option<u64> {
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
            (ErrorKind::NotFound, "to go on from there"),
        ] {
            let advice = advice(&save(kind), go_on()).unwrap();
            assert!(advice.contains(words) && advice.ends_with("\n  plusx train --resume a"), "{advice}");
        }
        assert_eq!(told(Ok::<_, TrainError>(3), None), Ok(3));
        assert_eq!(
            advice(
                &TrainError::NoRoom { path: plusx_train::PathDisplay("w".into()), needed: 1, left: 0 },
                go_on()
            ),
            None
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn folders_that_are_not_there_yet_have_a_disk() {
        assert!(free(Path::new("not/there/yet")).is_some_and(|free| free > 0));
        assert!(free(Path::new("/")).is_some());
    }
}
