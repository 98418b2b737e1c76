//! One of the ways of resizing, set up for one shape.

use plusx_model::preprocess::Interpolation;

use crate::PixelError;
use crate::resample::{Filter, Resample};
use crate::resize::{Bilinear, Cut};

/// A resize as a record names it, set up once and used for many images of one shape.
#[derive(Clone, Debug)]
pub struct Resizer {
    interpolation: Interpolation,
    cut: Cut,
    way: Way,
    /// A part of an image, where the way needs it in one piece.
    part: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Way {
    /// Nothing changes: the image itself.
    Copy,
    Opencv(Bilinear),
    Pillow(Box<Resample>),
}

impl Way {
    fn new(interpolation: Interpolation, cut: Cut) -> Result<Self, PixelError> {
        cut.check();
        let [h, w, _] = cut.from;
        Ok(match interpolation {
            _ if cut.to == [h, w] && cut.size == cut.to => Way::Copy,
            Interpolation::BilinearOpencv => Way::Opencv(Bilinear::new(cut)),
            Interpolation::Bilinear => Way::Pillow(Box::new(Resample::new(Filter::Bilinear, cut))),
            Interpolation::Bicubic => Way::Pillow(Box::new(Resample::new(Filter::Bicubic, cut))),
            other => return Err(PixelError::Interpolation { name: other.to_string() }),
        })
    }
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
        Ok(Self { interpolation, cut, way: Way::new(interpolation, cut)?, part: Vec::new() })
    }

    /// Sets it up for another shape; memory is kept where the way allows.
    ///
    /// # Errors
    /// As [`Resizer::new`].
    ///
    /// # Panics
    /// As [`Resizer::new`].
    pub fn set(&mut self, cut: Cut) -> Result<(), PixelError> {
        if cut == self.cut {
            return Ok(());
        }
        let [h, w, _] = cut.from;
        match &mut self.way {
            Way::Pillow(resize) if cut.to != [h, w] || cut.size != cut.to => resize.set(cut),
            way => *way = Way::new(self.interpolation, cut)?,
        }
        self.cut = cut;
        Ok(())
    }

    /// Whether the result is the image itself.
    pub fn is_copy(&self) -> bool {
        matches!(self.way, Way::Copy)
    }

    /// Resizes `src`, `[h][w][c]`, into `dst`.
    ///
    /// # Panics
    /// If a length does not fit the shape that was set.
    pub fn run(&mut self, src: &[u8], dst: &mut [u8]) {
        match &mut self.way {
            Way::Copy => dst.copy_from_slice(src),
            Way::Opencv(resize) => resize.run(src, dst),
            Way::Pillow(resize) => resize.run(src, dst),
        }
    }

    /// As [`Resizer::run`], of a part of an image whose rows begin `stride` bytes apart; `src` begins where the part does.
    ///
    /// # Panics
    /// As [`Resizer::run`].
    pub fn run_strided(&mut self, src: &[u8], stride: usize, dst: &mut [u8]) {
        let [h, w, c] = self.cut.from;
        match &mut self.way {
            Way::Pillow(resize) => resize.run_strided(src, stride, dst),
            _ if stride == w * c => self.run(&src[..h * w * c], dst),
            Way::Copy | Way::Opencv(_) => {
                self.part.clear();
                for row in 0..h {
                    self.part.extend_from_slice(&src[row * stride..][..w * c]);
                }
                let part = std::mem::take(&mut self.part);
                self.run(&part, dst);
                self.part = part;
            }
        }
    }
}
