//! Sums of products in registers: up to two tiles of rows by two of filters, four sums.
//!
//! Every tile that is read serves two products. The unit takes 16 cycles for each, so four products leave time for the 64 lines of
//! four tiles.

use std::arch::asm;

use super::super::tiles::TileProducts;

/// The sums as their register and where their pointer lies; then a step.
macro_rules! products {
    ($name:ident, $begin:ident, $end:ident, $m:literal, $n:literal, [$($sum:literal $at:literal),+], [$($step:literal),+]) => {
        /// The sums become zeros, or what is in memory.
        ///
        /// # Safety
        /// As [`super::TileUnit::begin`]; the unit must be ready.
        #[inline(always)]
        pub(super) unsafe fn $begin(products: &TileProducts<'_, $m, $n>) {
            let TileProducts { c, c_row, add, .. } = products;
            let sums = [c[0][0], c[0][$n - 1], c[$m - 1][0], c[$m - 1][$n - 1]];
            // SAFETY: promised by the caller.
            unsafe {
                if *add {
                    asm!(
                        $(
                            concat!("mov {p}, qword ptr [{sums} + ", $at, "]"),
                            concat!("tileloadd tmm", $sum, ", [{p} + 1*{c_row}]"),
                        )+
                        sums = in(reg) sums.as_ptr(),
                        c_row = in(reg) *c_row,
                        p = out(reg) _,
                        options(nostack, readonly, preserves_flags),
                    );
                } else {
                    asm!($(concat!("tilezero tmm", $sum),)+ options(nostack, nomem, preserves_flags));
                }
            }
        }

        /// Adds the products of the steps.
        ///
        /// # Safety
        /// As [`super::TileUnit::multiply`]; the unit must be ready.
        #[inline(always)]
        pub(super) unsafe fn $name(products: &TileProducts<'_, $m, $n>) {
            let TileProducts { a, a_row, b, steps, .. } = products;
            if steps.is_empty() {
                return;
            }
            let range = steps.as_ptr_range();
            // what would not fit into registers
            let first = [a[0], a[$m - 1], b[0], b[$n - 1], range.end.cast()];
            // SAFETY: promised by the caller.
            unsafe {
                asm!(
                    // not every block of tiles needs all of them
                    "/* {y} {p} {b_row} */",
                    "2:",
                    "mov {x:e}, dword ptr [{step}]",
                    "mov {y:e}, dword ptr [{step} + 4]",
                    $($step,)+
                    "add {step}, 8",
                    "cmp {step}, qword ptr [{first} + 32]",
                    "jne 2b",
                    step = inout(reg) range.start => _,
                    first = in(reg) first.as_ptr(),
                    a_row = in(reg) *a_row,
                    b_row = in(reg) 64_usize,
                    x = out(reg) _,
                    y = out(reg) _,
                    p = out(reg) _,
                    options(nostack, readonly),
                );
            }
        }

        /// Writes the sums to memory.
        ///
        /// # Safety
        /// As [`super::TileUnit::end`]; the unit must be ready.
        #[inline(always)]
        pub(super) unsafe fn $end(products: &TileProducts<'_, $m, $n>) {
            let TileProducts { c, c_row, .. } = products;
            let sums = [c[0][0], c[0][$n - 1], c[$m - 1][0], c[$m - 1][$n - 1]];
            // SAFETY: promised by the caller.
            unsafe {
                asm!(
                    $(
                        concat!("mov {p}, qword ptr [{sums} + ", $at, "]"),
                        concat!("tilestored [{p} + 1*{c_row}], tmm", $sum),
                    )+
                    sums = in(reg) sums.as_ptr(),
                    c_row = in(reg) *c_row,
                    p = out(reg) _,
                    options(nostack, preserves_flags),
                );
            }
        }
    };
}

products!(of_2_2, begin_2_2, end_2_2, 2, 2, [0 0, 1 8, 2 16, 3 24], [
    "mov {p}, qword ptr [{first} + 16]",
    "add {p}, {y}",
    "tileloadd tmm6, [{p} + 1*{b_row}]",
    "mov {p}, qword ptr [{first}]",
    "add {p}, {x}",
    "tileloadd tmm4, [{p} + 1*{a_row}]",
    "tdpbf16ps tmm0, tmm4, tmm6",
    "add {y}, qword ptr [{first} + 24]",
    "tileloadd tmm7, [{y} + 1*{b_row}]",
    "tdpbf16ps tmm1, tmm4, tmm7",
    "add {x}, qword ptr [{first} + 8]",
    "tileloadd tmm5, [{x} + 1*{a_row}]",
    "tdpbf16ps tmm2, tmm5, tmm6",
    "tdpbf16ps tmm3, tmm5, tmm7"
]);
products!(of_1_2, begin_1_2, end_1_2, 1, 2, [0 0, 1 8], [
    "mov {p}, qword ptr [{first} + 16]",
    "add {p}, {y}",
    "tileloadd tmm6, [{p} + 1*{b_row}]",
    "add {x}, qword ptr [{first}]",
    "tileloadd tmm4, [{x} + 1*{a_row}]",
    "tdpbf16ps tmm0, tmm4, tmm6",
    "add {y}, qword ptr [{first} + 24]",
    "tileloadd tmm7, [{y} + 1*{b_row}]",
    "tdpbf16ps tmm1, tmm4, tmm7"
]);
products!(of_2_1, begin_2_1, end_2_1, 2, 1, [0 0, 2 16], [
    "add {y}, qword ptr [{first} + 16]",
    "tileloadd tmm6, [{y} + 1*{b_row}]",
    "mov {p}, qword ptr [{first}]",
    "add {p}, {x}",
    "tileloadd tmm4, [{p} + 1*{a_row}]",
    "tdpbf16ps tmm0, tmm4, tmm6",
    "add {x}, qword ptr [{first} + 8]",
    "tileloadd tmm5, [{x} + 1*{a_row}]",
    "tdpbf16ps tmm2, tmm5, tmm6"
]);
products!(of_1_1, begin_1_1, end_1_1, 1, 1, [0 0], [
    "add {y}, qword ptr [{first} + 16]",
    "tileloadd tmm6, [{y} + 1*{b_row}]",
    "add {x}, qword ptr [{first}]",
    "tileloadd tmm4, [{x} + 1*{a_row}]",
    "tdpbf16ps tmm0, tmm4, tmm6"
]);
