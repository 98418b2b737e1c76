//! Memory: one aligned allocation for all buffers of a plan, lent out to one step at a time, and cut into windows that
//! the pieces of a step own.
//!
//! Three layers keep the rest of the engine free of `unsafe`:
//! - [`memory::AlignedBytes`] owns zeroed, aligned memory.
//! - [`Lender`] borrows an [`Arena`] exclusively for one step. An arena is such memory with a list of what is lent. The
//!   lender hands out slices and refuses any that overlap a mutable one.
//! - [`DisjointWindows`] cuts one mutable slice into a grid of windows and gives each window to one taker only.
//!
//! A planning mistake is therefore a panic with both ranges in it, never a data race.

mod lender;
mod memory;
#[cfg(test)]
mod tests;
mod windows;

pub(crate) use self::lender::{Arena, Lender};
pub(crate) use self::memory::{ALIGN, Floats, Plain};
pub(crate) use self::windows::{DisjointWindows, MapWindows, WindowSize};
