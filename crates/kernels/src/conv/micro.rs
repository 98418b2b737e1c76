//! The register tile: `MR` positions by `NR` vectors of channels, accumulated over a whole reduction.
//!
//! ```text
//! for block in blocks of 16 reduced channels:
//!     for tap row, tap column:
//!         for channel in block:                      # at most 16, a compile-time count in the usual case
//!             for n in 0..NR: b[n] = panel[n][..]    # 16 lanes, the panels are read front to back
//!             for m in 0..MR: acc[m][n] += broadcast(row[m][..]) * b[n]
//! ```
//! Each output is one chain of multiply-adds, always in this order. Tile sizes and levels only choose which outputs are
//! computed together. Taps are described by strides ([`TapWalk`]). So the forward pass, the parity classes of a strided
//! backward pass and the cut-off windows at a border are all the same code.
//!
//! A long reduction goes in parts ([`ReductionPart`]). All tiles of a part come before the next part, so that all tiles but
//! the first read its panels from the first-level cache. The panels of the next part are brought near meanwhile. What has
//! been added up waits in the destination with all its bits, so the chain is the same. A run over many channels is not
//! cut: it reads each panel line by line, which the processor notices, and its sums would have to wait too often.
//!
//! The loop over the channels is [`Isa::outer`]. Winograd products and the gradients of filters use it, too.
//!
//! Registers: AVX-512 6x4 needs 24 accumulators + 4 + 1 of 32; AVX2 6x1 needs 12 + 2 + 1 of 16. Every broadcast feeds `NR`
//! multiply-adds (on AVX2 two half ones), every panel load `MR`. So neither level is bound by its two load ports.

use crate::LANES;
use crate::simd::{Isa, Outer};

/// How a reduction walks over the source (`a`) and the panel (`b`); offsets in values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TapWalk {
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

impl TapWalk {
    /// First value of a contributing tap of a block of `len` channels in a panel.
    #[inline(always)]
    fn panel(&self, block: usize, tap: [usize; 2], len: usize) -> usize {
        let [row, column] = [0, 1].map(|axis| self.b_first[axis] + tap[axis] * self.b_step[axis]);
        block * self.b_block + (row * self.b_columns + column) * len * LANES
    }

    /// Whether blocks follow each other without a gap, in the source and in the panel: they are one run.
    #[inline(always)]
    pub(crate) fn joined(&self) -> bool {
        self.taps == [1; 2] && self.a_step[0] == LANES as isize && self.b_block == LANES * LANES
    }
}

/// Panels that are read side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels {
    /// First value of the first.
    pub(crate) first: *const f32,
    /// From one panel to the next.
    pub(crate) step: usize,
}

impl Panels {
    /// Value `at` of panel `n`.
    #[inline(always)]
    fn at(&self, n: usize, at: usize) -> *const f32 {
        self.first.wrapping_add(n * self.step + at)
    }
}

/// What one tile multiplies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileOperands<const MR: usize> {
    /// The source of each position.
    pub(crate) rows: [*const f32; MR],
    /// From a row to that of the next tile, which is brought near if it may be far away.
    pub(crate) next: isize,
    /// The first vector's panel, and those of the others.
    pub(crate) panels: Panels,
}

/// The lines of the panels that a walk reads, in the order in which it reads them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PanelLines {
    block: usize,
    tap: [usize; 2],
    line: usize,
    left: usize,
}

impl PanelLines {
    /// Those of the blocks `start..end`.
    #[inline(always)]
    pub(crate) fn new(walk: &TapWalk, start: usize, end: usize) -> Self {
        let left = (end - start) * walk.taps[0] * walk.taps[1] * LANES;
        Self { block: start, tap: [0; 2], line: 0, left }
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// The next one's first value in a panel, if there is one.
    #[inline(always)]
    fn next(&mut self, walk: &TapWalk) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        let at = walk.panel(self.block, self.tap, LANES) + self.line * LANES;
        self.left -= 1;
        self.line += 1;
        if self.line == LANES {
            self.line = 0;
            self.tap[1] += 1;
            if self.tap[1] == walk.taps[1] {
                self.tap = [self.tap[0] + 1, 0];
                if self.tap[0] == walk.taps[0] {
                    self.tap[0] = 0;
                    self.block += 1;
                }
            }
        }
        Some(at)
    }
}

/// Part of a reduction, and what is brought near meanwhile.
#[derive(Debug)]
pub(crate) struct ReductionPart<'a> {
    /// The first block of reduced channels and the one behind the last.
    pub(crate) blocks: [usize; 2],
    /// What the next part will read.
    pub(crate) ahead: &'a mut PanelLines,
    /// Lines of each panel to ask for at every tap.
    pub(crate) lines: usize,
}

impl ReductionPart<'_> {
    /// Asks for the lines of `taps` taps, of each of `NR` panels.
    #[inline(always)]
    fn bring<I: Isa, const NR: usize>(&mut self, isa: I, walk: &TapWalk, panels: Panels, taps: usize) {
        let mut line = 0;
        while line < self.lines * taps {
            let Some(at) = self.ahead.next(walk) else { return };
            let mut n = 0;
            while n < NR {
                isa.prefetch(panels.at(n, at));
                n += 1;
            }
            line += 1;
        }
    }
}

/// What the next tile will write, and add: brought near while this one is computed, a few lines at a time, because all of
/// them at once keep the processor from looking further.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextOutputs<const MR: usize> {
    /// First vector of each position, of the destination and of the map that is added.
    pub(crate) first: [[*const f32; MR]; 2],
    /// How many of these maps there are.
    pub(crate) maps: usize,
}

impl<const MR: usize> NextOutputs<MR> {
    /// Nothing to ask for.
    #[inline(always)]
    pub(crate) fn none() -> Self {
        Self { first: [[std::ptr::null(); MR]; 2], maps: 0 }
    }

    /// Asks for `NR` vectors of every position that falls to stage `stage` of `stages`.
    #[inline(always)]
    fn bring<I: Isa, const NR: usize>(&self, isa: I, stage: usize, stages: usize) {
        let mut map = 0;
        while map < self.maps {
            let mut m = stage * MR / stages;
            let end = (stage + 1) * MR / stages;
            while m < end {
                let mut n = 0;
                while n < NR {
                    isa.prefetch(self.first[map][m].wrapping_add(n * LANES));
                    n += 1;
                }
                m += 1;
            }
            map += 1;
        }
    }
}

/// Stages of a run at most, between which outputs are asked for: one for each row of the widest tile.
const MOST_STAGES: usize = 6;

/// How one tile walks: which part of the reduction, and what is brought near for the tile after it.
pub(crate) struct TileStep<'s, 'p, const MR: usize> {
    /// The whole reduction.
    pub(crate) walk: &'s TapWalk,
    /// The part of it.
    pub(crate) part: &'s mut ReductionPart<'p>,
    /// What the next tile writes; asked for if the reduction is one run.
    pub(crate) outputs: &'s NextOutputs<MR>,
}

/// Adds part of the reduction of one tile to `acc`.
///
/// # Safety
/// Every offset that `walk` produces must be readable from every row and panel pointer.
#[inline(always)]
pub(crate) unsafe fn tile<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    operands: TileOperands<MR>,
    step: TileStep<'_, '_, MR>,
    mut acc: [[I::V; NR]; MR],
) -> [[I::V; NR]; MR] {
    if step.walk.joined() {
        // SAFETY: promised by the caller.
        return unsafe { run(isa, operands, step, acc) };
    }
    let TileOperands { rows, panels, .. } = operands;
    let TileStep { walk, part, .. } = step;
    let [mut block, end] = part.blocks;
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
                let b = walk.panel(block, [row, column], len);
                part.bring::<I, NR>(isa, walk, panels, 1);
                let outer = Outer {
                    rows: offset(rows, a),
                    row_step: 1,
                    panel: panels.at(0, b),
                    panel_step: panels.step,
                    next: 0,
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

/// As [`tile`], of a walk whose blocks are one run; the outputs of the next tile are asked for meanwhile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn run<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    operands: TileOperands<MR>,
    step: TileStep<'_, '_, MR>,
    mut acc: [[I::V; NR]; MR],
) -> [[I::V; NR]; MR] {
    let TileOperands { rows, next, panels } = operands;
    let TileStep { walk, part, outputs } = step;
    let [first, end] = part.blocks;
    part.bring::<I, NR>(isa, walk, panels, end - first);
    let stages = if outputs.maps == 0 { 1 } else { MOST_STAGES.min(end - first) };
    let (mut block, mut stage) = (first, 0);
    while stage < stages {
        outputs.bring::<I, NR>(isa, stage, stages);
        stage += 1;
        let stop = first + stage * (end - first) / stages;
        let len = if stop == walk.blocks { walk.last } else { walk.full };
        let outer = Outer {
            rows: offset(rows, walk.a_start + (block * LANES) as isize),
            row_step: 1,
            panel: panels.at(0, block * LANES * LANES),
            panel_step: panels.step,
            next,
            count: (stop - block - 1) * LANES + len,
        };
        // SAFETY: promised by the caller.
        unsafe { isa.outer::<MR, NR>(&mut acc, &outer) };
        block = stop;
    }
    acc
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
