//! Data sets that people have: folders of pictures, lists of them, archives. What a folder or a file is, is told by looking.
//!
//! Every kind is opened the same way. Its pictures are listed, with label and split. A quick look at each tells what is no
//! picture, and what the set's identity is. Whatever comes as one is split. What is decoded later is read one picture at a time.

mod cifar;
pub(crate) mod encoded;
mod folder;
mod labels;
mod listing;
mod names;
mod parquet;
mod quick;
mod shards;
mod table;
mod webdataset;

use crate::reading::ReadOptions;
use crate::{DataError, Dataset};
use std::path::Path;

/// A kind of data set that lies in a folder or file of its user's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A folder for each class, perhaps one for each split around them.
    Folder,
    /// A table with a path and a label in each row.
    Table,
    /// The binary form of CIFAR-10 and CIFAR-100.
    Cifar,
    /// Parquet files with a picture and a label in each row.
    Parquet,
    /// Tar archives in which each picture is followed by its label.
    WebDataset,
}

impl Source {
    /// All of them, in the order in which a place is looked at.
    pub(crate) const ALL: [Self; 5] =
        [Self::Table, Self::Cifar, Self::Parquet, Self::WebDataset, Self::Folder];

    /// Its name on the command line and in a run's files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Table => "csv",
            Self::Cifar => "cifar",
            Self::Parquet => "parquet",
            Self::WebDataset => "webdataset",
        }
    }

    /// The kind that goes by this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }

    /// What lies at `place`, if it is one of these.
    pub(crate) fn at(place: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.is_at(place))
    }

    fn is_at(self, place: &Path) -> bool {
        match self {
            Self::Folder => folder::is_at(place),
            Self::Table => table::is_at(place),
            Self::Cifar => cifar::is_at(place),
            Self::Parquet => parquet::is_at(place),
            Self::WebDataset => webdataset::is_at(place),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// Whatever keeps all of it from being read, by the name of the file or folder.
    pub(crate) fn open(
        self,
        place: &Path,
        options: &ReadOptions,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Dataset, DataError> {
        let name = self.name();
        match self {
            Self::Folder => folder::list(place, options, tell)?.open(name, options, tell),
            Self::Table => table::list(place, options, tell)?.open(name, options, tell),
            Self::Cifar => cifar::open(name, place, options, tell),
            Self::Parquet => parquet::list(place, options, tell)?.open(name, options, tell),
            Self::WebDataset => webdataset::list(place, options, tell)?.open(name, options, tell),
        }
    }
}
