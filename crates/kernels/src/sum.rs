//! The order of sums that cross images: images in order inside segments of [`SEGMENT`], then a pairwise tree over
//! the segments (house rule "Arithmetic"), so that any number of threads, or machines owning aligned runs of
//! segments, give the same bytes.
//!
//! The tree adds neighbours round by round, (0+1), (2+3), ..., an odd last one moving up unchanged: the same as splitting
//! at the largest power of two below the number of parts, again and again.

use std::ops::{AddAssign, Range};

use crate::view::RowsMut;

/// Images in one segment: the sums of a segment are taken in image order.
pub const SEGMENT: usize = 64;

/// Columns added at a time: wide enough to hide the walk of the tree, and a whole number of cache lines.
const CHUNK: usize = 64;

/// Adds `count` parts, laid one after the other in `parts`, by the pairwise tree: `dst[i]` is the sum of the parts'
/// value `range.start + i`. Only additions in `f32`: the bytes are the same on every level.
///
/// # Panics
/// If `count` is 0 or `parts`, `range` and `dst` do not agree.
pub fn sum_tree(parts: &[f32], count: usize, range: Range<usize>, dst: &mut [f32]) {
    assert!(count > 0 && parts.len().is_multiple_of(count), "{} values in {count} parts", parts.len());
    let len = parts.len() / count;
    assert!(range.end <= len && dst.len() == range.len(), "{range:?} of {len} into {}", dst.len());
    for (chunk, dst) in dst.chunks_mut(CHUNK).enumerate() {
        let columns = Parts { values: parts, len, start: range.start + chunk * CHUNK, width: dst.len() };
        dst.copy_from_slice(&tree(&columns, 0..count)[..dst.len()]);
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
        for (chunk, dst) in out.row(row).chunks_mut(CHUNK).enumerate() {
            let start = row * pitch + lanes.start + chunk * CHUNK;
            let images = Parts { values: partials, len: 2 * pitch, start, width: dst.len() };
            let segments = images.count().div_ceil(SEGMENT);
            dst.copy_from_slice(&tree(&Segments(images), 0..segments)[..dst.len()]);
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

/// What a tree adds: rows of at most [`CHUNK`] values.
trait Leaves<T> {
    /// Row `index`; values past its width are 0.
    fn leaf(&self, index: usize) -> [T; CHUNK];
}

/// Columns `start..start + width` of parts of `len` values.
struct Parts<'a, T> {
    values: &'a [T],
    len: usize,
    start: usize,
    width: usize,
}

impl<T> Parts<'_, T> {
    fn count(&self) -> usize {
        self.values.len() / self.len
    }

    fn row(&self, index: usize) -> &[T] {
        &self.values[index * self.len + self.start..][..self.width]
    }
}

impl Leaves<f32> for Parts<'_, f32> {
    fn leaf(&self, index: usize) -> [f32; CHUNK] {
        let mut leaf = [0.0; CHUNK];
        leaf[..self.width].copy_from_slice(self.row(index));
        leaf
    }
}

/// Images, summed in order inside their segments.
struct Segments<'a>(Parts<'a, f64>);

impl Leaves<f64> for Segments<'_> {
    fn leaf(&self, index: usize) -> [f64; CHUNK] {
        let mut total = [0.0; CHUNK];
        for image in index * SEGMENT..self.0.count().min((index + 1) * SEGMENT) {
            for (total, value) in total.iter_mut().zip(self.0.row(image)) {
                *total += value;
            }
        }
        total
    }
}

/// The sum of the leaves `range` (at least one): the left branch is the largest power of two below their number.
fn tree<T: Copy + AddAssign>(leaves: &impl Leaves<T>, range: Range<usize>) -> [T; CHUNK] {
    if range.len() == 1 {
        return leaves.leaf(range.start);
    }
    let middle = range.start + (range.len().next_power_of_two() / 2);
    let mut total = tree(leaves, range.start..middle);
    for (total, right) in total.iter_mut().zip(&tree(leaves, middle..range.end)) {
        *total += *right;
    }
    total
}
