//! The one-dimensional transforms of the two Winograd algorithms (Winograd 1980; Lavin & Gray 2016, "Fast algorithms for
//! convolutional neural networks", section 4; points after Alam et al. 2022, "Winograd convolution for deep neural
//! networks: efficient point selection").
//!
//! Of a tile of N inputs d, three taps g and M = N - 2 outputs y (correlation, y\[i\] = sum over j of d\[i + j\] g\[j\]):
//! ```text
//! y  = A^T [(G g) o (B^T d)]          forward
//! dg = G^T [(A dy) o (B^T d)]         gradient of the filter, the same B^T d, summed over tiles before G^T
//! ```
//! `G`, `B^T`, `A^T` evaluate the three polynomials at N - 1 points and at infinity, and interpolate the product. The
//! points decide how much rounding errors grow. For F(4,3), {0, +-2/3, +-3/2} more than halves the error of the textbook's
//! {0, +-1, +-2}. For F(3,3), {+-3/8, +-5/4} does so with {0, +-1, 2}.
//!
//! All points but 0 and infinity come in pairs +-p. Each pair of rows is then e +- p t of an even and an odd half, which
//! takes half the operations.

#![allow(clippy::excessive_precision, reason = "each constant is the exact fraction to f64's precision")]

use std::marker::PhantomData;

use crate::simd::Isa;

/// The transforms of an algorithm with `M` outputs and `N` inputs along one axis, in registers.
pub(crate) trait WinogradPoints<const N: usize, const M: usize> {
    /// B^T d.
    fn input<I: Isa>(isa: I, d: [I::R; N]) -> [I::R; N];
    /// A^T m.
    fn output<I: Isa>(isa: I, m: [I::R; N]) -> [I::R; M];
    /// A dy.
    fn gradient<I: Isa>(isa: I, dy: [I::R; M]) -> [I::R; N];
    /// G g.
    fn filter<I: Isa>(isa: I, g: [I::R; 3]) -> [I::R; N];
    /// G^T u.
    fn filter_gradient<I: Isa>(isa: I, u: [I::R; N]) -> [I::R; 3];
}

/// One transform along one axis.
pub(crate) trait AxisTransform<const IN: usize, const OUT: usize> {
    /// Of the values of one axis.
    fn apply<I: Isa>(isa: I, values: [I::R; IN]) -> [I::R; OUT];
}

macro_rules! transform {
    ($name:ident, $method:ident, $input:tt, $output:tt, $matrix:literal) => {
        #[doc = concat!("Multiplies by ", $matrix, ".")]
        pub(crate) struct $name<P, const N: usize, const M: usize>(PhantomData<P>);

        impl<P: WinogradPoints<N, M>, const N: usize, const M: usize> AxisTransform<$input, $output>
            for $name<P, N, M>
        {
            #[inline(always)]
            fn apply<I: Isa>(isa: I, values: [I::R; $input]) -> [I::R; $output] {
                P::$method(isa, values)
            }
        }
    };
}

transform!(Input, input, N, N, "B^T");
transform!(Output, output, N, M, "A^T");
transform!(Gradient, gradient, M, N, "A");
transform!(Filter, filter, 3, N, "G");
transform!(FilterGradient, filter_gradient, N, 3, "G^T");

/// `e + p t` and `e - p t`: the rows of the points p and -p.
#[inline(always)]
fn pair<I: Isa>(isa: I, e: I::R, t: I::R, p: f32) -> [I::R; 2] {
    [isa.register_mul_add(isa.register_splat(p), t, e), isa.register_mul_add(isa.register_splat(-p), t, e)]
}

/// `a + x b`.
#[inline(always)]
fn plus<I: Isa>(isa: I, a: I::R, x: f32, b: I::R) -> I::R {
    isa.register_mul_add(isa.register_splat(x), b, a)
}

/// `x a + y b`.
#[inline(always)]
fn both<I: Isa>(isa: I, x: f32, a: I::R, y: f32, b: I::R) -> I::R {
    plus(isa, isa.register_mul(isa.register_splat(x), a), y, b)
}

/// F(4,3) at 0, +-2/3, +-3/2 and infinity: 36 products for 16 outputs, a quarter of the direct 144.
pub(crate) struct F43;

impl WinogradPoints<6, 4> for F43 {
    #[inline(always)]
    fn input<I: Isa>(isa: I, [d0, d1, d2, d3, d4, d5]: [I::R; 6]) -> [I::R; 6] {
        let u = pair(isa, plus(isa, d4, -9.0 / 4.0, d2), plus(isa, d3, -9.0 / 4.0, d1), 2.0 / 3.0);
        let v = pair(isa, plus(isa, d4, -4.0 / 9.0, d2), plus(isa, d3, -4.0 / 9.0, d1), 3.0 / 2.0);
        let first = plus(isa, isa.register_add(d0, d4), -97.0 / 36.0, d2);
        let last = plus(isa, isa.register_add(d1, d5), -97.0 / 36.0, d3);
        [first, u[0], u[1], v[0], v[1], last]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, [m0, m1, m2, m3, m4, m5]: [I::R; 6]) -> [I::R; 4] {
        let (us, ud) = (isa.register_add(m1, m2), isa.register_sub(m1, m2));
        let (vs, vd) = (isa.register_add(m3, m4), isa.register_sub(m3, m4));
        [
            isa.register_add(isa.register_add(m0, us), vs),
            both(isa, 2.0 / 3.0, ud, 3.0 / 2.0, vd),
            both(isa, 4.0 / 9.0, us, 9.0 / 4.0, vs),
            plus(isa, plus(isa, m5, 8.0 / 27.0, ud), 27.0 / 8.0, vd),
        ]
    }

    #[inline(always)]
    fn gradient<I: Isa>(isa: I, [y0, y1, y2, y3]: [I::R; 4]) -> [I::R; 6] {
        let u = pair(isa, plus(isa, y0, 4.0 / 9.0, y2), plus(isa, y1, 4.0 / 9.0, y3), 2.0 / 3.0);
        let v = pair(isa, plus(isa, y0, 9.0 / 4.0, y2), plus(isa, y1, 9.0 / 4.0, y3), 3.0 / 2.0);
        [y0, u[0], u[1], v[0], v[1], y3]
    }

    #[inline(always)]
    fn filter<I: Isa>(isa: I, [g0, g1, g2]: [I::R; 3]) -> [I::R; 6] {
        let u = pair(isa, both(isa, -81.0 / 130.0, g0, -18.0 / 65.0, g2), g1, -27.0 / 65.0);
        let v = pair(isa, both(isa, 8.0 / 65.0, g0, 18.0 / 65.0, g2), g1, 12.0 / 65.0);
        [g0, u[0], u[1], v[0], v[1], g2]
    }

    #[inline(always)]
    fn filter_gradient<I: Isa>(isa: I, [u0, u1, u2, u3, u4, u5]: [I::R; 6]) -> [I::R; 3] {
        let (us, ud) = (isa.register_add(u1, u2), isa.register_sub(u1, u2));
        let (vs, vd) = (isa.register_add(u3, u4), isa.register_sub(u3, u4));
        [
            plus(isa, plus(isa, u0, -81.0 / 130.0, us), 8.0 / 65.0, vs),
            both(isa, -27.0 / 65.0, ud, 12.0 / 65.0, vd),
            plus(isa, plus(isa, u5, -18.0 / 65.0, us), 18.0 / 65.0, vs),
        ]
    }
}

/// F(3,3) at +-3/8, +-5/4 and infinity: 25 products for 9 outputs, of the direct 81.
pub(crate) struct F33;

impl WinogradPoints<5, 3> for F33 {
    #[inline(always)]
    fn input<I: Isa>(isa: I, [d0, d1, d2, d3, d4]: [I::R; 5]) -> [I::R; 5] {
        let u = pair(isa, plus(isa, d3, -25.0 / 16.0, d1), plus(isa, d2, -25.0 / 16.0, d0), 3.0 / 8.0);
        let v = pair(isa, plus(isa, d3, -9.0 / 64.0, d1), plus(isa, d2, -9.0 / 64.0, d0), 5.0 / 4.0);
        let last = plus(isa, plus(isa, d4, -109.0 / 64.0, d2), 225.0 / 1024.0, d0);
        [u[0], u[1], v[0], v[1], last]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, [m0, m1, m2, m3, m4]: [I::R; 5]) -> [I::R; 3] {
        let (us, ud) = (isa.register_add(m0, m1), isa.register_sub(m0, m1));
        let (vs, vd) = (isa.register_add(m2, m3), isa.register_sub(m2, m3));
        [
            isa.register_add(us, vs),
            both(isa, 3.0 / 8.0, ud, 5.0 / 4.0, vd),
            plus(isa, plus(isa, m4, 9.0 / 64.0, us), 25.0 / 16.0, vs),
        ]
    }

    #[inline(always)]
    fn gradient<I: Isa>(isa: I, [y0, y1, y2]: [I::R; 3]) -> [I::R; 5] {
        let u = pair(isa, plus(isa, y0, 9.0 / 64.0, y2), y1, 3.0 / 8.0);
        let v = pair(isa, plus(isa, y0, 25.0 / 16.0, y2), y1, 5.0 / 4.0);
        [u[0], u[1], v[0], v[1], y2]
    }

    #[inline(always)]
    fn filter<I: Isa>(isa: I, [g0, g1, g2]: [I::R; 3]) -> [I::R; 5] {
        // here the even half carries g1, the odd one g0 and g2
        let odd = both(isa, -256.0 / 273.0, g0, -12.0 / 91.0, g2);
        let u = pair(isa, isa.register_mul(isa.register_splat(-32.0 / 91.0), g1), odd, 1.0);
        let odd = both(isa, 128.0 / 455.0, g0, 40.0 / 91.0, g2);
        let v = pair(isa, isa.register_mul(isa.register_splat(32.0 / 91.0), g1), odd, 1.0);
        [u[0], u[1], v[0], v[1], g2]
    }

    #[inline(always)]
    fn filter_gradient<I: Isa>(isa: I, [u0, u1, u2, u3, u4]: [I::R; 5]) -> [I::R; 3] {
        let (us, ud) = (isa.register_add(u0, u1), isa.register_sub(u0, u1));
        let (vs, vd) = (isa.register_add(u2, u3), isa.register_sub(u2, u3));
        [
            both(isa, -256.0 / 273.0, ud, 128.0 / 455.0, vd),
            both(isa, -32.0 / 91.0, us, 32.0 / 91.0, vs),
            plus(isa, plus(isa, u4, -12.0 / 91.0, ud), 40.0 / 91.0, vd),
        ]
    }
}
