//! Turning, shearing and shifting, as Pillow's `Image.transform` with `AFFINE` and the nearest pixel (`src/libImaging/
//! Geometry.c`). What comes from outside the picture is black.

use super::Raster;
use std::f64::consts::PI;

/// Six numbers: the pixel at (x, y) comes from (a x + b y + c, d x + e y + f), all measured at the middle of pixels.
type Affine = [f64; 6];

/// torchvision's `rotate` by degrees, against the clock, about the middle; the picture keeps its size.
pub(super) fn rotate(image: &mut Raster<'_>, degrees: f64, before: &mut Vec<u8>) {
    let degrees = degrees.rem_euclid(360.0);
    if degrees == 0.0 {
        return;
    }
    if degrees == 180.0 {
        turn_over(image);
        return;
    }
    let angle = -(degrees * (PI / 180.0));
    let [sin, cos] = [libm::sin(angle), libm::cos(angle)].map(fifteen_digits);
    let (x, y) = (image.w as f64 / 2.0, image.h as f64 / 2.0);
    let mut matrix = [cos, sin, 0.0, -sin, cos, 0.0];
    matrix[2] = cos * -x + sin * -y + x;
    matrix[5] = -sin * -x + cos * -y + y;
    if (degrees == 90.0 || degrees == 270.0) && image.w == image.h {
        quarter(image, degrees == 90.0, before);
        return;
    }
    transform(image, matrix, before);
}

/// torchvision's `affine` with a shear only: `tangents` along x and y, about the upper left corner.
pub(super) fn shear(image: &mut Raster<'_>, tangents: [f64; 2], before: &mut Vec<u8>) {
    // as `RandAugment` goes: the angle in degrees and back
    let [sx, sy] = tangents.map(|tangent| libm::atan(tangent) * (180.0 / PI) * (PI / 180.0));
    let (cos_y, tan_x) = (libm::cos(sy), libm::tan(sx));
    let [cos, sin] = [libm::cos(-sy), libm::sin(-sy)];
    let (a, b) = (cos / cos_y, -cos * tan_x / cos_y);
    let (c, d) = (sin / cos_y, -sin * tan_x / cos_y + 1.0);
    transform(image, [d, -b, 0.0, -c, a, 0.0], before);
}

/// torchvision's `affine` with a shift only, in whole pixels to the right and down.
pub(super) fn shift(image: &mut Raster<'_>, [right, down]: [i64; 2], before: &mut Vec<u8>) {
    transform(image, [1.0, 0.0, -(right as f64), 0.0, 1.0, -(down as f64)], before);
}

/// Python's `round(x, 15)`, of numbers from -1 to 1.
fn fifteen_digits(x: f64) -> f64 {
    (x * 1e15).round_ties_even() / 1e15
}

fn transform(image: &mut Raster<'_>, [a, b, c, d, e, f]: Affine, before: &mut Vec<u8>) {
    let Raster { h, w, c: channels, .. } = *image;
    before.clear();
    before.extend_from_slice(image.bytes);
    image.bytes.fill(0);
    let mut copy = |x: usize, y: usize, from: [i64; 2]| {
        let [column, row] = from;
        if (0..w as i64).contains(&column) && (0..h as i64).contains(&row) {
            let from = (row as usize * w + column as usize) * channels;
            let to = (y * w + x) * channels;
            image.bytes[to..to + channels].copy_from_slice(&before[from..from + channels]);
        }
    };
    if b == 0.0 && d == 0.0 {
        let floor = |x: f64| if x < 0.0 { -1 } else { x as i64 };
        let (mut row, first) = (f + e * 0.5, c + a * 0.5);
        for y in 0..h {
            let mut column = first;
            for x in 0..w {
                copy(x, y, [floor(column), floor(row)]);
                column += a;
            }
            row += e;
        }
        return;
    }
    // in steps of 1/65536 of a pixel
    let fixed = |x: f64| (x * 65_536.0 + 0.5).floor() as i64;
    let [mut column0, mut row0] = [fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5)];
    let [a, b, d, e] = [a, b, d, e].map(fixed);
    for y in 0..h {
        let (mut column, mut row) = (column0, row0);
        for x in 0..w {
            copy(x, y, [column >> 16, row >> 16]);
            column += a;
            row += d;
        }
        column0 += b;
        row0 += e;
    }
}

/// By 180 degrees.
fn turn_over(image: &mut Raster<'_>) {
    let c = image.c;
    image.bytes.reverse();
    // the channels of each pixel were turned, too
    image.bytes.chunks_exact_mut(c).for_each(<[u8]>::reverse);
}

/// A square by 90 degrees, or by 270.
fn quarter(image: &mut Raster<'_>, against_the_clock: bool, before: &mut Vec<u8>) {
    let Raster { w: side, c, .. } = *image;
    before.clear();
    before.extend_from_slice(image.bytes);
    for (at, pixel) in image.bytes.chunks_exact_mut(c).enumerate() {
        let (y, x) = (at / side, at % side);
        let [row, column] = if against_the_clock { [x, side - 1 - y] } else { [side - 1 - x, y] };
        pixel.copy_from_slice(&before[(row * side + column) * c..][..c]);
    }
}
