//! Sixteen `f32` lanes on any CPU: a trait with one zero-size token per level, and the seam that enters a level.
//!
//! A kernel is a struct holding its arguments; [`Kernel::run`] is written once, generic over [`Isa`], and marked
//! `#[inline(always)]` down to the last helper. [`dispatch_portable`], `avx2::run` and `avx512::run` instantiate it inside
//! a function with the right `#[target_feature]`: the only such functions of the crate, but for the loop of AVX-512 that is
//! written in assembly (`avx512/products.rs`) and inlined into kernels that have its features. One helper without
//! `#[inline(always)]` would silently fall back to calls at the baseline level, and closures do not inherit target
//! features: use functions and plain loops below the seam.
//!
//! A lane never meets another lane ([`Isa::register_permute`] moves values, it computes none), and AVX2 and AVX-512 perform the same IEEE operations lane by lane, so both give
//! the same bytes. The portable level multiplies and adds in two roundings (no FMA call into libm).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod outer;
mod peak;
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use outer::Outer;
pub use peak::peak_gflops;
pub use portable::Portable;

use crate::{LANES, Level};

/// Operations on vectors of [`LANES`] lanes. Holding a token proves that the instructions exist.
///
/// Vectors are only ever created from a token, so the methods are safe; loads and stores take raw pointers.
pub trait Isa: Copy {
    /// Sixteen lanes.
    type V: Copy;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;

    /// Reads sixteen values; no alignment is needed.
    ///
    /// # Safety
    /// `src` must be valid for reading sixteen values.
    unsafe fn load(self, src: *const f32) -> Self::V;

    /// Writes sixteen values; no alignment is needed.
    ///
    /// # Safety
    /// `dst` must be valid for writing sixteen values.
    unsafe fn store(self, dst: *mut f32, v: Self::V);

    /// `a * b + c`: one rounding on levels with FMA, two on the portable level.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;

    /// Negative lanes become 0; NaN stays NaN.
    fn relu(self, v: Self::V) -> Self::V;

    /// Lanes of `x` where `a > b`, of `y` elsewhere (also where a or b is NaN).
    fn select_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;

    /// Lanes of `v` whose byte at `bytes` is `byte`, 0 elsewhere.
    ///
    /// # Safety
    /// `bytes` must be valid for reading sixteen bytes.
    unsafe fn keep_where(self, v: Self::V, bytes: *const u8, byte: u8) -> Self::V;

    /// One register: `WIDTH` of the sixteen lanes. Code that holds dozens of values at a time (a Winograd transform has
    /// 36) works on these, or it would hold twice as many registers as there are.
    type R: Copy;

    /// Lanes of a register; divides [`LANES`].
    const WIDTH: usize;

    /// All lanes `x`.
    fn register_splat(self, x: f32) -> Self::R;

    /// Reads `WIDTH` values.
    ///
    /// # Safety
    /// `src` must be valid for reading them.
    unsafe fn register_load(self, src: *const f32) -> Self::R;

    /// Writes `WIDTH` values.
    ///
    /// # Safety
    /// `dst` must be valid for writing them.
    unsafe fn register_store(self, dst: *mut f32, v: Self::R);

    /// `a * b + c`, rounded as in [`Isa::mul_add`].
    fn register_mul_add(self, a: Self::R, b: Self::R, c: Self::R) -> Self::R;

    /// `a + b`.
    fn register_add(self, a: Self::R, b: Self::R) -> Self::R;

    /// `a - b`.
    fn register_sub(self, a: Self::R, b: Self::R) -> Self::R;

    /// `a * b`.
    fn register_mul(self, a: Self::R, b: Self::R) -> Self::R;

    /// As [`Isa::relu`].
    fn register_relu(self, v: Self::R) -> Self::R;

    /// For each lane of a register the lane it takes: see [`Isa::register_permute`].
    type Order: Copy;

    /// Lane i takes lane `from[i]` modulo `WIDTH`; only the first `WIDTH` entries count.
    fn register_order(self, from: &[u32; LANES]) -> Self::Order;

    /// The lanes of `v` in another order.
    fn register_permute(self, v: Self::R, order: Self::Order) -> Self::R;

    /// Adds a sum of outer products: of `MR` rows by `NR` panels, see [`Outer`].
    ///
    /// # Safety
    /// Rows and panels must be readable as far as `outer` says.
    #[inline(always)]
    unsafe fn outer<const MR: usize, const NR: usize>(
        self,
        acc: &mut [[Self::V; NR]; MR],
        outer: &Outer<MR>,
    ) {
        // SAFETY: promised by the caller.
        unsafe { outer::generic(self, acc, outer) };
    }

    /// Asks for the cache line at `src` to be brought near, into the first-level cache. A hint: any address will do.
    fn prefetch(self, src: *const f32);

    /// All lanes 0.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }

    /// All lanes the value at `src`.
    ///
    /// # Safety
    /// `src` must be valid for reading one value.
    #[inline(always)]
    unsafe fn broadcast(self, src: *const f32) -> Self::V {
        // SAFETY: promised by the caller.
        self.splat(unsafe { *src })
    }

    /// The lanes as an array.
    #[inline(always)]
    fn to_array(self, v: Self::V) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        // SAFETY: the array holds sixteen values.
        unsafe { self.store(lanes.as_mut_ptr(), v) };
        lanes
    }

    /// Adds the lanes to sixteen `f64` values.
    ///
    /// # Safety
    /// `dst` must be valid for reading and writing sixteen values.
    #[inline(always)]
    unsafe fn add_to_f64(self, dst: *mut f64, v: Self::V) {
        let lanes = self.to_array(v);
        for (lane, value) in lanes.iter().enumerate() {
            // SAFETY: promised by the caller.
            unsafe { *dst.add(lane) += f64::from(*value) };
        }
    }
}

/// A computation written once for all levels.
pub trait Kernel {
    /// What it returns.
    type Output;

    /// Runs it; implementations are `#[inline(always)]`.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

/// Runs `kernel` at the portable level.
pub fn dispatch_portable<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

/// Runs `kernel` at AVX2+FMA.
///
/// # Panics
/// If this machine lacks the instructions (tables are only read through [`crate::select`] with a supported level).
#[cfg(target_arch = "x86_64")]
pub fn dispatch_avx2<K: Kernel>(kernel: K) -> K::Output {
    avx2::dispatch(kernel)
}

/// Runs `kernel` at AVX-512.
///
/// # Panics
/// If this machine lacks the instructions (tables are only read through [`crate::select`] with a supported level).
#[cfg(target_arch = "x86_64")]
pub fn dispatch_avx512<K: Kernel>(kernel: K) -> K::Output {
    avx512::dispatch(kernel)
}

/// AVX2 exists on x86-64 only; elsewhere its table rows are never selected and run the portable code.
#[cfg(not(target_arch = "x86_64"))]
pub fn dispatch_avx2<K: Kernel>(kernel: K) -> K::Output {
    dispatch_portable(kernel)
}

/// AVX-512 exists on x86-64 only; elsewhere its table rows are never selected and run the portable code.
#[cfg(not(target_arch = "x86_64"))]
pub fn dispatch_avx512<K: Kernel>(kernel: K) -> K::Output {
    dispatch_portable(kernel)
}

/// Runs `kernel` at `level`.
///
/// # Panics
/// If this machine lacks the instructions.
pub fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        Level::Portable => dispatch_portable(kernel),
        Level::Avx2 => dispatch_avx2(kernel),
        Level::Avx512 => dispatch_avx512(kernel),
    }
}

#[cfg(test)]
mod tests;
