//! Every level's primitives against scalar arithmetic, on values that include zeros of both signs, NaN and infinities.

use super::dispatch::dispatch;
use super::{Isa, Kernel, Outer};
use crate::{LANES, Level};

const A: [f32; LANES] = [
    1.5,
    -2.0,
    0.0,
    -0.0,
    f32::NAN,
    f32::INFINITY,
    1e-40,
    -1e-40,
    3.0,
    7.25,
    -8.5,
    0.1,
    1e30,
    -1e30,
    2.0,
    5.0,
];
const B: [f32; LANES] =
    [-1.5, -2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 1.0, 3.5, f32::NAN, -9.0, 0.1, 1e10, 1e10, -2.0, 0.3];
const C: [f32; LANES] =
    [0.25, 4.0, -0.0, 0.0, 1.0, 1.0, 0.0, 0.0, -10.5, 1.0, -76.0, -0.01, 1.0, 1.0, 4.0, -1.5];

struct All;

impl Kernel for All {
    type Output = [[f32; LANES]; 8];

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Output {
        // SAFETY: the arrays hold sixteen values each.
        let (a, b, c) = unsafe { (isa.load(A.as_ptr()), isa.load(B.as_ptr()), isa.load(C.as_ptr())) };
        [
            isa.to_array(isa.mul_add(a, b, c)),
            isa.to_array(isa.add(a, b)),
            isa.to_array(isa.sub(a, b)),
            isa.to_array(isa.mul(a, b)),
            isa.to_array(isa.relu(a)),
            isa.to_array(isa.select_gt(a, b, b, c)),
            isa.to_array(isa.div(a, b)),
            isa.to_array(isa.sqrt(a)),
        ]
    }
}

/// NaN payloads may differ, everything else is exact to the bit.
fn same(got: f32, want: f32) -> bool {
    got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan())
}

#[test]
fn every_level_computes_what_scalars_do() {
    for level in Level::ALL.into_iter().filter(|level| level.supported()) {
        let got = dispatch(level, All);
        for i in 0..LANES {
            let fused = A[i].mul_add(B[i], C[i]);
            let rounded = A[i] * B[i] + C[i];
            let want = [
                if level.profile() == "fma" { fused } else { rounded },
                A[i] + B[i],
                A[i] - B[i],
                A[i] * B[i],
                if A[i] < 0.0 { 0.0 } else { A[i] },
                if A[i] > B[i] { B[i] } else { C[i] },
                A[i] / B[i],
                A[i].sqrt(),
            ];
            for (op, (got, want)) in got.iter().zip(want).enumerate() {
                assert!(same(got[i], want), "{level} op {op} lane {i}: {} instead of {want}", got[i]);
            }
        }
    }
}

struct Flush;

impl Kernel for Flush {
    type Output = [f64; LANES];

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Output {
        let mut sums = [0.5; LANES];
        // SAFETY: both arrays hold sixteen values.
        unsafe { isa.add_to_f64(sums.as_mut_ptr(), isa.load(C.as_ptr())) };
        sums
    }
}

#[test]
fn lanes_widen_exactly() {
    for level in Level::ALL.into_iter().filter(|level| level.supported()) {
        for (sum, c) in dispatch(level, Flush).iter().zip(C) {
            assert_eq!(*sum, 0.5 + f64::from(c), "{level}");
        }
    }
}

struct Keep;

impl Kernel for Keep {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Output {
        // SAFETY: both arrays hold sixteen values.
        unsafe { isa.to_array(isa.keep_where(isa.load(A.as_ptr()), BYTES.as_ptr(), 200)) }
    }
}

const BYTES: [u8; LANES] = [200, 0, 200, 200, 200, 1, 200, 255, 200, 199, 201, 200, 0, 0, 72, 200];

#[test]
fn lanes_are_kept_by_byte() {
    for level in Level::ALL.into_iter().filter(|level| level.supported()) {
        for (lane, kept) in dispatch(level, Keep).into_iter().enumerate() {
            assert!(
                same(kept, if BYTES[lane] == 200 { A[lane] } else { 0.0 }),
                "{level} lane {lane}: {kept}"
            );
        }
    }
}

struct Permute(usize);

impl Kernel for Permute {
    type Output = Vec<f32>;

    /// Registers at lanes 0, `WIDTH`, ..
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Output {
        let mut out = vec![0.0; LANES];
        let order = isa.register_order(&ORDERS[self.0]);
        for at in (0..LANES).step_by(I::WIDTH) {
            // SAFETY: the register lies inside both.
            unsafe {
                let v = isa.register_load(A[at..].as_ptr());
                isa.register_store(out[at..].as_mut_ptr(), isa.register_permute(v, order));
            }
        }
        out.push(I::WIDTH as f32);
        out
    }
}

/// The lanes as they are; backwards; any, some twice and beyond the width.
const ORDERS: [[u32; LANES]; 3] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    [5, 5, 1, 8, 3, 12, 7, 2, 0, 0, 15, 4, 9, 10, 6, 11],
];

#[test]
fn lanes_of_a_register_are_permuted() {
    for level in Level::ALL.into_iter().filter(|level| level.supported()) {
        for (which, order) in ORDERS.iter().enumerate() {
            let mut got = dispatch(level, Permute(which));
            let width = got.pop().map_or(0, |width| width as usize);
            for (lane, got) in got.into_iter().enumerate() {
                let want = A[lane / width * width + order[lane % width] as usize % width];
                assert!(same(got, want), "{level} order {which} lane {lane}: {got} instead of {want}");
            }
        }
    }
}

/// A sum of `count` outer products of `MR` rows by `NR` panels, added to what is there; rows a value apart or `stride`.
struct Products<const MR: usize, const NR: usize> {
    count: usize,
    stride: usize,
}

impl<const MR: usize, const NR: usize> Products<MR, NR> {
    const LONGEST: usize = 37;

    fn value(index: usize) -> f32 {
        (index * 7 % 11) as f32 - 4.5
    }

    /// Small integers and halves: exact in every order.
    fn want(&self, m: usize, n: usize, lane: usize) -> f32 {
        let panel = |i: usize| Self::value(n * Self::LONGEST * LANES + i * LANES + lane);
        (0..self.count).map(|i| Self::value(m * 3 + i * self.stride) * panel(i)).sum::<f32>() + 1.0
    }
}

impl<const MR: usize, const NR: usize> Kernel for Products<MR, NR> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Output {
        let rows: Vec<f32> = (0..3 * MR + Self::LONGEST * self.stride).map(Self::value).collect();
        let panels: Vec<f32> = (0..NR * Self::LONGEST * LANES).map(Self::value).collect();
        let mut acc = [[isa.splat(1.0); NR]; MR];
        let mut first = [rows.as_ptr(); MR];
        for (m, row) in first.iter_mut().enumerate() {
            *row = rows[3 * m..].as_ptr();
        }
        let outer = Outer {
            rows: first,
            row_step: self.stride as isize,
            panel: panels.as_ptr(),
            panel_step: Self::LONGEST * LANES,
            next: 3,
            count: self.count,
        };
        // SAFETY: rows and panels are long enough for the longest count.
        unsafe { isa.outer::<MR, NR>(&mut acc, &outer) };
        acc.into_iter().flatten().flat_map(|v| isa.to_array(v)).collect()
    }
}

fn check_products<const MR: usize, const NR: usize>() {
    for level in Level::ALL.into_iter().filter(|level| level.supported()) {
        for (count, stride) in [(0, 1), (1, 1), (16, 1), (37, 1), (1, 16), (36, 16), (7, 5)] {
            let got = dispatch(level, Products::<MR, NR> { count, stride });
            for (index, got) in got.into_iter().enumerate() {
                let (m, n, lane) = (index / LANES / NR, index / LANES % NR, index % LANES);
                let want = Products::<MR, NR> { count, stride }.want(m, n, lane);
                assert!(
                    same(got, want),
                    "{level} {MR}x{NR}, {count} steps of {stride}, row {m} panel {n} lane {lane}: {got} instead of {want}"
                );
            }
        }
    }
}

#[test]
fn outer_products_are_added() {
    check_products::<1, 4>();
    check_products::<2, 4>();
    check_products::<3, 4>();
    check_products::<4, 4>();
    check_products::<5, 4>();
    check_products::<6, 4>();
    check_products::<6, 1>();
    check_products::<2, 1>();
}
