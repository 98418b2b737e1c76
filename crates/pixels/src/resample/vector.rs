//! The resize by kernels: blocks of rows, transposed so that a vector holds one column of many rows, are brought to the columns
//! that are wanted; rows are summed as they lie. What lies between the passes are the rows that the next rows of the destination
//! see, and a block.

use super::axis::{Axis, Taps};
use plusx_kernels::resample::{
    BYTE_LANES, FROM_LANES, RowSumsArgs, SUMS, TO_LANES, TapWindow, TransposeArgs,
};
use plusx_kernels::{Level, select};

/// Weights of both axes that are kept, at most: 12 bytes for two of them and a share of a window. Both axes of a photo of
/// 10,000 x 10,000 have 80,000 with the wider filter.
const MOST_TAPS: f64 = 262_144.0;

/// Bytes of each buffer, at most. A block of a photo that is 20,000 pixels wide has two million.
const MOST_BYTES: usize = 8 << 20;

/// Rows of an image, or of a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strided<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) stride: usize,
}

impl<'a> Strided<'a> {
    /// What begins at a row and a byte of it.
    fn from(self, row: usize, byte: usize) -> Self {
        Self { bytes: &self.bytes[row * self.stride + byte..], ..self }
    }
}

/// What both axes see, and the memory of the passes. Kept from one shape to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Vector {
    /// The level, if kernels can do this shape in the memory that they may have.
    level: Option<Level>,
    columns: Side,
    rows: Side,
    channels: usize,
    /// A block of source rows, transposed: `[columns][channels][BYTE_LANES]`.
    lanes: Vec<u8>,
    /// The same, of the columns that are wanted.
    summed: Vec<u8>,
    /// Rows between the passes.
    between: Vec<u8>,
}

/// One axis.
#[derive(Clone, Debug, Default)]
struct Side {
    taps: Taps,
    /// The length stays.
    same: bool,
    /// Destinations that are wanted.
    count: usize,
    /// Source pixels that are needed: the first and how many.
    needed: [usize; 2],
}

impl Side {
    fn set(&mut self, axis: &Axis, needed: [usize; 2]) {
        self.taps.set(axis);
        (self.same, self.count, self.needed) = (axis.same, axis.count, needed);
    }
}

impl Vector {
    /// Gets ready for a shape.
    pub(super) fn set(&mut self, columns: &Axis, rows: &Axis, channels: usize, level: Option<Level>) {
        self.level = None;
        self.channels = channels;
        let needed = [columns.needed(), rows.needed()];
        let block = |pixels: usize| pixels.saturating_mul(channels).saturating_mul(BYTE_LANES);
        let blocks = [block(needed[0][1]), block(columns.count)];
        // windows that are longer than a block are kept between the passes as a whole
        let longest = rows.taps_at_most() / rows.count.max(1) as f64;
        let held = longest * (columns.count * channels) as f64;
        let fits = columns.taps_at_most() + rows.taps_at_most() <= MOST_TAPS
            && blocks.iter().all(|bytes| *bytes <= MOST_BYTES)
            && held <= MOST_BYTES as f64;
        if level.is_none() || !fits {
            return;
        }
        self.columns.set(columns, needed[0]);
        self.rows.set(rows, needed[1]);
        let row = columns.count * channels;
        let between = ((self.rows.taps.most() + BYTE_LANES) * row).max(blocks[0]);
        for (buffer, len) in
            [(&mut self.lanes, blocks[0]), (&mut self.summed, blocks[1]), (&mut self.between, between)]
        {
            buffer.resize(len.max(buffer.len()), 0);
        }
        self.level = level;
    }

    /// The level, if kernels do this shape.
    pub(super) fn ready(&self) -> Option<Level> {
        self.level
    }

    /// Resizes the image into `dst`, which is not empty.
    pub(super) fn run(&mut self, level: Level, columns_first: bool, src: Strided<'_>, dst: &mut [u8]) {
        let c = self.channels;
        let (columns, rows) = (&self.columns, &self.rows);
        let row = columns.count * c;
        let mut across = Across { level, columns, c, lanes: &mut self.lanes, summed: &mut self.summed };
        let down = Down { level, taps: &rows.taps };
        let mut src = src.from(0, columns.needed[0] * c);
        match (columns.same, rows.same) {
            (true, true) => {
                let rows = src.from(rows.needed[0], 0).bytes.chunks(src.stride);
                dst.chunks_exact_mut(row).zip(rows).for_each(|(dst, src)| dst.copy_from_slice(&src[..row]));
            }
            (true, false) => down.run(&rows.taps.windows, [0, row], src, dst),
            (false, true) => {
                src = src.from(rows.needed[0], 0);
                for (number, dst) in dst.chunks_mut(BYTE_LANES * row).enumerate() {
                    across.run(src.from(number * BYTE_LANES, 0), dst);
                }
            }
            (false, false) if columns_first => {
                let width = columns.needed[1] * c;
                let windows = rows.taps.windows.chunks(BYTE_LANES);
                for (windows, dst) in windows.zip(dst.chunks_mut(BYTE_LANES * row)) {
                    down.run(windows, [0, width], src, &mut self.between[..windows.len() * width]);
                    across.run(Strided { bytes: &self.between, stride: width }, dst);
                }
            }
            (false, false) => across_then_down(&mut across, rows, src, &mut self.between, dst),
        }
    }
}

/// Blocks of source rows, each followed by the rows of the destination that have seen all they need.
fn across_then_down(
    across: &mut Across<'_>,
    rows: &Side,
    src: Strided<'_>,
    between: &mut [u8],
    mut dst: &mut [u8],
) {
    let row = across.columns.count * across.c;
    let room = between.len() / row;
    let [first, count] = rows.needed;
    let mut windows = &rows.taps.windows[..];
    // `between` holds the rows from `start` to before `end`
    let (mut start, mut end) = (first, first);
    while end < first + count {
        let block = BYTE_LANES.min(first + count - end);
        if end - start + block > room {
            let kept = windows[0].first.min(end);
            between.copy_within((kept - start) * row..(end - start) * row, 0);
            start = kept;
        }
        across.run(src.from(end, 0), &mut between[(end - start) * row..][..block * row]);
        end += block;
        let ready = windows.iter().take_while(|window| window.first + window.count <= end).count();
        let (now, later) = windows.split_at(ready);
        let (done, rest) = dst.split_at_mut(ready * row);
        let held = Strided { bytes: between, stride: row };
        Down { level: across.level, taps: &rows.taps }.run(now, [start, row], held, done);
        (windows, dst) = (later, rest);
    }
}

/// The pass down the columns.
#[derive(Clone, Copy, Debug)]
struct Down<'a> {
    level: Level,
    taps: &'a Taps,
}

impl Down<'_> {
    /// The destinations of `windows`, from rows that begin with the source row `first` and have `width` bytes.
    fn run(self, windows: &[TapWindow], [first, width]: [usize; 2], src: Strided<'_>, dst: &mut [u8]) {
        (select(SUMS, self.level, &width).run)(RowSumsArgs {
            windows,
            weights: &self.taps.weights,
            width,
            src: src.bytes,
            src_pitch: src.stride,
            first,
            dst,
            dst_pitch: width,
        });
    }
}

/// The pass along rows.
struct Across<'a> {
    level: Level,
    columns: &'a Side,
    c: usize,
    lanes: &'a mut [u8],
    summed: &'a mut [u8],
}

impl Across<'_> {
    /// At most [`BYTE_LANES`] rows, as many as `dst` has, from the first column that is needed on.
    fn run(&mut self, src: Strided<'_>, dst: &mut [u8]) {
        let (level, c) = (self.level, self.c);
        let [width, row] = [self.columns.needed[1] * c, self.columns.count * c];
        let (rows, pitch) = (dst.len() / row, c * BYTE_LANES);
        (select(TO_LANES, level, &width).run)(TransposeArgs {
            size: [rows, width],
            src: src.bytes,
            dst: self.lanes,
            pitch: src.stride,
        });
        (select(SUMS, level, &pitch).run)(RowSumsArgs {
            windows: &self.columns.taps.windows,
            weights: &self.columns.taps.weights,
            width: pitch,
            src: self.lanes,
            src_pitch: pitch,
            first: self.columns.needed[0],
            dst: self.summed,
            dst_pitch: pitch,
        });
        (select(FROM_LANES, level, &row).run)(TransposeArgs {
            size: [rows, row],
            src: self.summed,
            dst,
            pitch: row,
        });
    }
}
