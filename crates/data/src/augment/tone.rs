//! Operations on the values of pixels, byte for byte as Pillow's `ImageEnhance` and `ImageOps` do them: what torchvision's
//! `adjust_brightness` and its like call for pictures of 8 bits.
//!
//! All take grey pictures and colour ones; on grey, [`saturation`] and [`hue`] do nothing.

use super::raster::Raster;
use plusx_pixels::luma;

/// `Image.blend` (`src/libImaging/Blend.c`): `from + factor (to - from)` in `f32`, kept inside a byte, the fraction dropped.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let (from, to) = (i32::from(from), i32::from(to));
    // `as` keeps it inside and drops the fraction
    (from as f32 + factor * (to - from) as f32) as u8
}

fn replace(image: &mut Raster, table: [u8; 256]) {
    image.bytes.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
}

fn every(value: impl Fn(u8) -> u8) -> [u8; 256] {
    std::array::from_fn(|byte| value(byte as u8))
}

/// `ImageEnhance.Brightness`: factor 0 gives black, 1 the picture.
pub fn brightness(image: &mut Raster, factor: f32) {
    replace(image, every(|byte| blend(0, byte, factor)));
}

/// `ImageEnhance.Contrast`: factor 0 gives the mean grey, 1 the picture.
pub fn contrast(image: &mut Raster, factor: f32) {
    let sum: u64 = match image.c {
        3 => image.bytes.chunks_exact(3).map(|pixel| u64::from(luma([pixel[0], pixel[1], pixel[2]]))).sum(),
        _ => image.bytes.iter().map(|byte| u64::from(*byte)).sum(),
    };
    let mean = (sum as f64 / (image.h * image.w).max(1) as f64 + 0.5) as u8;
    replace(image, every(|byte| blend(mean, byte, factor)));
}

/// `ImageEnhance.Color`: factor 0 gives the picture in grey, 1 the picture.
pub fn saturation(image: &mut Raster, factor: f32) {
    if image.c != 3 {
        return;
    }
    for pixel in image.bytes.chunks_exact_mut(3) {
        let grey = luma([pixel[0], pixel[1], pixel[2]]);
        pixel.iter_mut().for_each(|byte| *byte = blend(grey, *byte, factor));
    }
}

/// `ImageEnhance.Sharpness`: factor 0 gives the picture smoothed by `ImageFilter.SMOOTH` (the pixel 5, its neighbours 1, of
/// 13), 1 the picture. Pixels at the border stay as they are.
pub fn sharpness(image: &mut Raster, factor: f32) {
    const NEAR: f32 = 1.0 / 13.0;
    const SELF: f32 = 5.0 / 13.0;
    let Raster { bytes, scratch, w, h, c } = image;
    scratch.clear();
    scratch.extend_from_slice(bytes);
    let (row, c) = (*w * *c, *c);
    for y in 1..h.saturating_sub(1) {
        for at in y * row + c..((y + 1) * row).saturating_sub(c) {
            let three = |at: usize, middle: f32| {
                let [left, own, right] = [at - c, at, at + c].map(|at| f32::from(scratch[at]));
                left * NEAR + own * middle + right * NEAR
            };
            // from the lower row to the upper one, after the half that rounds: Pillow's order
            let smooth = 0.5 + three(at + row, NEAR) + three(at, SELF) + three(at - row, NEAR);
            bytes[at] = blend(smooth as u8, scratch[at], factor);
        }
    }
}

/// `ImageOps.posterize`: keeps the upper `bits` bits of each value, 8 and more all of them.
pub fn posterize(image: &mut Raster, bits: u32) {
    let dropped = 255_u8.checked_shr(bits).unwrap_or(0);
    replace(image, every(|byte| byte & !dropped));
}

/// `ImageOps.solarize`: inverts values from `threshold` on.
pub fn solarize(image: &mut Raster, threshold: f64) {
    replace(image, every(|byte| if f64::from(byte) < threshold { byte } else { 255 - byte }));
}

/// `ImageOps.invert`.
pub fn invert(image: &mut Raster) {
    replace(image, every(|byte| 255 - byte));
}

/// `ImageOps.autocontrast`: stretches each channel to 0 to 255.
pub fn auto_contrast(image: &mut Raster) {
    by_channel(image, |counts| {
        let low = counts.iter().position(|count| *count > 0)?;
        let high = counts.iter().rposition(|count| *count > 0)?;
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        (high > low).then(|| every(|byte| (f64::from(byte) * scale + offset) as u8))
    });
}

/// `ImageOps.equalize`: makes the values of each channel about equally frequent.
pub fn equalize(image: &mut Raster) {
    by_channel(image, |counts| {
        let last = counts.iter().rev().find(|count| **count > 0)?;
        let step = (counts.iter().sum::<u64>() - last) / 255;
        if step == 0 {
            return None;
        }
        let mut before = step / 2;
        Some(std::array::from_fn(|byte| {
            let to = (before / step).min(255) as u8;
            before += counts[byte];
            to
        }))
    });
}

/// Replaces the values of each channel by a table that is made of how often they occur.
fn by_channel(image: &mut Raster, table: impl Fn(&[u64; 256]) -> Option<[u8; 256]>) {
    let c = image.c;
    for channel in 0..c {
        let mut counts = [0; 256];
        image.bytes.iter().skip(channel).step_by(c).for_each(|byte| counts[usize::from(*byte)] += 1);
        if let Some(table) = table(&counts) {
            let bytes = image.bytes.iter_mut().skip(channel).step_by(c);
            bytes.for_each(|byte| *byte = table[usize::from(*byte)]);
        }
    }
}

/// torchvision's `adjust_hue`: turns the hue by `factor` of a circle, -0.5 to 0.5, in Pillow's HSV of 8 bits. The hue's byte
/// goes round at 256, although Pillow counts a circle as 255.
pub fn hue(image: &mut Raster, factor: f64) {
    if image.c != 3 {
        return;
    }
    // towards 0, then modulo 256
    let shift = (factor * 255.0) as i32 as u8;
    for pixel in image.bytes.chunks_exact_mut(3) {
        let [h, s, v] = to_hsv([pixel[0], pixel[1], pixel[2]]);
        pixel.copy_from_slice(&to_rgb([h.wrapping_add(shift), s, v]));
    }
}

/// Pillow's `rgb2hsv_row` (`src/libImaging/Convert.c`): `f32` where it has a `float`, `f64` where C computes in `double`.
fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let saturation = range / f32::from(most);
    let [rc, gc, bc] = [r, g, b].map(|value| f32::from(most - value) / range);
    let sixths = if r == most {
        bc - gc
    } else if g == most {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    let hue = ((f64::from(sixths) / 6.0 + 1.0) % 1.0) as f32;
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

/// Pillow's `hsv2rgb_row`.
fn to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let sixths = f64::from(h) * 6.0 / 255.0;
    let part = f64::from((sixths - sixths.floor()) as f32);
    let saturation = f64::from((f64::from(s) / 255.0) as f32);
    // halves away from 0, as C's `round`
    let value = |less: f64| (f64::from(v) * (1.0 - less)).round() as u8;
    let [p, q, t] = [value(saturation), value(saturation * part), value(saturation * (1.0 - part))];
    match sixths as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
