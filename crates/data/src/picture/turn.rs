//! Turning a picture upright.

use super::orientation::Orientation;
use plusx_pixels::Picture;

/// Side of the square of pixels that a turn copies at a time: its rows and columns stay in a core's first cache.
const SQUARE: usize = 32;

/// The picture as it was meant to be seen.
pub(super) fn upright(mut picture: Picture, orientation: Orientation) -> Picture {
    let Picture { w, h, .. } = picture;
    if w == 0 || h == 0 {
        return picture;
    }
    let pixels = |bytes: &mut [u8]| bytes.as_chunks_mut::<3>().0.reverse();
    match orientation {
        Orientation::Upright => picture,
        Orientation::Mirrored => {
            picture.rgb8.chunks_exact_mut(3 * w).for_each(pixels);
            picture
        }
        Orientation::UpsideDown => {
            pixels(&mut picture.rgb8);
            picture
        }
        Orientation::Flipped => {
            // upside down, then each row mirrored
            pixels(&mut picture.rgb8);
            picture.rgb8.chunks_exact_mut(3 * w).for_each(pixels);
            picture
        }
        // where a pixel comes from: its column is the new row, counted from one end or the other
        Orientation::Transposed => sideways(&picture, |x, y| (y, x)),
        Orientation::Right => sideways(&picture, |x, y| (y, h - 1 - x)),
        Orientation::Transverse => sideways(&picture, |x, y| (w - 1 - y, h - 1 - x)),
        Orientation::Left => sideways(&picture, |x, y| (w - 1 - y, x)),
    }
}

/// A picture with its sides exchanged: the pixel at (x, y) is the one at `from(x, y)`.
fn sideways(picture: &Picture, from: impl Fn(usize, usize) -> (usize, usize)) -> Picture {
    let (w, h) = (picture.h, picture.w);
    let source = picture.rgb8.as_chunks::<3>().0;
    let mut rgb8 = vec![0; picture.rgb8.len()];
    let turned = rgb8.as_chunks_mut::<3>().0;
    for top in (0..h).step_by(SQUARE) {
        for left in (0..w).step_by(SQUARE) {
            for y in top..h.min(top + SQUARE) {
                for x in left..w.min(left + SQUARE) {
                    let (from_x, from_y) = from(x, y);
                    turned[y * w + x] = source[from_y * picture.w + from_x];
                }
            }
        }
    }
    Picture { rgb8, w, h }
}
