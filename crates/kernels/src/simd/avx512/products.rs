//! Outer products of up to six rows and four panels: 24 accumulators, four vectors and a broadcast value in 29 of 32
//! registers. From intrinsics LLVM makes a loop that loads the next step's vectors early. It then lacks registers and keeps
//! accumulators in memory. So this loop is written in assembly. The order of operations is that of
//! [`generic_outer`](super::super::isa::generic_outer).

use std::arch::asm;
use std::arch::x86_64::{__m512, _mm512_setzero_ps};

use super::super::outer::Outer;

/// A row's pointer, name in the assembly, and accumulators.
macro_rules! kernel {
    ($name:ident, $rows:literal: $($row:literal $pointer:ident $c0:ident $c1:ident $c2:ident $c3:ident),+) => {
        /// # Safety
        /// As [`Isa::outer`](super::super::Isa::outer).
        #[inline]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        pub(super) unsafe fn $name(acc: &mut [[__m512; 4]; $rows], outer: &Outer<$rows>) {
            if outer.count == 0 {
                return;
            }
            let step = outer.panel_step * size_of::<f32>();
            // what would not fit into registers: the step of the rows and the way to their next ones, in bytes
            let steps = [outer.row_step, outer.next].map(|values| values * size_of::<f32>() as isize);
            let zero = _mm512_setzero_ps();
            // SAFETY: promised by the caller; the loop reads `count` values and vectors, and writes no memory.
            unsafe {
                asm!(
                    "cmp qword ptr [{steps} + 8], 0",
                    "je 4f",
                    "2:",
                    "mov {some}, qword ptr [{steps} + 8]",
                    "add {some}, {at}",
                    $(concat!("prefetcht0 byte ptr [{", stringify!($pointer), "} + {some}]"),)+
                    "mov {some:e}, 16",
                    "cmp {count}, {some}",
                    "cmovb {some}, {count}",
                    "sub {count}, {some}",
                    "jmp 3f",
                    "4:",
                    "mov {some}, {count}",
                    "xor {count:e}, {count:e}",
                    "3:",
                    "vmovups {b0}, [{panel}]",
                    "vmovups {b1}, [{panel} + {step}]",
                    "vmovups {b2}, [{panel} + 2*{step}]",
                    "vmovups {b3}, [{panel} + {step3}]",
                    $(
                        concat!("vbroadcastss {a}, dword ptr [{", stringify!($pointer), "} + {at}]"),
                        concat!("vfmadd231ps {", stringify!($c0), "}, {a}, {b0}"),
                        concat!("vfmadd231ps {", stringify!($c1), "}, {a}, {b1}"),
                        concat!("vfmadd231ps {", stringify!($c2), "}, {a}, {b2}"),
                        concat!("vfmadd231ps {", stringify!($c3), "}, {a}, {b3}"),
                    )+
                    "add {at}, qword ptr [{steps}]",
                    "add {panel}, 64",
                    "dec {some}",
                    "jnz 3b",
                    "test {count}, {count}",
                    "jnz 2b",
                    panel = inout(reg) outer.panel => _,
                    step = in(reg) step,
                    step3 = in(reg) 3 * step,
                    at = inout(reg) 0_isize => _,
                    steps = in(reg) steps.as_ptr(),
                    count = inout(reg) outer.count => _,
                    some = out(reg) _,
                    $($pointer = in(reg) outer.rows[$row],)+
                    a = inout(zmm_reg) zero => _,
                    b0 = inout(zmm_reg) zero => _,
                    b1 = inout(zmm_reg) zero => _,
                    b2 = inout(zmm_reg) zero => _,
                    b3 = inout(zmm_reg) zero => _,
                    $(
                        $c0 = inout(zmm_reg) acc[$row][0],
                        $c1 = inout(zmm_reg) acc[$row][1],
                        $c2 = inout(zmm_reg) acc[$row][2],
                        $c3 = inout(zmm_reg) acc[$row][3],
                    )+
                    options(nostack, readonly),
                );
            }
        }
    };
}

kernel!(outer1, 1: 0 r0 c00 c01 c02 c03);
kernel!(outer2, 2: 0 r0 c00 c01 c02 c03, 1 r1 c10 c11 c12 c13);
kernel!(outer3, 3: 0 r0 c00 c01 c02 c03, 1 r1 c10 c11 c12 c13, 2 r2 c20 c21 c22 c23);
kernel!(outer4, 4: 0 r0 c00 c01 c02 c03, 1 r1 c10 c11 c12 c13, 2 r2 c20 c21 c22 c23, 3 r3 c30 c31 c32 c33);
kernel!(outer5, 5: 0 r0 c00 c01 c02 c03, 1 r1 c10 c11 c12 c13, 2 r2 c20 c21 c22 c23, 3 r3 c30 c31 c32 c33,
    4 r4 c40 c41 c42 c43);
kernel!(outer6, 6: 0 r0 c00 c01 c02 c03, 1 r1 c10 c11 c12 c13, 2 r2 c20 c21 c22 c23, 3 r3 c30 c31 c32 c33,
    4 r4 c40 c41 c42 c43, 5 r5 c50 c51 c52 c53);
