//! Which pictures the arguments of a command mean: files, everything in folders, patterns.

use crate::exit::Usage;
use anyhow::Result;
use glob::{MatchOptions, Pattern};
use std::path::{Path, PathBuf};

/// Endings of the pictures that a folder is searched for; of what is named itself the content alone counts.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// As shells do it, but for case, which file systems treat differently.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The pictures that `argument` means: the file itself, there or not; the pictures in a folder and the folders in it; what
/// a pattern (`*`, `?`, `[..]`, `**`) matches. Hidden files are left out of folders and patterns. Sorted by path.
///
/// # Errors
/// If a pattern is malformed, if a folder cannot be read, or if a folder or a pattern has no picture.
pub(crate) fn meant(argument: &Path) -> Result<Vec<PathBuf>> {
    let nothing = |what: &str| Usage(format!("{}: {what}", argument.display()));
    if argument.is_dir() {
        let inside = argument.to_str().map(|folder| format!("{}/**/*", Pattern::escape(folder)));
        let inside = inside.ok_or_else(|| nothing("a folder whose name is no Unicode; name its files"))?;
        let found = matching(&inside)?.into_iter().filter(|path| is_picture(path)).collect();
        return at_least_one(found, || nothing("no picture in this folder; looked for .png, .jpg and .jpeg"));
    }
    match argument.to_str().filter(|text| text.contains(['*', '?', '['])) {
        // a file that is called like a pattern is that file
        Some(pattern) if !argument.exists() => {
            at_least_one(matching(pattern)?, || nothing("no file matches this pattern"))
        }
        _ => Ok(vec![argument.to_owned()]),
    }
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|found| ENDINGS.iter().any(|ending| ending.eq_ignore_ascii_case(found)))
}

/// The files that `pattern` matches, in order.
fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let malformed =
        |error: glob::PatternError| Usage(format!("{pattern}: {}; quote it, or name files", error.msg));
    let mut found = Vec::new();
    for path in glob::glob_with(pattern, MATCHING).map_err(malformed)? {
        let path = path
            .map_err(|error| anyhow::Error::new(std::io::Error::from(error)).context(pattern.to_owned()))?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn at_least_one(found: Vec<PathBuf>, nothing: impl FnOnce() -> Usage) -> Result<Vec<PathBuf>> {
    if found.is_empty() { Err(nothing().into()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(found: &[PathBuf], folder: &Path) -> Vec<String> {
        let relative = |path: &PathBuf| path.strip_prefix(folder).expect("inside").display().to_string();
        found.iter().map(relative).collect()
    }

    #[test]
    fn folders_patterns_and_files() -> Result<()> {
        let place = tempfile::tempdir()?;
        let folder = place.path().join("odd [name]");
        fs::create_dir_all(folder.join("cat"))?;
        fs::create_dir_all(folder.join("empty"))?;
        for file in ["b.png", "a.JPG", "notes.txt", ".hidden.png", "cat/c.jpeg", "cat/x*.png"] {
            fs::write(folder.join(file), b"")?;
        }
        let all = ["a.JPG", "b.png", "cat/c.jpeg", "cat/x*.png"];
        assert_eq!(names(&meant(&folder)?, &folder), all);
        let escaped = PathBuf::from(Pattern::escape(folder.to_str().expect("Unicode")));
        assert_eq!(names(&meant(&escaped.join("?.*"))?, &folder), ["a.JPG", "b.png"]);
        assert_eq!(names(&meant(&escaped.join("**").join("*.png"))?, &folder), ["b.png", "cat/x*.png"]);
        assert_eq!(meant(&folder.join("cat/x*.png"))?, [folder.join("cat/x*.png")]);
        assert_eq!(meant(Path::new("nowhere.png"))?, [PathBuf::from("nowhere.png")]);
        for (argument, said) in [
            (folder.join("empty"), "no picture in this folder"),
            (escaped.join("*.gif"), "no file matches"),
            (PathBuf::from("a**b.png"), "a**b.png"),
        ] {
            let error = meant(&argument).expect_err("nothing is meant");
            assert!(error.to_string().contains(said), "{error}");
        }
        Ok(())
    }
}
