//! A picture that operations change in place.

use crate::PixelError;

/// A picture that operations change in place: grey (1 channel) or red, green, blue (3).
#[derive(Clone, Debug)]
pub struct Raster {
    /// Pixels, `[h][w][c]`.
    pub(super) bytes: Vec<u8>,
    /// What operations that need a second picture write to; kept for the next one.
    pub(super) scratch: Vec<u8>,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) c: usize,
}

impl Raster {
    /// A picture of `[h, w, c]`.
    ///
    /// # Errors
    /// [`PixelError::Empty`] if `bytes` has another length, or there are neither 1 nor 3 channels.
    pub fn new(bytes: Vec<u8>, [h, w, c]: [usize; 3]) -> Result<Self, PixelError> {
        let len = h.checked_mul(w).and_then(|pixels| pixels.checked_mul(c));
        if bytes.is_empty() || len != Some(bytes.len()) || !matches!(c, 1 | 3) {
            return Err(PixelError::Empty { w, h, bytes: bytes.len() });
        }
        Ok(Self { bytes, scratch: Vec::new(), h, w, c })
    }

    /// Its pixels, `[h][w][c]`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Rows, columns and channels.
    pub fn shape(&self) -> [usize; 3] {
        [self.h, self.w, self.c]
    }
}
