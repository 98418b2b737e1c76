//! What a file of kept values is made from and holds.

use std::path::PathBuf;

use crate::freezing::KeptValues;

/// Format of the file and of what is hashed; another number for another meaning.
pub(crate) const FORMAT: &str = "plusx features 1";

/// What a file of kept values is made from and holds.
#[derive(Clone, Debug)]
pub(crate) struct FeaturePlan {
    /// The file.
    pub(crate) path: PathBuf,
    /// SHA-256 of everything that decides its values, in hexadecimal.
    pub(crate) identity: String,
    pub(crate) values: KeptValues,
    /// Pictures that are learnt from, and measured on.
    pub(crate) pictures: [usize; 2],
}

impl FeaturePlan {
    /// Rows of the file: one for each view of each picture.
    pub(crate) fn rows(&self) -> usize {
        self.values.views as usize * self.pictures[0] + self.pictures[1]
    }

    /// Numbers of a row.
    pub(crate) fn row(&self) -> usize {
        self.values.shape.len()
    }
}
