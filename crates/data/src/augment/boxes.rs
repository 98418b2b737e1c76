//! Which part of a picture is cropped or erased: the `get_params` of torchvision's transforms, draws in its order.

use super::draws::Draws;

/// A part of a picture, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rectangle {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
}

/// How often a part is drawn that may not fit.
const TRIES: usize = 10;

/// `RandomResizedCrop.get_params` for a picture of `[rows, columns]`: a part with a share of the area that is uniform in
/// `scale`, and a ratio of width to height whose logarithm is uniform in that of `ratio`. If ten do not fit, it is the
/// largest part in the middle that keeps to `ratio`.
pub fn resized_crop([h, w]: [usize; 2], scale: [f64; 2], ratio: [f64; 2], draws: &mut Draws) -> Rectangle {
    for _ in 0..TRIES {
        let [width, height] = sides(h * w, scale, ratio, draws);
        if (1..=w).contains(&width) && (1..=h).contains(&height) {
            let top = draws.below(h - height + 1);
            return Rectangle { top, left: draws.below(w - width + 1), h: height, w: width };
        }
    }
    let own = w as f64 / h as f64;
    let (least, most) = (ratio[0].min(ratio[1]), ratio[0].max(ratio[1]));
    let [height, width] = if own < least {
        [rounded(w as f64 / least), w]
    } else if own > most {
        [h, rounded(h as f64 * most)]
    } else {
        [h, w]
    };
    // torchvision would take a part without pixels
    let [height, width] = [height.clamp(1, h), width.clamp(1, w)];
    Rectangle { top: (h - height) / 2, left: (w - width) / 2, h: height, w: width }
}

/// `RandomErasing.get_params` for a picture of `[rows, columns]`: here the ratio is that of height to width, and a part is
/// smaller than the picture on both sides. `None` if ten do not fit.
pub fn erased([h, w]: [usize; 2], scale: [f64; 2], ratio: [f64; 2], draws: &mut Draws) -> Option<Rectangle> {
    for _ in 0..TRIES {
        let [height, width] = sides(h * w, scale, ratio, draws);
        if height < h && width < w {
            let top = draws.below(h - height + 1);
            return Some(Rectangle { top, left: draws.below(w - width + 1), h: height, w: width });
        }
    }
    None
}

/// `RandomCrop.get_params`: first row and column of a part of `size` in a picture of `from`, each rows and columns, none
/// larger than the picture's. If there is one place only, nothing is drawn.
pub fn crop(from: [usize; 2], size: [usize; 2], draws: &mut Draws) -> [usize; 2] {
    if from == size {
        return [0, 0];
    }
    [0, 1].map(|axis| draws.below(from[axis].saturating_sub(size[axis]) + 1))
}

/// Two sides with a share of `area` and a ratio of the first to the second, logarithm and power in `f32` as in torch.
fn sides(area: usize, scale: [f64; 2], ratio: [f64; 2], draws: &mut Draws) -> [usize; 2] {
    let area = area as f64 * draws.uniform(scale);
    let logarithms = ratio.map(|one| f64::from(libm::log(f64::from(one as f32)) as f32));
    let ratio = f64::from(libm::exp(draws.uniform(logarithms)) as f32);
    [rounded((area * ratio).sqrt()), rounded((area / ratio).sqrt())]
}

/// Python's `round`: of two equally near whole numbers the even one.
fn rounded(x: f64) -> usize {
    x.round_ties_even() as usize
}
