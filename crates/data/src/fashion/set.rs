//! The files of Fashion-MNIST with the hashes of their contents, and the names of its classes.

use crate::{DataError, unzip};
use std::path::{Path, PathBuf};

/// Name of the data set on the command line.
pub const NAME: &str = "fashion-mnist";

/// Class names in label order, as the d2l chapter writes them.
pub const CLASSES: [&str; 10] =
    ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// A file of the set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFile {
    /// Name without `.gz`.
    pub name: &'static str,
    /// SHA-256 of the decompressed bytes, lower-case hexadecimal.
    pub sha256: &'static str,
    /// Decompressed size in bytes.
    pub bytes: u64,
}

/// Training images, 60,000 of 28x28.
pub const TRAIN_IMAGES: SetFile = SetFile {
    name: "train-images-idx3-ubyte",
    sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    bytes: 47_040_016,
};

/// Training labels.
pub const TRAIN_LABELS: SetFile = SetFile {
    name: "train-labels-idx1-ubyte",
    sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    bytes: 60_008,
};

/// Test images, 10,000 of 28x28.
pub const TEST_IMAGES: SetFile = SetFile {
    name: "t10k-images-idx3-ubyte",
    sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    bytes: 7_840_016,
};

/// Test labels.
pub const TEST_LABELS: SetFile = SetFile {
    name: "t10k-labels-idx1-ubyte",
    sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    bytes: 10_008,
};

/// All files of the set.
pub const FILES: [SetFile; 4] = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];

/// The two files of a split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SplitFiles {
    pub(crate) images: SetFile,
    pub(crate) labels: SetFile,
}

/// Those of the training split.
pub(crate) const TRAIN: SplitFiles = SplitFiles { images: TRAIN_IMAGES, labels: TRAIN_LABELS };

/// Those of the test split.
pub(crate) const TEST: SplitFiles = SplitFiles { images: TEST_IMAGES, labels: TEST_LABELS };

impl SetFile {
    /// Where the file lies in `folder`: plain if there is such a file (it needs no unpacking), else with `.gz`.
    pub fn in_folder(&self, folder: &Path) -> Option<PathBuf> {
        [folder.join(self.name), folder.join(format!("{}.gz", self.name))]
            .into_iter()
            .find(|path| path.is_file())
    }

    /// Compares the decompressed content of `path` with the official one.
    ///
    /// # Errors
    /// [`DataError::WrongHash`], [`DataError::Malformed`] for a damaged archive, [`DataError::Io`].
    pub fn check(&self, path: &Path) -> Result<(), DataError> {
        let found = unzip::sha256(path, self.bytes)?;
        if found == self.sha256 {
            return Ok(());
        }
        Err(DataError::WrongHash { path: path.to_owned(), expected: self.sha256.to_owned(), found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_from_the_format() {
        assert_eq!(TRAIN_IMAGES.bytes, 16 + 60_000 * 784);
        assert_eq!(TRAIN_LABELS.bytes, 8 + 60_000);
        assert_eq!(TEST_IMAGES.bytes, 16 + 10_000 * 784);
        assert_eq!(TEST_LABELS.bytes, 8 + 10_000);
    }
}
