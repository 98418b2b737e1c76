//! One of the ways of resizing, set up for one shape.

use plusx_model::preprocess::Interpolation;

use crate::PixelError;
use crate::resample::{Filter, Resample};
use crate::resize::{Bilinear, Cut};

/// A resize as a record names it, set up once and used for many images of one shape.
#[derive(Clone, Debug)]
pub struct Resizer(Way);

#[derive(Clone, Debug)]
enum Way {
    /// Nothing changes: the image itself.
    Copy,
    Opencv(Bilinear),
    Pillow(Resample),
}

impl Resizer {
    /// A resize of which `cut` is wanted.
    ///
    /// # Errors
    /// [`PixelError::Interpolation`] for a way of resizing that is not known here.
    ///
    /// # Panics
    /// If a side is zero or the part that is wanted is not inside the resized image.
    pub fn new(interpolation: Interpolation, cut: Cut) -> Result<Self, PixelError> {
        cut.check();
        let [h, w, _] = cut.from;
        Ok(Self(match interpolation {
            _ if cut.to == [h, w] && cut.size == cut.to => Way::Copy,
            Interpolation::BilinearOpencv => Way::Opencv(Bilinear::new(cut)),
            Interpolation::Bilinear => Way::Pillow(Resample::new(Filter::Bilinear, cut)),
            Interpolation::Bicubic => Way::Pillow(Resample::new(Filter::Bicubic, cut)),
            other => return Err(PixelError::Interpolation { name: other.to_string() }),
        }))
    }

    /// Whether the result is the image itself.
    pub fn is_copy(&self) -> bool {
        matches!(self.0, Way::Copy)
    }

    /// Resizes `src`, `[h][w][c]`, into `dst`.
    ///
    /// # Panics
    /// If a length does not fit the shapes given to [`Resizer::new`].
    pub fn run(&mut self, src: &[u8], dst: &mut [u8]) {
        match &mut self.0 {
            Way::Copy => dst.copy_from_slice(src),
            Way::Opencv(resize) => resize.run(src, dst),
            Way::Pillow(resize) => resize.run(src, dst),
        }
    }
}
