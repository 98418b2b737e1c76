//! Bilinear resize of 8-bit images, bit for bit what OpenCV's `resize` with `INTER_LINEAR` computes: the resize that
//! Gluon's `transforms.Resize` runs on a CPU, and so the one the chapter trains with.
//!
//! With `scale = src / dst` per axis, destination `d` lies at `x = (d + 0.5) * scale - 0.5` between the source pixels
//! `s = floor(x)` and `s + 1`, with weights `1 - (x - s)` and `x - s`; beyond the border the border pixel is repeated.
//! No smoothing precedes a reduction. The arithmetic is fixed point:
//!
//! 1. `x` in f64, rounded to f32; weights in f32, times 2^11, rounded to nearest even;
//! 2. rows first: `t = w0 * src[s] + w1 * src[s + 1]`, exact in 19 bits;
//! 3. then columns: `(((v0 * (t0 >> 4)) >> 16) + ((v1 * (t1 >> 4)) >> 16) + 2) >> 2`.
//!
//! Step 3 truncates twice before it rounds: this is what makes the last bit differ from an exact computation, and why
//! it is copied here to the letter.

/// Fraction bits of a weight (`INTER_RESIZE_COEF_BITS` in OpenCV).
const WEIGHT_BITS: u32 = 11;

/// Where one destination row or column comes from.
#[derive(Clone, Copy, Debug)]
struct Tap {
    /// The two source indices, already kept inside the image.
    at: [usize; 2],
    /// Their weights, summing to `1 << WEIGHT_BITS` up to rounding.
    weight: [i32; 2],
}

/// A resize, and which part of its result is wanted: what is cut off is not computed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cut {
    /// Rows, columns and channels of the image.
    pub from: [usize; 3],
    /// Rows and columns of the resized image.
    pub to: [usize; 2],
    /// First row and column wanted of it.
    pub corner: [usize; 2],
    /// How many rows and columns are wanted.
    pub size: [usize; 2],
}

impl Cut {
    /// All of the resized image.
    pub fn whole(from: [usize; 3], to: [usize; 2]) -> Self {
        Self { from, to, corner: [0, 0], size: to }
    }

    /// Bytes of the part that is wanted.
    pub fn dst_len(&self) -> usize {
        self.size[0] * self.size[1] * self.from[2]
    }

    /// # Panics
    /// If a side is zero or the part is not inside.
    pub(crate) fn check(&self) {
        let Self { from: [h, w, _], to, corner, size } = *self;
        assert!(h > 0 && w > 0 && !to.contains(&0), "an image without pixels cannot be resized");
        let inside =
            (0..2).all(|axis| corner[axis].checked_add(size[axis]).is_some_and(|end| end <= to[axis]));
        assert!(inside, "{size:?} from {corner:?} on are not inside {to:?}");
    }
}

/// A resize between two fixed shapes, set up once and used for many images.
#[derive(Clone, Debug)]
pub struct Bilinear {
    src_row: usize,
    src_len: usize,
    dst_len: usize,
    channels: usize,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// The two interpolated source rows in use; source row `y` goes to slot `y % 2`, so neighbours never collide.
    slots: [Vec<i32>; 2],
}

impl Bilinear {
    /// A resize of which `cut` is wanted, channels kept.
    ///
    /// # Panics
    /// If a side is zero or the part that is wanted is not inside the resized image.
    pub fn new(cut: Cut) -> Self {
        cut.check();
        let Cut { from: [h, w, c], to: [rows, columns], corner: [top, left], size: [height, width] } = cut;
        Self {
            src_row: w * c,
            src_len: h * w * c,
            dst_len: cut.dst_len(),
            channels: c,
            columns: (left..left + width).map(|d| column(d, w, columns)).collect(),
            rows: (top..top + height).map(|d| row(d, h, rows)).collect(),
            slots: [vec![0; width * c], vec![0; width * c]],
        }
    }

    /// Length of a resized image in bytes.
    pub fn dst_len(&self) -> usize {
        self.dst_len
    }

    /// Resizes one image `[h][w][c]` into `dst`, `[rows][columns][c]` of the part that is wanted.
    ///
    /// # Panics
    /// If a length does not fit the shapes given to [`Bilinear::new`].
    pub fn run(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(src.len(), self.src_len, "source image");
        assert_eq!(dst.len(), self.dst_len, "resized image");
        if dst.is_empty() {
            return; // no channels: a row would have no length
        }
        let mut held = [usize::MAX; 2];
        for (tap, dst) in self.rows.iter().zip(dst.chunks_exact_mut(self.slots[0].len())) {
            for y in tap.at {
                if held[y % 2] != y {
                    held[y % 2] = y;
                    let src = &src[y * self.src_row..][..self.src_row];
                    across(src, &self.columns, self.channels, &mut self.slots[y % 2]);
                }
            }
            let [t0, t1] = tap.at.map(|y| &self.slots[y % 2]);
            let [v0, v1] = tap.weight;
            for ((dst, &t0), &t1) in dst.iter_mut().zip(t0).zip(t1) {
                let sum = ((v0 * (t0 >> 4)) >> 16) + ((v1 * (t1 >> 4)) >> 16);
                *dst = ((sum + 2) >> 2) as u8;
            }
        }
    }
}

/// Resizes an image `[h][w][c]` of shape `from = [h, w, c]` to `to = [rows, columns]`.
///
/// # Panics
/// If `src` is not `h * w * c` long or a side is zero.
pub fn bilinear_u8(src: &[u8], from: [usize; 3], to: [usize; 2]) -> Vec<u8> {
    let mut resize = Bilinear::new(Cut::whole(from, to));
    let mut dst = vec![0; resize.dst_len()];
    resize.run(src, &mut dst);
    dst
}

/// One source row interpolated to all destination columns.
fn across(src: &[u8], columns: &[Tap], channels: usize, dst: &mut [i32]) {
    for (tap, dst) in columns.iter().zip(dst.chunks_exact_mut(channels)) {
        let [a, b] = tap.at.map(|x| &src[x * channels..][..channels]);
        let [w0, w1] = tap.weight;
        for ((dst, &a), &b) in dst.iter_mut().zip(a).zip(b) {
            *dst = w0 * i32::from(a) + w1 * i32::from(b);
        }
    }
}

/// Position of destination `d` among `src` pixels enlarged or reduced to `dst`: index left of it and distance to that.
fn position(d: usize, src: usize, dst: usize) -> (isize, f32) {
    // 1 / (dst / src) and src / dst can differ in the last bit; the former is what is computed there
    let scale = 1.0 / (dst as f64 / src as f64);
    let x = ((d as f64 + 0.5) * scale - 0.5) as f32;
    let left = x.floor();
    (left as isize, x - left)
}

fn weights(fraction: f32) -> [i32; 2] {
    let one = (1 << WEIGHT_BITS) as f32;
    [1.0 - fraction, fraction].map(|weight| (weight * one).round_ties_even() as i32)
}

/// Columns beyond the border take the border pixel with full weight.
fn column(d: usize, src: usize, dst: usize) -> Tap {
    let (left, fraction) = position(d, src, dst);
    let last = src - 1;
    match usize::try_from(left) {
        Err(_) => Tap { at: [0, 0], weight: weights(0.0) },
        Ok(left) if left >= last => Tap { at: [last, last], weight: weights(0.0) },
        Ok(left) => Tap { at: [left, left + 1], weight: weights(fraction) },
    }
}

/// Rows beyond the border keep their weights, and both indices are the border's: it is truncated twice all the same.
fn row(d: usize, src: usize, dst: usize) -> Tap {
    let (left, fraction) = position(d, src, dst);
    let inside = |y: isize| y.clamp(0, src as isize - 1) as usize;
    Tap { at: [inside(left), inside(left + 1)], weight: weights(fraction) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_size_changes_nothing() {
        let src: Vec<u8> = (0..5 * 7 * 3).map(|i| (i * 37 % 256) as u8).collect();
        assert_eq!(bilinear_u8(&src, [5, 7, 3], [5, 7]), src);
    }

    #[test]
    fn halving_averages_four_pixels() {
        let src = [10, 20, 0, 255, 31, 40, 255, 0];
        // (10 + 20 + 31 + 40 + 2) / 4 and (510 + 2) / 4
        assert_eq!(bilinear_u8(&src, [2, 4, 1], [1, 2]), [25, 128]);
    }

    #[test]
    fn a_part_is_cut_out_of_the_whole() {
        let src: Vec<u8> = (0..9 * 7 * 3).map(|i| (i * 37 % 256) as u8).collect();
        let whole = bilinear_u8(&src, [9, 7, 3], [20, 5]);
        let cut = Cut { from: [9, 7, 3], to: [20, 5], corner: [6, 1], size: [9, 3] };
        let mut part = vec![0; cut.dst_len()];
        Bilinear::new(cut).run(&src, &mut part);
        let expected: Vec<u8> = (6..15).flat_map(|y| whole[(y * 5 + 1) * 3..][..9].to_vec()).collect();
        assert_eq!(part, expected);
    }

    #[test]
    fn no_channels_no_pixels() {
        assert!(bilinear_u8(&[], [2, 2, 0], [4, 4]).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Within one level of the same interpolation in f64: two truncations and the weights' rounding.
        #[test]
        fn close_to_exact(
            (h, w, c) in (1_usize..20, 1_usize..20, 1_usize..4),
            (oh, ow) in (1_usize..40, 1_usize..40),
            seed in any::<u32>(),
        ) {
            let src: Vec<u8> =
                (0..h * w * c).map(|i| ((i as u32 ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let dst = bilinear_u8(&src, [h, w, c], [oh, ow]);
            let axis = |d: usize, n: usize, o: usize| {
                let x = ((d as f64 + 0.5) * n as f64 / o as f64 - 0.5).clamp(0.0, n as f64 - 1.0);
                let left = (x as usize).min(n.saturating_sub(2));
                (left, (left + 1).min(n - 1), x - left as f64)
            };
            for (i, &value) in dst.iter().enumerate() {
                let (y, x, k) = (i / (ow * c), i / c % ow, i % c);
                let ((y0, y1, v), (x0, x1, u)) = (axis(y, h, oh), axis(x, w, ow));
                let at = |y: usize, x: usize| f64::from(src[(y * w + x) * c + k]);
                let exact = (1.0 - v) * ((1.0 - u) * at(y0, x0) + u * at(y0, x1))
                    + v * ((1.0 - u) * at(y1, x0) + u * at(y1, x1));
                prop_assert!((f64::from(value) - exact).abs() <= 1.0 + 0.25, "{value} {exact}");
            }
        }

        #[test]
        fn constant_stays_constant(value in any::<u8>(), h in 1_usize..30, w in 1_usize..30, oh in 1_usize..60, ow in 1_usize..60) {
            prop_assert!(bilinear_u8(&vec![value; h * w], [h, w, 1], [oh, ow]).iter().all(|&out| out.abs_diff(value) <= 1));
        }
    }
}
