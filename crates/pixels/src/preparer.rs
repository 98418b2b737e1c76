//! From the bytes of an image to what a network takes, as a record says: resize, cut out the middle, scale, normalise.

use crate::resize::Cut;
use crate::{PixelError, Resizer};
use plusx_model::preprocess::Preprocess;
use plusx_model::words::count;

/// Prepares images of one shape, set up once and used for many.
#[derive(Clone, Debug)]
pub struct Preparer {
    resize: Resizer,
    /// Channels of the images and of the network.
    channels: [usize; 2],
    resized: Vec<u8>,
    /// Values of the network's input.
    len: usize,
    /// For each channel of the network, what every byte becomes.
    values: Vec<[f32; 256]>,
}

impl Preparer {
    /// For images of `[rows, columns, channels]`. Grey ones fill every channel of a network that takes several.
    ///
    /// # Errors
    /// [`PixelError::Preprocess`] for a record whose parts do not fit each other or the number of channels,
    /// [`PixelError::Empty`] for images without pixels, [`PixelError::Interpolation`] for a way of resizing that is not
    /// known here.
    pub fn new(from: [usize; 3], record: &Preprocess) -> Result<Self, PixelError> {
        record.check()?;
        let [h, w, c] = from;
        let taken = record.input.c;
        if h == 0 || w == 0 {
            return Err(PixelError::Empty { w, h, bytes: 0 });
        }
        if c != taken && c != 1 {
            let (expected, found) = (format!("images of {}", count(taken, "channel")), c.to_string());
            return Err(plusx_model::ModelError::Preprocess { expected, found }.into());
        }
        let to = record.resized([h, w]);
        let cut = Cut { from, to, corner: record.corner(to), size: [record.input.h, record.input.w] };
        let resize = Resizer::new(record.interpolation, cut)?;
        let resized = vec![0; if resize.is_copy() { 0 } else { cut.dst_len() }];
        let values = record.mean.iter().zip(&record.std).map(|(mean, std)| normalised(*mean, *std)).collect();
        Ok(Self { resize, channels: [c, taken], resized, len: record.input.len(), values })
    }

    /// Appends what becomes of `image`, `[rows][columns][channels]`, to `out`, in the same order.
    ///
    /// # Panics
    /// If `image` has another length than the shape given to [`Preparer::new`] says.
    pub fn append(&mut self, image: &[u8], out: &mut Vec<f32>) {
        let start = out.len();
        out.resize(start + self.len, 0.0);
        self.fill(image, &mut out[start..]);
    }

    /// As [`Preparer::append`], in place of what `out` holds.
    ///
    /// # Panics
    /// If `image` has another length than the shape given to [`Preparer::new`] says, or `out` another than the network's input.
    pub fn fill(&mut self, image: &[u8], out: &mut [f32]) {
        assert_eq!(out.len(), self.len, "values of the network's input");
        let bytes = match self.resize.is_copy() {
            true => image,
            false => {
                self.resize.run(image, &mut self.resized);
                &self.resized
            }
        };
        match (self.channels, &self.values[..]) {
            ([_, 1], [values]) => {
                out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = values[usize::from(*byte)]);
            }
            ([1, c], all) => {
                for (out, byte) in out.chunks_exact_mut(c).zip(bytes) {
                    out.iter_mut().zip(all).for_each(|(out, values)| *out = values[usize::from(*byte)]);
                }
            }
            ([c, _], all) => {
                for (out, pixel) in out.chunks_exact_mut(c).zip(bytes.chunks_exact(c)) {
                    let bytes = pixel.iter().zip(all);
                    out.iter_mut()
                        .zip(bytes)
                        .for_each(|(out, (byte, values))| *out = values[usize::from(*byte)]);
                }
            }
        }
    }
}

/// Every byte divided by 255 in f32 (Gluon's and torchvision's `ToTensor`), less the mean, divided by the standard
/// deviation.
fn normalised(mean: f32, std: f32) -> [f32; 256] {
    std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::preprocess::{Interpolation, Preset, Resize};
    use plusx_model::shape::ImageShape;

    fn prepared(image: &[u8], from: [usize; 3], record: &Preprocess) -> Vec<f32> {
        let mut out = Vec::new();
        Preparer::new(from, record).unwrap().append(image, &mut out);
        out
    }

    #[test]
    fn bytes_are_only_scaled_where_nothing_is_resized() {
        let record = Preprocess::chapter(ImageShape::new(1, 2, 2));
        assert_eq!(prepared(&[0, 51, 102, 255], [2, 2, 1], &record), [0.0, 0.2, 0.4, 1.0]);
    }

    #[test]
    fn grey_fills_all_channels_and_each_is_normalised() {
        let record = Preset::Cifar10.record(ImageShape::new(3, 1, 2));
        let values = prepared(&[255, 0], [1, 2, 1], &record);
        for (channel, (mean, std)) in record.mean.iter().zip(&record.std).enumerate() {
            assert_eq!(values[channel], (1.0 - mean) / std);
            assert_eq!(values[3 + channel], -mean / std);
        }
        let error = Preparer::new([1, 2, 3], &Preprocess::chapter(ImageShape::new(1, 1, 2))).unwrap_err();
        assert!(error.to_string().contains("images of 1 channel,"), "{error}");
    }

    #[test]
    fn the_middle_of_the_resized_image_is_taken_whatever_resizes() {
        // 4 rows, 9 columns: the shorter side stays 4, the middle 3 rows and 3 columns begin at (0, 3)
        let image: Vec<u8> = (0..36).collect();
        for interpolation in Interpolation::ALL {
            let chapter = Preprocess::chapter(ImageShape::new(1, 3, 3));
            let record = Preprocess { resize: Resize::Shorter(4), interpolation, ..chapter };
            let expected = [3, 4, 5, 12, 13, 14, 21, 22, 23].map(|byte: u8| f32::from(byte) / 255.0);
            assert_eq!(prepared(&image, [4, 9, 1], &record), expected, "{interpolation}");
        }
    }

    #[test]
    fn what_has_no_pixels_is_an_error() {
        let record = Preprocess::chapter(ImageShape::new(1, 2, 2));
        assert!(matches!(Preparer::new([0, 4, 1], &record), Err(PixelError::Empty { .. })));
        let crooked = Preprocess { resize: Resize::Shorter(1), ..record };
        assert!(matches!(Preparer::new([4, 4, 1], &crooked), Err(PixelError::Preprocess(_))));
    }
}
