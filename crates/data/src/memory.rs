//! Labelled images of one shape in memory, and how a file of images and one of labels become them.

use crate::DataError;
use crate::idx::Idx;
use crate::idx_hash;
use crate::samples::{Pixels, Samples};
use plusx_model::shape::ImageShape;
use plusx_model::words::counted;
use std::borrow::Cow;
use std::path::Path;

/// Labelled images of equal shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InMemory {
    /// Pixels, `[n][h][w][c]`.
    pub images: Vec<u8>,
    /// One class index per image.
    pub labels: Vec<u32>,
    /// Shape of every image.
    pub shape: ImageShape,
}

impl InMemory {
    /// Pixels of image `index`, `[h][w][c]`; `None` past the end.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let len = self.shape.len();
        let first = index.checked_mul(len)?;
        self.images.get(first..first.checked_add(len)?)
    }
}

impl Samples for InMemory {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        index.to_string().into()
    }

    fn read<'a>(&'a self, index: usize, _: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        let absent = || {
            let (bytes, n) = (self.images.len(), self.labels.len());
            let reason =
                format!("image {index} is not among {bytes} bytes of pixels, {n} images of {}", self.shape);
            DataError::Plan { reason }
        };
        let bytes = self.image(index).ok_or_else(absent)?;
        Ok(Pixels { bytes, shape: self.shape })
    }

    fn channels(&self) -> usize {
        self.shape.c
    }

    fn shape(&self) -> Option<ImageShape> {
        Some(self.shape)
    }

    fn bytes(&self) -> usize {
        self.images.len() + size_of::<u32>() * self.labels.len()
    }

    fn pictures_sha256(&self) -> String {
        idx_hash::images(self.labels.len(), self.shape, &self.images)
    }
}

/// What was read from a file, with the file's name for errors.
pub(crate) struct Named<'a, T> {
    pub(crate) path: &'a Path,
    pub(crate) content: T,
}

impl InMemory {
    /// Joins the images of one file with the labels of another. There must be as many labels as images, and at least one.
    pub(crate) fn join(images: Named<'_, Idx>, labels: Named<'_, Vec<u32>>) -> Result<Self, DataError> {
        let Idx { dims, values } = images.content;
        let refused = |reason: String| Err(DataError::malformed(images.path, reason));
        let (n, shape) = match dims[..] {
            [n, h, w] => (n, ImageShape::new(1, h, w)),
            [n, h, w, c @ (1 | 3)] => (n, ImageShape::new(c, h, w)),
            [_, _, _, c] => {
                return refused(format!(
                    "holds images of {}; the last dimension must be 1 (grey) or 3 (colours)",
                    counted(c as u64, "channel")
                ));
            }
            _ => {
                let swapped = if dims.len() == 1 {
                    "; these look like labels: are the two files exchanged?"
                } else {
                    ""
                };
                let found = counted(dims.len() as u64, "dimension");
                return refused(format!("holds {found}, images have 3 or 4{swapped}"));
            }
        };
        if values.is_empty() {
            return refused("holds no image".to_owned());
        }
        if n != labels.content.len() {
            let found = counted(labels.content.len() as u64, "label");
            let needed = counted(n as u64, "image");
            let reason = format!("holds {found} for the {needed} of {}", images.path.display());
            return Err(DataError::malformed(labels.path, reason));
        }
        Ok(Self { images: values, labels: labels.content, shape })
    }
}
