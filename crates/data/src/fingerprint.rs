//! Which pictures a data set holds, told by hashes. Each part is hashed as the IDX file that would hold it. So the parts of
//! Fashion-MNIST can be compared with its official files, wherever they came from.

use crate::DataError;
use crate::dataset::Dataset;
use crate::fashion::set as fashion;
use crate::idx_hash::labels;
use crate::unzip::digest;
use std::path::PathBuf;

/// SHA-256 of the parts of a data set, in lower-case hexadecimal: of the pictures and of the labels of each split. Equal for
/// equal pictures in an equal order; the data set's name and place have no part in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// Of training images, training labels, test images, test labels: the order of [`fashion::FILES`].
    parts: Vec<String>,
}

impl Fingerprint {
    /// One hash for the whole set: SHA-256 of all of them.
    pub fn sha256(&self) -> String {
        digest(&[self.parts.concat().as_bytes()])
    }
}

impl Dataset {
    /// Hashes every label and, of images in memory, every pixel: of Fashion-MNIST 55 MB, in 50 ms with the SHA extensions of
    /// a processor, a few times that without. What lies in files was hashed when the set was opened.
    pub fn fingerprint(&self) -> Fingerprint {
        let parts = self.splits().flat_map(|(_, split)| [split.pictures_sha256(), labels(split.labels())]);
        Fingerprint { parts: parts.collect() }
    }

    /// Whether a set called Fashion-MNIST is that of its authors; sets of other names pass.
    ///
    /// # Errors
    /// [`DataError::Impostor`] naming the first file that differs, with both hashes.
    pub fn check_origin(&self, fingerprint: &Fingerprint) -> Result<(), DataError> {
        let mut parts = fashion::FILES.iter().zip(&fingerprint.parts);
        match parts.find(|(file, found)| file.sha256 != **found) {
            Some((file, found)) if self.name == fashion::NAME => Err(DataError::Impostor {
                folder: PathBuf::from(&self.source),
                file: file.name,
                expected: file.sha256,
                found: found.clone(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::InMemory;
    use crate::samples::Samples;
    use crate::{FindOptions, load, locate};
    use plusx_model::shape::ImageShape;

    fn sample() -> Dataset {
        load("fashion-mnist-mini", &FindOptions::default()).unwrap()
    }

    /// The images of a split, to be changed.
    fn copy(split: &dyn Samples) -> InMemory {
        let mut buffer = Vec::new();
        let images =
            (0..split.len()).flat_map(|index| split.read(index, &mut buffer).unwrap().bytes.to_vec());
        InMemory { images: images.collect(), labels: split.labels().into(), shape: split.shape().unwrap() }
    }

    #[test]
    fn every_pixel_label_and_shape_counts_and_no_name() {
        let set = sample();
        let same = Dataset { name: "other".into(), source: "elsewhere".into(), ..set.clone() };
        assert_eq!(same.fingerprint(), set.fingerprint());
        let changes: [fn([&mut InMemory; 2]); 5] = [
            |[train, _]| train.images[700_000] ^= 1,
            |[train, _]| train.labels[3] = 300,
            |[_, test]| *test.images.last_mut().unwrap() ^= 0x80,
            |[_, test]| test.labels.swap(0, 1),
            |[_, test]| test.shape = ImageShape::new(1, 14, 56),
        ];
        let whole = set.fingerprint().sha256();
        assert_eq!(whole.len(), 64);
        for (index, change) in changes.into_iter().enumerate() {
            let [mut train, mut test] = [copy(&*set.train), copy(&*set.val)];
            change([&mut train, &mut test]);
            let other = Dataset::in_memory(&set.name, set.classes.clone(), train, test, &set.source);
            assert_ne!(other.fingerprint().sha256(), whole, "change {index}");
        }
    }

    #[test]
    fn a_set_under_a_borrowed_name_is_told() {
        let set = sample();
        set.check_origin(&set.fingerprint()).unwrap();
        let borrowed = Dataset { name: fashion::NAME.into(), source: "some/folder".into(), ..set };
        let error = borrowed.check_origin(&borrowed.fingerprint()).unwrap_err().to_string();
        for part in ["some/folder", "train-images-idx3-ubyte", fashion::TRAIN_IMAGES.sha256, "authors"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_official_files_have_the_official_hashes() {
        let find = FindOptions::default();
        if locate(fashion::NAME, &find).is_none() {
            eprintln!(
                "SKIPPED: Fashion-MNIST is not installed (Debian: apt-get install dataset-fashion-mnist)"
            );
            return;
        }
        let set = load(fashion::NAME, &find).unwrap();
        set.check_origin(&set.fingerprint()).unwrap();
    }
}
