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
mod dispatch;
mod isa;
mod outer;
mod peak;
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use dispatch::{dispatch, dispatch_avx2, dispatch_avx512, dispatch_portable};
pub use isa::{Isa, Kernel};
pub use outer::Outer;
pub use peak::peak_gflops;
pub use portable::Portable;

#[cfg(test)]
mod tests;
