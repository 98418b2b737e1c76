//! What one core does: maps in, maps out, of `f32` or bf16 values ([`maps`]); 8-bit pixels for the resize. No threads, no allocation, no input
//! or output, no environment.
//!
//! Every operation is a table of [`KernelEntry`]s, best first, ending in `reference` (plain loops, `f64` sums). A planner
//! takes the first entry that [`select`] finds; tests run every entry the machine supports against `reference`.
//!
//! Feature maps are NHWC with the channel pitch rounded up to [`LANES`] and zeros in the tail ([`pitch`]).

pub mod adamw;
pub mod args;
pub mod average;
pub mod bf16;
mod check;
pub mod concat;
pub mod conv;
pub mod elementwise;
mod lanes;
pub mod level;
pub mod loss;
pub mod maps;
pub mod multiply;
pub mod norm;
pub mod pooling;
pub mod resample;
pub mod rows;
pub mod sgd;
pub mod shape;
pub mod sigmoid;
pub mod simd;
pub mod squares;
pub mod subsample;
pub mod sum;
mod table;

pub use level::Level;

/// Vector lanes run over channels in groups of this many: one AVX-512 register, two AVX2 registers.
pub const LANES: usize = 16;

/// Channels rounded up to whole vectors: the distance between neighbouring pixels of a feature map.
pub const fn pitch(channels: usize) -> usize {
    channels.div_ceil(LANES) * LANES
}

/// One kernel: a row of an operation's table.
#[derive(Clone, Copy, Debug)]
pub struct KernelEntry<Shape: 'static, Run> {
    /// Shown in plans and profiles: `conv_forward/avx2`.
    pub name: &'static str,
    /// The instructions it needs.
    pub level: Level,
    /// Whether it can do this shape.
    pub fits: fn(&Shape) -> bool,
    /// The function.
    pub run: Run,
}

/// The first entry of `table` whose level is at most `level` and that fits `shape`; the last entry (the reference)
/// always does.
pub fn select<'t, Shape, Run>(
    table: &'t [KernelEntry<Shape, Run>],
    level: Level,
    shape: &Shape,
) -> &'t KernelEntry<Shape, Run> {
    table
        .iter()
        .find(|entry| entry.level <= level && (entry.fits)(shape))
        .unwrap_or_else(|| &table[table.len() - 1])
}
