//! From the samples of components to pixels, as libjpeg does it (its "fancy" upsampling, and its integer colour conversion):
//! for the samplings that the decoder does otherwise.
//!
//! A component of half the width or height is interpolated: a sample weighs 3, its neighbour 1. At borders the last
//! sample is its own neighbour. Roundings alternate, so that no direction is preferred. Other whole ratios repeat samples.

use super::header::JpegHeader;
use libjpeg_turbo_rs::{ColorSpace, RawImage};

/// The pixels of a file whose planes are these.
pub(super) fn rgb(raw: &RawImage, header: &JpegHeader, space: ColorSpace) -> Result<Vec<u8>, String> {
    let (w, h) = (usize::from(header.w), usize::from(header.h));
    let (most_h, most_v) = header.most();
    let mut planes = Vec::new();
    for (index, component) in header.components.iter().enumerate() {
        if most_h % component.h != 0 || most_v % component.v != 0 {
            return Err("a JPEG whose samplings are no whole multiples of each other".to_owned());
        }
        let size =
            |pixels: usize, factor: u8, most: u8| (pixels * usize::from(factor)).div_ceil(usize::from(most));
        planes.push(Plane {
            samples: raw.planes.get(index).ok_or_else(|| "damaged: a component is missing".to_owned())?,
            stride: raw.plane_widths[index],
            w: size(w, component.h, most_h),
            h: size(h, component.v, most_v),
            wider: usize::from(most_h / component.h),
            higher: usize::from(most_v / component.v),
        });
    }
    let mut rows = vec![Vec::new(); planes.len()];
    let mut rgb8 = Vec::with_capacity(3 * w * h);
    for y in 0..h {
        for (plane, row) in planes.iter().zip(&mut rows) {
            row.clear();
            plane.row(y, row);
        }
        for x in 0..w {
            let sample = |component: usize| rows[component][x];
            match (rows.len(), space) {
                (4, ColorSpace::Ycck) => {
                    let inks = ycc(sample(0), sample(1), sample(2)).map(|value| 255 - value);
                    rgb8.extend(inverted_cmyk([inks[0], inks[1], inks[2], sample(3)]));
                }
                (4, _) => rgb8.extend(inverted_cmyk([0, 1, 2, 3].map(sample))),
                (_, ColorSpace::Rgb) => rgb8.extend([0, 1, 2].map(sample)),
                _ => rgb8.extend(ycc(sample(0), sample(1), sample(2))),
            }
        }
    }
    Ok(rgb8)
}

/// The samples of a component.
struct Plane<'a> {
    samples: &'a [u8],
    /// Samples between the starts of two rows.
    stride: usize,
    /// Samples that the picture reaches.
    w: usize,
    h: usize,
    /// Pixels for a sample, across and down.
    wider: usize,
    higher: usize,
}

impl Plane<'_> {
    fn line(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.w]
    }

    /// Appends the pixels of row `y`, and perhaps a few more than the picture is wide.
    fn row(&self, y: usize, out: &mut Vec<u8>) {
        let near = self.line(y / self.higher);
        // of two rows of pixels the upper leans to the samples above, the lower to those below
        let upper = y.is_multiple_of(2);
        let other = || {
            let y = y / 2;
            self.line(if upper { y.saturating_sub(1) } else { (y + 1).min(self.h - 1) })
        };
        match (self.wider, self.higher) {
            (1, 2) => {
                let bias = if upper { 1 } else { 2 };
                out.extend(
                    near.iter()
                        .zip(other())
                        .map(|(&a, &b)| ((3 * u16::from(a) + u16::from(b) + bias) >> 2) as u8),
                );
            }
            // narrow components are repeated
            (2, 1) if self.w > 2 => {
                let line: Vec<u16> = near.iter().map(|&a| u16::from(a)).collect();
                between(&line, 2, out);
            }
            (2, 2) if self.w > 2 => {
                let line: Vec<u16> =
                    near.iter().zip(other()).map(|(&a, &b)| 3 * u16::from(a) + u16::from(b)).collect();
                between(&line, 4, out);
            }
            (wider, _) => out.extend(near.iter().flat_map(|&sample| std::iter::repeat_n(sample, wider))),
        }
    }
}

/// Twice as many samples across, scaled down by `shift` bits: two for the weights across, two more if rows were weighed.
fn between(line: &[u16], shift: u32, out: &mut Vec<u8>) {
    // what libjpeg adds before it cuts bits off, to the left and to the right
    let [left_bias, right_bias] = if shift == 2 { [1, 2] } else { [8, 7] };
    let last = line.len() - 1;
    for (x, &here) in line.iter().enumerate() {
        let left = line[x.saturating_sub(1)];
        let right = line[(x + 1).min(last)];
        out.push(((3 * here + left + left_bias) >> shift) as u8);
        out.push(((3 * here + right + right_bias) >> shift) as u8);
    }
}

/// YCbCr to RGB (ITU-R BT.601, full range) in libjpeg's fixed point of 16 bits.
fn ycc(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    // 1.402, 0.71414, 0.34414 and 1.772, times 2^16
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// CMYK as files hold it, ink as darkness turned around (Adobe's way, which Pillow takes for granted), to RGB by Pillow's
/// formula: what the black ink leaves, less the share of the coloured one.
pub(in super::super) fn inverted_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let left = u32::from(k);
    [c, m, y].map(|ink| {
        let product = u32::from(255 - ink) * left + 128;
        (left - (((product >> 8) + product) >> 8)) as u8
    })
}
