//! Resampling of 8-bit images: weighted sums of rows, and the transposition that turns columns into rows.
//!
//! **Sums**: y\[o, x\] = clamp((2^21 + sum over t of w\[o, t\] z\[first\[o\] + t, x\]) >> 22, 0, 255), in `i32` modulo 2^32; z and y
//! have 8 bits. The rows of an image are summed as they lie there. For sums along rows, [`BYTE_LANES`] rows are transposed:
//! the image of `[rows][columns][c]` becomes `[columns][c][BYTE_LANES]`, and a "row" of the sums is one column of it.
//! **Numerics**: integers, the same for every entry.
//! **Kernels**: `avx512`, `avx2`, `portable`, `reference`. Why halves of weights are exact stands in `simd/bytes.rs`.

use crate::KernelEntry;
pub use crate::simd::{BYTE_LANES, WeightPair};
use crate::simd::{ByteIsa, Isa, Kernel};
use crate::table::table;

/// Fraction bits of a weight: 32, less 8 for a pixel and 2 for the sign and sums above 1.
pub const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// What sums begin with: half of the last bit that is kept.
const ROUND: i32 = 1 << (WEIGHT_BITS - 1);

/// Bytes on a side of the matrices that are transposed at a time.
const SIDE: usize = BYTE_LANES / 2;

/// Which source rows an output row sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TapWindow {
    /// The first.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// Where its weights begin among all: `count.div_ceil(2)` pairs, the odd one without a partner.
    pub at: usize,
}

/// Arguments of [`RowSums`].
#[derive(Debug)]
pub struct RowSumsArgs<'a> {
    /// For each output row what it sees.
    pub windows: &'a [TapWindow],
    /// The weights of all windows, in units of 2^-22.
    pub weights: &'a [WeightPair],
    /// Bytes of a row, of source and output.
    pub width: usize,
    /// The source rows from `first` on.
    pub src: &'a [u8],
    /// Distance between source rows.
    pub src_pitch: usize,
    /// The source row that `src` begins with.
    pub first: usize,
    /// The output rows.
    pub dst: &'a mut [u8],
    /// Distance between output rows; at least `width`.
    pub dst_pitch: usize,
}

/// Arguments of [`Transpose`].
#[derive(Debug)]
pub struct TransposeArgs<'a> {
    /// Rows of the image, at most [`BYTE_LANES`], and bytes of each.
    pub size: [usize; 2],
    /// Where it comes from.
    pub src: &'a [u8],
    /// Where it goes.
    pub dst: &'a mut [u8],
    /// Distance between rows of the image.
    pub pitch: usize,
}

/// Weighted sums of rows.
pub type RowSums = fn(RowSumsArgs<'_>);
/// From rows of an image to lanes, or back.
pub type Transpose = fn(TransposeArgs<'_>);

/// Weighted sums of rows. The shape is the width.
pub static SUMS: &[KernelEntry<usize, RowSums>] =
    table!("resample_sums", |width| *width >= BYTE_LANES, RowSumsKernel, sums_reference);

/// An image's rows, `pitch` apart, to `[bytes of a row][BYTE_LANES]`; lanes without a row get some byte of the image. The
/// shape is the bytes of a row.
pub static TO_LANES: &[KernelEntry<usize, Transpose>] =
    table!("resample_to_lanes", |width| *width >= SIDE, ToLanesKernel, to_lanes_reference);

/// The way back, of the lanes that have a row.
pub static FROM_LANES: &[KernelEntry<usize, Transpose>] =
    table!("resample_from_lanes", |width| *width >= SIDE, FromLanesKernel, from_lanes_reference);

/// Bytes from the start of the first row to the end of the last one.
#[track_caller]
fn extent(rows: usize, pitch: usize, width: usize) -> usize {
    let Some(before) = rows.checked_sub(1) else {
        return 0;
    };
    before.checked_mul(pitch).and_then(|before| before.checked_add(width)).expect("rows fit into memory")
}

impl RowSumsArgs<'_> {
    #[track_caller]
    fn check(&self) {
        let written = extent(self.windows.len(), self.dst_pitch, self.width);
        assert!(self.width <= self.dst_pitch && written <= self.dst.len(), "output rows");
        for window in self.windows.iter().filter(|window| window.count > 0) {
            let TapWindow { first, count, at } = *window;
            let rows = first.checked_sub(self.first).and_then(|before| before.checked_add(count));
            let rows = rows.expect("the source has the window's rows");
            assert!(extent(rows, self.src_pitch, self.width) <= self.src.len(), "source rows");
            let pairs = self.weights.len().checked_sub(at).expect("the window's weights");
            assert!(count.div_ceil(2) <= pairs, "the window's weights");
        }
    }
}

impl TransposeArgs<'_> {
    #[track_caller]
    fn check(&self, image: &[u8], lanes: &[u8]) {
        let [rows, width] = self.size;
        assert!((1..=BYTE_LANES).contains(&rows) && width <= self.pitch, "an image's rows");
        assert!(extent(rows, self.pitch, width) <= image.len(), "an image's bytes");
        assert!(lanes.len().is_multiple_of(BYTE_LANES) && lanes.len() / BYTE_LANES >= width, "lanes");
    }
}

struct RowSumsKernel<'a>(RowSumsArgs<'a>);

impl Kernel for RowSumsKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let args = self.0;
        args.check();
        assert!(args.width >= BYTE_LANES, "a row has no {BYTE_LANES} bytes");
        let mut output = 0;
        while output < args.windows.len() {
            let window = args.windows[output];
            // SAFETY: `check` has seen that all rows of the window and the output row are inside, and so are the weights.
            // Every position is at most `width - BYTE_LANES`.
            unsafe {
                let src = args
                    .src
                    .as_ptr()
                    .wrapping_add(window.first.wrapping_sub(args.first).wrapping_mul(args.src_pitch));
                let weights = args.weights.as_ptr().wrapping_add(window.at);
                let dst = args.dst.as_mut_ptr().add(output * args.dst_pitch);
                let mut x = 0;
                while x < args.width {
                    // the last ones may overlap those before
                    let at = x.min(args.width - BYTE_LANES);
                    sum(isa, [args.src_pitch, window.count], src.wrapping_add(at), weights, dst.add(at));
                    x += BYTE_LANES;
                }
            }
            output += 1;
        }
    }
}

/// The sums of [`BYTE_LANES`] columns.
///
/// # Safety
/// `src` must be valid for reading that many bytes from each of `count` rows `pitch` apart, `weights` for `count.div_ceil(2)` pairs, and `dst`
/// for writing that many bytes.
#[inline(always)]
unsafe fn sum<I: ByteIsa>(
    isa: I,
    [pitch, mut count]: [usize; 2],
    mut src: *const u8,
    mut weights: *const WeightPair,
    dst: *mut u8,
) {
    let mut sums = isa.sums(ROUND);
    // SAFETY: promised by the caller; the odd row's weight has the partner 0, which reads the same row again.
    unsafe {
        while count >= 2 {
            sums = isa.add_products(sums, src, src.add(pitch), *weights);
            src = src.wrapping_add(2 * pitch);
            weights = weights.wrapping_add(1);
            count -= 2;
        }
        if count == 1 {
            sums = isa.add_products(sums, src, src, WeightPair::new([(*weights).weights()[0], 0]));
        }
        isa.store_pixels::<WEIGHT_BITS>(sums, dst);
    }
}

struct ToLanesKernel<'a>(TransposeArgs<'a>);

impl Kernel for ToLanesKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let args = self.0;
        args.check(args.src, args.dst);
        let [rows, width] = args.size;
        assert!(width >= SIDE, "a row has no {SIDE} bytes");
        let mut x = 0;
        while x < width {
            // the last ones may overlap those before
            let at = x.min(width - SIDE);
            // SAFETY: `check` compared both slices with the sizes; `at + SIDE <= width`, and the row is below `rows`.
            unsafe {
                let src = args.src.as_ptr().add(at);
                let mut block = [isa.load_halves(src, src); SIDE];
                let mut i = 0;
                while i < SIDE {
                    let [first, second] = [i.min(rows - 1), (i + SIDE).min(rows - 1)];
                    block[i] = isa.load_halves(src.add(first * args.pitch), src.add(second * args.pitch));
                    i += 1;
                }
                let block = isa.transpose(block);
                let dst = args.dst.as_mut_ptr().add(at * BYTE_LANES);
                let mut i = 0;
                while i < SIDE {
                    let dst = dst.add(i * BYTE_LANES);
                    isa.store_halves(block[i], dst, dst.add(SIDE));
                    i += 1;
                }
            }
            x += SIDE;
        }
    }
}

struct FromLanesKernel<'a>(TransposeArgs<'a>);

impl Kernel for FromLanesKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let args = self.0;
        args.check(args.dst, args.src);
        let [rows, width] = args.size;
        assert!(width >= SIDE, "a row has no {SIDE} bytes");
        // where the lanes go that have no row
        let mut nowhere = [0; SIDE];
        let nowhere = nowhere.as_mut_ptr();
        let mut x = 0;
        while x < width {
            // the last ones may overlap those before
            let at = x.min(width - SIDE);
            // SAFETY: `check` compared both slices with the sizes; `at + SIDE <= width`, and rows from `rows` on go into an
            // array of `SIDE` bytes.
            unsafe {
                let src = args.src.as_ptr().add(at * BYTE_LANES);
                let dst = args.dst.as_mut_ptr().add(at);
                let mut block = [isa.load_halves(src, src); SIDE];
                let mut i = 0;
                while i < SIDE {
                    let src = src.add(i * BYTE_LANES);
                    block[i] = isa.load_halves(src, src.add(SIDE));
                    i += 1;
                }
                let block = isa.transpose(block);
                let mut i = 0;
                while i < SIDE {
                    let first = if i < rows { dst.add(i * args.pitch) } else { nowhere };
                    let second = if i + SIDE < rows { dst.add((i + SIDE) * args.pitch) } else { nowhere };
                    isa.store_halves(block[i], first, second);
                    i += 1;
                }
            }
            x += SIDE;
        }
    }
}

fn sums_reference(args: RowSumsArgs<'_>) {
    args.check();
    for (output, window) in args.windows.iter().enumerate() {
        for (x, dst) in args.dst[output * args.dst_pitch..][..args.width].iter_mut().enumerate() {
            let mut sum = ROUND;
            for tap in 0..window.count {
                let pixel = args.src[(window.first - args.first + tap) * args.src_pitch + x];
                let weight = args.weights[window.at + tap / 2].weights()[tap % 2];
                sum = sum.wrapping_add(weight.wrapping_mul(i32::from(pixel)));
            }
            *dst = (sum >> WEIGHT_BITS).clamp(0, 255) as u8;
        }
    }
}

fn to_lanes_reference(args: TransposeArgs<'_>) {
    args.check(args.src, args.dst);
    let [rows, width] = args.size;
    for (x, lanes) in args.dst.chunks_exact_mut(BYTE_LANES).take(width).enumerate() {
        for (row, lane) in lanes.iter_mut().enumerate() {
            *lane = args.src[row.min(rows - 1) * args.pitch + x];
        }
    }
}

fn from_lanes_reference(args: TransposeArgs<'_>) {
    args.check(args.dst, args.src);
    let [rows, width] = args.size;
    for (x, lanes) in args.src.chunks_exact(BYTE_LANES).take(width).enumerate() {
        for (row, lane) in lanes.iter().take(rows).enumerate() {
            args.dst[row * args.pitch + x] = *lane;
        }
    }
}
