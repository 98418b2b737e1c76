//! How many floating-point operations a core can do: the yardstick that profiles divide by.

use std::time::Instant;

use super::{Isa, Kernel, dispatch};
use crate::Level;

/// Independent chains: enough to hide the latency of two FMA ports (4 cycles each), few enough for 16 registers
/// (6 chains of two registers on AVX2).
const CHAINS: usize = 6;

struct Fma {
    rounds: usize,
}

impl Kernel for Fma {
    type Output = f32;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let mut acc = [isa.splat(1.0); CHAINS];
        // |x| < 1 keeps the values finite and normal.
        let x = isa.splat(std::hint::black_box(0.999));
        let y = isa.splat(std::hint::black_box(0.001));
        for _ in 0..self.rounds {
            for chain in &mut acc {
                *chain = isa.mul_add(*chain, x, y);
            }
        }
        let mut sum = acc[0];
        for chain in &acc[1..] {
            sum = isa.add(sum, *chain);
        }
        isa.to_array(sum).iter().sum()
    }
}

/// GFLOP/s of one core in dependent-free multiply-adds at `level` (two operations each): the best of five short runs
/// of the calling thread, a few milliseconds in all.
pub fn peak_gflops(level: Level) -> f64 {
    let rounds = 200_000;
    let flops = (rounds * CHAINS * crate::LANES * 2) as f64;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        std::hint::black_box(dispatch(level, Fma { rounds }));
        best = best.min(start.elapsed().as_secs_f64());
    }
    flops / best / 1e9
}
