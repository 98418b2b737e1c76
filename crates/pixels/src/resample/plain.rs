//! The resize in plain loops, with weights that are computed when they are needed and nothing kept between the passes but
//! what is being summed: a picture of one column or one row and millions of pixels takes no more memory than others. It is
//! also what the kernels are compared with.

use super::axis::{Axis, Seen};
use plusx_kernels::resample::WEIGHT_BITS;

/// Half of the last bit that is kept.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

/// Source rows that share the computed weights of a column: enough to make these cheap.
const BLOCK: usize = 16;

/// A resize of rows `stride` apart.
#[derive(Debug)]
pub(super) struct PlainResize<'a> {
    /// Columns and channels of the source.
    pub(super) size: [usize; 2],
    pub(super) stride: usize,
    pub(super) columns: &'a Axis,
    pub(super) rows: &'a Axis,
}

impl PlainResize<'_> {
    /// Blocks of rows of the destination, still as wide as the source, brought to the columns that are wanted.
    pub(super) fn down_then_across(&self, src: &[u8], dst: &mut [u8]) {
        let [w, c] = self.size;
        let row = self.columns.count * c;
        let mut sums = vec![HALF; w * c];
        let mut block = vec![0; BLOCK.min(self.rows.count) * w * c];
        for (number, dst) in dst.chunks_mut(BLOCK * row).enumerate() {
            let rows = dst.len() / row;
            for (index, values) in block.chunks_exact_mut(w * c).take(rows).enumerate() {
                let seen = self.rows.seen(number * BLOCK + index);
                sums.fill(HALF);
                for at in 0..seen.count {
                    let src = &src[(seen.first + at) * self.stride..][..w * c];
                    add(&mut sums, self.rows.weight(&seen, at), src);
                }
                finish(&sums, values);
            }
            self.across(&block, w * c, dst);
        }
    }

    /// Blocks of source rows, each brought to the columns that are wanted, added to the rows of the destination that see
    /// them.
    pub(super) fn across_then_down(&self, src: &[u8], dst: &mut [u8]) {
        let row = self.columns.count * self.size[1];
        let mut sums = vec![HALF; dst.len()];
        let seen: Vec<Seen> = (0..self.rows.count).map(|index| self.rows.seen(index)).collect();
        let [first, count] = self.rows.needed();
        let mut block = vec![0; BLOCK * row];
        // rows of the destination that end before a source row see none of the later ones
        let mut done = 0;
        for start in (first..first + count).step_by(BLOCK) {
            let last = (start + BLOCK).min(first + count);
            self.across(&src[start * self.stride..], self.stride, &mut block[..(last - start) * row]);
            while seen.get(done).is_some_and(|one| one.first + one.count <= start) {
                done += 1;
            }
            for (index, one) in seen.iter().enumerate().skip(done).take_while(|(_, one)| one.first < last) {
                let sums = &mut sums[index * row..][..row];
                for y in one.first.max(start)..(one.first + one.count).min(last) {
                    add(sums, self.rows.weight(one, y - one.first), &block[(y - start) * row..][..row]);
                }
            }
        }
        finish(&sums, dst);
    }

    /// As many rows as `dst` has, `stride` apart, each brought to the columns that are wanted.
    fn across(&self, src: &[u8], stride: usize, dst: &mut [u8]) {
        let [w, c] = self.size;
        let row = self.columns.count * c;
        let mut weights = Vec::new();
        for index in 0..self.columns.count {
            let seen = self.columns.seen(index);
            weights.clear();
            weights.extend((0..seen.count).map(|at| self.columns.weight(&seen, at)));
            // the last row may end before the stride does
            for (src, dst) in src.chunks(stride).zip(dst.chunks_exact_mut(row)) {
                let pixels = &src[..w * c][seen.first * c..][..seen.count * c];
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
