//! The run folder: its name, its files, and the lock that keeps a second writer out.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use plusx_formats::{FormatError, atomic};

use crate::error::{PathDisplay, TrainError};
use crate::left_out::{BAD_FILES, SPLIT};
use crate::newest::{self, Candidate, Chosen, Left};
use crate::options::{Overrides, TrainOptions};
use crate::results::Results;
use crate::run_files::{ARGS, RESULTS, TRAIN_BATCH, last};
use crate::{by_name, checkpoint};

/// Name of a run nobody named; the second is `exp2`.
const DEFAULT_NAME: &str = "exp";

/// A folder this process alone writes into, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
    /// Why nothing keeps a second writer out, in words, where the file system knows no locks.
    unguarded: Option<String>,
}

impl Folder {
    /// Makes the folder of a new run. It can be resumed once [`Folder::write_options`] was called.
    pub(crate) fn create(options: &TrainOptions) -> Result<Self, TrainError> {
        let MadeFolder { path, is_new } = make(&options.output, options.name.as_deref(), options.exist_ok)?;
        let folder = Self::lock(path)?;
        if !is_new {
            folder.clear()?;
        }
        let weights = folder.path.join("weights");
        fs::create_dir_all(&weights).map_err(|error| TrainError::io("cannot make", &weights, error))?;
        Ok(folder)
    }

    /// The options of the run in this folder, with its name.
    pub(crate) fn naming(&self, options: TrainOptions) -> TrainOptions {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        TrainOptions { name, ..options }
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
            self.file(ARGS),
            self.last(),
            self.best(),
            self.results(),
            self.clock(),
            self.points(),
            self.file("curves.svg"),
            self.file("curves.png"),
            self.file("env.json"),
            self.file(TRAIN_BATCH),
            self.file(BAD_FILES),
            self.file(SPLIT),
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

    /// Whether it is still where it was made.
    pub(crate) fn is_there(&self) -> bool {
        self.path.join("weights").is_dir()
    }

    /// Makes it again, after it was removed while this process wrote into it.
    pub(crate) fn make_again(&self, options: &TrainOptions) -> Result<(), TrainError> {
        let weights = self.path.join("weights");
        fs::create_dir_all(&weights).map_err(|source| FormatError::Write { path: weights, source })?;
        self.write_options(options)
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
        self.file(RESULTS)
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

/// A folder that is there now.
pub(crate) struct MadeFolder {
    pub(crate) path: PathBuf,
    /// Whether it was not there before.
    pub(crate) is_new: bool,
}

/// Makes the folder `name` of `output`, or without a name the first free one. It must not have been there before, unless
/// `exist_ok`.
pub(crate) fn make(output: &Path, name: Option<&str>, exist_ok: bool) -> Result<MadeFolder, TrainError> {
    fs::create_dir_all(output).map_err(|error| TrainError::io("cannot make", output, error))?;
    let Some(name) = name else { return Ok(MadeFolder { path: first_free(output)?, is_new: true }) };
    let path = output.join(name);
    match fs::create_dir(&path) {
        Ok(()) => Ok(MadeFolder { path, is_new: true }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && exist_ok => {
            Ok(MadeFolder { path, is_new: false })
        }
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

/// The folder called `run`, which holds a file `marker`: by its path or its name under `output`.
pub(crate) fn locate(run: &Path, output: &Path, marker: &'static str) -> Result<PathBuf, TrainError> {
    let is_run = |path: &Path| path.join(marker).is_file();
    match run {
        run if is_run(run) => Ok(run.into()),
        run if is_run(&output.join(run)) => Ok(output.join(run)),
        run => Err(TrainError::NoRun { path: PathDisplay(run.into()), marker }),
    }
}

/// A run that stopped, locked and ready to be continued with [`resume`](crate::resume).
#[derive(Debug)]
pub struct SavedRun {
    /// Its options, with what the command line may change.
    pub(crate) options: TrainOptions,
    pub(crate) folder: Folder,
    /// Its options as they were saved.
    pub(crate) saved: TrainOptions,
    /// Why it is this one, where nobody named it.
    why: Option<String>,
}

impl SavedRun {
    /// Opens `run` (a path, or a name under `output`), or the newest run under `output` that is not finished.
    pub(crate) fn open(run: Option<&Path>, output: &Path, overrides: &Overrides) -> Result<Self, TrainError> {
        match run {
            Some(run) => {
                let (folder, saved) = Self::lock(locate(run, output, ARGS)?)?;
                Ok(Self { options: resumed(&saved, overrides)?, folder, saved, why: None })
            }
            None => {
                let Chosen { run, why } = newest::choose(output, ARGS, |path| {
                    let (folder, saved) = Self::lock(path.into())?;
                    match resumed(&saved, overrides) {
                        Ok(options) => {
                            let left = left(path, &options);
                            Ok(Candidate { run: Ok(Self { options, folder, saved, why: None }), left })
                        }
                        // refused, but perhaps another run is meant
                        Err(error) => Ok(Candidate { run: Err(error), left: left(path, &saved) }),
                    }
                })?;
                Ok(Self { why: Some(why), ..run })
            }
        }
    }

    /// Locks a folder and reads its options.
    fn lock(path: PathBuf) -> Result<(Folder, TrainOptions), TrainError> {
        let folder = Folder::lock(path)?;
        let args = folder.file(ARGS);
        let text = fs::read_to_string(&args).map_err(|error| TrainError::io("cannot read", &args, error))?;
        let saved = yaml_serde::from_str(by_name::without_mark(&text))
            .map_err(|error| TrainError::bad_run(&args, format!("not the options of a run: {error}")))?;
        Ok((folder, saved))
    }

    /// Its options, with what the command line changes.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// The same run, with its data in `data_dir`.
    pub fn reading_from(self, data_dir: Option<PathBuf>) -> Self {
        Self { options: TrainOptions { data_dir, ..self.options }, ..self }
    }

    /// The run folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Why it is this run, in words, where none was named.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Whether nothing is left to do.
    pub(crate) fn finished(&self) -> bool {
        left(self.path(), &self.options) != Left::Something
    }
}

/// The options of a resumed run, which may be extended and not shortened.
fn resumed(saved: &TrainOptions, overrides: &Overrides) -> Result<TrainOptions, TrainError> {
    let options = overrides.resume(saved)?;
    if options.epochs < saved.epochs {
        let (given, wanted) = (options.epochs.to_string(), "a resumed run can be extended, not shortened");
        return Err(TrainError::option("epochs", &given, wanted));
    }
    Ok(options)
}

/// What the run in the folder `run` has left to do. One whose checkpoint or table cannot be read is not finished: who
/// resumes it hears why.
pub(crate) fn left(run: &Path, options: &TrainOptions) -> Left {
    let results = run.join(RESULTS);
    let results = Results::open(&results).map(|found| found.unwrap_or_else(|| Results::new(results)));
    match (checkpoint::state(&last(run)), results) {
        (Ok(state), Ok(_)) if state.epoch >= options.all_epochs() || state.has_stalled(options) => {
            Left::Nothing
        }
        (Ok(state), Ok(results)) if state.is_done(options, &results) => Left::CutShort,
        _ => Left::Something,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(output: &Path, name: Option<&str>) -> TrainOptions {
        TrainOptions { output: output.into(), name: name.map(Into::into), ..TrainOptions::default() }
    }

    fn create(options: TrainOptions) -> Result<Folder, TrainError> {
        let folder = Folder::create(&options)?;
        folder.write_options(&folder.naming(options))?;
        Ok(folder)
    }

    #[test]
    fn unnamed_runs_count_up_and_named_ones_are_guarded() {
        let output = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3)
            .map(|_| {
                let options = options(output.path(), None);
                create(options.clone()).unwrap().naming(options).name.unwrap()
            })
            .collect();
        assert_eq!(names, ["exp", "exp2", "exp3"]);

        create(options(output.path(), Some("mine"))).unwrap();
        let error = create(options(output.path(), Some("mine"))).unwrap_err();
        assert!(matches!(error, TrainError::Exists { .. }), "{error}");
        let stale = output.path().join("mine/results.csv");
        fs::write(&stale, "old").unwrap();
        let replaced = TrainOptions { exist_ok: true, ..options(output.path(), Some("mine")) };
        create(replaced).unwrap();
        assert!(!stale.exists());
    }

    #[test]
    fn a_second_writer_is_kept_out() {
        let output = tempfile::tempdir().unwrap();
        let first = create(options(output.path(), Some("a"))).unwrap();
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
            create(options(output.path(), Some(name))).unwrap();
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
