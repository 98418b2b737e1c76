//! The products of one point: a matrix of tiles by channels times one of channels by filters.

use super::tiling::CHAIN;
use crate::LANES;
use crate::simd::Isa;

/// Blocks of channels in one chain.
const CHAIN_BLOCKS: usize = CHAIN / LANES;

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
    pub(super) u: [*const f32; NR],
    /// `[tile][16 filters]`, one for each block of filters.
    pub(super) m: [*mut f32; NR],
    /// Whether to add to what `m` holds.
    pub(super) add: bool,
}

impl<const NR: usize> Product<NR> {
    /// Computes it, `MR` tiles at a time.
    ///
    /// # Safety
    /// Every matrix must have the sizes that the fields say.
    #[inline(always)]
    pub(super) unsafe fn run<I: Isa, const MR: usize>(&self, isa: I) {
        let mut tile = 0;
        while tile < self.tiles {
            let rows = MR.min(self.tiles - tile);
            // SAFETY: promised by the caller.
            unsafe {
                match rows {
                    1 => self.rows::<I, 1>(isa, tile),
                    2 => self.rows::<I, 2>(isa, tile),
                    3 => self.rows::<I, 3>(isa, tile),
                    4 => self.rows::<I, 4>(isa, tile),
                    5 => self.rows::<I, 5>(isa, tile),
                    _ => self.rows::<I, 6>(isa, tile),
                }
            }
            tile += rows;
        }
    }

    /// # Safety
    /// As [`Product::run`]; `MR` tiles from `tile` on exist.
    #[inline(always)]
    unsafe fn rows<I: Isa, const MR: usize>(&self, isa: I, tile: usize) {
        let mut block = 0;
        while block < self.blocks {
            let end = self.blocks.min(block + CHAIN_BLOCKS);
            let add = self.add || block > 0;
            let mut acc = [[isa.zero(); NR]; MR];
            // SAFETY: promised by the caller.
            unsafe {
                while block < end {
                    let v = self.v.add((block * self.tiles + tile) * LANES);
                    let mut i = 0;
                    while i < LANES {
                        let at = (block * LANES + i) * LANES;
                        self.step(isa, &mut acc, v.add(i), at);
                        self.step(isa, &mut acc, v.add(i + 1), at + LANES);
                        self.step(isa, &mut acc, v.add(i + 2), at + 2 * LANES);
                        self.step(isa, &mut acc, v.add(i + 3), at + 3 * LANES);
                        i += 4;
                    }
                    block += 1;
                }
                let mut m = 0;
                while m < MR {
                    let mut n = 0;
                    while n < NR {
                        let to = self.m[n].add((tile + m) * LANES);
                        let value = if add { isa.add(isa.load(to), acc[m][n]) } else { acc[m][n] };
                        isa.store(to, value);
                        n += 1;
                    }
                    m += 1;
                }
            }
        }
    }

    /// One channel: `MR` broadcasts against `NR` vectors of filters.
    ///
    /// # Safety
    /// `v` must have `MR` rows, every `u` a vector at `at`.
    #[inline(always)]
    unsafe fn step<I: Isa, const MR: usize>(
        &self,
        isa: I,
        acc: &mut [[I::V; NR]; MR],
        v: *const f32,
        at: usize,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            let mut b = [isa.zero(); NR];
            let mut n = 0;
            while n < NR {
                b[n] = isa.load(self.u[n].add(at));
                n += 1;
            }
            let mut m = 0;
            while m < MR {
                let a = isa.broadcast(v.add(m * LANES));
                let mut n = 0;
                while n < NR {
                    acc[m][n] = isa.mul_add(a, b[n], acc[m][n]);
                    n += 1;
                }
                m += 1;
            }
        }
    }
}
