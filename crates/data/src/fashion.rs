//! Fashion-MNIST: its files, the hashes of their contents, its class names.

use crate::{DataError, Split, files, unzip};
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

/// Compares every file of the set in `folder` with the official SHA-256 of its decompressed bytes and returns the
/// files checked.
///
/// # Errors
/// [`DataError::WrongHash`] for the first file that differs; [`DataError::Malformed`] naming the folder if a file is
/// missing; [`DataError::Io`].
pub fn verify(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let found = files::in_folder(folder).map_err(|reason| DataError::malformed(folder, reason))?;
    for (file, path) in FILES.iter().zip(&found.parts) {
        file.check(path)?;
    }
    Ok(found.parts.into())
}

/// The first `count` images of every class, in the order in which they stand in `split`: how the embedded sample is
/// cut from the full set.
pub fn first_of_each_class(split: &Split, count: usize) -> Split {
    let mut taken = [0; CLASSES.len()];
    let mut out = Split { images: Vec::new(), labels: Vec::new(), shape: split.shape };
    for (index, &label) in split.labels.iter().enumerate() {
        let (Some(taken), Some(image)) = (taken.get_mut(label as usize), split.image(index)) else {
            continue;
        };
        if *taken < count {
            *taken += 1;
            out.images.extend_from_slice(image);
            out.labels.push(label);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::shape::ImageShape;

    #[test]
    fn the_first_of_each_class_keep_their_order() {
        let split = Split {
            images: vec![10, 11, 12, 13, 14, 15],
            labels: vec![3, 3, 0, 3, 0, 9],
            shape: ImageShape::new(1, 1, 1),
        };
        let cut = first_of_each_class(&split, 2);
        assert_eq!(cut.images, [10, 11, 12, 14, 15]);
        assert_eq!(cut.labels, [3, 3, 0, 0, 9]);
    }

    #[test]
    fn a_missing_and_a_wrong_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in FILES.map(|file| file.name).iter().skip(1) {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let missing = verify(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("train-images-idx3-ubyte"), "{missing}");
        std::fs::write(folder.path().join("train-images-idx3-ubyte.gz"), b"something else").unwrap();
        let wrong = verify(folder.path()).unwrap_err();
        assert!(
            matches!(&wrong, DataError::WrongHash { path, .. } if path.ends_with("train-images-idx3-ubyte.gz"))
        );
    }

    #[test]
    fn sizes_follow_from_the_format() {
        assert_eq!(TRAIN_IMAGES.bytes, 16 + 60_000 * 784);
        assert_eq!(TRAIN_LABELS.bytes, 8 + 60_000);
        assert_eq!(TEST_IMAGES.bytes, 16 + 10_000 * 784);
        assert_eq!(TEST_LABELS.bytes, 8 + 10_000);
    }
}
