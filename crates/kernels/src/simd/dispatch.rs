//! The way from a level to the kernel compiled for it.

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::isa::Kernel;
use super::portable::Portable;
use crate::Level;

/// Runs `kernel` at the portable level. Rows of tables that differ in a value only share the code, as at the other levels.
#[inline(never)]
pub(crate) fn dispatch_portable<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

/// Runs `kernel` at AVX2+FMA.
///
/// # Panics
/// If this machine lacks the instructions (tables are only read through [`crate::select`] with a supported level).
#[cfg(target_arch = "x86_64")]
pub(crate) fn dispatch_avx2<K: Kernel>(kernel: K) -> K::Output {
    avx2::dispatch(kernel)
}

/// Runs `kernel` at AVX-512.
///
/// # Panics
/// If this machine lacks the instructions (tables are only read through [`crate::select`] with a supported level).
#[cfg(target_arch = "x86_64")]
pub(crate) fn dispatch_avx512<K: Kernel>(kernel: K) -> K::Output {
    avx512::dispatch(kernel)
}

/// Runs `kernel` at AVX-512 beside the unit of tiles.
///
/// # Panics
/// If this machine lacks the instructions (tables are only read through [`crate::select`] with a supported level).
#[cfg(target_arch = "x86_64")]
pub(crate) fn dispatch_amx<K: Kernel>(kernel: K) -> K::Output {
    avx512::dispatch_with_tiles(kernel)
}

/// AVX2 exists on x86-64 only; elsewhere its table rows are never selected and run the portable code.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dispatch_avx2<K: Kernel>(kernel: K) -> K::Output {
    dispatch_portable(kernel)
}

/// AVX-512 exists on x86-64 only; elsewhere its table rows are never selected and run the portable code.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dispatch_avx512<K: Kernel>(kernel: K) -> K::Output {
    dispatch_portable(kernel)
}

/// Tiles exist on x86-64 only; elsewhere their table rows are never selected and run the portable code.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dispatch_amx<K: Kernel>(kernel: K) -> K::Output {
    dispatch_portable(kernel)
}

/// Runs `kernel` at `level`.
///
/// # Panics
/// If this machine lacks the instructions.
pub(crate) fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        Level::Portable => dispatch_portable(kernel),
        Level::Avx2 => dispatch_avx2(kernel),
        Level::Avx512 => dispatch_avx512(kernel),
        Level::Amx => dispatch_amx(kernel),
    }
}
