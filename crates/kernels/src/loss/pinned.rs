//! Exponential and logarithm in `f64` from additions, multiplications and divisions alone. Every machine gives the same
//! bytes. The functions of the standard library would be those of the machine's C library.

/// ln 2 rounded to 32 bits: `k * LN2_HIGH` is exact for every exponent `k`.
const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
/// ln 2 - [`LN2_HIGH`].
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and subtracting 1.5 * 2^52 rounds to the nearest integer, ties to even.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// e^x for x at most 0 (softmax arguments), within one unit in the last place of `f64`; below -708 the result is 0
/// (`f32` ends at -104). NaN stays NaN.
///
/// x = k ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 13, whose remainder r^14 / 14! is below
/// 5e-18; e^x = 2^k e^r.
pub fn exp(x: f64) -> f64 {
    debug_assert!(x <= 0.0 || x.is_nan(), "exp({x})");
    if x < -708.0 {
        return 0.0;
    }
    if x.is_nan() {
        return x;
    }
    let k = (x * std::f64::consts::LOG2_E + ROUND) - ROUND;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    // 1/13!, 1/12!, ..., 1/2!
    const COEFFICIENTS: [f64; 12] = {
        let mut coefficients = [0.0; 12];
        let mut factorial = 1.0;
        let mut n = 2;
        while n <= 13 {
            factorial *= n as f64;
            coefficients[13 - n] = 1.0 / factorial;
            n += 1;
        }
        coefficients
    };
    let mut polynomial = 0.0;
    for coefficient in COEFFICIENTS {
        polynomial = polynomial * r + coefficient;
    }
    // e^r = 1 + (r + r^2 p): the small part is summed before the 1
    let power = 1.0 + (r + r * r * polynomial);
    let scale = f64::from_bits(((k as i64 + 1023) as u64) << 52);
    power * scale
}

/// ln x for normal positive x, within two units in the last place.
///
/// x = 2^e m with m in \[sqrt(1/2), sqrt 2); s = (m - 1) / (m + 1); ln m = 2 artanh s = 2 (s + s^3/3 + ... + s^23/23),
/// whose remainder is below 1e-19 of it (|s| <= 0.1716).
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut series = 0.0;
    // odd denominators 23, 21, ..., 3
    let mut n = 23.0;
    while n > 2.0 {
        series = series * square + 1.0 / n;
        n -= 2.0;
    }
    let e = exponent as f64;
    let twice = s + s;
    e * LN2_HIGH + (twice + (twice * (series * square) + e * LN2_LOW))
}

/// ln(1 + x) for x at least 0, accurate for tiny x too: the rounding of u = 1 + x is undone by the factor
/// x / (u - 1) (Kahan; see Goldberg 1991, theorem 4). NaN and infinity stay.
pub fn ln_1p(x: f64) -> f64 {
    debug_assert!(x >= 0.0 || x.is_nan(), "ln_1p({x})");
    let u = 1.0 + x;
    if u == 1.0 || !x.is_finite() {
        return x;
    }
    ln(u) * (x / (u - 1.0))
}
