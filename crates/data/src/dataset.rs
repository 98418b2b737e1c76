//! A whole labelled data set in memory.

use crate::fashion::SetFile;
use crate::idx::Idx;
use crate::{DataError, FindOptions, fashion, idx, place, sample};
use plusx_model::shape::ImageShape;
use std::path::Path;

/// Labelled images of equal shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    /// Pixels, `[n][h][w][c]`.
    pub images: Vec<u8>,
    /// One class index per image.
    pub labels: Vec<u32>,
    /// Shape of every image.
    pub shape: ImageShape,
}

impl Split {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of image `index`, `[h][w][c]`; `None` past the end.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let len = self.shape.len();
        let first = index.checked_mul(len)?;
        self.images.get(first..first.checked_add(len)?)
    }
}

/// A training and a test split with the names of their classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dataset {
    /// Name: `fashion-mnist` or `fashion-mnist-mini`.
    pub name: String,
    /// Class names in the order of the label indices.
    pub classes: Vec<String>,
    /// Images to learn from.
    pub train: Split,
    /// Images to test on.
    pub test: Split,
    /// The folder it was read from, or `embedded`.
    pub source: String,
}

/// Loads the data set called `name`: `fashion-mnist` from the first place of [`locate`](crate::locate), or
/// `fashion-mnist-mini` out of the program itself.
///
/// # Errors
/// [`DataError::UnknownName`]; [`DataError::NotFound`] with every place looked at; and, naming the file, whatever is
/// wrong with one that was found: unreadable, truncated, foreign, or not matching its sibling.
pub fn load(name: &str, options: &FindOptions) -> Result<Dataset, DataError> {
    match name {
        fashion::NAME => load_folder(&place::find(name, options)?),
        sample::NAME => sample::load(),
        _ => Err(unknown(name)),
    }
}

pub(crate) fn unknown(name: &str) -> DataError {
    DataError::UnknownName {
        name: name.to_owned(),
        known: vec![fashion::NAME.to_owned(), sample::NAME.to_owned()],
    }
}

fn load_folder(folder: &Path) -> Result<Dataset, DataError> {
    let split = |images: SetFile, labels: SetFile| {
        let [images, labels] = [images, labels].map(|file| {
            file.in_folder(folder)
                .ok_or_else(|| DataError::malformed(folder, format!("{} (or .gz) has gone", file.name)))
        });
        let (images, labels) = (images?, labels?);
        join(
            Part { path: &images, idx: idx::read(&images)? },
            Part { path: &labels, idx: idx::read(&labels)? },
        )
    };
    // unpacking is most of the work, and the two splits are independent
    let (train, test) = std::thread::scope(|scope| {
        let test = scope.spawn(|| split(fashion::TEST_IMAGES, fashion::TEST_LABELS));
        let train = split(fashion::TRAIN_IMAGES, fashion::TRAIN_LABELS);
        (train, test.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (train, test) = (train?, test?);
    if train.shape != test.shape {
        let reason = format!("training images are {}, test images {}", train.shape, test.shape);
        return Err(DataError::malformed(folder, reason));
    }
    Ok(named(fashion::NAME, train, test, folder.display().to_string()))
}

/// A Fashion-MNIST of whatever size.
pub(crate) fn named(name: &str, train: Split, test: Split, source: String) -> Dataset {
    let classes = fashion::CLASSES.map(str::to_owned).to_vec();
    Dataset { name: name.to_owned(), classes, train, test, source }
}

/// An IDX file's content and its name for errors.
pub(crate) struct Part<'a> {
    pub(crate) path: &'a Path,
    pub(crate) idx: Idx,
}

/// Joins images and labels, which must be equally many and not none.
pub(crate) fn join(images: Part<'_>, labels: Part<'_>) -> Result<Split, DataError> {
    let [n, h, w] = images.idx.dims[..] else {
        let reason = format!("holds {} dimensions, images have 3", images.idx.dims.len());
        return Err(DataError::malformed(images.path, reason));
    };
    let [count] = labels.idx.dims[..] else {
        let reason = format!("holds {} dimensions, labels have 1", labels.idx.dims.len());
        return Err(DataError::malformed(labels.path, reason));
    };
    if images.idx.values.is_empty() {
        return Err(DataError::malformed(images.path, "holds no image"));
    }
    if n != count {
        let reason = format!("holds {count} labels for the {n} images of {}", images.path.display());
        return Err(DataError::malformed(labels.path, reason));
    }
    let classes = fashion::CLASSES.len();
    if let Some(at) = labels.idx.values.iter().position(|&label| usize::from(label) >= classes) {
        let reason = format!("label {at} is {}, there are {classes} classes", labels.idx.values[at]);
        return Err(DataError::malformed(labels.path, reason));
    }
    let labels = labels.idx.values.into_iter().map(u32::from).collect();
    Ok(Split { images: images.idx.values, labels, shape: ImageShape::new(1, h, w) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn idx(dims: &[usize], values: &[u8]) -> Vec<u8> {
        Idx { dims: dims.to_vec(), values: values.to_vec() }.encode().unwrap()
    }

    /// A folder with a set of three training images and one test image of 1x2.
    fn small_set() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let put = |file: SetFile, bytes: Vec<u8>| fs::write(folder.path().join(file.name), bytes).unwrap();
        put(fashion::TRAIN_IMAGES, idx(&[3, 1, 2], &[1, 2, 3, 4, 5, 6]));
        put(fashion::TRAIN_LABELS, idx(&[3], &[9, 0, 5]));
        put(fashion::TEST_IMAGES, idx(&[1, 1, 2], &[7, 8]));
        put(fashion::TEST_LABELS, idx(&[1], &[1]));
        folder
    }

    fn load_from(folder: &Path) -> Result<Dataset, DataError> {
        load(fashion::NAME, &FindOptions { data_dir: Some(folder.to_owned()), ..FindOptions::default() })
    }

    #[test]
    fn a_folder_becomes_a_data_set() {
        let folder = small_set();
        let set = load_from(folder.path()).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (3, 1));
        assert_eq!(set.train.shape, ImageShape::new(1, 1, 2));
        assert_eq!(set.train.image(1), Some(&[3, 4][..]));
        assert_eq!(set.train.image(3), None);
        assert_eq!(set.train.labels, [9, 0, 5]);
        assert_eq!(set.classes[9], "ankle boot");
        assert_eq!(set.source, folder.path().display().to_string());
    }

    /// Replaces one file by `bytes` and returns the complaint, which must name that file.
    fn complaint(file: SetFile, bytes: &[u8]) -> String {
        let folder = small_set();
        fs::write(folder.path().join(file.name), bytes).unwrap();
        let text = load_from(folder.path()).unwrap_err().to_string();
        assert!(text.contains(file.name), "{text}");
        text
    }

    #[test]
    fn every_mismatch_names_its_file() {
        use fashion::{TEST_IMAGES, TRAIN_IMAGES, TRAIN_LABELS};
        assert!(complaint(TRAIN_LABELS, &idx(&[2], &[1, 1])).contains("2 labels for the 3 images"));
        assert!(complaint(TRAIN_LABELS, &idx(&[3], &[1, 10, 1])).contains("label 1 is 10"));
        assert!(complaint(TRAIN_IMAGES, &idx(&[3], &[1, 1, 1])).contains("images have 3"));
        assert!(complaint(TRAIN_LABELS, &idx(&[3, 1, 1], &[1, 1, 1])).contains("labels have 1"));
        assert!(complaint(TEST_IMAGES, &idx(&[0, 1, 2], &[])).contains("no image"));
        assert!(complaint(TEST_IMAGES, b"<html>moved</html>").contains("not an IDX file"));
        assert!(complaint(TRAIN_IMAGES, &idx(&[3, 1, 2], &[1, 2])).contains("truncated"));
    }

    #[test]
    fn splits_of_different_shape_are_refused() {
        let folder = small_set();
        fs::write(folder.path().join(fashion::TEST_IMAGES.name), idx(&[1, 2, 1], &[7, 8])).unwrap();
        let text = load_from(folder.path()).unwrap_err().to_string();
        assert!(text.contains("1x1x2") && text.contains("1x2x1"), "{text}");
    }

    #[test]
    fn unknown_names_are_answered_with_the_known() {
        let text = load("cifar", &FindOptions::default()).unwrap_err().to_string();
        assert!(text.contains("cifar") && text.contains("fashion-mnist, fashion-mnist-mini"), "{text}");
    }
}
