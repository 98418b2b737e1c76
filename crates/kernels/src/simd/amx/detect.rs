//! Whether this process may use the unit of tiles.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::OnceLock;

/// Whether the processor has the unit and the system lets this process use it. The first call asks the system.
pub(crate) fn supported() -> bool {
    static SUPPORTED: OnceLock<bool> = OnceLock::new();
    *SUPPORTED.get_or_init(|| has_unit() && permitted())
}

/// Intel, Software Developer's Manual, volume 1, 18.3: the processor's word, and that the system saves the tiles. Vectors are rounded
/// to bf16 by an instruction of their own (AVX512_BF16), which every processor with the unit has.
fn has_unit() -> bool {
    const AVX512_BF16: u32 = 1 << 5;
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const TILE_STATE: u64 = 0b11 << 17;
    const OSXSAVE: u32 = 1 << 27;
    let features = __cpuid_count(7, 0).edx;
    features & (AMX_BF16 | AMX_TILE) == AMX_BF16 | AMX_TILE
        && __cpuid_count(7, 1).eax & AVX512_BF16 != 0
        && __cpuid_count(1, 0).ecx & OSXSAVE != 0
        // SAFETY: OSXSAVE says that the instruction is there.
        && unsafe { state() } & TILE_STATE == TILE_STATE
}

/// The states that the system saves.
#[target_feature(enable = "xsave")]
unsafe fn state() -> u64 {
    // SAFETY: the feature is there.
    unsafe { _xgetbv(0) }
}

/// Linux gives the tiles' 8 KiB of state to those who ask (Documentation/arch/x86/xstate.rst): once for all threads of a process.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let result: i64;
    // SAFETY: the call reads and writes no memory of ours; the kernel changes rcx and r11 besides the result.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Other systems are not asked: nobody has tried them.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
