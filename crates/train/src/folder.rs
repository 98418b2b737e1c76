//! The run folder: its name, its files, and the lock that keeps a second writer out.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use plusx_formats::atomic;

use crate::checkpoint;
use crate::error::{PathDisplay, TrainError};
use crate::options::{Overrides, TrainOptions};
use crate::results::Results;

/// Name of a run nobody named; the second is `exp2`.
const DEFAULT_NAME: &str = "exp";

/// The options of a run; a folder that holds it is one.
const ARGS: &str = "args.yaml";

/// A folder this process alone writes into, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
    /// Why nothing keeps a second writer out, in words, where the file system knows no locks.
    unguarded: Option<String>,
}

impl Folder {
    /// Makes the folder of a new run and writes its name into the options. It can be resumed once
    /// [`Folder::write_options`] was called.
    pub(crate) fn create(options: &mut TrainOptions) -> Result<Self, TrainError> {
        let (path, fresh) = make(&options.output, options.name.as_deref(), options.exist_ok)?;
        options.name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let folder = Self::lock(path)?;
        if !fresh {
            folder.clear()?;
        }
        let weights = folder.path.join("weights");
        fs::create_dir_all(&weights).map_err(|error| TrainError::io("cannot make", &weights, error))?;
        Ok(folder)
    }

    /// Locks an existing folder.
    pub(crate) fn lock(path: PathBuf) -> Result<Self, TrainError> {
        let name = path.join(".lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&name);
        let lock = lock.map_err(|error| TrainError::io("cannot open", &name, error))?;
        let unguarded = judge_lock(lock.try_lock(), &path)?;
        Ok(Self { path, _lock: lock, unguarded })
    }

    /// What a user should know about the lock, if it could not be had.
    pub(crate) fn unguarded(&self) -> Option<&str> {
        self.unguarded.as_deref()
    }

    /// Removes what an earlier run left here, so that the folder never mixes two runs.
    fn clear(&self) -> Result<(), TrainError> {
        let files = [
            // the first to go and the last to come back: without it nothing here counts as a run
            self.file("args.yaml"),
            self.last(),
            self.best(),
            self.results(),
            self.clock(),
            self.points(),
            self.file("curves.svg"),
            self.file("curves.png"),
            self.file("env.json"),
        ];
        for file in files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(TrainError::io("cannot remove", &file, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `args.yaml`.
    pub(crate) fn write_options(&self, options: &TrainOptions) -> Result<(), TrainError> {
        let path = self.file(ARGS);
        let text =
            yaml_serde::to_string(options).map_err(|error| TrainError::bad_run(&path, error.to_string()))?;
        Ok(atomic::write(&path, text.as_bytes())?)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn last(&self) -> PathBuf {
        last(&self.path)
    }

    pub(crate) fn best(&self) -> PathBuf {
        self.path.join("weights").join("best.safetensors")
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.file("results.csv")
    }

    /// The errors inside epochs.
    pub(crate) fn points(&self) -> PathBuf {
        self.file("points.csv")
    }

    /// Times of the epoch that is under way: not in the checkpoint, whose bytes must not depend on them.
    pub(crate) fn clock(&self) -> PathBuf {
        self.file("clock.json")
    }
}

/// Refuses a folder that another process holds. Some network and FUSE file systems know no locks: that is no reason to
/// train nowhere, but one to say so.
fn judge_lock(result: Result<(), TryLockError>, path: &Path) -> Result<Option<String>, TrainError> {
    match result {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Err(TrainError::Locked { path: PathDisplay(path.into()) }),
        Err(TryLockError::Error(error)) => Ok(Some(format!(
            "{} cannot be locked ({error}): start no second plusx process on this folder, nothing would keep it out",
            path.display()
        ))),
    }
}

fn last(run: &Path) -> PathBuf {
    run.join("weights").join("last.safetensors")
}

/// Makes the folder `name` of `output`, or without a name the first free one; whether it was not there before, which
/// must be so unless `exist_ok`.
pub(crate) fn make(output: &Path, name: Option<&str>, exist_ok: bool) -> Result<(PathBuf, bool), TrainError> {
    fs::create_dir_all(output).map_err(|error| TrainError::io("cannot make", output, error))?;
    let Some(name) = name else { return Ok((first_free(output)?, true)) };
    let path = output.join(name);
    match fs::create_dir(&path) {
        Ok(()) => Ok((path, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && exist_ok => Ok((path, false)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(TrainError::Exists { path: PathDisplay(path) })
        }
        Err(error) => Err(TrainError::io("cannot make", &path, error)),
    }
}

/// Makes `exp`, or `exp2`, … whichever is free.
fn first_free(output: &Path) -> Result<PathBuf, TrainError> {
    for number in 1_u32.. {
        let path = match number {
            1 => output.join(DEFAULT_NAME),
            number => output.join(format!("{DEFAULT_NAME}{number}")),
        };
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(TrainError::io("cannot make", &path, error)),
        }
    }
    Err(TrainError::Exists { path: PathDisplay(output.into()) })
}

/// The folder to go on with: the one that holds a file `marker`, by its path or its name under `output`, or the newest
/// of these under `output`.
pub(crate) fn locate(run: Option<&Path>, output: &Path, marker: &'static str) -> Result<PathBuf, TrainError> {
    let is_run = |path: &Path| path.join(marker).is_file();
    match run {
        None => newest(output, marker),
        Some(run) if is_run(run) => Ok(run.into()),
        Some(run) if is_run(&output.join(run)) => Ok(output.join(run)),
        Some(run) => Err(TrainError::NoRun { path: PathDisplay(run.into()), marker }),
    }
}

/// A run that stopped, locked and ready to be continued with [`resume`](crate::resume).
#[derive(Debug)]
pub struct SavedRun {
    /// Its options, with what the command line may change.
    pub options: TrainOptions,
    pub(crate) folder: Folder,
}

impl SavedRun {
    /// Opens `run` (a path, or a name under `output`), or the newest run under `output`.
    pub(crate) fn open(run: Option<&Path>, output: &Path, overrides: &Overrides) -> Result<Self, TrainError> {
        let folder = Folder::lock(locate(run, output, ARGS)?)?;
        let args = folder.file(ARGS);
        let text = fs::read_to_string(&args).map_err(|error| TrainError::io("cannot read", &args, error))?;
        let saved: TrainOptions = yaml_serde::from_str(&text)
            .map_err(|error| TrainError::bad_run(&args, format!("not the options of a run: {error}")))?;
        let options = overrides.resume(&saved)?;
        if options.epochs < saved.epochs {
            let (given, wanted) =
                (options.epochs.to_string(), "a resumed run can be extended, not shortened");
            return Err(TrainError::option("epochs", &given, wanted));
        }
        Ok(Self { options, folder })
    }

    /// The run folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether nothing is left to do.
    pub(crate) fn finished(&self) -> Result<bool, TrainError> {
        let last = self.folder.last();
        if !last.is_file() {
            return Ok(false);
        }
        let state = checkpoint::state(&last)?;
        let path = self.folder.results();
        let results = Results::open(&path)?.unwrap_or_else(|| Results::new(path));
        Ok(state.is_done(&self.options, &results))
    }
}

/// The run under `output` that was written to last.
fn newest(output: &Path, marker: &'static str) -> Result<PathBuf, TrainError> {
    let none = || TrainError::NoRun { path: PathDisplay(output.into()), marker };
    let entries = match fs::read_dir(output) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(none()),
        entries => entries.map_err(|error| TrainError::io("cannot read", output, error))?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| TrainError::io("cannot read", output, error))?.path();
        if path.join(marker).is_file() {
            runs.push((changed(&path, marker), path));
        }
    }
    runs.into_iter().max().map(|(_, path)| path).ok_or_else(none)
}

/// When a run was last written to.
fn changed(run: &Path, marker: &str) -> Option<SystemTime> {
    [last(run), run.join(marker)]
        .iter()
        .filter_map(|file| fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(output: &Path, name: Option<&str>) -> TrainOptions {
        TrainOptions { output: output.into(), name: name.map(Into::into), ..TrainOptions::default() }
    }

    fn create(options: &mut TrainOptions) -> Result<Folder, TrainError> {
        let folder = Folder::create(options)?;
        folder.write_options(options)?;
        Ok(folder)
    }

    #[test]
    fn unnamed_runs_count_up_and_named_ones_are_guarded() {
        let output = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3)
            .map(|_| {
                let mut options = options(output.path(), None);
                create(&mut options).unwrap();
                options.name.unwrap()
            })
            .collect();
        assert_eq!(names, ["exp", "exp2", "exp3"]);

        create(&mut options(output.path(), Some("mine"))).unwrap();
        let error = create(&mut options(output.path(), Some("mine"))).unwrap_err();
        assert!(matches!(error, TrainError::Exists { .. }), "{error}");
        let stale = output.path().join("mine/results.csv");
        fs::write(&stale, "old").unwrap();
        let mut again = options(output.path(), Some("mine"));
        again.exist_ok = true;
        create(&mut again).unwrap();
        assert!(!stale.exists());
    }

    #[test]
    fn a_second_writer_is_kept_out() {
        let output = tempfile::tempdir().unwrap();
        let first = create(&mut options(output.path(), Some("a"))).unwrap();
        let second = SavedRun::open(Some(first.path()), output.path(), &Overrides::default());
        assert!(matches!(second, Err(TrainError::Locked { .. })));
        let path = first.path().to_owned();
        drop(first);
        SavedRun::open(Some(&path), output.path(), &Overrides::default()).unwrap();
    }

    #[test]
    fn a_file_system_without_locks_is_used_with_a_warning() {
        let path = Path::new("some/run");
        assert_eq!(judge_lock(Ok(()), path).unwrap(), None);
        assert!(matches!(judge_lock(Err(TryLockError::WouldBlock), path), Err(TrainError::Locked { .. })));
        let error = io::Error::from(io::ErrorKind::Unsupported);
        let warning = judge_lock(Err(TryLockError::Error(error)), path).unwrap().unwrap();
        assert!(warning.contains("some/run") && warning.contains("second"), "{warning}");
    }

    #[test]
    fn the_newest_run_is_found_and_a_missing_one_is_named() {
        let output = tempfile::tempdir().unwrap();
        let open = |run: Option<&str>, over| SavedRun::open(run.map(Path::new), output.path(), over);
        let none = Overrides::default();
        assert!(matches!(open(None, &none), Err(TrainError::NoRun { .. })));
        for name in ["b", "a"] {
            create(&mut options(output.path(), Some(name))).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(open(None, &none).unwrap().path().ends_with("a"));
        assert!(open(Some("b"), &none).unwrap().path().ends_with("b"));
        assert!(matches!(open(Some("c"), &none), Err(TrainError::NoRun { .. })));
        let fewer = Overrides { epochs: Some(1), ..Overrides::default() };
        assert!(matches!(open(Some("b"), &fewer), Err(TrainError::Option { .. })));
        let more = Overrides { epochs: Some(7), ..Overrides::default() };
        assert_eq!(open(Some("b"), &more).unwrap().options.epochs, 7);
        fs::write(output.path().join("b/args.yaml"), "lr: [").unwrap();
        let error = open(Some("b"), &none).unwrap_err();
        assert!(error.to_string().contains("args.yaml"), "{error}");
    }
}
