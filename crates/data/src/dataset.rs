//! A whole labelled data set in memory.

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
    todo!("{folder:?}")
}
