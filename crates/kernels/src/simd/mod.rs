//! Sixteen `f32` lanes on any CPU: a trait with one zero-size token per level, and the seam that enters a level.
//!
//! A kernel is a struct holding its arguments. `Kernel::run` is written once, generic over `Isa`, and marked
//! `#[inline(always)]` down to the last helper. `dispatch_portable`, `avx2::run` and `avx512::run` instantiate it inside
//! a function with the right `#[target_feature]`. No other function of the crate has that attribute, except the loop of
//! AVX-512 that is written in assembly (`avx512/products.rs`). That loop is inlined into kernels that have its features.
//!
//! One helper without `#[inline(always)]` would silently become a call at the baseline level. Closures do not inherit
//! target features. So functions and plain loops are used below the seam.
//!
//! A lane never meets another lane: `Isa::register_permute` moves values and computes none. AVX2 and AVX-512 perform the
//! same IEEE operations lane by lane, so both give the same bytes. The portable level multiplies and adds in two roundings,
//! because a fused multiply-add would be a call into libm there.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod dispatch;
pub(crate) mod emulated;
mod isa;
mod outer;
pub(crate) mod pairs;
mod peak;
mod portable;
pub(crate) mod tiles;

pub(crate) use bytes::ByteIsa;
pub use bytes::{BYTE_LANES, WeightPair};
pub(crate) use dispatch::{dispatch_amx, dispatch_avx2, dispatch_avx512, dispatch_portable};
pub(crate) use isa::{Isa, Kernel};
pub(crate) use outer::Outer;
pub use peak::peak_gflops;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::{Amx, supported as has_tiles};

#[cfg(test)]
mod tests;
