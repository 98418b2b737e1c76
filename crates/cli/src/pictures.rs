//! Which pictures the arguments of a command mean: files, everything in folders, patterns.

use crate::exit::not_there;
use crate::kinds::SkippedKinds;
use crate::screen::note;
use crate::spelled;
use crate::walk::{Walk, WalkEntry, here, is_hidden, unopened};
use anyhow::{Error, Result};
use glob::{MatchOptions, Pattern};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// As shells do it, but for case, which file systems treat differently.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Calls `take` with each picture that `argument` means, in order of the paths, and with an error for each that may be one
/// and cannot be looked at: the file itself, there or not; the pictures in a folder and the folders in it, told by name
/// or content; the files that a pattern (`*`, `?`, `[..]`, `**`) matches, whatever they hold, and the folders. Hidden files are
/// left out of folders and patterns. What else is left out is told on stderr, with each kind's number.
///
/// # Errors
/// The first that `take` returns, which ends the search.
pub(crate) fn each(argument: &Path, take: &mut dyn FnMut(Result<PathBuf>) -> Result<()>) -> Result<()> {
    // what is found goes by its name without `./`
    let place = argument.strip_prefix(".").unwrap_or(argument);
    let (found, nothing): (Box<dyn Iterator<Item = WalkEntry>>, _) = if argument.is_dir() {
        (Box::new(Walk::new(place)), "no picture in this folder that is JPEG, PNG, WebP, BMP, GIF or TIFF")
    // a file that is called like a pattern is that file
    } else if is_pattern(argument.as_os_str()) && fs::symlink_metadata(argument).is_err() {
        (matching(place), "no file matches this pattern")
    } else {
        return take(Ok(argument.to_owned()));
    };
    let (mut left_out, mut any) = (SkippedKinds::default(), false);
    for found in found {
        let meant = match found {
            WalkEntry::Picture(path) => Ok(path),
            WalkEntry::Failed(error) => Err(error),
            WalkEntry::LeftOut(kind) => {
                left_out.add(kind);
                continue;
            }
            WalkEntry::Odd(text) => {
                note(&text);
                continue;
            }
        };
        any = true;
        take(meant)?;
    }
    let (argument, left_out) = (spelled::path(argument), left_out.text());
    match (any, left_out) {
        (true, None) => Ok(()),
        (true, Some(files)) => {
            note(&format!("{argument}: left out {files}"));
            Ok(())
        }
        (false, None) => take(Err(not_there(format!("{argument}: {nothing}")))),
        (false, Some(files)) => take(Err(not_there(format!("{argument}: {nothing}, only {files}")))),
    }
}

/// All that [`each`] finds.
///
/// # Errors
/// The first thing that could not be looked at.
pub(crate) fn meant(argument: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    each(argument, &mut |path| {
        found.push(path?);
        Ok(())
    })?;
    Ok(found)
}

fn is_pattern(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// What `pattern` matches, in order: files, whatever they hold, and what is in folders, as if a shell had named them. One
/// part of the path is matched after the other; `**` stands for any number of folders, links to folders not followed,
/// and at the end for all files in them.
fn matching(pattern: &Path) -> Box<dyn Iterator<Item = WalkEntry>> {
    let mut failed = Vec::new();
    let mut found = vec![PathBuf::new()];
    let any = Component::Normal(OsStr::new("*"));
    for part in pattern.components().chain(pattern.ends_with("**").then_some(any)) {
        let Component::Normal(name) = part else {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        if !is_pattern(name) {
            found.iter_mut().for_each(|path| path.push(name));
        } else if name == "**" {
            found = with_folders_below(found, &mut failed);
        } else {
            let fits = name_matcher(name);
            let inside = found.iter().flat_map(|folder| entries(folder, &mut failed)).map(|(path, _)| path);
            found = inside.filter(|path| path.file_name().is_some_and(&fits)).collect();
        }
    }
    found.sort();
    found.dedup();
    // the files in these folders are matched themselves
    let in_folders = pattern.iter().any(|part| part == "**");
    let found = found.into_iter().filter(|path| fs::symlink_metadata(path).is_ok());
    let found = found.flat_map(move |path| -> Box<dyn Iterator<Item = WalkEntry>> {
        match fs::metadata(&path) {
            Ok(target) if target.is_dir() && in_folders => Box::new(std::iter::empty()),
            Ok(target) if target.is_dir() => Box::new(Walk::new(&path)),
            Ok(target) if !target.is_file() => Box::new(std::iter::once(unopened(&path, target.file_type()))),
            // whoever opens it says why it cannot be
            _ => Box::new(std::iter::once(WalkEntry::Picture(path))),
        }
    });
    Box::new(failed.into_iter().map(WalkEntry::Failed).chain(found))
}

/// Whether a name fits a part of a pattern. As in shells, a bracket that is not closed stands for itself, and `**` within
/// a name for `*`.
fn name_matcher(part: &OsStr) -> impl Fn(&OsStr) -> bool {
    let mut text = characters(part);
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    let pattern = Pattern::new(&text).or_else(|_| Pattern::new(&text.replace('[', "[[]"))).ok();
    move |name| pattern.as_ref().is_some_and(|pattern| pattern.matches_with(&characters(name), MATCHING))
}

/// A name as characters; of what is not UTF-8 each byte is one, from a plane of Unicode that names do not use.
fn characters(name: &OsStr) -> String {
    const FIRST: u32 = 0x10_fe00;
    let chunks = name.as_encoded_bytes().utf8_chunks();
    chunks.fold(String::new(), |mut text, chunk| {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().filter_map(|&byte| char::from_u32(FIRST + u32::from(byte))));
        text
    })
}

/// The folders, and those in them.
fn with_folders_below(folders: Vec<PathBuf>, failed: &mut Vec<Error>) -> Vec<PathBuf> {
    let (mut open, mut all) = (folders, Vec::new());
    while let Some(folder) = open.pop() {
        let below = entries(&folder, failed);
        let visible = |path: &Path| path.file_name().is_some_and(|name| !is_hidden(name.as_encoded_bytes()));
        open.extend(
            below.into_iter().filter(|(path, is_folder)| *is_folder && visible(path)).map(|(path, _)| path),
        );
        all.push(folder);
    }
    all
}

/// What is in a folder, and whether it is a folder itself; nothing for what is none.
fn entries(folder: &Path, failed: &mut Vec<Error>) -> Vec<(PathBuf, bool)> {
    let here = here(folder);
    let mut refused = |error: std::io::Error| {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            failed.push(Error::new(error).context(format!("cannot read {}", spelled::path(here))));
        }
    };
    let mut found = Vec::new();
    match fs::read_dir(here) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => {
                        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                        found.push((folder.join(entry.file_name()), is_folder));
                    }
                    Err(error) => refused(error),
                }
            }
        }
        Err(error) => refused(error),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

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
        fs::create_dir_all(folder.join(".hidden"))?;
        for file in
            ["b.png", "a.JPG", "notes.txt", ".hidden.png", "cat/c.jpeg", "cat/x*.png", ".hidden/d.png"]
        {
            fs::write(folder.join(file), b"")?;
        }
        let all = ["a.JPG", "b.png", "cat/c.jpeg", "cat/x*.png"];
        assert_eq!(names(&meant(&folder)?, &folder), all);
        let escaped = PathBuf::from(Pattern::escape(folder.to_str().expect("Unicode")));
        for (pattern, matched) in [
            ("?.*", &["a.JPG", "b.png"][..]),
            ("**/*.png", &["b.png", "cat/x*.png"]),
            // a folder that matches is searched, as when a shell names it
            ("?at", &["cat/c.jpeg", "cat/x*.png"]),
            ("**", &["a.JPG", "b.png", "cat/c.jpeg", "cat/x*.png", "notes.txt"]),
            ("**/**/c**g", &["cat/c.jpeg"]),
            ("[!a].png", &["b.png"]),
            ("cat/../[ab].*", &["cat/../a.JPG", "cat/../b.png"]),
            (".hidden*/*", &[".hidden/d.png"]),
            (".h*.png", &[".hidden.png"]),
        ] {
            let found = meant(&escaped.join(pattern))?;
            let expected: Vec<_> = matched.iter().map(|name| folder.join(name)).collect();
            assert_eq!(found, expected, "{pattern}");
        }
        assert_eq!(meant(&folder.join("cat/x*.png"))?, [folder.join("cat/x*.png")]);
        assert_eq!(meant(Path::new("nowhere.png"))?, [PathBuf::from("nowhere.png")]);
        for (argument, said) in [
            (folder.join("empty"), "no picture in this folder that is JPEG, PNG, WebP, BMP, GIF or TIFF"),
            (escaped.join("*.gif"), "no file matches"),
            (PathBuf::from("a**b.png"), "a**b.png: no file matches"),
            (PathBuf::from("IMG [1.png"), "IMG [1.png: no file matches"),
            (escaped.join("emp*"), "no file matches"),
        ] {
            let error = meant(&argument).expect_err("nothing is meant");
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(crate::exit::of(&error), 66, "{error}");
        }
        Ok(())
    }

    #[test]
    fn a_bracket_that_is_not_closed_stands_for_itself() {
        let fits = |pattern: &str, name: &str| name_matcher(OsStr::new(pattern))(OsStr::new(name));
        assert!(fits("IMG [1*.png", "IMG [12.png") && !fits("IMG [1*.png", "IMG 12.png"));
        assert!(fits("a***b", "a-b") && fits("[[]1]*", "[1].png"));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf_8_match_too() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"caf\xe9.png");
        for pattern in ["*.png", "caf?.png", "caf[!e].png"] {
            assert!(name_matcher(OsStr::new(pattern))(name), "{pattern}");
        }
        assert!(name_matcher(OsStr::from_bytes(b"?af\xe9.*"))(name));
        assert!(!name_matcher(OsStr::from_bytes(b"?af\xe8.*"))(name));
    }
}
