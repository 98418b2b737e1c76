//! The unit of tiles of Intel's server processors since 2023 (AMX): eight tiles of 1 KiB, and an instruction that multiplies two and
//! adds the product to a third.
//!
//! There are no stable intrinsics, so all of it is assembly, in this folder only. The compiler never uses the tiles, so nothing
//! has to be told of them; what the assembly reads and writes of memory it declares by having no `nomem`.

mod detect;
mod products;

use std::arch::asm;
use std::marker::PhantomData;

use super::isa::Isa;
use super::tiles::{TileProducts, TileUnit};

pub(crate) use detect::supported;

/// The unit on this thread, with all tiles of full size.
#[derive(Debug)]
pub(crate) struct Amx {
    /// The tiles are the thread's.
    thread: PhantomData<*const ()>,
}

/// What the unit is told of its tiles (LDTILECFG): palette 1, eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIG: TileConfig = TileConfig {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl TileUnit for Amx {
    /// # Panics
    /// If the machine has no such unit.
    fn enter() -> Self {
        assert!(supported(), "this CPU has no AMX");
        // SAFETY: the unit is there; the configuration is one of the manual's.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly)) };
        Self { thread: PhantomData }
    }

    #[inline(always)]
    unsafe fn begin<I: Isa, const M: usize, const N: usize>(&self, _: I, products: &TileProducts<'_, M, N>) {
        let from = std::ptr::from_ref(products);
        // SAFETY: `enter` made the unit ready; a cast is only reached where it changes nothing; the rest is promised by the caller.
        unsafe {
            match (M, N) {
                (1, 1) => products::begin_1_1(&*from.cast()),
                (1, 2) => products::begin_1_2(&*from.cast()),
                (2, 1) => products::begin_2_1(&*from.cast()),
                (2, 2) => products::begin_2_2(&*from.cast()),
                _ => unreachable!("no such block of tiles"),
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<I: Isa, const M: usize, const N: usize>(
        &self,
        _: I,
        products: &TileProducts<'_, M, N>,
    ) {
        let from = std::ptr::from_ref(products);
        // SAFETY: `enter` made the unit ready; a cast is only reached where it changes nothing; the rest is promised by the caller.
        unsafe {
            match (M, N) {
                (1, 1) => products::of_1_1(&*from.cast()),
                (1, 2) => products::of_1_2(&*from.cast()),
                (2, 1) => products::of_2_1(&*from.cast()),
                (2, 2) => products::of_2_2(&*from.cast()),
                _ => unreachable!("no such block of tiles"),
            }
        }
    }

    #[inline(always)]
    unsafe fn end<I: Isa, const M: usize, const N: usize>(&self, _: I, products: &TileProducts<'_, M, N>) {
        let from = std::ptr::from_ref(products);
        // SAFETY: `enter` made the unit ready; a cast is only reached where it changes nothing; the rest is promised by the caller.
        unsafe {
            match (M, N) {
                (1, 1) => products::end_1_1(&*from.cast()),
                (1, 2) => products::end_1_2(&*from.cast()),
                (2, 1) => products::end_2_1(&*from.cast()),
                (2, 2) => products::end_2_2(&*from.cast()),
                _ => unreachable!("no such block of tiles"),
            }
        }
    }
}

impl Drop for Amx {
    fn drop(&mut self) {
        // SAFETY: `enter` made the unit ready. Released tiles need not be saved when the thread sleeps.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
