//! A table of paths and labels: `path,label` or `path,label,split`, with commas, semicolons or tabs between.
//!
//! Paths are relative to the table's folder, or whole. The header names the columns, in any order: `path`, `file`, `filename`,
//! `file_name`, `filepath`, `image`, `img` or `image_path`; the label column; `split`, `set`, `subset` or `fold`. Others are
//! ignored. Classes are in the order of their names' code points.

use super::encoded::FilesBelow;
use super::labels::Labelled;
use super::listing::Listing;
use super::names::NameList;
use super::quick;
use crate::DataError;
use crate::dataset::LeftOut;
use crate::reading::{Part, ReadOptions};
use plusx_model::words::did_you_mean;
use std::path::Path;

const PATHS: [&str; 8] = ["path", "file", "filename", "file_name", "filepath", "image", "img", "image_path"];
const LABELS: [&str; 3] = ["label", "class", "category"];
const SPLITS: [&str; 4] = ["split", "set", "subset", "fold"];

/// Endings of tables: their content cannot be told from other text.
const ENDINGS: [&str; 2] = ["csv", "tsv"];

/// Whether `place` is a file with an ending of tables.
pub(crate) fn is_at(place: &Path) -> bool {
    let ending = place.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    place.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Which columns are which.
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
}

/// Lists what the table at `place` names.
pub(crate) fn list(
    place: &Path,
    options: &ReadOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Listing<FilesBelow>, DataError> {
    let refused = |reason: String| DataError::malformed(place, reason);
    let bytes = std::fs::read(place).map_err(DataError::io("read", place))?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| refused("not text in UTF-8; save it as such".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first_line = text.lines().next().unwrap_or_default();
    let between = [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|mark| first_line.bytes().filter(|byte| byte == mark).count());
    let mut reader =
        csv::ReaderBuilder::new().delimiter(between.unwrap_or(b',')).from_reader(text.as_bytes());
    let malformed = |error: csv::Error| refused(error.to_string());
    let header: Vec<String> =
        reader.headers().map_err(malformed)?.iter().map(|name| name.trim().to_owned()).collect();
    let columns = Columns::of(&header, options).map_err(refused)?;
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut table = Table::default();
    for record in reader.into_records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default().trim();
        table.add(line, cell(columns.path), cell(columns.label), columns.split.map(cell)).map_err(refused)?;
    }
    let Table { names, labels, parts, left_out } = table;
    if names.len() == 0 {
        return Err(refused("names no picture".to_owned()));
    }
    let Labelled { classes, labels } = Labelled::by_code_point(&labels);
    if columns.split.is_none() {
        tell(&format!("{}: no column says which split a picture belongs to", place.display()));
    }
    let source = place.display().to_string();
    let looks = quick::look_at_files(folder, &names, &options.limits);
    let store = FilesBelow { root: folder.to_owned() };
    Ok(Listing { store, source, names, looks, labels, parts, classes, left_out })
}

impl Columns {
    fn of(header: &[String], options: &ReadOptions) -> Result<Self, String> {
        let lower: Vec<String> = header.iter().map(|name| name.to_ascii_lowercase()).collect();
        let one_of =
            |names: &[&str]| names.iter().find_map(|name| lower.iter().position(|column| column == name));
        let listed = || header.join(", ");
        let path = one_of(&PATHS).ok_or_else(|| {
            format!(
                "its first line names no column {}: it names {}; the first line must be the header, as in path,label",
                PATHS.join(", "),
                listed()
            )
        })?;
        let split = one_of(&SPLITS);
        let label = match &options.label_column {
            Some(name) => header.iter().position(|column| column == name).ok_or_else(|| {
                format!(
                    "--label-column {name}: there is no such column{}; there are {}",
                    did_you_mean(name, header.iter().map(String::as_str)),
                    listed()
                )
            })?,
            None => {
                let others: Vec<usize> =
                    (0..header.len()).filter(|at| *at != path && Some(*at) != split).collect();
                let only = if let [only] = others[..] { Some(only) } else { None };
                one_of(&LABELS).or(only).ok_or_else(|| {
                    format!(
                        "which column has the labels? there are {}; name one with --label-column",
                        listed()
                    )
                })?
            }
        };
        Ok(Self { path, label, split })
    }
}

/// The rows so far.
#[derive(Default)]
struct Table {
    names: NameList,
    labels: NameList,
    parts: Vec<Part>,
    left_out: Vec<LeftOut>,
}

impl Table {
    fn add(&mut self, line: u64, path: &str, label: &str, split: Option<&str>) -> Result<(), String> {
        if path.is_empty() || label.is_empty() {
            let what = if path.is_empty() { "path" } else { "label" };
            let path = if path.is_empty() { format!("line {line}") } else { path.to_owned() };
            self.left_out.push(LeftOut { path, reason: format!("line {line} has no {what}") });
            return Ok(());
        }
        if let Some(split) = split {
            let part = Part::named(split);
            self.parts.push(part.ok_or_else(|| {
                format!("line {line}: there is no split called {split:?}; use train, val or test")
            })?);
        }
        self.names.push(path);
        self.labels.push(label);
        Ok(())
    }
}
