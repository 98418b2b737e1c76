//! Operations that move pixels: flips, and affine maps byte for byte as Pillow's `Image.transform` with `AFFINE` computes
//! them (`src/libImaging/Geometry.c`), with the matrices of its `rotate` and of torchvision's `affine`. What comes from
//! outside the picture is 0.

use super::raster::Raster;
use super::trigonometry;
use std::f64::consts::PI;

/// How a pixel is made of those where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Warp {
    /// The nearest one, the default of torchvision's transforms.
    #[default]
    Nearest,
    /// Bilinear between four, as torchvision's reference training asks for.
    Bilinear,
}

/// Left and right change places.
pub fn hflip(image: &mut Raster) {
    let c = image.c;
    for row in image.bytes.chunks_exact_mut((image.w * c).max(1)) {
        reverse_pixels(row, c);
    }
}

/// Top and bottom change places.
pub fn vflip(image: &mut Raster) {
    let row = image.w * image.c;
    let (upper, lower) = image.bytes.split_at_mut(image.h / 2 * row);
    let lower = lower.rchunks_exact_mut(row.max(1));
    upper.chunks_exact_mut(row.max(1)).zip(lower).for_each(|(upper, lower)| upper.swap_with_slice(lower));
}

fn reverse_pixels(pixels: &mut [u8], c: usize) {
    pixels.reverse();
    if c > 1 {
        // the channels of each pixel were reversed, too
        pixels.chunks_exact_mut(c).for_each(<[u8]>::reverse);
    }
}

/// torchvision's `rotate`: `degrees` against the clock about the middle; the picture keeps its size.
pub fn rotate(image: &mut Raster, degrees: f64, warp: Warp) {
    let degrees = degrees.rem_euclid(360.0);
    if degrees == 0.0 {
        return;
    }
    // Pillow turns by these without interpolation
    if degrees == 180.0 {
        return reverse_pixels(&mut image.bytes, image.c);
    }
    if (degrees == 90.0 || degrees == 270.0) && image.w == image.h {
        return quarter(image, degrees == 90.0);
    }
    let angle = -(degrees * (PI / 180.0));
    let [cos, sin, minus_sin] =
        [trigonometry::cos(angle), trigonometry::sin(angle), -trigonometry::sin(angle)].map(fifteen_digits);
    let [x, y] = [image.w, image.h].map(|side| side as f64 / 2.0);
    let shift = [cos * -x + sin * -y + 0.0 + x, minus_sin * -x + cos * -y + 0.0 + y];
    transform(image, [cos, sin, shift[0], minus_sin, cos, shift[1]], warp);
}

/// Python's `round(x, 15)`.
fn fifteen_digits(x: f64) -> f64 {
    // decimal digits are what is rounded to
    format!("{x:.15}").parse().unwrap_or(x)
}

/// A square by 90 degrees against the clock, or by 270.
fn quarter(image: &mut Raster, one: bool) {
    let Raster { bytes, scratch, w: side, c, .. } = image;
    let (side, c) = (*side, *c);
    scratch.clear();
    for at in 0..side * side {
        let (y, x) = (at / side, at % side);
        let [row, column] = if one { [x, side - 1 - y] } else { [side - 1 - x, y] };
        scratch.extend_from_slice(&bytes[(row * side + column) * c..][..c]);
    }
    std::mem::swap(bytes, scratch);
}

/// torchvision's ShearX and ShearY: `affine` with shears of these tangents along x and y, about the upper left corner.
pub fn shear(image: &mut Raster, tangents: [f64; 2], warp: Warp) {
    // to degrees and back, as torchvision does
    let [x, y] = tangents.map(|tangent| trigonometry::atan(tangent) * (180.0 / PI) * (PI / 180.0));
    affine(image, Affine { shear: [x, y], translate: [0.0; 2], centre: [0.0; 2] }, warp);
}

/// torchvision's TranslateX and TranslateY: `affine` by whole pixels to the right and down.
pub fn translate(image: &mut Raster, pixels: [i64; 2], warp: Warp) {
    let centre = [image.w, image.h].map(|side| side as f64 * 0.5);
    affine(image, Affine { shear: [0.0; 2], translate: pixels.map(|pixels| pixels as f64), centre }, warp);
}

/// What torchvision's `affine` is told, angle 0 and scale 1 aside; each along x, then along y.
struct Affine {
    shear: [f64; 2],
    translate: [f64; 2],
    centre: [f64; 2],
}

/// With the matrix of torchvision's `_get_inverse_affine_matrix`, the order of its sums kept.
fn affine(image: &mut Raster, map: Affine, warp: Warp) {
    let Affine { shear: [sx, sy], translate: [tx, ty], centre: [cx, cy] } = map;
    let (cos, sin, tan) = (trigonometry::cos(-sy), trigonometry::sin(-sy), trigonometry::tan(sx));
    let over = trigonometry::cos(sy);
    let (a, b) = (cos / over, -cos * tan / over);
    let (c, d) = (sin / over, -sin * tan / over + 1.0);
    let [xx, xy, yx, yy] = [d, -b, -c, a];
    let shift = [xx * (-cx - tx) + xy * (-cy - ty) + cx, yx * (-cx - tx) + yy * (-cy - ty) + cy];
    transform(image, [xx, xy, shift[0], yx, yy, shift[1]], warp);
}

/// The pixel at (x, y) comes from (m0 x + m1 y + m2, m3 x + m4 y + m5), all measured at the middle of pixels.
fn transform(image: &mut Raster, matrix: [f64; 6], warp: Warp) {
    image.scratch.clear();
    image.scratch.resize(image.bytes.len(), 0);
    match warp {
        Warp::Bilinear => bilinear(image, matrix),
        Warp::Nearest if matrix[1] == 0.0 && matrix[3] == 0.0 => straight(image, matrix),
        Warp::Nearest => skewed(image, matrix),
    }
    std::mem::swap(&mut image.bytes, &mut image.scratch);
}

/// Pillow's `affine_fixed`: in steps of 1/65536 of a pixel.
fn skewed(image: &mut Raster, [a, b, c, d, e, f]: [f64; 6]) {
    let Raster { bytes, scratch, w, h, c: channels } = image;
    let (w, h, channels) = (*w, *h, *channels);
    let fixed = |x: f64| (x * 65_536.0 + 0.5).floor() as i64;
    let mut start = [fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5)];
    let [a, b, d, e] = [a, b, d, e].map(fixed);
    for row in scratch.chunks_exact_mut((w * channels).max(1)) {
        let [mut x, mut y] = start;
        for pixel in row.chunks_exact_mut(channels) {
            if let Some(from) = place([x >> 16, y >> 16], [w, h]) {
                pixel.copy_from_slice(&bytes[from * channels..][..channels]);
            }
            x += a;
            y += d;
        }
        start = [start[0] + b, start[1] + e];
    }
}

/// Pillow's `ImagingScaleAffine`: columns and rows do not mix.
fn straight(image: &mut Raster, [a, _, c, _, e, f]: [f64; 6]) {
    let Raster { bytes, scratch, w, h, c: channels } = image;
    let (w, h, channels) = (*w, *h, *channels);
    let whole = |x: f64| if x < 0.0 { -1 } else { x as i64 };
    let mut y = f + e * 0.5;
    for row in scratch.chunks_exact_mut((w * channels).max(1)) {
        let mut x = c + a * 0.5;
        for pixel in row.chunks_exact_mut(channels) {
            if let Some(from) = place([whole(x), whole(y)], [w, h]) {
                pixel.copy_from_slice(&bytes[from * channels..][..channels]);
            }
            x += a;
        }
        y += e;
    }
}

/// Number of the pixel at column and row, if there is one.
fn place([x, y]: [i64; 2], [w, h]: [usize; 2]) -> Option<usize> {
    let inside = (0..w as i64).contains(&x) && (0..h as i64).contains(&y);
    inside.then(|| y as usize * w + x as usize)
}

/// Pillow's `ImagingGenericTransform` with its bilinear filter: beyond the border the border's pixel counts, as long as the
/// place itself is inside. The fraction of the result is dropped.
fn bilinear(image: &mut Raster, [a, b, c, d, e, f]: [f64; 6]) {
    let Raster { bytes, scratch, w, h, c: channels } = image;
    let (w, h, channels) = (*w, *h, *channels);
    for (number, pixel) in scratch.chunks_exact_mut(channels).enumerate() {
        let [x, y] = [number % w, number / w].map(|at| at as f64 + 0.5);
        let [x, y] = [a * x + b * y + c, d * x + e * y + f];
        if x < 0.0 || x >= w as f64 || y < 0.0 || y >= h as f64 {
            continue;
        }
        let [x, y] = [x - 0.5, y - 0.5];
        let [left, top] = [x.floor(), y.floor()];
        let (dx, dy) = (x - left, y - top);
        let near = |at: f64, step: i64, side: usize| (at as i64 + step).clamp(0, side as i64 - 1) as usize;
        let columns = [near(left, 0, w), near(left, 1, w)];
        let rows = [near(top, 0, h), near(top, 1, h)];
        for (channel, out) in pixel.iter_mut().enumerate() {
            let across = |row: usize| {
                let [one, two] =
                    columns.map(|column| f64::from(bytes[(row * w + column) * channels + channel]));
                one + (two - one) * dx
            };
            let upper = across(rows[0]);
            let lower = if top + 1.0 < h as f64 { across(rows[1]) } else { upper };
            *out = (upper + (lower - upper) * dy) as u8;
        }
    }
}
