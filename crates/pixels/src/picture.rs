//! A picture, and what becomes of it.

use plusx_model::preprocess::Preprocess;

use crate::{PixelError, Preparer};

/// A picture, upright, three 8-bit channels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Pixels, `[h][w][3]`.
    pub rgb8: Vec<u8>,
    /// Columns.
    pub w: usize,
    /// Rows.
    pub h: usize,
}

/// Brings a picture to the input of a network, `[h][w][c]`: [`grey`] if the network takes one channel, then as the record
/// says ([`Preparer`]).
///
/// # Errors
/// [`PixelError::Channels`] for a network that takes neither 1 nor 3 channels, [`PixelError::Preprocess`] for a record
/// whose parts do not fit each other, [`PixelError::Empty`] for a picture without pixels or with too few for its size.
pub fn prepare(picture: &Picture, preprocess: &Preprocess) -> Result<Vec<f32>, PixelError> {
    preprocess.check()?;
    let Picture { rgb8, w, h } = picture;
    if rgb8.is_empty() || w.checked_mul(*h).and_then(|pixels| pixels.checked_mul(3)) != Some(rgb8.len()) {
        return Err(PixelError::Empty { w: *w, h: *h, bytes: rgb8.len() });
    }
    let mut values = Vec::with_capacity(preprocess.input.len());
    match preprocess.input.c {
        1 => {
            let mut pixels = Vec::new();
            grey(rgb8, &mut pixels);
            Preparer::new([*h, *w, 1], preprocess)?.append(&pixels, &mut values);
        }
        3 => Preparer::new([*h, *w, 3], preprocess)?.append(rgb8, &mut values),
        channels => return Err(PixelError::Channels { channels }),
    }
    Ok(values)
}

/// Turns `[h][w][3]` into `[h][w]`, in place of what `out` holds: the luma of ITU-R BT.601 as Pillow rounds it,
/// `(19595 R + 38470 G + 7471 B + 32768) / 65536`. A picture that is grey already keeps its values.
pub fn grey(rgb8: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend(rgb8.chunks_exact(3).map(|rgb| luma([rgb[0], rgb[1], rgb[2]])));
}

/// The grey of a pixel, see [`grey`].
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + (1 << 15)) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::shape::ImageShape;

    #[test]
    fn grey_stays_grey() {
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
        assert_eq!(luma([255, 0, 0]), 76);
        assert_eq!(luma([0, 255, 0]), 150);
        assert_eq!(luma([0, 0, 255]), 29);
    }

    #[test]
    fn one_channel_is_what_the_loader_makes() {
        // the same image through both ways gives the same numbers
        let pixels: Vec<u8> = (0..28 * 28).map(|i| (i * 31 % 256) as u8).collect();
        let picture = Picture { rgb8: pixels.iter().flat_map(|&value| [value; 3]).collect(), w: 28, h: 28 };
        let values = prepare(&picture, &Preprocess::chapter(ImageShape::new(1, 96, 96))).unwrap();
        let resized = crate::resize::bilinear_u8(&pixels, [28, 28, 1], [96, 96]);
        assert_eq!(values, resized.iter().map(|&value| f32::from(value) / 255.0).collect::<Vec<_>>());
    }

    #[test]
    fn three_channels_are_normalised_each() {
        let picture = Picture { rgb8: [255, 51, 0].repeat(6), w: 3, h: 2 };
        let mut preprocess = Preprocess::chapter(ImageShape::new(3, 2, 2));
        preprocess.mean = vec![0.5, 0.2, 0.25];
        preprocess.std = vec![0.5, 1.0, 0.25];
        assert_eq!(prepare(&picture, &preprocess).unwrap(), [1.0, 0.0, -1.0].repeat(4));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let picture = Picture { rgb8: vec![0; 3], w: 1, h: 1 };
        let two = Preprocess::chapter(ImageShape::new(2, 4, 4));
        assert!(matches!(prepare(&picture, &two), Err(PixelError::Channels { channels: 2 })));
        let one = Preprocess::chapter(ImageShape::new(1, 4, 4));
        let short = Picture { w: 2, ..picture.clone() };
        assert!(matches!(prepare(&short, &one), Err(PixelError::Empty { .. })));
        assert!(matches!(
            prepare(&Picture { rgb8: vec![], w: 0, h: 0 }, &one),
            Err(PixelError::Empty { .. })
        ));
        let crooked = Preprocess { mean: vec![], ..one };
        assert!(matches!(prepare(&picture, &crooked), Err(PixelError::Preprocess(_))));
    }
}
