//! The files that tidy reads: text of the kinds people write, by path from the root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::source::RustFile;

/// Endings of files that are read; others are only known to exist.
const TEXT: [&str; 5] = ["rs", "toml", "md", "py", "sh"];

/// A tree of files in memory, so that rules can be tested without a disk.
#[derive(Default)]
pub(super) struct Tree {
    text: BTreeMap<String, String>,
    others: BTreeSet<String>,
    folders: BTreeSet<String>,
    subjects: String,
}

impl Tree {
    /// Reads everything under `root` but build products, runs and hidden folders (`.cargo`, `.ci` and `.config` are read).
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.visit(root, "")?;
        Ok(tree)
    }

    fn visit(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                let hidden = name.starts_with('.') && ![".cargo", ".ci", ".config"].contains(&name.as_str());
                let product = name == "__pycache__" || name.starts_with("target") || path == "runs";
                if !hidden && !product {
                    self.visit(&entry.path(), &format!("{path}/"))?;
                    self.folders.insert(path);
                }
                continue;
            }
            let ending = Path::new(&name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if TEXT.contains(&ending) || path == ".ci/run" {
                let text = fs::read_to_string(entry.path())
                    .with_context(|| format!("{path} cannot be read as UTF-8 text"))?;
                self.text.insert(path, text);
            } else {
                self.others.insert(path);
            }
        }
        Ok(())
    }

    /// A tree of files given as (path, text).
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let text: BTreeMap<_, _> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { text, ..Self::default() }
    }

    /// The same with a history: lines of a hash and a subject, of the newest commits.
    pub(super) fn with_subjects(self, subjects: String) -> Self {
        Self { subjects, ..self }
    }

    /// As [`Self::with_subjects`] was given them.
    pub(super) fn subjects(&self) -> &str {
        &self.subjects
    }

    /// How many files were read.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is such a file or folder.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.text.contains_key(path) || self.others.contains(path) || self.folders.contains(path)
    }

    /// The text of one file.
    pub(super) fn get(&self, path: &str) -> Option<&str> {
        self.text.get(path).map(String::as_str)
    }

    /// All files that were read.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Files with an ending, without the dot.
    pub(super) fn with_ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        let ending = format!(".{ending}");
        self.files().filter(move |(path, _)| path.ends_with(&ending))
    }

    /// Rust files with what rules about code need to know.
    pub(super) fn rust(&self) -> impl Iterator<Item = RustFile<'_>> {
        self.with_ending("rs").map(|(path, text)| RustFile::new(path, text))
    }
}
