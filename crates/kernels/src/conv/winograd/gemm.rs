//! The products of one point: a matrix of tiles by channels times one of channels by filters.

use super::tiling::CHAIN;
use crate::LANES;
use crate::simd::{Isa, Outer};

/// Blocks of channels in one chain.
const CHAIN_BLOCKS: usize = CHAIN / LANES;

/// Values of a block of channels by a block of filters.
const MATRIX: usize = LANES * LANES;

/// One point's matrices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product<const NR: usize> {
    /// `[block of channels][tile][16]`.
    pub(super) v: *const f32,
    /// Rows of it: tiles.
    pub(super) tiles: usize,
    /// Blocks of channels.
    pub(super) blocks: usize,
    /// `[channel][16 filters]`, one for each of `NR` blocks of filters.
    pub(super) u: *const f32,
    /// From one of them to the next.
    pub(super) u_step: usize,
    /// `[tile][16 filters]`, one for each block of filters.
    pub(super) m: *mut f32,
    /// From one of them to the next.
    pub(super) m_step: usize,
    /// The filters of the product that comes next, which are brought near meanwhile: they are further away than this
    /// product takes to begin, and each 4 KB panel is too short for the processor to notice. As far apart as `u`.
    pub(super) next: *const f32,
    /// Whether to add to what `m` holds.
    pub(super) add: bool,
}

impl<const NR: usize> Product<NR> {
    /// Computes it, a chain of channels after the other, `MR` tiles at a time: the filters of one chain stay in the
    /// first-level cache while all tiles go by.
    ///
    /// # Safety
    /// Every matrix must have the sizes that the fields say.
    #[inline(always)]
    pub(super) unsafe fn run<I: Isa, const MR: usize>(&self, isa: I) {
        // lines of the next filters for each block of these, so that all are asked for by the last tile
        let lines = LANES.div_ceil((self.tiles / MR).max(1));
        let mut block = 0;
        while block < self.blocks {
            let end = self.blocks.min(block + CHAIN_BLOCKS);
            // the next chain's, or the first of the next product's
            let coming = if end < self.blocks { self.u.wrapping_add(end * MATRIX) } else { self.next };
            let mut tile = 0;
            while tile < self.tiles {
                let rows = MR.min(self.tiles - tile);
                let first_line = tile / MR * lines;
                let part = TileChain { block, end, tile, next: coming, first_line, lines };
                // SAFETY: promised by the caller.
                unsafe {
                    match rows {
                        1 => self.rows::<I, 1>(isa, &part),
                        2 => self.rows::<I, 2>(isa, &part),
                        3 => self.rows::<I, 3>(isa, &part),
                        4 => self.rows::<I, 4>(isa, &part),
                        5 => self.rows::<I, 5>(isa, &part),
                        _ => self.rows::<I, 6>(isa, &part),
                    }
                }
                tile += rows;
            }
            block = end;
        }
    }

    /// # Safety
    /// As [`Product::run`]; `MR` tiles from the part's on exist.
    #[inline(always)]
    unsafe fn rows<I: Isa, const MR: usize>(&self, isa: I, part: &TileChain) {
        let (first, end) = (part.block, part.end);
        let add = self.add || first > 0;
        let mut acc = [[isa.zero(); NR]; MR];
        // SAFETY: promised by the caller.
        unsafe {
            let mut block = first;
            while block < end {
                self.bring(isa, part, block - first);
                let mut rows = [self.v; MR];
                let mut m = 0;
                while m < MR {
                    rows[m] = self.v.add((block * self.tiles + part.tile + m) * LANES);
                    m += 1;
                }
                let panel = self.u.add(block * MATRIX);
                let outer = Outer {
                    rows,
                    row_step: 1,
                    panel,
                    panel_step: self.u_step,
                    next: (MR * LANES) as isize,
                    count: LANES,
                };
                isa.outer::<MR, NR>(&mut acc, &outer);
                block += 1;
            }
            let mut m = 0;
            while m < MR {
                let mut n = 0;
                while n < NR {
                    let to = self.m.add(n * self.m_step + (part.tile + m) * LANES);
                    let value = if add { isa.add(isa.load(to), acc[m][n]) } else { acc[m][n] };
                    isa.store(to, value);
                    n += 1;
                }
                m += 1;
            }
        }
    }

    /// Asks for lines of block `block` of the next filters.
    #[inline(always)]
    fn bring<I: Isa>(&self, isa: I, part: &TileChain, block: usize) {
        let mut line = part.first_line;
        while line < LANES.min(part.first_line + part.lines) {
            let mut n = 0;
            while n < NR {
                isa.prefetch(part.next.wrapping_add(n * self.u_step + (block * LANES + line) * LANES));
                n += 1;
            }
            line += 1;
        }
    }
}

/// Some tiles' part of a chain.
struct TileChain {
    /// The first block of channels, and the one behind the last.
    block: usize,
    end: usize,
    /// The first tile.
    tile: usize,
    /// The filters that come next.
    next: *const f32,
    /// Lines of each of their blocks to ask for: the first, and how many.
    first_line: usize,
    lines: usize,
}
