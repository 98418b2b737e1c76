//! Sixteen lanes as an array: plain loops that LLVM turns into the vectors of the target.

mod bytes;
mod tiles;

use super::isa::Isa;
use crate::LANES;

/// Token of the portable level: always there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

/// Sixteen lanes, aligned so that any vector width can load them.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lanes([f32; LANES]);

/// Lanes of a "register": what the least x86-64 and aarch64 machines have.
const WIDTH: usize = 4;

macro_rules! each {
    ($count:ident, $lane:ident => $value:expr) => {{
        let mut out = [0.0f32; $count];
        let mut $lane = 0;
        while $lane < $count {
            out[$lane] = $value;
            $lane += 1;
        }
        out
    }};
}

macro_rules! lanewise {
    ($lane:ident => $value:expr) => {
        Lanes(each!(LANES, $lane => $value))
    };
}

impl Isa for Portable {
    type V = Lanes;

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        Lanes([x; LANES])
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> Lanes {
        // SAFETY: promised by the caller; `read_unaligned` asks for no alignment.
        Lanes(unsafe { src.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, v: Lanes) {
        // SAFETY: promised by the caller; `write_unaligned` asks for no alignment.
        unsafe { dst.cast::<[f32; LANES]>().write_unaligned(v.0) };
    }

    #[inline(always)]
    fn mul_add(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        lanewise!(i => a.0[i] * b.0[i] + c.0[i])
    }

    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        lanewise!(i => a.0[i] + b.0[i])
    }

    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        lanewise!(i => a.0[i] - b.0[i])
    }

    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        lanewise!(i => a.0[i] * b.0[i])
    }

    #[inline(always)]
    fn div(self, a: Lanes, b: Lanes) -> Lanes {
        lanewise!(i => a.0[i] / b.0[i])
    }

    #[inline(always)]
    fn sqrt(self, v: Lanes) -> Lanes {
        lanewise!(i => v.0[i].sqrt())
    }

    #[inline(always)]
    fn relu(self, v: Lanes) -> Lanes {
        lanewise!(i => if v.0[i] < 0.0 { 0.0 } else { v.0[i] })
    }

    #[inline(always)]
    fn select_gt(self, a: Lanes, b: Lanes, x: Lanes, y: Lanes) -> Lanes {
        lanewise!(i => if a.0[i] > b.0[i] { x.0[i] } else { y.0[i] })
    }

    #[inline(always)]
    unsafe fn keep_where(self, v: Lanes, bytes: *const u8, byte: u8) -> Lanes {
        // SAFETY: promised by the caller.
        let bytes = unsafe { bytes.cast::<[u8; LANES]>().read() };
        lanewise!(i => f32::from_bits(v.0[i].to_bits() & u32::from(bytes[i] == byte).wrapping_neg()))
    }

    type R = [f32; WIDTH];

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn register_splat(self, x: f32) -> [f32; WIDTH] {
        [x; WIDTH]
    }

    #[inline(always)]
    unsafe fn register_load(self, src: *const f32) -> [f32; WIDTH] {
        // SAFETY: promised by the caller; `read_unaligned` asks for no alignment.
        unsafe { src.cast::<[f32; WIDTH]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn register_store(self, dst: *mut f32, v: [f32; WIDTH]) {
        // SAFETY: promised by the caller; `write_unaligned` asks for no alignment.
        unsafe { dst.cast::<[f32; WIDTH]>().write_unaligned(v) };
    }

    #[inline(always)]
    fn register_mul_add(self, a: [f32; WIDTH], b: [f32; WIDTH], c: [f32; WIDTH]) -> [f32; WIDTH] {
        each!(WIDTH, i => a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn register_add(self, a: [f32; WIDTH], b: [f32; WIDTH]) -> [f32; WIDTH] {
        each!(WIDTH, i => a[i] + b[i])
    }

    #[inline(always)]
    fn register_sub(self, a: [f32; WIDTH], b: [f32; WIDTH]) -> [f32; WIDTH] {
        each!(WIDTH, i => a[i] - b[i])
    }

    #[inline(always)]
    fn register_mul(self, a: [f32; WIDTH], b: [f32; WIDTH]) -> [f32; WIDTH] {
        each!(WIDTH, i => a[i] * b[i])
    }

    #[inline(always)]
    fn register_relu(self, v: [f32; WIDTH]) -> [f32; WIDTH] {
        each!(WIDTH, i => if v[i] < 0.0 { 0.0 } else { v[i] })
    }

    type Order = [usize; WIDTH];

    #[inline(always)]
    fn register_order(self, from: &[u32; LANES]) -> [usize; WIDTH] {
        let mut order = [0; WIDTH];
        let mut i = 0;
        while i < WIDTH {
            order[i] = from[i] as usize % WIDTH;
            i += 1;
        }
        order
    }

    #[inline(always)]
    fn register_permute(self, v: [f32; WIDTH], order: [usize; WIDTH]) -> [f32; WIDTH] {
        each!(WIDTH, i => v[order[i] % WIDTH])
    }

    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
}
