//! A picture that operations change in place.

use crate::DataError;
use plusx_pixels::PixelError;

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
    /// [`DataError::Pixels`] if `bytes` has another length, or there are neither 1 nor 3 channels.
    pub fn new(bytes: Vec<u8>, shape: [usize; 3]) -> Result<Self, DataError> {
        Self::check(&bytes, shape)?;
        let [h, w, c] = shape;
        Ok(Self { bytes, h, w, c, ..Self::empty() })
    }

    /// Buffers for the first picture.
    pub(super) fn empty() -> Self {
        Self { bytes: Vec::new(), scratch: Vec::new(), h: 0, w: 0, c: 0 }
    }

    /// Whether these bytes make a picture.
    pub(super) fn check(bytes: &[u8], [h, w, c]: [usize; 3]) -> Result<(), DataError> {
        let len = h.checked_mul(w).and_then(|pixels| pixels.checked_mul(c));
        if bytes.is_empty() || len != Some(bytes.len()) || !matches!(c, 1 | 3) {
            return Err(PixelError::Empty { w, h, bytes: bytes.len() }.into());
        }
        Ok(())
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
