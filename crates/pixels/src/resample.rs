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
//! The passes run as kernels of `plusx-kernels`, with all weights of both axes at hand. A picture of one column or one row and
//! millions of pixels would need too much memory for that and is resized by plain loops, with the same bytes (`resample/plain.rs`).

mod axis;
mod plain;
mod vector;

use crate::resize::Cut;
use axis::Axis;
pub use axis::Filter;
use plain::PlainResize;
use plusx_kernels::Level;
use vector::Vector;

/// A resize between two fixed shapes, set up once and used for many images.
#[derive(Clone, Debug)]
pub struct Resample {
    filter: Filter,
    cut: Cut,
    columns: Axis,
    rows: Axis,
    columns_first: bool,
    /// The instructions to use; `None` for plain loops.
    level: Option<Level>,
    vector: Vector,
}

impl Resample {
    /// A resize of which `cut` is wanted, on the best instructions of this machine.
    ///
    /// # Panics
    /// If a side is zero or the part that is wanted is not inside the resized image.
    pub fn new(filter: Filter, cut: Cut) -> Self {
        Self::at(Some(Level::detect()), filter, cut)
    }

    /// As [`Resample::new`] with the kernels of a level that the machine has, or with plain loops. The bytes are the same.
    ///
    /// # Panics
    /// As [`Resample::new`].
    pub fn at(level: Option<Level>, filter: Filter, cut: Cut) -> Self {
        let (columns, rows) = (Axis::of(filter, &cut, 1), Axis::of(filter, &cut, 0));
        let vector = Vector::default();
        let mut resample = Self { filter, cut, columns, rows, columns_first: false, level, vector };
        resample.set(cut);
        resample
    }

    /// Makes this the resize of another shape, in the memory that it has.
    ///
    /// # Panics
    /// As [`Resample::new`].
    pub fn set(&mut self, cut: Cut) {
        cut.check();
        let Cut { from: [h, w, c], to: [rows, columns], .. } = cut;
        self.cut = cut;
        (self.columns, self.rows) = (Axis::of(self.filter, &cut, 1), Axis::of(self.filter, &cut, 0));
        self.columns_first = rows < h && h - rows > w.saturating_sub(columns).saturating_mul(2);
        self.vector.set(&self.columns, &self.rows, c, self.level);
    }

    /// Resizes one image `[h][w][c]` into `dst`, `[rows][columns][c]` of the part that is wanted.
    ///
    /// # Panics
    /// If a length does not fit the shapes given to [`Resample::new`].
    pub fn run(&mut self, src: &[u8], dst: &mut [u8]) {
        let Cut { from: [h, w, c], .. } = self.cut;
        assert_eq!(src.len(), h * w * c, "source image");
        self.run_strided(src, w * c, dst);
    }

    /// As [`Resample::run`] for a box of a larger image, without a copy. `src` begins with the first pixel of the box, and its
    /// rows are `stride` bytes apart. What lies outside of the box is not seen: the result is that of cropping, then
    /// resizing.
    ///
    /// # Panics
    /// If `stride` is less than a row, `src` ends before the box does, or `dst` does not fit the shape given to
    /// [`Resample::new`].
    pub fn run_strided(&mut self, src: &[u8], stride: usize, dst: &mut [u8]) {
        let Cut { from: [h, w, c], .. } = self.cut;
        assert!(stride >= w * c && src.len() >= (h - 1) * stride + w * c, "box of the source image");
        assert_eq!(dst.len(), self.cut.dst_len(), "resized image");
        if dst.is_empty() {
            return; // no channels: a row would have no length
        }
        if let Some(level) = self.vector.ready() {
            let image = vector::Strided { bytes: src, stride };
            return self.vector.run(level, self.columns_first, image, dst);
        }
        let plain = PlainResize { size: [w, c], stride, columns: &self.columns, rows: &self.rows };
        match self.columns_first {
            true => plain.down_then_across(src, dst),
            false => plain.across_then_down(src, dst),
        }
    }
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
    fn a_destination_may_see_several_blocks_of_rows() {
        for (from, to) in [([33, 33, 1], [1, 1]), ([300, 40, 3], [2, 30]), ([300, 200, 3], [4, 4])] {
            let (src, cut) = (made_up(from.iter().product(), 9), Cut::whole(from, to));
            let (mut plain, mut dst) = (vec![0; cut.dst_len()], vec![1; cut.dst_len()]);
            Resample::at(None, Filter::Bicubic, cut).run(&src, &mut plain);
            Resample::new(Filter::Bicubic, cut).run(&src, &mut dst);
            assert_eq!(dst, plain, "{cut:?}");
        }
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

        /// Every level gives the bytes of the plain loops, in memory that another shape left, of a box as of a crop.
        #[test]
        fn levels_give_the_bytes_of_plain_loops(
            (h, w, c) in (1_usize..150, 1_usize..150, 1_usize..5),
            (rows, columns) in (1_usize..150, 1_usize..150),
            (top, left, height, width) in (0_usize..150, 0_usize..150, 1_usize..150, 1_usize..150),
            (above, before, after) in (0_usize..3, 0_usize..20, 0_usize..3),
            bicubic in any::<bool>(),
            kept in 0..6,
        ) {
            let filter = if bicubic { Filter::Bicubic } else { Filter::Bilinear };
            let (rows, columns) = (if kept == 1 { h } else { rows }, if kept == 2 { w } else { columns });
            let (top, left) = (top % rows, left % columns);
            let size = [height.min(rows - top), width.min(columns - left)];
            let cut = Cut { from: [h, w, c], to: [rows, columns], corner: [top, left], size };
            let stride = before + w * c + after;
            let image = made_up((above + h) * stride, 5);
            let from = above * stride + before;
            let src: Vec<u8> = (0..h).flat_map(|y| image[from + y * stride..][..w * c].to_vec()).collect();
            let mut expected = vec![0; cut.dst_len()];
            Resample::at(None, filter, cut).run(&src, &mut expected);
            let mut part = vec![0; cut.dst_len()];
            Resample::at(None, filter, cut).run_strided(&image[from..], stride, &mut part);
            prop_assert!(part == expected, "plain loops of a box");
            for level in Level::ALL.into_iter().filter(|level| level.supported()) {
                let mut resample = Resample::at(Some(level), filter, Cut::whole([70, 90, 2], [80, 30]));
                resample.set(cut);
                for run in 0..2 {
                    part.fill(1);
                    match run {
                        0 => resample.run(&src, &mut part),
                        _ => resample.run_strided(&image[from..], stride, &mut part),
                    }
                    prop_assert!(part == expected, "{level} {filter:?} {cut:?} {run}");
                }
            }
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
