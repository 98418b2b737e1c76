//! How many floating-point operations a core can do: the yardstick that profiles divide by.

use std::time::Instant;

use super::dispatch::dispatch;
use super::isa::{Isa, Kernel};
use crate::{LANES, Level};

/// Independent chains, a register each: two FMA ports times a latency of 4 or 5 cycles need 8 or 10; 16 registers hold
/// 12 and two operands.
const CHAINS: usize = 12;

struct Fma {
    rounds: usize,
}

impl Kernel for Fma {
    /// The operations done, and a sum that depends on them.
    type Output = (usize, f32);

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> (usize, f32) {
        let mut acc = [isa.register_splat(1.0); CHAINS];
        // |x| < 1 keeps the values finite and normal.
        let x = isa.register_splat(std::hint::black_box(0.999));
        let y = isa.register_splat(std::hint::black_box(0.001));
        for _ in 0..self.rounds {
            for chain in &mut acc {
                *chain = isa.register_mul_add(*chain, x, y);
            }
        }
        let mut sum = acc[0];
        for chain in &acc[1..] {
            sum = isa.register_add(sum, *chain);
        }
        let mut lanes = [0.0; LANES];
        // SAFETY: the array holds a register.
        unsafe { isa.register_store(lanes.as_mut_ptr(), sum) };
        (self.rounds * CHAINS * I::WIDTH * 2, lanes.iter().sum())
    }
}

/// GFLOP/s of one core in dependent-free multiply-adds at `level` (two operations each): the best of five short runs
/// of the calling thread, a few milliseconds in all.
pub fn peak_gflops(level: Level) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let start = Instant::now();
        let (flops, _) = std::hint::black_box(dispatch(level, Fma { rounds: 100_000 }));
        best = best.max(flops as f64 / start.elapsed().as_secs_f64());
    }
    best / 1e9
}
