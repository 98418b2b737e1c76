//! What an instruction set can do: the operations on sixteen lanes that kernels are written in.

use super::bytes::ByteIsa;
use super::outer::Outer;
use super::pairs::TileIsa;
use crate::LANES;

/// Operations on vectors of [`LANES`] lanes. Holding a token proves that the instructions exist.
///
/// Vectors are only ever created from a token, so the methods are safe; loads and stores take raw pointers.
pub(crate) trait Isa: Copy + ByteIsa + TileIsa<Lanes = Self::V, Register = Self::R> {
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

    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;

    /// The square root.
    fn sqrt(self, v: Self::V) -> Self::V;

    /// Negative lanes become 0; NaN stays NaN.
    fn relu(self, v: Self::V) -> Self::V;

    /// Lanes of `x` where `a > b`, of `y` elsewhere (also where a or b is NaN).
    fn select_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;

    /// Lanes of `v` whose byte at `bytes` is `byte`, 0 elsewhere.
    ///
    /// # Safety
    /// `bytes` must be valid for reading sixteen bytes.
    unsafe fn keep_where(self, v: Self::V, bytes: *const u8, byte: u8) -> Self::V;

    /// One register: `WIDTH` of the sixteen lanes. Code that holds dozens of values at a time works on these. A Winograd
    /// transform has 36, which on AVX2 would be 72 registers as sixteen lanes.
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
        unsafe { generic_outer(self, acc, outer) };
    }

    /// Asks for the cache line at `src` to be brought near, into the first-level cache. A hint: any address will do.
    fn prefetch(self, src: *const f32);

    /// Asks for the cache line at `src` in the second-level cache: it is needed later. Does nothing unless a level says so.
    #[inline(always)]
    fn prefetch_far(self, _: *const u8) {}

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
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Runs it; implementations are `#[inline(always)]`.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

/// [`Isa::outer`] in terms of the other operations.
///
/// # Safety
/// As [`Isa::outer`].
#[inline(always)]
pub(super) unsafe fn generic_outer<I: Isa, const MR: usize, const NR: usize>(
    isa: I,
    acc: &mut [[I::V; NR]; MR],
    outer: &Outer<MR>,
) {
    let (mut row, mut panel) = (0, outer.panel);
    let mut i = 0;
    while i < outer.count {
        if outer.next != 0 && i.is_multiple_of(LANES) {
            let mut m = 0;
            while m < MR {
                isa.prefetch(outer.rows[m].wrapping_offset(row + outer.next));
                m += 1;
            }
        }
        // SAFETY: promised by the caller; what the last step points at is not read.
        unsafe {
            let mut b = [isa.zero(); NR];
            let mut n = 0;
            while n < NR {
                b[n] = isa.load(panel.add(n * outer.panel_step));
                n += 1;
            }
            let mut m = 0;
            while m < MR {
                let a = isa.broadcast(outer.rows[m].offset(row));
                let mut n = 0;
                while n < NR {
                    acc[m][n] = isa.mul_add(a, b[n], acc[m][n]);
                    n += 1;
                }
                m += 1;
            }
        }
        row += outer.row_step;
        panel = panel.wrapping_add(LANES);
        i += 1;
    }
}
