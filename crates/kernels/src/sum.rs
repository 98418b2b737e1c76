//! The order of sums that cross images: images in order inside segments of [`SEGMENT`], then a pairwise tree over the
//! segments (ARCHITECTURE.md, "Arithmetic"). Any number of threads gives the same bytes. So would machines that own aligned
//! runs of segments.
//!
//! The tree adds neighbours round by round: (0+1), (2+3), ... An odd last one moves up unchanged. That is the same as
//! splitting at the largest power of two below the number of parts, again and again.

use std::ops::{AddAssign, Range};

use crate::rows::RowsMut;

/// Images in one segment: the sums of a segment are taken in image order.
pub const SEGMENT: usize = 64;

/// Columns added at a time: long enough runs for the processor to read ahead in every part, short enough that what waits in
/// the branches of a tree, a row each, stays in the first-level cache.
const CHUNK: usize = 512;

/// Branches that can wait: a tree has at most `1 << LEVELS` leaves, 4 million images of segments of 4.
const LEVELS: usize = 20;

/// Adds `count` parts, laid one after the other in `parts`, by the pairwise tree: `dst[i]` is the sum of the parts'
/// value `range.start + i`. Only additions in `f32`: the bytes are the same on every level.
///
/// # Panics
/// If `count` is 0 or `parts`, `range` and `dst` do not agree.
pub fn sum_tree(parts: &[f32], count: usize, range: Range<usize>, dst: &mut [f32]) {
    assert!(count > 0 && parts.len().is_multiple_of(count), "{} values in {count} parts", parts.len());
    let len = parts.len() / count;
    assert!(range.end <= len && dst.len() == range.len(), "{range:?} of {len} into {}", dst.len());
    let mut waiting = [[0.0; CHUNK]; LEVELS];
    for (chunk, dst) in dst.chunks_mut(CHUNK).enumerate() {
        let columns = SumParts { values: parts, len, start: range.start + chunk * CHUNK, width: dst.len() };
        tree(&columns, 0..count, dst, &mut waiting);
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
    let mut waiting = [[0.0; CHUNK]; LEVELS];
    for row in 0..2 {
        for (chunk, dst) in out.row(row).chunks_mut(CHUNK).enumerate() {
            let start = row * pitch + lanes.start + chunk * CHUNK;
            let images = SumParts { values: partials, len: 2 * pitch, start, width: dst.len() };
            let segments = images.count().div_ceil(SEGMENT);
            tree(&Segments(images), 0..segments, dst, &mut waiting);
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
    /// Writes row `index`.
    fn put(&self, index: usize, dst: &mut [T]);
}

/// Columns `start..start + width` of parts of `len` values.
struct SumParts<'a, T> {
    values: &'a [T],
    len: usize,
    start: usize,
    width: usize,
}

impl<T> SumParts<'_, T> {
    fn count(&self) -> usize {
        self.values.len() / self.len
    }

    fn row(&self, index: usize) -> &[T] {
        &self.values[index * self.len + self.start..][..self.width]
    }
}

impl Leaves<f32> for SumParts<'_, f32> {
    fn put(&self, index: usize, dst: &mut [f32]) {
        dst.copy_from_slice(self.row(index));
    }
}

/// Images, summed in order inside their segments.
struct Segments<'a>(SumParts<'a, f64>);

impl Leaves<f64> for Segments<'_> {
    fn put(&self, index: usize, dst: &mut [f64]) {
        dst.fill(0.0);
        for image in index * SEGMENT..self.0.count().min((index + 1) * SEGMENT) {
            add(dst, self.0.row(image));
        }
    }
}

/// The sum of the leaves `range` (at least one): the left branch is the largest power of two below their number. The right
/// one waits in the first row of `waiting`.
fn tree<T: Copy + AddAssign>(
    leaves: &impl Leaves<T>,
    range: Range<usize>,
    dst: &mut [T],
    waiting: &mut [[T; CHUNK]],
) {
    if range.len() == 1 {
        return leaves.put(range.start, dst);
    }
    let middle = range.start + (range.len().next_power_of_two() / 2);
    tree(leaves, range.start..middle, dst, waiting);
    let Some((right, waiting)) = waiting.split_first_mut() else {
        panic!("more than {} parts", 1usize << LEVELS);
    };
    let right = &mut right[..dst.len()];
    tree(leaves, middle..range.end, right, waiting);
    add(dst, right);
}

fn add<T: Copy + AddAssign>(dst: &mut [T], values: &[T]) {
    for (dst, value) in dst.iter_mut().zip(values) {
        *dst += *value;
    }
}
