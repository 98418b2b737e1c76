//! A set of output positions that share one tap window, computed tile by tile.

use super::micro::{Walk, tile};
use crate::LANES;
use crate::simd::Isa;

/// Positions `q = (q / columns, q % columns)`, at an affine place in the source and in the destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    /// How many.
    pub(crate) count: usize,
    /// Positions in a row.
    pub(crate) columns: usize,
    /// Source offset (values) of position 0, and the step per row and column.
    pub(crate) a: [usize; 3],
    /// Destination pixel of position 0, and the step per row and column.
    pub(crate) d: [usize; 3],
}

/// Where tiles are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Pixel 0, first channel of the block.
    pub(crate) ptr: *mut f32,
    /// Distance between pixels.
    pub(crate) pitch: usize,
    /// Added to every position, if not null.
    pub(crate) bias: *const f32,
    /// Whether to add to what is there.
    pub(crate) accumulate: bool,
}

/// Computes `NR` blocks of channels of all positions.
///
/// # Safety
/// Every offset that the positions and the walk produce must be readable from `a` and the panels, and every
/// destination pixel writable.
#[inline(always)]
pub(crate) unsafe fn run<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    positions: &Positions,
    walk: &Walk,
    from: (*const f32, [*const f32; NR]),
    target: &Target,
) {
    let mut q = 0;
    while q < positions.count {
        let rows = MR.min(positions.count - q);
        // SAFETY: promised by the caller.
        unsafe {
            match rows {
                1 => rows_of::<I, 1, NR>(isa, positions, walk, from, (target, q)),
                2 => rows_of::<I, 2, NR>(isa, positions, walk, from, (target, q)),
                3 => rows_of::<I, 3, NR>(isa, positions, walk, from, (target, q)),
                4 => rows_of::<I, 4, NR>(isa, positions, walk, from, (target, q)),
                5 => rows_of::<I, 5, NR>(isa, positions, walk, from, (target, q)),
                _ => rows_of::<I, 6, NR>(isa, positions, walk, from, (target, q)),
            }
        }
        q += rows;
    }
}

/// # Safety
/// As [`run`]; `M` positions from `q` on exist.
#[inline(always)]
unsafe fn rows_of<I: Isa, const M: usize, const NR: usize>(
    isa: I,
    positions: &Positions,
    walk: &Walk,
    from: (*const f32, [*const f32; NR]),
    (target, q): (&Target, usize),
) {
    let (a, panels) = from;
    let mut rows = [a; M];
    let mut pixels = [0; M];
    let (mut u, mut v) = (q / positions.columns, q % positions.columns);
    for m in 0..M {
        // SAFETY: promised by the caller.
        rows[m] = unsafe { a.add(positions.a[0] + u * positions.a[1] + v * positions.a[2]) };
        pixels[m] = positions.d[0] + u * positions.d[1] + v * positions.d[2];
        v += 1;
        if v == positions.columns {
            (u, v) = (u + 1, 0);
        }
    }
    // SAFETY: promised by the caller.
    unsafe {
        let acc = tile::<I, M, NR>(isa, rows, panels, walk);
        for m in 0..M {
            let to = target.ptr.add(pixels[m] * target.pitch);
            for n in 0..NR {
                let mut value = acc[m][n];
                if !target.bias.is_null() {
                    value = isa.add(value, isa.load(target.bias.add(n * LANES)));
                }
                if target.accumulate {
                    value = isa.add(value, isa.load(to.add(n * LANES)));
                }
                isa.store(to.add(n * LANES), value);
            }
        }
    }
}
