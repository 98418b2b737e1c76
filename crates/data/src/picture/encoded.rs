//! A picture file in memory, what its picture may cost, and what a decoder makes of it.

use crate::DataError;
use plusx_pixels::Picture;
use std::path::Path;

/// What a picture may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most bytes of a file. Default: 256 MiB, twice what a camera of 200 million pixels writes.
    pub bytes: u64,
    /// Most pixels of a picture: a small file can announce far more than memory holds. Default: 256 million; the largest
    /// cameras in phones write 16320x12240.
    pub pixels: u64,
    /// Most bytes of memory that decoding may take, the picture itself included. Default: `None`, no other limit than
    /// `pixels`. Files that need more are refused before anything is allocated.
    pub memory: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, pixels: 256_000_000, memory: None }
    }
}

impl Limits {
    /// Refuses a file of so many bytes that is larger than they admit.
    pub(crate) fn admit_file(&self, path: &Path, size: u64) -> Result<(), DataError> {
        if size <= self.bytes {
            return Ok(());
        }
        let (path, limit) = (path.to_owned(), self.bytes);
        Err(DataError::TooLarge { path, what: "its size in bytes", size, limit })
    }
}

/// A file's content, everything in memory: whatever fails from here on is the content's fault.
#[derive(Clone, Copy)]
pub(super) struct Encoded<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
    pub(super) limits: &'a Limits,
}

impl Encoded<'_> {
    pub(super) fn bad(&self, reason: impl Into<String>) -> DataError {
        DataError::Picture { path: self.path.to_owned(), reason: reason.into() }
    }

    /// Refuses a picture that is larger than the limits admit, before memory is taken for it. `working` is what the decoder
    /// takes beside the picture, in bytes; a picture that is turned is there twice for a while.
    pub(super) fn admit(&self, [w, h]: [u32; 2], working: u64, turned: bool) -> Result<(), DataError> {
        let too_large =
            |what, size, limit| DataError::TooLarge { path: self.path.to_owned(), what, size, limit };
        let pixels = u64::from(w) * u64::from(h);
        if pixels > self.limits.pixels {
            return Err(too_large("its number of pixels", pixels, self.limits.pixels));
        }
        let picture = pixels.saturating_mul(3);
        let needed = picture.saturating_add(if turned { picture.max(working) } else { working });
        match self.limits.memory {
            Some(granted) if needed > granted => {
                Err(too_large("the memory to decode it, in bytes,", needed, granted))
            }
            _ => Ok(()),
        }
    }
}

/// A decoded file.
pub(super) struct Decoded {
    pub(super) picture: Picture,
    /// As [`Opened::notes`](super::Opened::notes).
    pub(super) notes: Vec<String>,
}
