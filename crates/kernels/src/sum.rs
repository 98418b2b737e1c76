//! The order of sums that cross images: images in order inside segments of [`SEGMENT`], then a pairwise tree over
//! the segments (house rule "Arithmetic"), so that any number of threads, or machines owning aligned runs of
//! segments, give the same bytes.
//!
//! The tree adds neighbours round by round, (0+1), (2+3), ..., an odd last one moving up unchanged. It is walked with
//! a binary counter: after part `i` arrives, one pair is closed for every trailing one bit of `i`.

use std::ops::Range;

use crate::LANES;
use crate::view::RowsMut;

/// Images in one segment: the sums of a segment are taken in image order.
pub const SEGMENT: usize = 64;

/// Levels of the tree: enough for 2^24 segments.
const LEVELS: usize = 24;

/// Adds `count` parts, laid one after the other in `parts`, by the pairwise tree: `dst[i]` is the sum of the parts'
/// value `range.start + i`. Only additions in `f32`: the bytes are the same on every level.
///
/// # Panics
/// If `count` is 0 or `parts`, `range` and `dst` do not agree.
pub fn sum_tree(parts: &[f32], count: usize, range: Range<usize>, dst: &mut [f32]) {
    assert!(count > 0 && parts.len().is_multiple_of(count), "{} values in {count} parts", parts.len());
    let len = parts.len() / count;
    assert!(range.end <= len && dst.len() == range.len(), "{range:?} of {len} into {}", dst.len());
    for (chunk, dst) in dst.chunks_mut(LANES).enumerate() {
        let start = range.start + chunk * LANES;
        let mut tree = Tree::<f32>::new();
        for part in 0..count {
            let mut lanes = [0.0; LANES];
            let offset = part * len + start;
            lanes[..dst.len()].copy_from_slice(&parts[offset..offset + dst.len()]);
            tree.push(part, lanes);
        }
        dst.copy_from_slice(&tree.finish(count)[..dst.len()]);
    }
}

/// Adds per-image sums `[images][2][pitch]` (see [`crate::args::Sums`]) over the images: columns `lanes`, into the two
/// rows of `out`.
///
/// # Panics
/// If the sizes do not agree.
pub fn reduce_sums(
    partials: &[f64],
    images: usize,
    pitch: usize,
    lanes: Range<usize>,
    mut out: RowsMut<'_, f64>,
) {
    assert_eq!(partials.len(), images * 2 * pitch, "per-image sums");
    assert!(images > 0 && lanes.end <= pitch, "{lanes:?} of {pitch} channels, {images} images");
    assert!(out.rows() == 2 && out.width() == lanes.len(), "{} rows of {}", out.rows(), out.width());
    for row in 0..2 {
        for (chunk, dst) in out.row(row).chunks_mut(LANES).enumerate() {
            let start = lanes.start + chunk * LANES;
            let mut tree = Tree::<f64>::new();
            let segments = images.div_ceil(SEGMENT);
            for segment in 0..segments {
                let mut total = [0.0; LANES];
                for image in segment * SEGMENT..images.min((segment + 1) * SEGMENT) {
                    let offset = (image * 2 + row) * pitch + start;
                    for (total, value) in total.iter_mut().zip(&partials[offset..offset + dst.len()]) {
                        *total += value;
                    }
                }
                tree.push(segment, total);
            }
            dst.copy_from_slice(&tree.finish(segments)[..dst.len()]);
        }
    }
}

/// Gradient of a bias: the sum over images and pixels of the gradient at the layer's output, which is row 0 of
/// [`reduce_sums`] over that gradient (made by a sink, or by [`crate::norm::STATS`] with shift 0).
pub fn bias_gradient(sums: &[f64], dst: &mut [f32]) {
    for (dst, sum) in dst.iter_mut().zip(sums) {
        *dst = *sum as f32;
    }
}

/// The partial sums of a pairwise tree that are still waiting for their right neighbour.
struct Tree<T> {
    waiting: [[T; LANES]; LEVELS],
    depth: usize,
}

impl<T: Copy + Default + std::ops::Add<Output = T>> Tree<T> {
    fn new() -> Self {
        Self { waiting: [[T::default(); LANES]; LEVELS], depth: 0 }
    }

    /// Part `index`, in order from 0.
    fn push(&mut self, index: usize, mut part: [T; LANES]) {
        for _ in 0..index.trailing_ones() {
            self.depth -= 1;
            part = add(&self.waiting[self.depth], &part);
        }
        self.waiting[self.depth] = part;
        self.depth += 1;
    }

    /// The sum of all `count` parts pushed (at least one).
    fn finish(mut self, count: usize) -> [T; LANES] {
        debug_assert_eq!(self.depth, count.count_ones() as usize);
        self.depth -= 1;
        let mut total = self.waiting[self.depth];
        while self.depth > 0 {
            self.depth -= 1;
            total = add(&self.waiting[self.depth], &total);
        }
        total
    }
}

fn add<T: Copy + std::ops::Add<Output = T>>(left: &[T; LANES], right: &[T; LANES]) -> [T; LANES] {
    std::array::from_fn(|lane| left[lane] + right[lane])
}
