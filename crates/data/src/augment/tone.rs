//! Operations that change values and leave every pixel where it is, byte for byte as Pillow's `ImageEnhance` and `ImageOps` do
//! on pictures of 8 bits: what torchvision calls for pictures of PIL.
//!
//! A picture is `[h][w][c]`, grey (1) or red, green, blue (3).

use super::Raster;
use plusx_pixels::luma;

/// `Image.blend`: `from + factor (to - from)` in `f32`, the fraction dropped; outside of 0 to 1 the result is kept inside 0
/// to 255.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let (from, to) = (i32::from(from), i32::from(to));
    // `as` keeps it inside, and drops the fraction
    (from as f32 + factor * (to - from) as f32) as u8
}

/// `ImageEnhance.Brightness`: 0 is black, 1 the picture.
pub(super) fn brightness(image: &mut Raster<'_>, factor: f32) {
    image.bytes.iter_mut().for_each(|byte| *byte = blend(0, *byte, factor));
}

/// `ImageEnhance.Contrast`: 0 is the mean grey, 1 the picture.
pub(super) fn contrast(image: &mut Raster<'_>, factor: f32) {
    let pixels = image.bytes.len() / image.c;
    let sum: u64 = greys(image).map(u64::from).sum();
    let mean = (sum as f64 / pixels.max(1) as f64 + 0.5) as u8;
    image.bytes.iter_mut().for_each(|byte| *byte = blend(mean, *byte, factor));
}

/// `ImageEnhance.Color`: 0 is grey, 1 the picture. A grey picture stays as it is.
pub(super) fn saturation(image: &mut Raster<'_>, factor: f32) {
    if image.c != 3 {
        return;
    }
    for pixel in image.bytes.chunks_exact_mut(3) {
        let grey = luma([pixel[0], pixel[1], pixel[2]]);
        pixel.iter_mut().for_each(|byte| *byte = blend(grey, *byte, factor));
    }
}

/// `ImageEnhance.Sharpness`: 0 is smoothed (`ImageFilter.SMOOTH`: weights 1, in the middle 5, of 13; the border stays), 1 the
/// picture. `before` is scratch.
pub(super) fn sharpness(image: &mut Raster<'_>, factor: f32, before: &mut Vec<u8>) {
    let Raster { h, w, c, .. } = *image;
    before.clear();
    before.extend_from_slice(image.bytes);
    const OUTER: f32 = 1.0 / 13.0;
    const MIDDLE: f32 = 5.0 / 13.0;
    let row = w * c;
    for y in 1..h.saturating_sub(1) {
        for at in y * row + c..((y + 1) * row).saturating_sub(c) {
            let value = |at: usize| f32::from(before[at]);
            let outer = |at: usize| value(at - c) * OUTER + value(at) * OUTER + value(at + c) * OUTER;
            let middle = value(at - c) * OUTER + value(at) * MIDDLE + value(at + c) * OUTER;
            // rows from the lower to the upper one, as Pillow adds them
            let smooth = 0.5 + outer(at + row) + middle + outer(at - row);
            image.bytes[at] = blend(smooth as u8, before[at], factor);
        }
    }
}

/// `ImageOps.posterize`: keeps the upper `bits` of each value.
pub(super) fn posterize(image: &mut Raster<'_>, bits: u32) {
    let mask = !(255_u32.checked_shr(bits).unwrap_or(0)) as u8;
    image.bytes.iter_mut().for_each(|byte| *byte &= mask);
}

/// `ImageOps.solarize`: inverts values from `threshold` on.
pub(super) fn solarize(image: &mut Raster<'_>, threshold: f64) {
    for byte in image.bytes.iter_mut().filter(|byte| f64::from(**byte) >= threshold) {
        *byte = 255 - *byte;
    }
}

/// `ImageOps.autocontrast`: stretches each channel to 0 to 255.
pub(super) fn auto_contrast(image: &mut Raster<'_>) {
    tables(image, |counts| {
        let low = counts.iter().position(|count| *count > 0)?;
        let high = counts.iter().rposition(|count| *count > 0)?;
        if high <= low {
            return None;
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        Some(std::array::from_fn(|value| (value as f64 * scale + offset) as u8))
    });
}

/// `ImageOps.equalize`: makes the values of each channel about equally frequent.
pub(super) fn equalize(image: &mut Raster<'_>) {
    tables(image, |counts| {
        let last = counts.iter().rev().find(|count| **count > 0)?;
        let step = (counts.iter().sum::<u64>() - last) / 255;
        if step == 0 {
            return None;
        }
        let mut before = step / 2;
        Some(std::array::from_fn(|value| {
            let to = (before / step).min(255) as u8;
            before += counts[value];
            to
        }))
    });
}

/// Replaces the values of each channel by a table that is made of their counts.
fn tables(image: &mut Raster<'_>, table: impl Fn(&[u64; 256]) -> Option<[u8; 256]>) {
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

fn greys<'i>(image: &'i Raster<'_>) -> impl Iterator<Item = u8> + 'i {
    let c = image.c;
    image
        .bytes
        .chunks_exact(c)
        .map(move |pixel| if c == 3 { luma([pixel[0], pixel[1], pixel[2]]) } else { pixel[0] })
}

/// torchvision's `adjust_hue`: turns the hue by `turn` of a circle, -0.5 to 0.5, through Pillow's HSV of 8 bits.
pub(super) fn hue(image: &mut Raster<'_>, turn: f64) {
    if image.c != 3 {
        return;
    }
    let shift = (turn * 255.0) as i32 as u8;
    for pixel in image.bytes.chunks_exact_mut(3) {
        let [h, s, v] = to_hsv([pixel[0], pixel[1], pixel[2]]);
        pixel.copy_from_slice(&to_rgb([h.wrapping_add(shift), s, v]));
    }
}

/// Pillow's `rgb2hsv` (`src/libImaging/Convert.c`), after Python's `colorsys`; where C computes in `double`, so does this.
fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let saturation = range / f32::from(most);
    let [rc, gc, bc] = [r, g, b].map(|value| f32::from(most - value) / range);
    let hue = match most {
        _ if r == most => bc - gc,
        _ if g == most => (2.0 + f64::from(rc) - f64::from(bc)) as f32,
        _ => (4.0 + f64::from(gc) - f64::from(rc)) as f32,
    };
    let hue = ((f64::from(hue) / 6.0 + 1.0) % 1.0) as f32;
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

/// Pillow's `hsv2rgb`.
fn to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let sixth = f64::from(h) * 6.0 / 255.0;
    let part = (sixth - sixth.floor()) as f32;
    let saturation = (f64::from(s) / 255.0) as f32;
    let (value, part, saturation) = (f64::from(v), f64::from(part), f64::from(saturation));
    // C's `round`: halves away from 0, as Rust's
    let p = (value * (1.0 - saturation)).round() as u8;
    let q = (value * (1.0 - saturation * part)).round() as u8;
    let t = (value * (1.0 - saturation * (1.0 - part))).round() as u8;
    match sixth as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
