//! One definition of the products, in plain loops, against the vectors of every level and against the unit.

use super::{ProductStep, TileProducts, TileUnit};
use crate::Level;
use crate::bf16::Bf16;
#[cfg(target_arch = "x86_64")]
use crate::simd::Amx;
use crate::simd::dispatch::dispatch;
use crate::simd::emulated::Emulated;
use crate::simd::pairs::{DEPTH, TILE};
use crate::simd::{Isa, Kernel};

/// Numbers of every kind, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 32
    }

    /// Ordinary ones; with `odd` one of eight is a denormal, an infinity, a NaN, a zero, or has any bits.
    fn value(&mut self, odd: bool) -> Bf16 {
        let ordinary =
            Bf16::from_f32((self.next() as f32 / 2e9 - 1.0) * 2.0_f32.powi(self.next() as i32 % 9 - 4));
        match self.next() % 40 {
            0 if odd => Bf16::from_bits(self.next() as u16 & 0x807f),
            1 if odd => Bf16::from_bits(0x7f80 | (self.next() as u16 & 0x8000)),
            2 if odd => Bf16::from_bits(0x7f80 | self.next() as u16),
            3 if odd => Bf16::from_bits(self.next() as u16 & 0x8000),
            4 if odd => Bf16::from_bits(self.next() as u16),
            5..=9 if odd => Bf16::from_bits(0x0080 + (self.next() as u16 & 0x1fff)),
            _ => ordinary,
        }
    }
}

/// One block of tiles, steps in any order, some twice.
struct Case<const M: usize, const N: usize> {
    a: Vec<Bf16>,
    b: Vec<Bf16>,
    c: Vec<f32>,
    steps: Vec<ProductStep>,
    add: bool,
}

const A_ROW: usize = 3 * DEPTH;
const C_ROW: usize = 48;

impl<const M: usize, const N: usize> Case<M, N> {
    fn new(seed: u64, count: usize, odd: bool, add: bool) -> Self {
        let mut numbers = Numbers(seed);
        let a = (0..M * TILE * A_ROW).map(|_| numbers.value(odd)).collect();
        let b = (0..N * 4 * TILE * DEPTH).map(|_| numbers.value(odd)).collect();
        let c = (0..M * TILE * C_ROW).map(|_| numbers.value(odd).to_f32() * 1.001).collect();
        let steps = (0..count)
            .map(|_| ProductStep {
                a: 64 * (numbers.next() % 3) as u32,
                b: 1024 * (numbers.next() % 4) as u32,
            })
            .collect();
        Self { a, b, c, steps, add }
    }

    /// The definition, an operation at a time.
    fn expected(&self) -> Vec<u32> {
        let flush = |x: f32| if x.is_subnormal() { 0.0_f32.copysign(x) } else { x };
        let mut c = self.c.clone();
        for (row, column) in (0..M * TILE).flat_map(|row| (0..N * TILE).map(move |column| (row, column))) {
            let at = row * C_ROW + column;
            let mut sum = if self.add { flush(c[at]) } else { 0.0 };
            for step in &self.steps {
                let a = &self.a[row * A_ROW + step.a as usize / 2..][..DEPTH];
                let b = &self.b[column / TILE * 4 * TILE * DEPTH + step.b as usize / 2..][..TILE * DEPTH];
                let [evens, odds] = [0, 1].map(|half| {
                    (0..TILE).fold(0.0_f32, |sum, pair| {
                        let b = b[pair * DEPTH + 2 * (column % TILE) + half];
                        flush(flush(a[2 * pair + half].to_f32()).mul_add(flush(b.to_f32()), sum))
                    })
                });
                sum = flush(sum + flush(evens + odds));
            }
            c[at] = if self.steps.is_empty() && self.add { c[at] } else { sum };
        }
        c.iter().map(|x| x.to_bits()).collect()
    }
}

struct Run<'a, U, const M: usize, const N: usize>(&'a Case<M, N>, std::marker::PhantomData<U>);

impl<U: TileUnit, const M: usize, const N: usize> Kernel for Run<'_, U, M, N> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Vec<u32> {
        let case = self.0;
        let mut c = case.c.clone();
        let unit = U::enter();
        let products: TileProducts<'_, M, N> = TileProducts {
            a: std::array::from_fn(|m| case.a[m * TILE * A_ROW..].as_ptr()),
            a_row: 2 * A_ROW,
            b: std::array::from_fn(|n| case.b[n * 4 * TILE * DEPTH..].as_ptr()),
            c: std::array::from_fn(|m| {
                std::array::from_fn(|n| c.as_mut_ptr().wrapping_add(m * TILE * C_ROW + n * TILE))
            }),
            c_row: 4 * C_ROW,
            add: case.add,
            steps: &case.steps,
        };
        // SAFETY: the vectors hold all tiles and sums.
        unsafe { unit.products(isa, &products) };
        drop(unit);
        c.iter().map(|x| x.to_bits()).collect()
    }
}

/// The payload of a NaN depends on the order of operands.
fn one_nan(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() { f32::NAN.to_bits() } else { bits }
}

fn check<const M: usize, const N: usize>() {
    for seed in 0..40 {
        let case = Case::<M, N>::new(seed, seed as usize % 6, seed % 2 == 1, seed % 3 == 0);
        let expected: Vec<u32> = case.expected().into_iter().map(one_nan).collect();
        for level in Level::ALL.into_iter().filter(|level| level.supported()) {
            let got = dispatch(level, Run(&case, std::marker::PhantomData::<Emulated>));
            same(&got, &expected, &format!("{M}x{N} tiles, seed {seed}, level {level}"));
            #[cfg(target_arch = "x86_64")]
            if level == Level::Amx {
                let got = dispatch(level, Run(&case, std::marker::PhantomData::<Amx>));
                same(&got, &expected, &format!("{M}x{N} tiles, seed {seed}, the unit"));
            }
        }
    }
}

fn same(got: &[u32], expected: &[u32], what: &str) {
    for (i, (got, want)) in got.iter().zip(expected).enumerate() {
        let got = one_nan(*got);
        assert!(got == *want, "{what}, value {i}: {got:x} instead of {want:x}");
    }
}

#[test]
fn every_level_and_the_unit_have_the_same_bits() {
    check::<1, 1>();
    check::<1, 2>();
    check::<2, 1>();
    check::<2, 2>();
    if !Level::Amx.supported() {
        println!("SKIPPED: the unit of tiles itself; this machine has none");
    }
}

struct Rounding([f32; 32]);

struct Rounded {
    /// In pairs: one of the first half, one of the second.
    pairs: [Bf16; 32],
    widened: [[f32; 16]; 2],
    /// Of the first half.
    stored: [Bf16; 16],
    loaded: [f32; 16],
    /// Both register by register, `f32` at the end.
    registers: [f32; 16],
    rounded: [f32; 16],
}

impl Kernel for Rounding {
    type Output = Rounded;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Rounded {
        let (mut pairs, mut stored) = ([Bf16::default(); 32], [Bf16::default(); 16]);
        // SAFETY: the arrays have 16 and 32 values.
        unsafe {
            let (first, second) = (isa.load(self.0.as_ptr()), isa.load(self.0[16..].as_ptr()));
            isa.store_pairs(pairs.as_mut_ptr(), first, second);
            isa.store_bf16(stored.as_mut_ptr(), first);
            let [evens, odds] = isa.widen_pairs(pairs.as_ptr());
            let (mut halves, mut registers) = ([Bf16::default(); 16], [0.0; 16]);
            for lane in (0..16).step_by(I::WIDTH) {
                isa.register_store_bf16(
                    halves[lane..].as_mut_ptr(),
                    isa.register_load(self.0[lane..].as_ptr()),
                );
                let wide = isa.register_load_bf16(halves[lane..].as_ptr());
                isa.register_store(registers[lane..].as_mut_ptr(), wide);
            }
            Rounded {
                registers,
                pairs,
                widened: [isa.to_array(evens), isa.to_array(odds)],
                stored,
                loaded: isa.to_array(isa.load_bf16(stored.as_ptr())),
                rounded: isa.to_array(isa.round_bf16(first)),
            }
        }
    }
}

#[test]
fn every_level_rounds_as_single_values_are_and_widens_again() {
    let mut numbers = Numbers(5);
    for _ in 0..2000 {
        let values = std::array::from_fn(|i| match i % 4 {
            0 => f32::from_bits((numbers.next() as u32) << 1 ^ numbers.next() as u32),
            1 => f32::from_bits(u32::from(numbers.value(true).to_bits()) << 16 | 0x8000),
            2 => f32::from_bits(0x7f80_0000 | numbers.next() as u32),
            _ => numbers.next() as f32 / 1e9,
        });
        for level in Level::ALL.into_iter().filter(|level| level.supported()) {
            let got = dispatch(level, Rounding(values));
            for lane in 0..16 {
                for half in 0..2 {
                    let value = Bf16::from_f32(values[16 * half + lane]);
                    assert_eq!(got.pairs[2 * lane + half], value, "level {level}");
                    assert_eq!(got.widened[half][lane].to_bits(), value.to_f32().to_bits(), "level {level}");
                }
                let value = Bf16::from_f32(values[lane]);
                assert_eq!(got.stored[lane], value, "level {level}");
                assert_eq!(got.loaded[lane].to_bits(), value.to_f32().to_bits(), "level {level}");
                assert_eq!(got.registers[lane].to_bits(), value.to_f32().to_bits(), "level {level}");
                assert_eq!(got.rounded[lane].to_bits(), value.to_f32().to_bits(), "level {level}");
            }
        }
    }
}
