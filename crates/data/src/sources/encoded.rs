//! Pictures that are decoded each time they are asked for.

use super::names::Names;
use crate::DataError;
use crate::picture::{self, Limits};
use crate::samples::{Pixels, Samples};
use plusx_model::shape::ImageShape;
use std::borrow::Cow;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// Where the bytes of picture files are.
pub(crate) trait Store: Debug + Send + Sync {
    /// Puts the bytes of picture `index`, which is called `name`, in place of what `bytes` holds.
    fn encoded(
        &self,
        index: usize,
        name: &str,
        limits: &Limits,
        bytes: &mut Vec<u8>,
    ) -> Result<(), DataError>;

    /// What an error calls the picture.
    fn path(&self, name: &str) -> PathBuf;

    /// Bytes of memory held.
    fn bytes(&self) -> usize;
}

/// Files below a folder.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) root: PathBuf,
}

impl Store for Files {
    fn encoded(&self, _: usize, name: &str, limits: &Limits, bytes: &mut Vec<u8>) -> Result<(), DataError> {
        picture::read_into(&self.path(name), limits, bytes)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(Path::new(name))
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// Encoded pictures in colour, with their labels.
#[derive(Debug)]
pub(crate) struct EncodedSamples<S> {
    pub(crate) store: S,
    pub(crate) names: Names,
    pub(crate) labels: Vec<u32>,
    pub(crate) limits: Limits,
    /// See [`Samples::pictures_sha256`].
    pub(crate) sha256: String,
}

impl<S: Store> Samples for EncodedSamples<S> {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.names.get(index).into()
    }

    fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Pixels<'a>, DataError> {
        let name = self.names.get(index);
        self.store.encoded(index, name, &self.limits, buffer)?;
        let picture = picture::decode(&self.store.path(name), buffer, &self.limits)?.picture;
        *buffer = picture.rgb8;
        Ok(Pixels { bytes: buffer, shape: ImageShape::new(3, picture.h, picture.w) })
    }

    fn encoded<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, DataError> {
        self.store.encoded(index, self.names.get(index), &self.limits, buffer)?;
        Ok(Some(buffer))
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
