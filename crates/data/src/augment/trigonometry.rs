//! Sines and their like to the nearest number, which is what C libraries answer almost always: a last bit decides about the
//! rounding of a whole pixel where it falls between two values.
//!
//! Series are summed in pairs of `f64`, with an error far below a bit of the result (Dekker 1971, "A floating-point technique
//! for extending the available precision").

/// An unevaluated sum, the second far smaller than the first.
#[derive(Clone, Copy)]
struct Pair(f64, f64);

impl Pair {
    fn sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let rest = sum - a;
        Self(sum, (a - (sum - rest)) + (b - rest))
    }

    fn product(a: f64, b: f64) -> Self {
        let product = a * b;
        Self(product, a.mul_add(b, -product))
    }

    fn plus(self, other: Self) -> Self {
        let Pair(high, low) = Self::sum(self.0, other.0);
        Self::sum(high, low + self.1 + other.1)
    }

    fn times(self, other: Self) -> Self {
        let Pair(high, low) = Self::product(self.0, other.0);
        Self::sum(high, low + (self.0 * other.1 + self.1 * other.0))
    }

    fn over(self, other: Self) -> Self {
        let first = self.0 / other.0;
        let rest = self.plus(other.times(Self(-first, 0.0)));
        Self::sum(first, rest.0 / other.0)
    }
}

/// Sine and cosine of an angle between -2 pi and 2 pi.
fn series(x: f64) -> [Pair; 2] {
    let square = Pair::product(x, x);
    let minus = Pair(-square.0, -square.1);
    // term n is x^n / n!: 30 of each are below 2^-120 of the largest for these angles
    [(Pair(x, 0.0), 1), (Pair(1.0, 0.0), 0)].map(|(first, power)| {
        let (mut term, mut sum) = (first, first);
        for n in 1..30 {
            let place = f64::from(2 * n + power);
            term = term.times(minus).over(Pair(place * (place - 1.0), 0.0));
            sum = sum.plus(term);
        }
        sum
    })
}

/// Sine of an angle between -2 pi and 2 pi.
pub(super) fn sin(x: f64) -> f64 {
    series(x)[0].0
}

/// Cosine of an angle between -2 pi and 2 pi.
pub(super) fn cos(x: f64) -> f64 {
    series(x)[1].0
}

/// Tangent of an angle between -2 pi and 2 pi.
pub(super) fn tan(x: f64) -> f64 {
    let [sin, cos] = series(x);
    sin.over(cos).0
}

/// Angle of a tangent, by one step of Newton's method.
pub(super) fn atan(x: f64) -> f64 {
    let near = libm::atan(x);
    let [sin, cos] = series(near);
    let off = cos.times(Pair(x, 0.0)).plus(Pair(-sin.0, -sin.1));
    near + off.0 / (cos.0 + x * sin.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known to all digits (OEIS A049469, A049470, A049471, A003881, and sin 6).
    #[test]
    fn known_values() {
        assert_eq!(sin(1.0), 0.841_470_984_807_896_5);
        assert_eq!(cos(1.0), 0.540_302_305_868_139_8);
        assert_eq!(tan(1.0), 1.557_407_724_654_902_3);
        assert_eq!(atan(1.0), std::f64::consts::FRAC_PI_4);
        assert_eq!(sin(-6.0), 0.279_415_498_198_925_86);
        assert_eq!((sin(0.0), cos(0.0), tan(0.0), atan(0.0)), (0.0, 1.0, 0.0, 0.0));
    }

    #[test]
    fn libm_is_a_last_bit_away_at_most() {
        for step in -2000..=2000 {
            let x = f64::from(step) * 3.14e-3;
            for (one, other) in [(sin(x), libm::sin(x)), (cos(x), libm::cos(x)), (atan(x), libm::atan(x))] {
                assert!((one - other).abs() <= other.abs() * f64::EPSILON, "{x} {one} {other}");
            }
            let (one, other) = (tan(x), libm::tan(x));
            assert!((one - other).abs() <= other.abs() * f64::EPSILON, "{x} {one} {other}");
        }
    }
}
