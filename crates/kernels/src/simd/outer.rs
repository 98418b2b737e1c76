//! Sums of outer products: what is multiplied in the loop in which convolutions spend their time.
//!
//! ```text
//! for i in 0..count:
//!     for n in 0..NR: b[n] = panel[n * panel_step + 16 i ..][..16]
//!     for m in 0..MR: acc[m][n] += rows[m][row_step * i] * b[n]
//! ```
//! One chain of multiply-adds for each lane, in the order of i.

/// What is multiplied; steps are counted in values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer<const MR: usize> {
    /// First value of each row.
    pub(crate) rows: [*const f32; MR],
    /// From one value of a row to the next.
    pub(crate) row_step: isize,
    /// The first of the vectors, which follow each other.
    pub(crate) panel: *const f32,
    /// From one panel to the next.
    pub(crate) panel_step: usize,
    /// From a row to the one that is read after it: its values are brought near meanwhile.
    pub(crate) next: isize,
    /// How many values of each row, and vectors of each panel.
    pub(crate) count: usize,
}
