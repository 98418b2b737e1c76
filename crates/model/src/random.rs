//! Random numbers that are the same on every machine.
//!
//! The generator is counter-based: number i of a stream is a function of seed, stream and i alone. Nothing has to be
//! remembered for a resume.
//!
//! Every use of random numbers draws from a stream of its own, and all streams are listed here. Their numbers are part of
//! every result, so they stay as they are. The golden data have streams of their own, which `tools/golden*.py` choose and
//! the files name.

/// Initial weights, by [`initialize`](crate::init::initialize).
pub const INIT: u32 = 1;
/// The order of samples in an epoch, by [`shuffle`].
pub const SHUFFLE: u32 = 2;
/// Pictures of noise that an exported file is proved on.
pub const EXPORT_PROOF: u32 = 3;
/// Images of noise that an imported ONNX file is proved on.
pub const IMPORT_PROOF: u32 = 4;
/// Which pictures of a data set that comes as one are held out for validation.
pub const SPLIT: u32 = 5;
/// What is done to the pictures of a training step.
pub const AUGMENT: u32 = 6;
/// Which images of a batch are mixed, and how.
pub const MIX: u32 = 7;
/// Which samples an epoch learns from whose classes are drawn equally often.
pub const BALANCE: u32 = 8;
/// Images and labels of the engine's tests.
pub const ENGINE_TESTS: u32 = 9;
/// `Tensor::uniform` of the façade.
pub const TENSOR: u32 = 0x7e_4503;
/// Images of `plusx bench`.
pub const BENCH: u32 = 0x7e_be4c;

/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 4.3): a keyed
/// function from a 128-bit counter to four words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// Rounds of the recommended variant; 7 already pass BigCrush (section 5.4).
    const ROUNDS: u32 = 10;
    /// Multipliers of the rounds (table 2).
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    /// Added to the key after each round: fractions of the golden ratio and of the square root of 3.
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

    /// The generator of `stream`, one of those listed in [this module](self), for `seed`.
    pub fn new(seed: u32, stream: u32) -> Self {
        Self { key: [seed, stream] }
    }

    /// Four random words for `counter`.
    pub fn block(&self, counter: [u32; 4]) -> [u32; 4] {
        let [mut x0, mut x1, mut x2, mut x3] = counter;
        let [mut k0, mut k1] = self.key;
        for _ in 0..Self::ROUNDS {
            let p0 = u64::from(Self::MULTIPLIERS[0]) * u64::from(x0);
            let p1 = u64::from(Self::MULTIPLIERS[1]) * u64::from(x2);
            (x0, x1, x2, x3) =
                ((p1 >> 32) as u32 ^ x1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ x3 ^ k1, p0 as u32);
            k0 = k0.wrapping_add(Self::WEYL[0]);
            k1 = k1.wrapping_add(Self::WEYL[1]);
        }
        [x0, x1, x2, x3]
    }
}

/// The upper 24 bits of `x` as a number in [0, 1): every value is exact in `f32`.
pub fn uniform24(x: u32) -> f32 {
    /// 2^-24, exact.
    const UNIT: f32 = 1.0 / (1u32 << 24) as f32;
    (x >> 8) as f32 * UNIT
}

/// Two independent numbers of the standard normal distribution, by the polar method (Marsaglia & Bray 1964, "A convenient method for
/// generating normal variables"). Attempt k draws the words of counter (a, k, 1, b) of the generator: words 0 and 1 are a point in
/// the square around 0, and the first point inside the circle counts. All is computed in `f64` by operations that round alike on every
/// machine.
pub fn normals(random: &Philox, [a, b]: [u32; 2]) -> [f64; 2] {
    /// 2^-31, exact: words become the middles of 2^32 parts of (-1, 1).
    const UNIT: f64 = 1.0 / (1u64 << 31) as f64;
    let mut attempt = 0;
    loop {
        let [x, y, ..] = random.block([a, attempt, 1, b]);
        let [x, y] = [x, y].map(|word| (f64::from(word) + 0.5) * UNIT - 1.0);
        let square = x * x + y * y;
        // a fifth of the points lies outside; so many in a row as there are counters do not
        if square < 1.0 || attempt == u32::MAX {
            let length = (-2.0 * ln(square.min(1.0)) / square).sqrt();
            return [x * length, y * length];
        }
        attempt += 1;
    }
}

/// The natural logarithm of a normal number above 0, within 2 units in the last place: the system's differs from machine to
/// machine. With `x = 2^e m` and m between the roots of 1/2 and 2 it is `e ln 2 + 2 atanh((m - 1) / (m + 1))`.
fn ln(x: f64) -> f64 {
    /// Terms of the series: the 13th is below 2^-64 of the first for the largest argument, 0.172.
    const TERMS: u32 = 12;
    let mut exponent = ((x.to_bits() >> 52) & 0x7ff) as i64 - 1023;
    let mut m = f64::from_bits((x.to_bits() & ((1 << 52) - 1)) | (1023 << 52));
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let series = (0..TERMS).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

/// Order of `n` samples in `epoch`, counted from 0: a Fisher-Yates shuffle of 0..n (Knuth, The Art of Computer
/// Programming 2, section 3.4.2, algorithm P). Step i draws word 0 of counter (epoch, i, 0, 0) of [`SHUFFLE`] and
/// scales it to 0..=i by a multiplication; the bias of that is below n / 2^32.
pub fn shuffle(n: usize, seed: u32, epoch: u32) -> Vec<u32> {
    let random = Philox::new(seed, SHUFFLE);
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        let [x, ..] = random.block([epoch, i as u32, 0, 0]);
        let j = (u64::from(x) * (i as u64 + 1)) >> 32;
        order.swap(i, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with the authors' library Random123.
    #[test]
    fn known_answers() {
        let zeros = Philox::new(0, 0).block([0; 4]);
        assert_eq!(zeros, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = Philox::new(u32::MAX, u32::MAX).block([u32::MAX; 4]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi =
            Philox::new(0xa409_3822, 0x299f_31d0).block([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn streams_are_apart() {
        let mut streams =
            [INIT, SHUFFLE, EXPORT_PROOF, IMPORT_PROOF, SPLIT, BALANCE, ENGINE_TESTS, TENSOR, BENCH];
        streams.sort_unstable();
        assert!(streams.windows(2).all(|two| two[0] < two[1]));
    }

    #[test]
    fn the_logarithm_is_that_of_the_system() {
        let mut x = 1.0;
        while x > 1e-18 {
            let (own, system) = (ln(x), f64::ln(x));
            assert!((own - system).abs() <= 4e-16 * system.abs().max(1e-3), "{x}: {own} {system}");
            x *= 0.999;
        }
    }

    #[test]
    fn normals_have_the_moments_of_their_distribution() {
        let random = Philox::new(7, INIT);
        let n = 100_000;
        let values: Vec<f64> = (0..n / 2).flat_map(|pair| normals(&random, [3, pair])).collect();
        let moment = |power: i32| values.iter().map(|value| value.powi(power)).sum::<f64>() / f64::from(n);
        // 0, 1, 0, 3 with standard errors of the root of 1, 2, 15 and 96 over n
        for (power, expected, spread) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = 4.0 * (spread / f64::from(n)).sqrt();
            assert!((moment(power) - expected).abs() < error, "{power}: {}", moment(power));
        }
        let pairs: f64 = values.chunks(2).map(|two| two[0] * two[1]).sum::<f64>() / f64::from(n / 2);
        assert!(pairs.abs() < 4.0 / f64::from(n / 2).sqrt(), "{pairs}");
    }

    #[test]
    fn uniform_is_in_the_half_open_interval() {
        assert_eq!(uniform24(0), 0.0);
        assert_eq!(uniform24(u32::MAX), 1.0 - 2f32.powi(-24));
        assert_eq!(uniform24(1 << 31), 0.5);
    }

    #[test]
    fn shuffle_is_a_permutation_that_depends_on_seed_and_epoch() {
        let order = shuffle(1000, 42, 0);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &x)| x as usize == i));
        assert_eq!(order, shuffle(1000, 42, 0));
        assert_ne!(order, shuffle(1000, 42, 1));
        assert_ne!(order, shuffle(1000, 43, 0));
        assert_eq!(shuffle(0, 42, 0), []);
        assert_eq!(shuffle(1, 42, 0), [0]);
    }

    /// Orders are part of every trained weight: they must never change.
    #[test]
    fn orders_are_pinned() {
        assert_eq!(shuffle(10, 42, 0), [1, 6, 8, 9, 3, 7, 0, 4, 2, 5]);
        assert_eq!(shuffle(10, 42, 1), [1, 8, 0, 6, 3, 2, 5, 9, 4, 7]);
    }

    /// Where the first element lands: 16 equally likely places, 4096 epochs, chi-squared with 15 degrees of
    /// freedom below its 99.99 % point of 44.3.
    #[test]
    fn shuffle_is_fair() {
        let mut counts = [0u32; 16];
        for epoch in 0..4096 {
            let order = shuffle(16, 7, epoch);
            counts[order.iter().position(|&x| x == 0).unwrap()] += 1;
        }
        let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 256.0).powi(2) / 256.0).sum();
        assert!(chi < 44.3, "{chi} {counts:?}");
    }
}
