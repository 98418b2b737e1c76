//! Labelled pictures, wherever they are: in memory, in files, in archives. A loader asks for one at a time.

use crate::DataError;
use plusx_model::shape::ImageShape;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

/// The pixels of one picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pixels<'a> {
    /// `[h][w][c]`.
    pub bytes: &'a [u8],
    /// Rows, columns and channels: 1 (grey) or 3 (red, green, blue).
    pub shape: ImageShape,
}

/// Labelled pictures that are read one at a time, in a fixed order. Their sizes may differ.
///
/// Indices count from 0 and are below [`len`](Samples::len); what is asked of a picture past the end panics or is an error.
pub trait Samples: Debug + Send + Sync {
    /// One class index per picture, in order.
    fn labels(&self) -> &[u32];

    /// What picture `index` is called: its path below the data set's folder, with `/` between the parts; where pictures
    /// have no names, the split and the number.
    fn name(&self, index: usize) -> Cow<'_, str>;

    /// The pixels of picture `index`. `buffer` is the reader's to use: it may hold the pixels that are returned.
    ///
    /// # Errors
    /// [`DataError`] naming the picture, of the kind `BadFile` if it is not to be had from what the file holds.
    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError>;

    /// The bytes of the file that picture `index` is decoded from, put into `buffer`; nothing where there is no such file.
    ///
    /// # Errors
    /// As [`read`](Samples::read).
    fn encoded<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, DataError> {
        let _ = (index, buffer);
        Ok(None)
    }

    /// Whether pictures are already what the record of the run makes of them in 8 bits: a cache gives them so.
    fn is_prepared(&self) -> bool {
        false
    }

    /// Channels of every picture: 1 or 3.
    fn channels(&self) -> usize;

    /// The shape of every picture, where all have one and it is known unread.
    fn shape(&self) -> Option<ImageShape>;

    /// Bytes of memory that are held.
    fn bytes(&self) -> usize;

    /// SHA-256, in lower-case hexadecimal, of what is in it and in which order, labels aside.
    fn pictures_sha256(&self) -> String;

    /// Number of pictures.
    fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there is no picture.
    fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }
}

/// Some pictures of others, in an order of their own. Nothing is copied but their labels.
#[derive(Clone, Debug)]
pub struct Subset {
    of: Arc<dyn Samples>,
    indices: Vec<u32>,
    labels: Vec<u32>,
}

impl Subset {
    /// The pictures of `of` at `indices`; those past its end are not there to be had and are left out.
    pub fn new(of: Arc<dyn Samples>, indices: impl IntoIterator<Item = u32>) -> Self {
        let len = of.len();
        let indices: Vec<u32> = indices.into_iter().filter(|index| (*index as usize) < len).collect();
        let labels = indices.iter().map(|index| of.labels()[*index as usize]).collect();
        Self { of, indices, labels }
    }
}

impl Samples for Subset {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.of.name(self.indices[index] as usize)
    }

    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        self.of.read(self.indices[index] as usize, buffer)
    }

    fn encoded<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, DataError> {
        self.of.encoded(self.indices[index] as usize, buffer)
    }

    fn is_prepared(&self) -> bool {
        self.of.is_prepared()
    }

    fn channels(&self) -> usize {
        self.of.channels()
    }

    fn shape(&self) -> Option<ImageShape> {
        self.of.shape()
    }

    fn bytes(&self) -> usize {
        size_of::<u32>() * (self.indices.len() + self.labels.len())
    }

    fn pictures_sha256(&self) -> String {
        let indices: Vec<u8> = self.indices.iter().flat_map(|index| index.to_le_bytes()).collect();
        crate::unzip::digest(&[self.of.pictures_sha256().as_bytes(), &indices])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::InMemory;

    #[test]
    fn a_subset_has_the_pictures_it_names_in_its_own_order() {
        let all = InMemory {
            images: vec![1, 2, 3, 4, 5, 6],
            labels: vec![0, 1, 2],
            shape: ImageShape::new(1, 1, 2),
        };
        let all: Arc<dyn Samples> = Arc::new(all);
        let some = Subset::new(Arc::clone(&all), [2, 0, 7]);
        assert_eq!((some.len(), some.labels()), (2, &[2, 0][..]));
        let mut buffer = Vec::new();
        assert_eq!(some.read(0, &mut buffer).unwrap().bytes, [5, 6]);
        assert_eq!(some.read(1, &mut buffer).unwrap().bytes, [1, 2]);
        assert_eq!(some.name(0), all.name(2));
        let other = Subset::new(Arc::clone(&all), [0, 2]);
        assert_ne!(some.pictures_sha256(), other.pictures_sha256());
    }
}
