//! What is done with the files of Fashion-MNIST: compared with the official hashes, and cut to the embedded sample.

use super::set::{CLASSES, FILES};
use crate::memory::InMemory;
use crate::samples::Samples;
use crate::{DataError, files};
use plusx_model::shape::ImageShape;
use std::path::{Path, PathBuf};

/// Compares every file of the set in `folder` with the official SHA-256 of its decompressed bytes and returns the
/// files checked.
///
/// # Errors
/// [`DataError::WrongHash`] for the first file that differs; [`DataError::Malformed`] naming the folder if a file is
/// missing; [`DataError::Io`].
pub fn verify(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let found = files::in_folder(folder).map_err(|reason| DataError::malformed(folder, reason))?;
    for (file, path) in FILES.iter().zip(&found.paths) {
        file.check(path)?;
    }
    Ok(found.paths.into())
}

/// The first `count` images of every class, in the order in which they stand in `split`: how the embedded sample is
/// cut from the full set.
///
/// # Errors
/// Those of reading an image.
pub fn first_of_each_class(split: &dyn Samples, count: usize) -> Result<InMemory, DataError> {
    let mut taken = [0; CLASSES.len()];
    let mut buffer = Vec::new();
    let mut out = InMemory { images: Vec::new(), labels: Vec::new(), shape: ImageShape::new(1, 0, 0) };
    for (index, &label) in split.labels().iter().enumerate() {
        let Some(taken) = taken.get_mut(label as usize).filter(|taken| **taken < count) else { continue };
        *taken += 1;
        let image = split.read(index, &mut buffer)?;
        out.images.extend_from_slice(image.bytes);
        out.labels.push(label);
        out.shape = image.shape;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_class_keep_their_order() {
        let split = InMemory {
            images: vec![10, 11, 12, 13, 14, 15],
            labels: vec![3, 3, 0, 3, 0, 9],
            shape: ImageShape::new(1, 1, 1),
        };
        let cut = first_of_each_class(&split, 2).unwrap();
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
}
