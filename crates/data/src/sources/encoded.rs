//! Pictures that are decoded each time they are asked for.

use super::names::NameList;
use crate::DataError;
use crate::picture::{self, Limits};
use crate::samples::{Pixels, Samples};
use plusx_model::shape::ImageShape;
use std::borrow::Cow;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// Where the bytes of encoded pictures are. Indices count from 0, in the order of the names.
pub(crate) trait PictureStore: Debug + Send + Sync + Sized + 'static {
    /// What one picture of it is, in the singular: "file".
    const WHAT: &'static str;

    /// Puts the bytes of picture `index`, which is called `name`, in place of what `bytes` holds.
    fn encoded(
        &self,
        index: usize,
        name: &str,
        limits: &Limits,
        bytes: &mut Vec<u8>,
    ) -> Result<(), DataError>;

    /// The folder that all of it is in.
    fn root(&self) -> &Path;

    /// Where picture `index` is to be found, below that folder.
    fn place(&self, index: usize, name: &str) -> String;

    /// The pictures at these indices, in this order.
    fn select(&self, indices: &[u32]) -> Self;

    /// Bytes of memory held.
    fn bytes(&self) -> usize;

    /// What an error calls a picture.
    fn path(&self, index: usize, name: &str) -> PathBuf {
        self.root().join(self.place(index, name))
    }
}

/// Files below a folder.
#[derive(Debug)]
pub(crate) struct FilesBelow {
    pub(crate) root: PathBuf,
}

impl PictureStore for FilesBelow {
    const WHAT: &'static str = "file";

    fn encoded(
        &self,
        index: usize,
        name: &str,
        limits: &Limits,
        bytes: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        picture::read_into(&self.path(index, name), limits, bytes)
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, _: usize, name: &str) -> String {
        name.to_owned()
    }

    fn select(&self, _: &[u32]) -> Self {
        Self { root: self.root.clone() }
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// Encoded pictures in colour, with their labels.
#[derive(Debug)]
pub(crate) struct EncodedSamples<S> {
    pub(crate) store: S,
    pub(crate) names: NameList,
    pub(crate) labels: Vec<u32>,
    pub(crate) limits: Limits,
    /// See [`Samples::pictures_sha256`].
    pub(crate) sha256: String,
}

impl<S: PictureStore> Samples for EncodedSamples<S> {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.names.get(index).into()
    }

    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        let name = self.names.get(index);
        self.store.encoded(index, name, &self.limits, buffer)?;
        let picture = picture::decode(&self.store.path(index, name), buffer, &self.limits)?.picture;
        *buffer = picture.rgb8;
        Ok(Pixels { bytes: buffer, shape: ImageShape::new(3, picture.h, picture.w) })
    }

    fn channels(&self) -> usize {
        3
    }

    fn shape(&self) -> Option<ImageShape> {
        None
    }

    fn bytes(&self) -> usize {
        self.store.bytes() + self.names.bytes() + self.labels.capacity() * size_of::<u32>()
    }

    fn pictures_sha256(&self) -> String {
        self.sha256.clone()
    }
}
