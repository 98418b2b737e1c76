//! The register tile: `MR` positions by `NR` vectors of channels, accumulated over a whole reduction.
//!
//! ```text
//! for block in blocks of 16 reduced channels:
//!     for tap row, tap column:
//!         for channel in block:                      # at most 16, a compile-time count in the usual case
//!             for n in 0..NR: b[n] = panel[n][..]    # 16 lanes, the panels are read front to back
//!             for m in 0..MR: acc[m][n] += broadcast(row[m][..]) * b[n]
//! ```
//! One chain of multiply-adds per output, always in this order: tile sizes and levels only choose which outputs are
//! computed together, never the order inside one. Taps are described by strides ([`Walk`]), so that the forward pass,
//! the parity classes of a strided backward pass and the cut-off windows at a border are all the same code.
//!
//! A long reduction goes in parts ([`Part`]): all tiles of a part before the next, so that its panels are read from the
//! first-level cache by all tiles but the first, and the next part's are brought near meanwhile. What has been added up
//! waits in the destination, with all its bits: the chain is the same.
//!
//! Registers: AVX-512 6x4 needs 24 accumulators + 4 + 1 of 32; AVX2 6x1 needs 12 + 2 + 1 of 16. Every broadcast feeds
//! `NR` (AVX2: two half-) multiply-adds and every panel load `MR`, so neither level is bound by its two load ports.

use crate::LANES;
use crate::simd::{Isa, Outer};

/// How a reduction walks over the source (`a`) and the panel (`b`); offsets in values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    /// Blocks of reduced channels.
    pub(crate) blocks: usize,
    /// Channels (or contiguous values) in each block but the last.
    pub(crate) full: usize,
    /// Channels in the last block.
    pub(crate) last: usize,
    /// Tap rows and columns that contribute.
    pub(crate) taps: [usize; 2],
    /// From a row pointer to the first contributing tap.
    pub(crate) a_start: isize,
    /// Source step per block, tap row, tap column.
    pub(crate) a_step: [isize; 3],
    /// First contributing tap (row, column) inside the panel, and the step from one to the next, counted in taps.
    pub(crate) b_first: [usize; 2],
    /// See `b_first`.
    pub(crate) b_step: [usize; 2],
    /// Tap columns of the whole kernel.
    pub(crate) b_columns: usize,
    /// Panel values per block of channels (all taps).
    pub(crate) b_block: usize,
}

impl Walk {
    /// Whether blocks follow each other without a gap, in the source and in the panel: they are one run.
    #[inline(always)]
    fn joined(&self) -> bool {
        self.taps == [1; 2] && self.a_step[0] == LANES as isize && self.b_block == LANES * LANES
    }
}

/// Part of a reduction, and what is brought near meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// The first block of reduced channels and the one behind the last.
    pub(crate) blocks: [usize; 2],
    /// The first value of each panel to ask for.
    pub(crate) ahead: usize,
    /// Cache lines of each panel to ask for at every tap.
    pub(crate) lines: usize,
}

/// Adds part of the reduction of one tile to `acc`. `rows[m]` points at position `m`'s source, `panels[n]` at vector `n`'s
/// panel.
///
/// # Safety
/// Every offset that `walk` produces must be readable from every row and panel pointer.
#[inline(always)]
pub(crate) unsafe fn tile<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    (rows, panels): ([*const f32; MR], (*const f32, usize)),
    walk: &Walk,
    part: &Part,
    mut acc: [[I::V; NR]; MR],
) -> [[I::V; NR]; MR] {
    let mut ahead = part.ahead;
    let [mut block, end] = part.blocks;
    if walk.joined() {
        let mut line = 0;
        while line < part.lines * (end - block) {
            bring::<I, NR>(isa, panels, ahead + line * LANES);
            line += 1;
        }
        let len = if end == walk.blocks { walk.last } else { walk.full };
        let outer = Outer {
            rows: offset(rows, walk.a_start + (block * LANES) as isize),
            row_step: 1,
            panel: panels.0.wrapping_add(block * LANES * LANES),
            panel_step: panels.1,
            count: (end - block - 1) * LANES + len,
        };
        // SAFETY: promised by the caller.
        unsafe { isa.outer::<MR, NR>(&mut acc, &outer) };
        return acc;
    }
    while block < end {
        let len = if block + 1 == walk.blocks { walk.last } else { walk.full };
        let mut row = 0;
        while row < walk.taps[0] {
            let mut column = 0;
            while column < walk.taps[1] {
                let a = walk.a_start
                    + block as isize * walk.a_step[0]
                    + row as isize * walk.a_step[1]
                    + column as isize * walk.a_step[2];
                let tap = (walk.b_first[0] + row * walk.b_step[0]) * walk.b_columns
                    + walk.b_first[1]
                    + column * walk.b_step[1];
                let b = block * walk.b_block + tap * len * LANES;
                let mut line = 0;
                while line < part.lines {
                    bring::<I, NR>(isa, panels, ahead);
                    ahead += LANES;
                    line += 1;
                }
                let outer = Outer {
                    rows: offset(rows, a),
                    row_step: 1,
                    panel: panels.0.wrapping_add(b),
                    panel_step: panels.1,
                    count: len,
                };
                // SAFETY: promised by the caller.
                unsafe { isa.outer::<MR, NR>(&mut acc, &outer) };
                column += 1;
            }
            row += 1;
        }
        block += 1;
    }
    acc
}

/// Asks for one line of each of `NR` panels.
#[inline(always)]
fn bring<I: Isa, const NR: usize>(isa: I, panels: (*const f32, usize), at: usize) {
    let mut n = 0;
    while n < NR {
        isa.prefetch(panels.0.wrapping_add(n * panels.1 + at));
        n += 1;
    }
}

/// `rows`, `by` values further.
#[inline(always)]
fn offset<const MR: usize>(mut rows: [*const f32; MR], by: isize) -> [*const f32; MR] {
    let mut m = 0;
    while m < MR {
        rows[m] = rows[m].wrapping_offset(by);
        m += 1;
    }
    rows
}
