//! Which run is meant if nobody names one: the newest that has something left to do. It is said which runs were passed over, and
//! why.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{PathDisplay, TrainError};
use crate::run_files::last;

/// A run or a comparison that could be opened.
pub(crate) struct Candidate<T> {
    /// It, or why it cannot go on as the command line wants.
    pub(crate) run: Result<T, TrainError>,
    pub(crate) left: Left,
}

/// What a run has left to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// It was stopped.
    Something,
    /// Nothing that it was asked for; but `max_steps` cut it short of its epochs.
    CutShort,
    /// Nothing.
    Nothing,
}

/// The one to go on with.
pub(crate) struct Chosen<T> {
    pub(crate) run: T,
    /// Why it is this one, in words.
    pub(crate) why: String,
}

/// The newest folder under `output` that holds a file `marker` and that `open` finds unfinished. If all are finished, the
/// newest that was cut short, else the newest. A folder that cannot be opened is passed over: another process writes there, or
/// it is another program's.
///
/// # Errors
/// [`TrainError::NoRun`]; if none is left, [`TrainError::Locked`] of one that is in use, or why one cannot be opened.
pub(crate) fn choose<T>(
    output: &Path,
    marker: &'static str,
    open: impl Fn(&Path) -> Result<Candidate<T>, TrainError>,
) -> Result<Chosen<T>, TrainError> {
    let mut passed = Vec::new();
    let (mut cut, mut finished, mut locked, mut unreadable) = (None, None, None, None);
    for path in by_age(output, marker)? {
        match open(&path) {
            Ok(Candidate { run, left: Left::Something }) => {
                let words = format!("going on with {}, the newest that is not finished", path.display());
                return Ok(Chosen { run: run?, why: words + &newer(&passed) });
            }
            Ok(Candidate { run, left }) => {
                passed.push(format!("{} is finished", name(&path)));
                let why = match left {
                    Left::CutShort => "none was stopped; this is the newest that --max-steps ended",
                    _ => "all there are finished; this is the newest",
                };
                let kept = if left == Left::CutShort { &mut cut } else { &mut finished };
                kept.get_or_insert((run, format!("{}: {why}", path.display())));
            }
            Err(error @ TrainError::Locked { .. }) => {
                passed.push(format!("{} is in use by another process", name(&path)));
                locked.get_or_insert(error);
            }
            Err(error) => {
                passed.push(format!("{} is left aside: {error}", name(&path)));
                unreadable.get_or_insert(error);
            }
        }
    }
    match (locked, cut.or(finished), unreadable) {
        (Some(error), ..) | (None, None, Some(error)) => Err(error),
        (None, Some((run, why)), _) => Ok(Chosen { run: run?, why }),
        (None, None, None) => Err(TrainError::NoRun { path: PathDisplay(output.into()), marker }),
    }
}

fn newer(passed: &[String]) -> String {
    if passed.is_empty() { String::new() } else { format!(" ({})", passed.join("; ")) }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders under `output` that hold a file `marker`, the one written to last first.
fn by_age(output: &Path, marker: &str) -> Result<Vec<PathBuf>, TrainError> {
    let entries = match fs::read_dir(output) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| TrainError::io("cannot read", output, error))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| TrainError::io("cannot read", output, error))?.path();
        if path.join(marker).is_file() {
            paths.push(path);
        }
    }
    // a link such as `latest` beside the runs is none of its own
    paths.sort_by_key(|path| path.is_symlink());
    let mut seen = HashSet::new();
    paths.retain(|path| fs::canonicalize(path).map_or(true, |real| seen.insert(real)));
    let mut runs: Vec<_> = paths.into_iter().map(|path| (changed(&path, marker), path)).collect();
    runs.sort_by(|(time, path), (other, than)| {
        other.cmp(time).then_with(|| by_number(&name(than), &name(path)))
    });
    Ok(runs.into_iter().map(|(_, path)| path).collect())
}

/// When a run was last written to.
fn changed(run: &Path, marker: &str) -> Option<SystemTime> {
    [last(run), run.join(marker)]
        .iter()
        .filter_map(|file| fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
        .max()
}

/// `exp`, `exp2`, `exp10`: names that differ in their last number only are in its order, others in that of the alphabet.
fn by_number(one: &str, other: &str) -> Ordering {
    let split = |name: &str| {
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        (name[..letters].to_owned(), name[letters..].parse::<u64>().unwrap_or(0))
    };
    split(one).cmp(&split(other)).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    const MARKER: &str = "args.yaml";

    /// Folders with these names and ages in seconds; what is in the marker says how `choose` finds them.
    fn runs(list: &[(&str, u64, &str)]) -> tempfile::TempDir {
        let output = tempfile::tempdir().unwrap();
        for (name, age, text) in list {
            let run = output.path().join(name);
            fs::create_dir(&run).unwrap();
            fs::write(run.join(MARKER), text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000 - age);
            File::options().write(true).open(run.join(MARKER)).unwrap().set_modified(time).unwrap();
        }
        output
    }

    fn open(path: &Path) -> Result<Candidate<String>, TrainError> {
        let refused = || TrainError::option("lr", "1", "no");
        match fs::read_to_string(path.join(MARKER)).unwrap().as_str() {
            "locked" => Err(TrainError::Locked { path: PathDisplay(path.into()) }),
            "foreign" => Err(TrainError::bad_run(path, "not the options of a run")),
            "refused" => Ok(Candidate { run: Err(refused()), left: Left::Something }),
            "finished and refused" => Ok(Candidate { run: Err(refused()), left: Left::Nothing }),
            "left" => Ok(Candidate { run: Ok(name(path)), left: Left::Something }),
            "cut" => Ok(Candidate { run: Ok(name(path)), left: Left::CutShort }),
            _ => Ok(Candidate { run: Ok(name(path)), left: Left::Nothing }),
        }
    }

    fn chosen(list: &[(&str, u64, &str)]) -> Result<Chosen<String>, TrainError> {
        choose(runs(list).path(), MARKER, open)
    }

    #[test]
    fn the_newest_with_something_left_is_taken_and_the_rest_told() {
        let list = [
            ("exp", 50, "left"),
            ("exp2", 40, "left"),
            ("exp3", 30, "finished"),
            ("exp4", 20, "locked"),
            ("exp5", 10, "foreign"),
        ];
        let found = chosen(&list).unwrap();
        assert_eq!(found.run, "exp2");
        for part in ["exp2", "exp3 is finished", "exp4 is in use", "exp5 is left aside"] {
            assert!(found.why.contains(part), "{part}: {}", found.why);
        }
    }

    #[test]
    fn of_equal_times_the_larger_number_counts() {
        let list = [("exp9", 5, "left"), ("exp10", 5, "left"), ("exp", 5, "left"), ("exp2", 5, "left")];
        assert_eq!(chosen(&list).unwrap().run, "exp10");
    }

    #[test]
    fn if_all_are_finished_the_newest_tells_it() {
        let found = chosen(&[("a", 20, "finished"), ("b", 10, "finished"), ("c", 5, "foreign")]).unwrap();
        assert_eq!(found.run, "b");
        assert!(found.why.contains("are finished"), "{}", found.why);
        let found = chosen(&[("a", 20, "cut"), ("b", 10, "finished"), ("c", 30, "cut")]).unwrap();
        assert_eq!(found.run, "a");
        assert!(found.why.contains("--max-steps"), "{}", found.why);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_a_run_is_no_other_run() {
        let output = runs(&[("a", 20, "left"), ("b", 10, "finished")]);
        std::os::unix::fs::symlink(output.path().join("b"), output.path().join("latest")).unwrap();
        let paths = by_age(output.path(), MARKER).unwrap();
        assert_eq!(paths.iter().map(|path| name(path)).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn what_keeps_all_from_going_on_is_the_error() {
        for (list, expected) in [
            (vec![("a", 20, "finished"), ("b", 10, "locked")], "in use"),
            (vec![("a", 20, "foreign")], "not the options"),
            (vec![("a", 20, "left"), ("b", 10, "refused")], "--lr"),
            (vec![("a", 20, "finished and refused")], "--lr"),
            (vec![], "no run to resume"),
        ] {
            let error = chosen(&list).err().expect("an error").to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        assert!(choose(Path::new("nowhere/at/all"), MARKER, open).is_err());
    }
}
