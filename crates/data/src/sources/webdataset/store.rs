//! Pictures inside tar archives.

use super::super::encoded::PictureStore;
use crate::DataError;
use crate::picture::Limits;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a picture is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) start: u64,
    pub(super) size: u32,
    /// The archive.
    pub(super) shard: u32,
}

/// Entries of archives, which are called as their pictures are.
#[derive(Debug)]
pub(crate) struct Entries {
    pub(super) root: PathBuf,
    /// Paths of the archives.
    pub(super) shards: Arc<Vec<PathBuf>>,
    pub(super) entries: Vec<Entry>,
}

impl PictureStore for Entries {
    const WHAT: &'static str = "entry";

    fn encoded(
        &self,
        index: usize,
        name: &str,
        limits: &Limits,
        bytes: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        let Entry { start, size, shard } = self.entries[index];
        let size = u64::from(size);
        limits.admit_file(&self.path(index, name), size)?;
        let shard = &self.shards[shard as usize];
        let mut file = File::open(shard).map_err(DataError::io("open", shard))?;
        bytes.clear();
        file.seek(SeekFrom::Start(start)).map_err(DataError::io("read", shard))?;
        file.take(size).read_to_end(bytes).map_err(DataError::io("read", shard))?;
        if bytes.len() as u64 != size {
            let reason = "the archive is shorter than when the data set was opened";
            return Err(DataError::malformed(&self.path(index, name), reason));
        }
        Ok(())
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, _: usize, name: &str) -> String {
        name.to_owned()
    }

    fn select(&self, indices: &[u32]) -> Self {
        let entries = indices.iter().map(|index| self.entries[*index as usize]).collect();
        Self { root: self.root.clone(), shards: Arc::clone(&self.shards), entries }
    }

    fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>()
    }
}
