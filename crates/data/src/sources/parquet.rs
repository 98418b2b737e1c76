//! Parquet files as the Hugging Face hub keeps image data sets: a picture in its file's format and a label in each row.
//!
//! Pictures stay encoded, as JPEG or PNG. Up to a size they are kept in memory so; beyond it each is read from its file again.
//! Classes are in the order of the names in the metadata; without names numbers are in their order, texts by code point.

mod columns;
mod store;

use self::columns::{Columns, LabelKind};
use self::store::{Row, RowGroup, Rows, Shard, next};
use super::labels::{Labelled, number};
use super::listing::Listing;
use super::names::NameList;
use super::quick::Look;
use super::shards::{self, ShardFile, Shards};
use crate::dataset::LeftOut;
use crate::picture::{self, Limits};
use crate::reading::{Part, ReadOptions};
use crate::{DataError, classes};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetStatisticsPolicy;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::{
    ReadOptions as ParquetOptions, ReadOptionsBuilder, SerializedFileReader,
};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

pub(crate) const ENDING: [&str; 1] = ["parquet"];

/// Most bytes of encoded pictures that are kept in memory.
const KEPT: usize = 1 << 30;

/// Rows that are read at a time.
const ROWS: usize = 64;

pub(crate) fn is_at(place: &Path) -> bool {
    shards::find(place, &ENDING).is_some()
}

/// Lists the rows of the files at `place`.
pub(crate) fn list(
    place: &Path,
    options: &ReadOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Listing<Rows>, DataError> {
    list_within(KEPT, place, options, tell)
}

/// [`list`], with another number of bytes to keep at most.
fn list_within(
    most: usize,
    place: &Path,
    options: &ReadOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Listing<Rows>, DataError> {
    let mut shards = shards::find(place, &ENDING)
        .ok_or_else(|| DataError::malformed(place, "holds no file that ends in .parquet"))?;
    shards.only_splits(tell);
    let mut table = Table::new(most);
    let mut kinds: Vec<LabelKind> = Vec::new();
    for (index, file) in shards.files.iter().enumerate() {
        let path = shards.path(file);
        let opened = File::open(&path).map_err(DataError::io("open", &path))?;
        let columns = picture::caught(|| table.add(opened, index, &shards, options))
            .map_err(|reason| DataError::malformed(&path, reason))?;
        if kinds.first().is_some_and(|first| *first != columns.labels) {
            let first = shards.path(&shards.files[0]);
            let reason = format!("its labels are of another kind than those of {}", first.display());
            return Err(DataError::malformed(&path, reason));
        }
        kinds.push(columns.labels);
    }
    table.listing(place, &shards, kinds.into_iter().next(), tell)
}

/// The rows so far.
struct Table {
    most: usize,
    shards: Vec<Shard>,
    rows: Vec<Row>,
    looks: Vec<Look>,
    /// As they are written.
    labels: NameList,
    /// The paths in the files; empty where there is none.
    paths: NameList,
    left_out: Vec<LeftOut>,
    /// `None` once there are too many.
    kept: Option<Vec<u8>>,
}

/// What a row says beside its picture.
#[derive(Default)]
struct Said {
    label: Option<String>,
    path: Option<String>,
}

/// The file that is read.
struct Reading<'a> {
    index: u32,
    file: &'a ShardFile,
    root: &'a Path,
    columns: &'a Columns,
    limits: &'a Limits,
}

/// Opens a file; statistics of a column of pictures are whole pictures, and are not read.
fn open(file: File) -> Result<SerializedFileReader<File>, ParquetError> {
    let options: ParquetOptions =
        ReadOptionsBuilder::new().with_column_stats_policy(ParquetStatisticsPolicy::SkipAll).build();
    SerializedFileReader::new_with_options(file, options)
}

impl Table {
    fn new(most: usize) -> Self {
        Self {
            most,
            shards: Vec::new(),
            rows: Vec::new(),
            looks: Vec::new(),
            labels: NameList::default(),
            paths: NameList::default(),
            left_out: Vec::new(),
            kept: Some(Vec::new()),
        }
    }

    /// Adds the rows of a file.
    fn add(
        &mut self,
        file: File,
        index: usize,
        shards: &Shards,
        options: &ReadOptions,
    ) -> Result<Columns, String> {
        let reader = open(file).map_err(|error| error.to_string())?;
        let columns = Columns::of(reader.metadata().file_metadata(), options)?;
        let of = &shards.files[index];
        self.shards.push(Shard { path: of.path.clone(), groups: Vec::new() });
        let reading = Reading {
            index: index as u32,
            file: of,
            root: &shards.root,
            columns: &columns,
            limits: &options.limits,
        };
        let mut first = 0;
        for group in 0..reader.num_row_groups() {
            let added =
                reader.get_row_group(group).and_then(|rows| self.add_group(rows.as_ref(), first, &reading));
            first = added.map_err(|error| format!("row group {group}: {error}"))?;
        }
        Ok(columns)
    }

    /// Adds the rows of a group; the first row after it.
    fn add_group(
        &mut self,
        group: &dyn RowGroupReader,
        first: u32,
        reading: &Reading<'_>,
    ) -> Result<u32, ParquetError> {
        let columns = reading.columns;
        let mut said: Vec<Said> = Vec::new();
        texts(group, columns.label, &mut |label| said.push(Said { label, path: None }))?;
        if let Some(path) = columns.path {
            let mut rows = said.iter_mut();
            texts(group, path, &mut |path| {
                if let Some(row) = rows.next() {
                    row.path = path;
                }
            })?;
        }
        let rows = u32::try_from(said.len()).ok().filter(|rows| first.checked_add(*rows).is_some());
        let rows = rows.ok_or_else(|| ParquetError::General("too many rows".to_owned()))?;
        let images = group.metadata().column(columns.image).clone();
        let full = images.column_descr().max_def_level();
        let ColumnReader::ByteArrayColumnReader(mut reader) = group.get_column_reader(columns.image)? else {
            return Err(ParquetError::General("the pictures are not bytes".to_owned()));
        };
        let mut said = said.into_iter();
        let mut row = first;
        let mut take = |image: Option<ByteArray>| {
            let Some(said) = said.next() else {
                return Err(ParquetError::General("it has more pictures than labels".to_owned()));
            };
            self.add_row(row, said, image, reading);
            row += 1;
            Ok(())
        };
        while next(&mut reader, full, ROWS, &mut take)? > 0 {}
        if said.next().is_some() {
            return Err(ParquetError::General("it has more labels than pictures".to_owned()));
        }
        self.shards[reading.index as usize].groups.push(RowGroup { first, rows, images });
        Ok(first + rows)
    }

    fn add_row(&mut self, row: u32, said: Said, image: Option<ByteArray>, reading: &Reading<'_>) {
        let called = format!("{}, row {row}", reading.file.path);
        let found = match (image, label(said.label, &reading.columns.labels)) {
            (None, _) => Err(match &said.path {
                Some(path) if !path.is_empty() => {
                    format!(
                        "it has the path of a picture, {path}, and not the picture: write the file with its pictures in it"
                    )
                }
                _ => "it has no picture".to_owned(),
            }),
            (_, Err(reason)) => Err(reason),
            (Some(image), Ok(label)) => match u32::try_from(image.len()) {
                Ok(size) => Ok((image, size, label)),
                Err(_) => Err("its picture has more than 4 GiB".to_owned()),
            },
        };
        let (image, size, label) = match found {
            Ok(found) => found,
            Err(reason) => return self.left_out.push(LeftOut { path: called, reason }),
        };
        let path = reading.root.join(&called);
        let look =
            picture::ends_within(&mut Cursor::new(image.data()), &path, [0, u64::from(size)], reading.limits);
        self.looks.push(look.map_err(|error| error.reason()));
        self.labels.push(&label);
        self.paths.push(&said.path.unwrap_or_default());
        let start = self.kept.as_ref().map_or(0, Vec::len);
        self.rows.push(Row { shard: reading.index, row, start, size });
        match &mut self.kept {
            Some(kept) if kept.len() + image.len() <= self.most => kept.extend_from_slice(image.data()),
            _ => self.kept = None,
        }
    }

    fn listing(
        self,
        place: &Path,
        shards: &Shards,
        kind: Option<LabelKind>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Listing<Rows>, DataError> {
        let source = place.display().to_string();
        let Labelled { classes, labels } = match kind {
            Some(LabelKind::Named(classes)) => {
                let labels = self.labels.iter().map(|label| number(label).unwrap_or_default());
                Labelled { labels: labels.collect(), classes }
            }
            Some(LabelKind::Number) => {
                tell(&format!("{source}: its files do not say what the classes are called"));
                Labelled::by_number(&self.labels, &shards.root)?
            }
            Some(LabelKind::Text) | None => Labelled::by_code_point(&self.labels),
        };
        if self.kept.is_none() {
            tell(&format!(
                "{source}: its pictures are too many to be kept in memory; each is read from its file again"
            ));
        }
        let of = |row: &Row| &shards.files[row.shard as usize];
        let parts: Vec<Part> = self.rows.iter().filter_map(|row| of(row).part).collect();
        let names = names(&self.paths, self.rows.iter().map(of));
        let kept = self.kept.map(|mut kept| {
            kept.shrink_to_fit();
            Arc::new(kept)
        });
        let store = Rows { root: shards.root.clone(), shards: Arc::new(self.shards), rows: self.rows, kept };
        Ok(Listing {
            store,
            source,
            names,
            looks: self.looks,
            labels,
            parts,
            classes,
            left_out: self.left_out,
        })
    }
}

/// What the pictures are called: by their paths if these tell all of them apart, else by split, or file, and number.
fn names<'f>(paths: &NameList, files: impl Iterator<Item = &'f ShardFile>) -> NameList {
    let mut seen = HashSet::with_capacity(paths.len());
    if paths.iter().all(|path| !path.is_empty() && seen.insert(path)) {
        return paths.clone();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names = NameList::default();
    for file in files {
        let group = match file.part {
            Some(part) => part.name(),
            None => file.path.rsplit_once('.').map_or(file.path.as_str(), |(stem, _)| stem),
        };
        let count = counts.entry(group).or_default();
        names.push(&format!("{group}/{count}"));
        *count += 1;
    }
    names.shrink();
    names
}

/// The label of a row as it is kept, or what is wrong with it.
fn label(label: Option<String>, kind: &LabelKind) -> Result<String, String> {
    let label = label.filter(|label| !label.is_empty()).ok_or("it has no label")?;
    match (kind, number(&label)) {
        (LabelKind::Text, _) => Ok(label),
        // where the hub has no labels to give, as in test splits, it writes -1
        (_, None) if label.starts_with('-') => Err(format!("it has no label: {label}")),
        (_, None) => Err(format!("its label {label} is beyond {}", classes::MOST - 1)),
        (LabelKind::Named(names), Some(number)) if number as usize >= names.len() => {
            Err(format!("its label {label} has no name: there are {} names", names.len()))
        }
        _ => Ok(label),
    }
}

/// Hands all values of a column to `take`, as text.
fn texts(
    group: &dyn RowGroupReader,
    column: usize,
    take: &mut dyn FnMut(Option<String>),
) -> Result<(), ParquetError> {
    let full = group.metadata().column(column).column_descr().max_def_level();
    match group.get_column_reader(column)? {
        ColumnReader::Int32ColumnReader(mut reader) => {
            let mut take = |value: Option<i32>| {
                take(value.map(|value| value.to_string()));
                Ok(())
            };
            while next(&mut reader, full, ROWS, &mut take)? > 0 {}
        }
        ColumnReader::Int64ColumnReader(mut reader) => {
            let mut take = |value: Option<i64>| {
                take(value.map(|value| value.to_string()));
                Ok(())
            };
            while next(&mut reader, full, ROWS, &mut take)? > 0 {}
        }
        ColumnReader::ByteArrayColumnReader(mut reader) => {
            while next::<ByteArrayType>(&mut reader, full, ROWS, &mut |value| {
                let text = value.map(|value| value.as_utf8().map(str::to_owned)).transpose()?;
                take(text);
                Ok(())
            })? > 0
            {}
        }
        _ => return Err(ParquetError::General("neither whole numbers nor texts".to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::encoded::PictureStore;
    use super::*;

    #[test]
    fn what_is_not_kept_is_read_again_and_the_same() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/archives");
        for name in ["hub", "hub_with_paths", "pyarrow.parquet"] {
            let list = |most: usize| {
                let mut said = Vec::new();
                let options = ReadOptions::default();
                let listing =
                    list_within(most, &golden.join(name), &options, &mut |line| said.push(line.to_owned()));
                (listing.unwrap(), said)
            };
            let (kept, said) = list(KEPT);
            assert!(said.is_empty(), "{said:?}");
            let (again, said) = list(500);
            assert!(said[0].ends_with("each is read from its file again"), "{said:?}");
            assert_eq!((again.store.kept.is_none(), again.looks == kept.looks), (true, true));
            assert!(again.store.bytes() < kept.store.bytes());
            // backwards, and a part of it
            let indices: Vec<u32> = (0..kept.names.len() as u32).rev().step_by(2).collect();
            let (kept, again) = (kept.store.select(&indices), again.store.select(&indices));
            for index in 0..indices.len() {
                let read = |store: &Rows| {
                    let mut bytes = vec![7; 3];
                    store.encoded(index, "", &Limits::default(), &mut bytes).unwrap();
                    bytes
                };
                assert_eq!(read(&kept), read(&again));
                assert!(
                    kept.encoded(index, "", &Limits { bytes: 50, ..Limits::default() }, &mut Vec::new())
                        .is_err()
                );
            }
        }
    }
}
