//! Resize of 8-bit images with a filter that widens as the image shrinks, bit for bit what Pillow's `Image.resize` with
//! `BILINEAR` and `BICUBIC` computes (`src/libImaging/Resample.c`): the resize of torchvision's and timm's evaluation.
//!
//! With `scale = src / dst` per axis and `wide = max(scale, 1)`, destination `d` has its centre at `c = (d + 0.5) scale`
//! and sees the source pixels from `floor(c - r + 0.5)` to before `floor(c + r + 0.5)`, `r = support * wide`, as far as
//! there are any. Pixel `s` has the weight `f((s - c + 0.5) / wide)`, divided by the sum of all weights, in f64; then
//! times 2^22, rounded to nearest. Along each row comes `(sum of weight * pixel + 2^21) >> 22`, kept inside 0 to 255, in 8
//! bits; then the same down the columns. A side that keeps its length is left alone.
//!
//! If the height shrinks by more than twice the pixels that the width does, columns come first. So it is since Pillow 13
//! (its pull request 9549); in older ones rows always do. With kept proportions this concerns pictures more than twice as
//! high as wide.
//!
//! Pillow makes the table of all weights and the whole image between the two passes. Here a weight is computed when it
//! is needed, for many rows at once, and what is between the passes is consumed as it comes: a picture of one column or one
//! row and millions of pixels takes no more memory than others.

use crate::resize::Cut;

/// Fraction bits of a weight: 32, less 8 for a pixel and 2 for the sign and sums above 1.
const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// Half of the last bit that is kept.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

/// Source rows that share the computed weights of a column: enough to make these cheap.
const BLOCK: usize = 16;

/// The shape of a filter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Filter {
    /// A triangle: 1 - |x| up to 1.
    Bilinear,
    /// Keys' cubic with a = -1/2 (R. Keys 1981, "Cubic convolution interpolation for digital image processing").
    Bicubic,
}

impl Filter {
    /// Beyond this it is 0.
    fn support(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    /// Its value at `x`. The order of operations is Pillow's: it decides about last bits.
    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Filter::Bilinear if x < 1.0 => 1.0 - x,
            Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// One axis: where the destination's rows or columns come from.
#[derive(Clone, Debug)]
struct Axis {
    filter: Filter,
    src: usize,
    scale: f64,
    /// Destinations that are wanted: the first and how many.
    first: usize,
    count: usize,
    /// The length stays: destination `d` is source `d`.
    same: bool,
}

/// What one destination sees of an axis.
#[derive(Clone, Copy, Debug)]
struct Seen {
    first: usize,
    count: usize,
    centre: f64,
    total: f64,
}

impl Axis {
    /// The rows (0) or the columns (1) of `cut`.
    fn of(filter: Filter, cut: &Cut, axis: usize) -> Self {
        let (src, dst) = (cut.from[axis], cut.to[axis]);
        let (first, count) = (cut.corner[axis], cut.size[axis]);
        Self { filter, src, scale: src as f64 / dst as f64, first, count, same: src == dst }
    }

    /// What destination `index` of those wanted sees.
    fn seen(&self, index: usize) -> Seen {
        let d = self.first + index;
        if self.same {
            return Seen { first: d, count: 1, centre: d as f64 + 0.5, total: 1.0 };
        }
        let radius = self.filter.support() * self.scale.max(1.0);
        let centre = (d as f64 + 0.5) * self.scale;
        // conversion drops fractions, and what is below 0 or not there becomes the border
        let first = (centre - radius + 0.5).max(0.0) as usize;
        let end = ((centre + radius + 0.5) as usize).min(self.src);
        let mut seen = Seen { first, count: end.saturating_sub(first), centre, total: 0.0 };
        seen.total = (0..seen.count).map(|at| self.raw(&seen, at)).sum();
        seen
    }

    /// The filter over the source pixel `at` of those seen.
    fn raw(&self, seen: &Seen, at: usize) -> f64 {
        let inverse = 1.0 / self.scale.max(1.0);
        self.filter.at(((at + seen.first) as f64 - seen.centre + 0.5) * inverse)
    }

    /// The weight of the source pixel `at` of those seen, in units of 2^-22.
    fn weight(&self, seen: &Seen, at: usize) -> i32 {
        if self.same {
            return 1 << WEIGHT_BITS;
        }
        let raw = self.raw(seen, at);
        let part = if seen.total == 0.0 { raw } else { raw / seen.total };
        let scaled = part * f64::from(1 << WEIGHT_BITS);
        // to nearest, halves away from 0; then the fraction is dropped
        (if part < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
    }
}

/// A resize between two fixed shapes, set up once and used for many images.
#[derive(Clone, Debug)]
pub struct Resample {
    cut: Cut,
    columns: Axis,
    rows: Axis,
    columns_first: bool,
}

impl Resample {
    /// A resize of which `cut` is wanted.
    ///
    /// # Panics
    /// If a side is zero or the part that is wanted is not inside the resized image.
    pub fn new(filter: Filter, cut: Cut) -> Self {
        cut.check();
        let Cut { from: [h, w, _], to: [rows, columns], .. } = cut;
        Self {
            cut,
            columns: Axis::of(filter, &cut, 1),
            rows: Axis::of(filter, &cut, 0),
            columns_first: rows < h && h - rows > w.saturating_sub(columns).saturating_mul(2),
        }
    }

    /// Resizes one image `[h][w][c]` into `dst`, `[rows][columns][c]` of the part that is wanted.
    ///
    /// # Panics
    /// If a length does not fit the shapes given to [`Resample::new`].
    pub fn run(&self, src: &[u8], dst: &mut [u8]) {
        let Cut { from: [h, w, c], .. } = self.cut;
        assert_eq!(src.len(), h * w * c, "source image");
        assert_eq!(dst.len(), self.cut.dst_len(), "resized image");
        if dst.is_empty() {
            return; // no channels: a row would have no length
        }
        match self.columns_first {
            true => self.down_then_across(src, dst),
            false => self.across_then_down(src, dst),
        }
    }

    /// Blocks of rows of the destination, still as wide as the source, brought to the columns that are wanted.
    fn down_then_across(&self, src: &[u8], dst: &mut [u8]) {
        let Cut { from: [_, w, c], .. } = self.cut;
        let row = self.columns.count * c;
        let mut sums = vec![HALF; w * c];
        let mut block = vec![0; BLOCK.min(self.rows.count) * w * c];
        for (number, dst) in dst.chunks_mut(BLOCK * row).enumerate() {
            let rows = dst.len() / row;
            for (index, values) in block.chunks_exact_mut(w * c).take(rows).enumerate() {
                let seen = self.rows.seen(number * BLOCK + index);
                sums.fill(HALF);
                for (at, src) in src[seen.first * w * c..].chunks_exact(w * c).take(seen.count).enumerate() {
                    add(&mut sums, self.rows.weight(&seen, at), src);
                }
                finish(&sums, values);
            }
            self.across(&block[..rows * w * c], dst);
        }
    }

    /// Blocks of source rows, each brought to the columns that are wanted, added to the rows of the destination that see
    /// them.
    fn across_then_down(&self, src: &[u8], dst: &mut [u8]) {
        let Cut { from: [_, w, c], .. } = self.cut;
        let row = self.columns.count * c;
        let mut sums = vec![HALF; dst.len()];
        let seen: Vec<Seen> = (0..self.rows.count).map(|index| self.rows.seen(index)).collect();
        let needed = seen.iter().map(|one| one.first).min().unwrap_or(0)
            ..seen.iter().map(|one| one.first + one.count).max().unwrap_or(0);
        let mut block = vec![0; BLOCK * row];
        // rows of the destination that end before a source row see none of the later ones
        let mut done = 0;
        for start in needed.clone().step_by(BLOCK) {
            let count = BLOCK.min(needed.end - start);
            self.across(&src[start * w * c..][..count * w * c], &mut block[..count * row]);
            while seen.get(done).is_some_and(|one| one.first + one.count <= start) {
                done += 1;
            }
            let last = start + count;
            for (index, one) in seen.iter().enumerate().skip(done).take_while(|(_, one)| one.first < last) {
                let sums = &mut sums[index * row..][..row];
                for y in one.first.max(start)..(one.first + one.count).min(last) {
                    add(sums, self.rows.weight(one, y - one.first), &block[(y - start) * row..][..row]);
                }
            }
        }
        finish(&sums, dst);
    }

    /// Whole source rows, each brought to the columns that are wanted.
    fn across(&self, src: &[u8], dst: &mut [u8]) {
        let Cut { from: [_, w, c], .. } = self.cut;
        let row = self.columns.count * c;
        let mut weights = Vec::new();
        for index in 0..self.columns.count {
            let seen = self.columns.seen(index);
            weights.clear();
            weights.extend((0..seen.count).map(|at| self.columns.weight(&seen, at)));
            for (src, dst) in src.chunks_exact(w * c).zip(dst.chunks_exact_mut(row)) {
                let pixels = &src[seen.first * c..][..seen.count * c];
                for (channel, dst) in dst[index * c..][..c].iter_mut().enumerate() {
                    let mut sum = HALF;
                    for (weight, pixel) in weights.iter().zip(pixels.chunks_exact(c)) {
                        sum = sum.wrapping_add(weight.wrapping_mul(i32::from(pixel[channel])));
                    }
                    *dst = in_eight_bits(sum);
                }
            }
        }
    }
}

/// Adds `weight` times each value to its sum.
fn add(sums: &mut [i32], weight: i32, values: &[u8]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(*value)));
    }
}

/// Sums to bytes.
fn finish(sums: &[i32], dst: &mut [u8]) {
    for (dst, sum) in dst.iter_mut().zip(sums) {
        *dst = in_eight_bits(*sum);
    }
}

/// A sum in units of 2^-22, kept inside a byte.
fn in_eight_bits(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resample(filter: Filter, src: &[u8], from: [usize; 3], to: [usize; 2]) -> Vec<u8> {
        let cut = Cut::whole(from, to);
        let mut dst = vec![0; cut.dst_len()];
        Resample::new(filter, cut).run(src, &mut dst);
        dst
    }

    fn made_up(len: usize, seed: u32) -> Vec<u8> {
        (0..len as u32).map(|i| ((i ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    #[test]
    fn equal_size_changes_nothing() {
        let src = made_up(5 * 7 * 3, 0);
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            assert_eq!(resample(filter, &src, [5, 7, 3], [5, 7]), src);
        }
    }

    #[test]
    fn halving_weighs_four_pixels_of_each_axis() {
        // a triangle two pixels wide on each side: 1/8, 3/8, 3/8, 1/8, at the border without what is not there
        assert_eq!(resample(Filter::Bilinear, &[0, 0, 80, 0, 0, 0], [1, 6, 1], [1, 3]), [11, 30, 0]);
    }

    #[test]
    fn a_bicubic_overshoots_and_is_kept_inside() {
        let src = [[0; 4], [255; 4]].concat();
        let wide = resample(Filter::Bicubic, &src, [1, 8, 1], [1, 32]);
        assert!(wide.contains(&0) && wide.contains(&255));
        assert_eq!((wide[0], wide[31]), (0, 255));
    }

    #[test]
    fn extreme_proportions_take_little_memory() {
        // whole, the images between would have 300 MB; the parts that are wanted are small
        for (from, to, corner) in
            [([200_000, 1, 1], [200_000, 1500], [100, 700]), ([1, 200_000, 1], [1500, 200_000], [700, 100])]
        {
            let cut = Cut { from, to, corner, size: [8, 8] };
            let mut dst = [0; 64];
            Resample::new(Filter::Bicubic, cut).run(&made_up(200_000, 1), &mut dst);
            assert!(dst.iter().any(|value| *value != dst[0]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A part is what the whole has there.
        #[test]
        fn a_part_is_cut_out_of_the_whole(
            (h, w, c) in (1_usize..40, 1_usize..40, 1_usize..4),
            (rows, columns) in (1_usize..40, 1_usize..40),
            (top, left, height, width) in (0_usize..40, 0_usize..40, 1_usize..40, 1_usize..40),
            bicubic in any::<bool>(),
        ) {
            let filter = if bicubic { Filter::Bicubic } else { Filter::Bilinear };
            let src = made_up(h * w * c, 3);
            let whole = resample(filter, &src, [h, w, c], [rows, columns]);
            let (top, left) = (top % rows, left % columns);
            let size = [height.min(rows - top), width.min(columns - left)];
            let cut = Cut { from: [h, w, c], to: [rows, columns], corner: [top, left], size };
            let mut part = vec![0; cut.dst_len()];
            Resample::new(filter, cut).run(&src, &mut part);
            let expected: Vec<u8> = (0..size[0])
                .flat_map(|y| whole[((top + y) * columns + left) * c..][..size[1] * c].to_vec())
                .collect();
            prop_assert_eq!(part, expected);
        }

        /// Within a level for each rounding of the same interpolation in f64.
        #[test]
        fn close_to_exact(
            (h, w) in (1_usize..30, 1_usize..30),
            (rows, columns) in (1_usize..40, 1_usize..40),
            seed in any::<u32>(),
        ) {
            let src = made_up(h * w, seed);
            let dst = resample(Filter::Bilinear, &src, [h, w, 1], [rows, columns]);
            let weights = |d: usize, n: usize, o: usize| -> Vec<f64> {
                let scale = n as f64 / o as f64;
                let centre = (d as f64 + 0.5) * scale - 0.5;
                let all: Vec<f64> = (0..n)
                    .map(|s| (1.0 - (s as f64 - centre).abs() / scale.max(1.0)).max(0.0))
                    .collect();
                let total: f64 = all.iter().sum();
                all.iter().map(|one| one / total).collect()
            };
            for (i, value) in dst.iter().enumerate() {
                let (v, u) = (weights(i / columns, h, rows), weights(i % columns, w, columns));
                let exact: f64 =
                    (0..h * w).map(|s| v[s / w] * u[s % w] * f64::from(src[s])).sum();
                prop_assert!((f64::from(*value) - exact).abs() <= 1.01, "{value} {exact}");
            }
        }
    }
}
