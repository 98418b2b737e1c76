//! Weights in several files, as the Hugging Face libraries save large ones: `model-00001-of-00002.safetensors` and so on,
//! and an index, `model.safetensors.index.json`, that says which tensor is in which. The index, any of the parts, or the
//! folder that holds them stands for all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::{Path, PathBuf};

use plusx_weights::{LARGEST, WeightError};
use serde::Deserialize;

use super::weights::ForeignWeights;
use super::{mistaken, one_file};
use crate::error::FormatError;

/// Most bytes of an index: a hundred for each of half a million tensors.
const LARGEST_INDEX: u64 = 50_000_000;

/// How indexes are called.
const INDEX: &str = ".index.json";

/// What is looked for in a folder.
const IN_FOLDER: [&str; 4] = [
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
];

/// What a path stands for.
pub(super) enum FileSet {
    /// One file.
    File(PathBuf),
    /// An index of several.
    Index(PathBuf),
    /// Several without an index: their names say how many there are.
    Parts(Vec<PathBuf>),
}

impl FileSet {
    /// What `path` stands for.
    pub(super) fn of(path: &Path) -> Result<Self, FormatError> {
        if path.is_dir() {
            let mut known = IN_FOLDER.iter().map(|name| path.join(name));
            let found = known.find(|path| path.is_file()).ok_or_else(|| mistaken::folder(path))?;
            return Ok(if is_index(&found) { Self::Index(found) } else { Self::File(found) });
        }
        if is_index(path) {
            return Ok(Self::Index(path.into()));
        }
        let Some(part) = Part::of(path) else { return Ok(Self::File(path.into())) };
        let index = path.with_file_name(format!("{}{}{INDEX}", part.before, part.after));
        match index.is_file() {
            true => Ok(Self::Index(index)),
            false => Ok(Self::Parts(
                (1..=part.count).map(|number| path.with_file_name(part.name(number))).collect(),
            )),
        }
    }
}

fn is_index(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(INDEX))
}

/// A name such as `model-00002-of-00005.safetensors`.
struct Part<'a> {
    before: &'a str,
    digits: usize,
    count: u32,
    after: &'a str,
}

impl<'a> Part<'a> {
    fn of(path: &'a Path) -> Option<Self> {
        /// More parts than anything has: every one is looked for.
        const MOST: u32 = 9999;
        let name = path.file_name()?.to_str()?;
        let (stem, after) = name.split_at(name.rfind('.')?);
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (before, number) = rest.rsplit_once('-')?;
        let is_number = |text: &str| text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        let digits = number.len();
        if !is_number(number) || !is_number(count) {
            return None;
        }
        let (number, count): (u32, u32) = (number.parse().ok()?, count.parse().ok()?);
        ((1..=count).contains(&number) && count <= MOST).then_some(Self { before, digits, count, after })
    }

    fn name(&self, number: u32) -> String {
        let Self { before, digits, count, after } = self;
        format!("{before}-{number:0digits$}-of-{count:0digits$}{after}")
    }
}

/// Which tensor is in which file.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(path: &Path) -> Result<Self, FormatError> {
        let failed = |source| FormatError::read(path, source);
        let wrong = |reason: String| FormatError::Index { path: path.into(), reason };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LARGEST_INDEX + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        if bytes.len() as u64 > LARGEST_INDEX {
            return Err(wrong(format!("it has more than {LARGEST_INDEX} bytes")));
        }
        let index: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let is_plain = |name: &&String| !name.is_empty() && !name.contains(['/', '\\']) && *name != "..";
        match index.weight_map.values().find(|name| !is_plain(name)) {
            Some(name) => Err(wrong(format!("{name:?} is no file beside it"))),
            None if index.weight_map.is_empty() => Err(wrong("it lists no tensor".to_owned())),
            None => Ok(index),
        }
    }

    /// The files, each once, by name; at least one.
    fn parts(&self, path: &Path) -> Vec<PathBuf> {
        let names: BTreeSet<&String> = self.weight_map.values().collect();
        names.into_iter().map(|name| path.with_file_name(name)).collect()
    }
}

/// Reads the tensors of all `files`, which `path` stands for.
pub(super) fn read(path: &Path, files: FileSet) -> Result<ForeignWeights, FormatError> {
    match files {
        FileSet::File(file) => one_file::read(&file, one_file::kind(&file)?),
        FileSet::Parts(parts) => join(path, path, parts),
        FileSet::Index(index) => {
            let list = Index::read(&index)?;
            let found = join(path, &index, list.parts(&index))?;
            let names: BTreeSet<&str> = found.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
            let there = |name: &&String| names.contains(name.as_str()) || found.skipped.contains(name);
            match list.weight_map.iter().find(|(name, _)| !there(name)) {
                None => Ok(found),
                Some((name, part)) => {
                    let reason = format!("{part} has no tensor {name}");
                    Err(FormatError::Index { path: index, reason })
                }
            }
        }
    }
}

/// The tensors of several files, which `by` lists; `path` is what was asked for.
fn join(path: &Path, by: &Path, parts: Vec<PathBuf>) -> Result<ForeignWeights, FormatError> {
    let mut size = 0_u64;
    let count = parts.len();
    for part in &parts {
        let there = std::fs::metadata(part).map_err(|source| match source.kind() {
            ErrorKind::NotFound => {
                let reason = format!("it is one of {count} parts by {}, and is not there", by.display());
                FormatError::read(part, Error::new(ErrorKind::NotFound, reason))
            }
            _ => FormatError::read(part, source),
        })?;
        size = size.saturating_add(there.len());
    }
    if size > LARGEST {
        return Err(WeightError::TooLarge { path: path.into(), size, limit: LARGEST }.into());
    }
    let mut all: Option<ForeignWeights> = None;
    for part in &parts {
        let read = one_file::read(part, one_file::kind(part)?)?;
        match &mut all {
            None => all = Some(read),
            Some(all) => {
                all.tensors.extend(read.tensors);
                all.skipped.extend(read.skipped);
                all.others.extend(read.others);
            }
        }
    }
    let wrong = |reason: String| FormatError::Index { path: by.into(), reason };
    let mut all = all.ok_or_else(|| wrong("it lists no file".to_owned()))?;
    all.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twice) = all.tensors.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(wrong(format!("two of its parts have the tensor {}", twice[0].name)));
    }
    all.path = path.into();
    all.files = count;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts() {
        let part = Part::of(Path::new("a/model-00002-of-00005.safetensors")).unwrap();
        assert_eq!((part.before, part.count, part.after), ("model", 5, ".safetensors"));
        assert_eq!(part.name(3), "model-00003-of-00005.safetensors");
        for name in [
            "model.safetensors",
            "model-2-of-5.safetensors",
            "model-00006-of-00005.bin",
            "x-00000-of-00001.bin",
        ] {
            assert!(Part::of(Path::new(name)).is_none(), "{name}");
        }
    }
}
