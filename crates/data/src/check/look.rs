//! What is remembered of a picture: by what to find it again, brighter, smaller or compressed once more.
//!
//! The hash is the perceptual hash of low frequencies ("pHash": C. Zauner, Implementation and Benchmarking of Perceptual Image
//! Hash Functions, 2010, section 3.2.1; the bits by the median, as in the library pHash and in ImageHash). `docs/data.md` says
//! how it did beside others. It finds candidates only. Two small copies of the picture decide.

use crate::samples::Pixels;
use sha2::{Digest, Sha256};
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Side of the picture that is hashed. The sources above take it, too.
const SIDE: usize = 32;
/// Frequencies per direction: 8 x 8 give 64 bits.
const LOW: usize = 8;
/// Sides of the copies that are kept, of brightness and of colour.
const GREY: usize = 16;
const TINT: usize = 4;

/// How far above the median a frequency's part must be for a bit. What a picture has nothing of, the other half of a symmetrical
/// one say, would be above or below it by the rounding of its pixels. Measured: `docs/data.md`.
const MARGIN: f64 = 16.0;

/// One minus the correlation of two grey copies, at most, for nearly the same picture. Measured: `docs/data.md`.
const UNLIKE: f32 = 0.005;
/// Mean difference of two copies in blue and red (Cb, Cr), at most, in levels of 255. Balls in two colours are two pictures;
/// brightness by a fifth moves the strongest colours by this much.
const UNLIKE_TINT: u32 = 12;
/// Levels between the darkest and the lightest value of each channel, at most, of a picture of one colour: JPEG makes such
/// ripples.
const FLAT: u8 = 8;

/// What is remembered of a picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Likeness {
    /// The beginning of the SHA-256 of size and pixels.
    pub(super) digest: [u8; 16],
    /// Similar pictures differ in few bits.
    pub(super) hash: u64,
    /// Whether it is of one colour.
    pub(super) flat: bool,
    grey: [u8; GREY * GREY],
    /// Cb and Cr.
    tint: [[u8; TINT * TINT]; 2],
}

/// `cos(π/32 (x + 1/2) k)` at `[k][x]`: the rows of a discrete cosine transform, type II.
static COSINES: LazyLock<[[f64; SIDE]; LOW]> = LazyLock::new(|| {
    std::array::from_fn(|k| std::array::from_fn(|x| (PI / SIDE as f64 * (x as f64 + 0.5) * k as f64).cos()))
});

impl Likeness {
    /// Looks at a picture that has pixels.
    pub(super) fn of(pixels: Pixels<'_>) -> Self {
        let shape = pixels.shape;
        let small = shrink(pixels);
        // as JPEG does: ITU-R BT.601
        let luma = small.map(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b);
        let blue = |at: usize| 128.0 + 0.564 * (small[at][2] - luma[at]);
        let red = |at: usize| 128.0 + 0.713 * (small[at][0] - luma[at]);
        let size = [shape.h, shape.w, shape.c].map(|side| (side as u64).to_le_bytes());
        let whole = Sha256::new().chain_update(size.as_flattened()).chain_update(pixels.bytes).finalize();
        Self {
            digest: std::array::from_fn(|at| whole[at]),
            hash: hash(&luma),
            flat: is_flat(pixels),
            grey: copy::<GREY, _>(|at| luma[at]),
            tint: [copy::<TINT, _>(blue), copy::<TINT, _>(red)],
        }
    }

    /// Whether the other one is nearly the same picture.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let tints = self.tint.as_flattened().iter().zip(other.tint.as_flattened());
        let apart: u32 = tints.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        // the mean over the places of the sum of both differences
        apart <= UNLIKE_TINT * (TINT * TINT) as u32 && 1.0 - correlation(&self.grey, &other.grey) <= UNLIKE
    }
}

/// Mean colours of 32 x 32 equal parts of a picture; a pixel counts by the part of it that is inside.
fn shrink(pixels: Pixels<'_>) -> [[f32; 3]; SIDE * SIDE] {
    let [h, w, c] = [pixels.shape.h, pixels.shape.w, pixels.shape.c];
    let columns: Vec<(usize, usize, Vec<f32>)> = (0..SIDE).map(|part| part_of(part, w)).collect();
    let mut small = [[0.0; 3]; SIDE * SIDE];
    for y in 0..SIDE {
        let (top, bottom, rows) = part_of(y, h);
        for (row, weight) in (top..bottom).zip(rows) {
            let line = &pixels.bytes[row * w * c..(row + 1) * w * c];
            for (x, (left, right, weights)) in columns.iter().enumerate() {
                let mut sum = [0.0_f32; 3];
                for (pixel, share) in line[left * c..right * c].chunks_exact(c).zip(weights) {
                    for (channel, sum) in sum.iter_mut().enumerate() {
                        *sum += share * f32::from(pixel[channel.min(c - 1)]);
                    }
                }
                for (total, sum) in small[y * SIDE + x].iter_mut().zip(sum) {
                    *total += weight * sum;
                }
            }
        }
    }
    small
}

/// The pixels of a side of `len` that part `part` of 32 has a share in, from the first to behind the last, and how much of the
/// part each of them is.
fn part_of(part: usize, len: usize) -> (usize, usize, Vec<f32>) {
    // in units of a 32nd of a pixel
    let (start, end) = (part * len, (part + 1) * len);
    let (first, last) = (start / SIDE, end.div_ceil(SIDE));
    let shares = (first..last).map(|at| {
        let inside = end.min((at + 1) * SIDE) - start.max(at * SIDE);
        inside as f32 / len as f32
    });
    (first, last, shares.collect())
}

/// A bit for each of the 64 lowest frequencies: whether its part of the picture is clearly above the median of all.
fn hash(luma: &[f32; SIDE * SIDE]) -> u64 {
    let mut rows = [[0.0_f64; LOW]; SIDE];
    for (row, line) in rows.iter_mut().zip(luma.chunks_exact(SIDE)) {
        for (value, cosines) in row.iter_mut().zip(&*COSINES) {
            *value = line.iter().zip(cosines).map(|(pixel, cosine)| f64::from(*pixel) * cosine).sum();
        }
    }
    let mut parts = [0.0_f64; LOW * LOW];
    for (v, cosines) in COSINES.iter().enumerate() {
        for u in 0..LOW {
            parts[v * LOW + u] = rows.iter().zip(cosines).map(|(row, cosine)| row[u] * cosine).sum();
        }
    }
    let mut sorted = parts;
    sorted.sort_by(f64::total_cmp);
    let median = (sorted[31] + sorted[32]) / 2.0;
    parts.iter().enumerate().fold(0, |bits, (at, part)| bits | u64::from(*part > median + MARGIN) << at)
}

/// A square copy of side `N`, of the values at the places of the small picture.
fn copy<const N: usize, const LEN: usize>(value: impl Fn(usize) -> f32) -> [u8; LEN] {
    let step = SIDE / N;
    std::array::from_fn(|at| {
        let (top, left) = (at / N * step, at % N * step);
        let places = (0..step * step).map(|inside| (top + inside / step) * SIDE + left + inside % step);
        (places.map(&value).sum::<f32>() / (step * step) as f32).round().clamp(0.0, 255.0) as u8
    })
}

/// Pearson's correlation.
fn correlation(a: &[u8], b: &[u8]) -> f32 {
    let sum = |values: &mut dyn Iterator<Item = u32>| values.map(i64::from).sum::<i64>();
    let n = a.len() as i64;
    let product = |a: &[u8], b: &[u8]| {
        let both = sum(&mut a.iter().zip(b).map(|(a, b)| u32::from(*a) * u32::from(*b)));
        n * both - sum(&mut a.iter().map(|a| u32::from(*a))) * sum(&mut b.iter().map(|b| u32::from(*b)))
    };
    let spread = product(a, a) as f64 * product(b, b) as f64;
    if spread == 0.0 { 0.0 } else { (product(a, b) as f64 / spread.sqrt()) as f32 }
}

fn is_flat(pixels: Pixels<'_>) -> bool {
    let c = pixels.shape.c;
    let mut least = [u8::MAX; 3];
    let mut most = [0_u8; 3];
    // most pictures are told by their first rows
    for pixel in pixels.bytes.chunks_exact(c) {
        for (channel, value) in pixel.iter().enumerate() {
            least[channel] = least[channel].min(*value);
            most[channel] = most[channel].max(*value);
            if most[channel] - least[channel] > FLAT {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::shape::ImageShape;

    /// A coloured picture of some waves.
    fn picture(h: usize, w: usize, seed: f32) -> Vec<u8> {
        let wave = |y: usize, x: usize, c: usize| {
            let (y, x) = (y as f32 / h as f32, x as f32 / w as f32);
            let value =
                (seed * 7.0 * x + c as f32).sin() * (seed * 5.0 * y + 2.0).cos() + (9.0 * x * y).sin();
            (120.0 + 45.0 * value) as u8
        };
        (0..h * w * 3).map(|at| wave(at / 3 / w, at / 3 % w, at % 3)).collect()
    }

    fn look(bytes: &[u8], h: usize, w: usize) -> Likeness {
        Likeness::of(Pixels { bytes, shape: ImageShape::new(bytes.len() / h / w, h, w) })
    }

    #[test]
    fn a_changed_copy_is_like_the_picture_and_another_picture_is_not() {
        let original = picture(90, 120, 1.0);
        let one = look(&original, 90, 120);
        let brighter: Vec<u8> = original.iter().map(|v| (f32::from(*v) * 1.15) as u8).collect();
        for (what, copy) in [
            ("brighter", look(&brighter, 90, 120)),
            ("smaller", look(&picture(45, 60, 1.0), 45, 60)),
            ("larger, in another form", look(&picture(224, 224, 1.0), 224, 224)),
        ] {
            let bits = (one.hash ^ copy.hash).count_ones();
            assert!(bits <= 7 && one.is_like(&copy) && copy.is_like(&one), "{what}: {bits}");
            assert_ne!(one.digest, copy.digest);
        }
        let other = look(&picture(90, 120, 2.0), 90, 120);
        assert!((one.hash ^ other.hash).count_ones() > 7 && !one.is_like(&other));
        assert!(!one.flat);
    }

    #[test]
    fn the_same_in_another_colour_is_another_picture() {
        let original = picture(40, 40, 1.0);
        let mut swapped = original.clone();
        swapped.as_chunks_mut::<3>().0.iter_mut().for_each(|[r, _, b]| {
            *r = r.saturating_add(60);
            *b = b.saturating_sub(60);
        });
        assert!(!look(&original, 40, 40).is_like(&look(&swapped, 40, 40)));
    }

    #[test]
    fn pictures_of_any_size_have_a_look() {
        for (h, w) in [(1, 1), (1, 500), (31, 33), (700, 3)] {
            for c in [1, 3] {
                let flat = look(&vec![200; h * w * c], h, w);
                assert!(flat.flat && flat.grey == [200; 256] && flat.tint == [[128; 16]; 2], "{h} {w} {c}");
            }
        }
        // the shares of a part add up
        for len in [1, 5, 31, 32, 33, 1000] {
            for part in 0..SIDE {
                let (first, last, shares) = part_of(part, len);
                assert!(last <= len && first < last && (shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
        let rippled: Vec<u8> = (0..300).map(|at| 100 + (at % 8) as u8).collect();
        assert!(look(&rippled, 10, 10).flat);
    }

    #[test]
    fn the_hash_is_that_of_its_definition() {
        // a grey ramp to the right: only frequencies 0 and odd ones along rows differ from 0
        let ramp: Vec<u8> = (0..32 * 32).map(|at| (at % 32 * 8) as u8).collect();
        let bits = look(&ramp, 32, 32).hash;
        // the mean is the largest, the first frequency is negative: dark to light
        assert_eq!(bits & 0b11, 0b01, "{bits:b}");
    }
}
