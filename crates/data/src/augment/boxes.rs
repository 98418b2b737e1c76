//! Where to cut and where to erase: torchvision's `get_params`, with the draws in its order.

use super::Draws;

/// A part of a picture, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CropBox {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) h: usize,
    pub(super) w: usize,
}

/// Times that a part is drawn that may be too large.
const TRIES: usize = 10;

/// `RandomResizedCrop.get_params`: a part of the area, `scale` of it, whose width is to its height as `ratio`, uniform in
/// the logarithm. If ten draws do not fit, it is the largest part in the middle that keeps to `ratio`.
pub(super) fn resized_crop(
    [h, w]: [usize; 2],
    scale: [f64; 2],
    ratio: [f64; 2],
    draws: &mut Draws,
) -> CropBox {
    let area = (h * w) as f64;
    for _ in 0..TRIES {
        let [width, height] = sides(area * draws.uniform(scale), ratio, draws);
        if (1..=w).contains(&width) && (1..=h).contains(&height) {
            let top = draws.below(h - height + 1);
            return CropBox { top, left: draws.below(w - width + 1), h: height, w: width };
        }
    }
    let own = w as f64 / h as f64;
    let (least, most) = (ratio[0].min(ratio[1]), ratio[0].max(ratio[1]));
    let [height, width] = match own {
        _ if own < least => [rounded(w as f64 / least), w],
        _ if own > most => [h, rounded(h as f64 * most)],
        _ => [h, w],
    };
    let (height, width) = (height.clamp(1, h), width.clamp(1, w));
    CropBox { top: (h - height) / 2, left: (w - width) / 2, h: height, w: width }
}

/// `RandomErasing.get_params`: `None` if ten draws do not fit.
pub(super) fn erased(
    [h, w]: [usize; 2],
    scale: [f64; 2],
    ratio: [f64; 2],
    draws: &mut Draws,
) -> Option<CropBox> {
    let area = (h * w) as f64;
    for _ in 0..TRIES {
        // here the ratio is of height to width
        let [height, width] = sides(area * draws.uniform(scale), ratio, draws);
        if height < h && width < w {
            let top = draws.below(h - height + 1);
            return Some(CropBox { top, left: draws.below(w - width + 1), h: height, w: width });
        }
    }
    None
}

/// Two sides whose product is `area`, and the ratio of the first to the second.
fn sides(area: f64, ratio: [f64; 2], draws: &mut Draws) -> [usize; 2] {
    let ratio = libm::exp(draws.uniform(ratio.map(libm::log)));
    [rounded((area * ratio).sqrt()), rounded((area / ratio).sqrt())]
}

/// Python's `round`: of two equally near whole numbers the even one.
fn rounded(x: f64) -> usize {
    x.round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_inside_and_have_about_the_area_and_the_ratio_asked_for() {
        let (scale, ratio) = ([0.3, 0.5], [0.75, 4.0 / 3.0]);
        for sample in 0..500 {
            let part = resized_crop([100, 150], scale, ratio, &mut Draws::new(1, 0, sample));
            assert!(part.top + part.h <= 100 && part.left + part.w <= 150, "{part:?}");
            let (area, sides) = ((part.h * part.w) as f64 / 15_000.0, part.w as f64 / part.h as f64);
            assert!((0.29..0.51).contains(&area) && (0.73..1.37).contains(&sides), "{part:?}");
            let part = erased([100, 150], [0.02, 0.33], [0.3, 3.3], &mut Draws::new(1, 0, sample)).unwrap();
            assert!(part.top + part.h <= 100 && part.left + part.w <= 150, "{part:?}");
        }
    }

    #[test]
    fn what_never_fits_is_the_largest_part_in_the_middle() {
        let crop = |sides| resized_crop(sides, [1.0, 1.0], [0.75, 4.0 / 3.0], &mut Draws::new(0, 0, 0));
        assert_eq!(crop([10, 100]), CropBox { top: 0, left: 43, h: 10, w: 13 });
        assert_eq!(crop([100, 10]), CropBox { top: 43, left: 0, h: 13, w: 10 });
        assert_eq!(crop([1, 1]), CropBox { top: 0, left: 0, h: 1, w: 1 });
    }
}
