//! Kinds of files, what plusx shall do with each, and what Pillow does. The table in docs/pictures.md is what comes out.
#![allow(dead_code, reason = "each test takes what it needs")]

use crate::peers::{self, Pixels};
use plusx_data::picture::{self, Limits};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What plusx shall do with the files of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// Pillow's bytes.
    Same,
    /// Pillow's bytes, and a word about the file.
    Noted(&'static str),
    /// An error with this in it.
    Refused(&'static str),
    /// The bytes of the undamaged file, and a word, whatever Pillow does.
    Complete(&'static str),
    /// The bytes of another file, which says the same in another way, whatever Pillow does.
    Meant,
}

pub(crate) use Wanted::{Complete, Meant, Noted, Refused, Same};

/// Files of one kind.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) wanted: Wanted,
    pub(crate) files: Vec<Vec<u8>>,
    /// The undamaged file of each, where that is what counts.
    pub(crate) whole: Vec<Vec<u8>>,
}

/// Files of a kind, none of them damaged on purpose.
pub(crate) fn kind(name: &'static str, wanted: Wanted, files: impl IntoIterator<Item = Vec<u8>>) -> Kind {
    Kind { name, wanted, files: files.into_iter().collect(), whole: Vec::new() }
}

/// Files of a kind, each with another that says the same and counts.
pub(crate) fn meant(
    name: &'static str,
    wanted: Wanted,
    files: impl IntoIterator<Item = [Vec<u8>; 2]>,
) -> Kind {
    let (files, whole) = files.into_iter().map(|[file, whole]| (file, whole)).unzip();
    Kind { name, wanted, files, whole }
}

/// Compares all kinds with Pillow, and the outcome with the lines of the page. Returns how many files there were.
pub(crate) fn compare(kinds: Vec<Kind>) -> usize {
    let Some(python) = peers::pillow() else { return usize::MAX };
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        for (number, bytes) in kind.files.iter().enumerate() {
            paths.push(folder.path().join(format!("{index}-{number}")));
            std::fs::write(paths.last().unwrap(), bytes).unwrap();
        }
    }
    let answers = peers::ask_pillow(&python, folder.path(), &paths);
    let mut answers = paths.iter().zip(&answers);
    let mut failures = String::new();
    let mut rows: BTreeMap<usize, String> = BTreeMap::new();
    for (index, kind) in kinds.iter().enumerate() {
        let mut opened = 0;
        for (number, (path, theirs)) in answers.by_ref().take(kind.files.len()).enumerate() {
            opened += usize::from(theirs.is_ok());
            let ours = open(path);
            let right = match (kind.wanted, &ours) {
                (Same, Ok((picture, notes))) => theirs.as_ref() == Ok(picture) && notes.is_empty(),
                (Noted(word), Ok((picture, notes))) => theirs.as_ref() == Ok(picture) && notes.contains(word),
                (Refused(word), Err(reason)) => reason.contains(word),
                (Complete(word), Ok((picture, notes))) => {
                    let whole = folder.path().join("whole");
                    std::fs::write(&whole, &kind.whole[number]).unwrap();
                    open(&whole).unwrap().0 == *picture && notes.contains(word)
                }
                (Meant, Ok((picture, notes))) => {
                    let whole = folder.path().join("whole");
                    std::fs::write(&whole, &kind.whole[number]).unwrap();
                    open(&whole).unwrap().0 == *picture && notes.is_empty()
                }
                _ => false,
            };
            if !right {
                let said = |answer: &peers::Answer| match answer {
                    Ok((w, h, _)) => format!("{w}x{h}"),
                    Err(reason) => reason.clone(),
                };
                let (ours, notes) =
                    ours.map_or_else(|e| (Err(e), String::new()), |(p, notes)| (Ok(p), notes));
                writeln!(
                    failures,
                    "{} {number}: {} ({notes}), Pillow {}",
                    kind.name,
                    said(&ours),
                    said(theirs)
                )
                .unwrap();
            }
        }
        let pillow = match opened {
            _ if kind.wanted == Meant && opened > 0 => "opens as something else",
            0 => "refuses",
            all if all == kind.files.len() => "opens",
            _ => "opens some",
        };
        let plusx = match kind.wanted {
            Same => "same bytes",
            Noted(_) => "same bytes, with a word",
            Refused(_) => "refuses by name",
            Complete(_) => "opens the complete picture, with a word",
            Meant => "opens as meant",
        };
        rows.insert(index, format!("| {} | {plusx} | {pillow} |", kind.name));
    }
    assert!(failures.is_empty(), "{} wrong:\n{failures}", failures.lines().count());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures.md");
    let page = std::fs::read_to_string(page).unwrap();
    let missing: Vec<&String> = rows.values().filter(|row| !page.contains(*row)).collect();
    assert!(missing.is_empty(), "docs/pictures.md lacks: {missing:#?}");
    paths.len()
}

/// The picture, and the words about the file.
pub(crate) fn open(path: &Path) -> Result<(Pixels, String), String> {
    let opened = picture::open_with_notes(path, &Limits::default()).map_err(|error| error.to_string())?;
    let picture = opened.picture;
    Ok(((picture.w, picture.h, picture.rgb8), opened.notes.join("; ")))
}
