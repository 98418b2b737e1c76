//! Pictures inside Parquet files, and how one row is found again.

use super::super::encoded::PictureStore;
use crate::DataError;
use crate::picture::{self, Limits};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file, and where its pictures are.
#[derive(Debug)]
pub(super) struct Shard {
    /// Below the root.
    pub(super) path: String,
    pub(super) groups: Vec<RowGroup>,
}

/// The pictures of a row group.
#[derive(Debug)]
pub(super) struct RowGroup {
    /// Its first row, counted from the file's first.
    pub(super) first: u32,
    pub(super) rows: u32,
    pub(super) images: ColumnChunkMetaData,
}

/// Where a picture is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) shard: u32,
    /// Counted from the file's first.
    pub(super) row: u32,
    /// Where its bytes begin among those that are kept.
    pub(super) start: usize,
    pub(super) size: u32,
}

/// Rows of Parquet files.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(super) root: PathBuf,
    pub(super) shards: Arc<Vec<Shard>>,
    pub(super) rows: Vec<Row>,
    /// All encoded pictures, if they are few enough to be kept.
    pub(super) kept: Option<Arc<Vec<u8>>>,
}

impl PictureStore for Rows {
    const WHAT: &'static str = "row";

    fn encoded(
        &self,
        index: usize,
        name: &str,
        limits: &Limits,
        bytes: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        let row = self.rows[index];
        let path = self.path(index, name);
        limits.admit_file(&path, row.size.into())?;
        bytes.clear();
        if let Some(kept) = &self.kept {
            bytes.extend_from_slice(&kept[row.start..row.start + row.size as usize]);
            return Ok(());
        }
        let shard = &self.shards[row.shard as usize];
        let file = self.root.join(&shard.path);
        let file = File::open(&file).map_err(DataError::io("open", &file))?;
        let found = picture::caught(|| shard.read(file, row.row).map_err(|error| error.to_string()));
        match found {
            Ok(Some(found)) if found.len() == row.size as usize => {
                bytes.extend_from_slice(found.data());
                Ok(())
            }
            Ok(_) => Err(DataError::malformed(&path, "another picture than when the data set was opened")),
            Err(reason) => Err(DataError::malformed(&path, reason)),
        }
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, index: usize, _: &str) -> String {
        let row = self.rows[index];
        format!("{}, row {}", self.shards[row.shard as usize].path, row.row)
    }

    fn select(&self, indices: &[u32]) -> Self {
        Self {
            root: self.root.clone(),
            shards: Arc::clone(&self.shards),
            rows: indices.iter().map(|index| self.rows[*index as usize]).collect(),
            kept: self.kept.clone(),
        }
    }

    fn bytes(&self) -> usize {
        let kept: usize = match self.kept {
            Some(_) => self.rows.iter().map(|row| row.size as usize).sum(),
            None => 0,
        };
        kept + self.rows.len() * size_of::<Row>()
    }
}

impl Shard {
    /// The picture of a row. No page before that of the picture is unpacked, but for a dictionary.
    fn read(&self, file: File, row: u32) -> Result<Option<ByteArray>, ParquetError> {
        let group = self.groups.partition_point(|group| group.first <= row).checked_sub(1);
        let Some(group) = group.map(|at| &self.groups[at]) else { return Ok(None) };
        let pages = SerializedPageReader::new(Arc::new(file), &group.images, group.rows as usize, None)?;
        let mut reader =
            ColumnReaderImpl::<ByteArrayType>::new(group.images.column_descr_ptr(), Box::new(pages));
        reader.skip_records((row - group.first) as usize)?;
        let mut found = None;
        // one record, and not all that are left
        next(&mut reader, group.images.column_descr().max_def_level(), 1, &mut |value| {
            found = value;
            Ok(())
        })?;
        Ok(found)
    }
}

/// Hands the next values, at most `n`, to `take`; how many rows that were. `full` is the definition level of a value that is
/// there.
pub(super) fn next<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    full: i16,
    n: usize,
    take: &mut dyn FnMut(Option<T::T>) -> Result<(), ParquetError>,
) -> Result<usize, ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (rows, ..) = reader.read_records(n, Some(&mut levels), None, &mut values)?;
    let mut values = values.into_iter();
    for row in 0..rows {
        // a column in which nothing may be missing has no levels
        let is_there = full == 0 || levels.get(row) == Some(&full);
        take(if is_there { values.next() } else { None })?;
    }
    Ok(rows)
}
