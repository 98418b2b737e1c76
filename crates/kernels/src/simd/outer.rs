//! Sums of outer products: the loop in which convolutions spend their time.
//!
//! ```text
//! for i in 0..count:
//!     for n in 0..NR: b[n] = panel[n * panel_step + 16 i ..][..16]
//!     for m in 0..MR: acc[m][n] += rows[m][row_step * i] * b[n]
//! ```
//! One chain of multiply-adds for each lane, in the order of i.

use super::Isa;
use crate::LANES;

/// What is multiplied; steps are counted in values.
#[derive(Clone, Copy, Debug)]
pub struct Outer<const MR: usize> {
    /// First value of each row.
    pub rows: [*const f32; MR],
    /// From one value of a row to the next.
    pub row_step: isize,
    /// The first of the vectors, which follow each other.
    pub panel: *const f32,
    /// From one panel to the next.
    pub panel_step: usize,
    /// From a row to the one that is read after it: its values are brought near meanwhile.
    pub next: isize,
    /// How many values of each row, and vectors of each panel.
    pub count: usize,
}

/// [`Isa::outer`] in terms of the other operations.
///
/// # Safety
/// As [`Isa::outer`].
#[inline(always)]
pub(super) unsafe fn generic<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    acc: &mut [[I::V; NR]; MR],
    outer: &Outer<MR>,
) {
    let (mut row, mut panel) = (0, outer.panel);
    let mut i = 0;
    while i < outer.count {
        if outer.next != 0 && i.is_multiple_of(LANES) {
            let mut m = 0;
            while m < MR {
                isa.prefetch(outer.rows[m].wrapping_offset(row + outer.next));
                m += 1;
            }
        }
        // SAFETY: promised by the caller; what the last step points at is not read.
        unsafe {
            let mut b = [isa.zero(); NR];
            let mut n = 0;
            while n < NR {
                b[n] = isa.load(panel.add(n * outer.panel_step));
                n += 1;
            }
            let mut m = 0;
            while m < MR {
                let a = isa.broadcast(outer.rows[m].offset(row));
                let mut n = 0;
                while n < NR {
                    acc[m][n] = isa.mul_add(a, b[n], acc[m][n]);
                    n += 1;
                }
                m += 1;
            }
        }
        row += outer.row_step;
        panel = panel.wrapping_add(LANES);
        i += 1;
    }
}
