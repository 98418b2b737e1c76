//! The random numbers of one picture, or of one batch, in one epoch.

use plusx_model::random::{AUGMENT, MIX, Philox, uniform24};

/// What draws are for. Each has draws of its own, so that a transform that is switched on leaves those of the others as
/// they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Use {
    /// Where a picture is cropped.
    Crop,
    /// Whether left and right change places.
    HorizontalFlip,
    /// Whether top and bottom change places.
    VerticalFlip,
    /// Colour jitter.
    Jitter,
    /// By how much a picture is rotated.
    Rotation,
    /// RandAugment or TrivialAugmentWide.
    Policy,
    /// Random erasing.
    Erase,
    /// Mixup and CutMix, of a batch.
    Mix,
}

/// A stream of draws that is a function of seed, epoch, sample and use alone: draw `i` is word `i mod 4` of counter
/// (epoch, sample, i / 4, use). Nothing has to be remembered for a resume, and no thread has a say.
#[derive(Clone, Debug)]
pub struct Draws {
    random: Philox,
    epoch: u32,
    sample: u32,
    purpose: Use,
    next: u32,
    block: [u32; 4],
}

impl Draws {
    /// The draws of a sample, told by its number in the data set, in an epoch, counted from 0: stream [`AUGMENT`].
    pub fn of_sample(seed: u32, epoch: u32, sample: u32) -> Self {
        Self::new(Philox::new(seed, AUGMENT), [epoch, sample], Use::Crop)
    }

    /// The draws of a whole batch, told by its number in the epoch: stream [`MIX`].
    pub fn of_batch(seed: u32, epoch: u32, batch: u32) -> Self {
        Self::new(Philox::new(seed, MIX), [epoch, batch], Use::Mix)
    }

    fn new(random: Philox, [epoch, sample]: [u32; 2], purpose: Use) -> Self {
        Self { random, epoch, sample, purpose, next: 0, block: [0; 4] }
    }

    /// Goes to the first draw for `purpose`.
    pub fn begin(&mut self, purpose: Use) {
        self.purpose = purpose;
        self.next = 0;
    }

    fn word(&mut self) -> u32 {
        let place = (self.next % 4) as usize;
        if place == 0 {
            self.block = self.random.block([self.epoch, self.sample, self.next / 4, self.purpose as u32]);
        }
        self.next = self.next.wrapping_add(1);
        self.block[place]
    }

    /// A number in [0, 1), a multiple of 2^-24: torch's `rand(1)`.
    pub fn unit(&mut self) -> f64 {
        f64::from(uniform24(self.word()))
    }

    /// A number inside (0, 1), an odd multiple of 2^-33: for logarithms.
    pub fn inner(&mut self) -> f64 {
        (f64::from(self.word()) + 0.5) / 4_294_967_296.0
    }

    /// A number in [low, high], as torch's `empty(1).uniform_(low, high)` rounded to `f32`.
    pub fn uniform(&mut self, [low, high]: [f64; 2]) -> f64 {
        f64::from((low + (high - low) * self.unit()) as f32)
    }

    /// A whole number from 0 to before `n`: torch's `randint(n)`. The bias is below n / 2^32.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.word()) * n as u64) >> 32) as usize
    }

    /// Whether what has probability `p` happens: `rand(1) < p`.
    pub fn happens(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// An order of 0 to before `N` by the shuffle of Fisher and Yates, from the end: torch's `randperm(N)`.
    pub fn order<const N: usize>(&mut self) -> [usize; N] {
        let mut order = std::array::from_fn(|place| place);
        for i in (1..N).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// Two independent numbers of the standard normal distribution (Box and Muller 1958, "A note on the generation of
    /// random normal deviates").
    pub fn normal(&mut self) -> [f32; 2] {
        let radius = (-2.0 * libm::log(self.inner())).sqrt();
        let angle = 2.0 * std::f64::consts::PI * self.inner();
        [radius * libm::cos(angle), radius * libm::sin(angle)].map(|x| x as f32)
    }

    /// A number of the distribution Beta(alpha, alpha), `alpha` above 0.
    ///
    /// Up to 1 by Jöhnk's algorithm (1964, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen"): of pairs
    /// `u^(1/alpha)`, `v^(1/alpha)` the first whose sum is at most 1, and the first's share of that sum. Above 1 by Cheng's
    /// BB (1978, "Generating beta variates with nonintegral shape parameters"). `ln` and `exp` are libm's, the same on
    /// every machine.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        if alpha <= 1.0 {
            loop {
                // in logarithms: powers of small numbers would vanish
                let [x, y] = [0; 2].map(|_| libm::log(self.inner()) / alpha);
                let most = x.max(y);
                let sum = most + libm::log(libm::exp(x - most) + libm::exp(y - most));
                if sum <= 0.0 {
                    return libm::exp(x - sum);
                }
            }
        }
        let (lambda, ln4, ln5) = ((alpha - 1.0) / (alpha * alpha - alpha), libm::log(4.0), libm::log(5.0));
        // (2 alpha - 2) / (2 alpha^2 - 2 alpha), of which BB takes the root
        let root = lambda.sqrt();
        loop {
            let [u1, u2] = [0; 2].map(|_| self.inner());
            let v = root * libm::log(u1 / (1.0 - u1));
            let w = alpha * libm::exp(v);
            let z = u1 * u1 * u2;
            let r = (alpha + 1.0 / root) * v - ln4;
            let s = alpha + r - w;
            let fits = s + 1.0 + ln5 >= 5.0 * z || {
                let t = libm::log(z);
                s >= t || r + 2.0 * alpha * libm::log(2.0 * alpha / (alpha + w)) >= t
            };
            if fits {
                // w beyond all numbers: all of it
                return if w.is_finite() { w / (alpha + w) } else { 1.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_epoch_sample_and_use_and_on_nothing_else() {
        let first = |seed, epoch, sample, purpose| {
            let mut draws = Draws::of_sample(seed, epoch, sample);
            draws.unit();
            draws.begin(purpose);
            [0; 6].map(|_: i32| draws.below(1 << 30))
        };
        let one = first(1, 2, 3, Use::Jitter);
        assert_eq!(first(1, 2, 3, Use::Jitter), one);
        let others = [
            first(0, 2, 3, Use::Jitter),
            first(1, 3, 3, Use::Jitter),
            first(1, 2, 4, Use::Jitter),
            first(1, 2, 3, Use::Erase),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    /// Largest distance of the distribution of `draw` from `cdf`, at 40,000 draws: 0.01 has a probability of 1 in 1000
    /// (Kolmogorov's 1.95 / 200).
    fn follows(mut draw: impl FnMut(&mut Draws) -> f64, cdf: impl Fn(f64) -> f64) {
        let n = 40_000;
        let mut draws = Draws::of_batch(5, 0, 0);
        let mut values: Vec<f64> = (0..n).map(|_| draw(&mut draws)).collect();
        values.sort_by(f64::total_cmp);
        let far = values.iter().enumerate().map(|(i, x)| (cdf(*x) - (i as f64 + 0.5) / f64::from(n)).abs());
        let far = far.fold(0.0, f64::max);
        assert!(far < 0.01, "{far}");
    }

    #[test]
    fn beta_follows_its_distribution() {
        follows(|draws| draws.beta(1.0), |x| x);
        // the arcsine distribution
        follows(|draws| draws.beta(0.5), |x| 2.0 / std::f64::consts::PI * x.sqrt().asin());
        follows(|draws| draws.beta(2.0), |x| x * x * (3.0 - 2.0 * x));
        follows(|draws| draws.beta(3.0), |x| x.powi(3) * (10.0 - 15.0 * x + 6.0 * x * x));
    }

    #[test]
    fn extreme_alphas_stay_inside() {
        let mut draws = Draws::of_batch(5, 1, 0);
        for alpha in [1e-3, 0.2, 1.0 + 1e-9, 1e3, 1e9] {
            assert!((0..500).map(|_| draws.beta(alpha)).all(|x| (0.0..=1.0).contains(&x)), "{alpha}");
        }
    }

    #[test]
    fn normal_has_mean_0_and_variance_1() {
        let mut draws = Draws::of_sample(3, 0, 0);
        let values: Vec<f64> = (0..20_000).flat_map(|_| draws.normal().map(f64::from)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn orders_are_equally_frequent() {
        let mut counts = [0_i32; 24];
        for sample in 0..24_000 {
            let [a, b, c, _] = Draws::of_sample(7, 0, sample).order::<4>();
            let [b1, c1] = [b, c].map(|at| at - usize::from(at > a));
            counts[a * 6 + b1 * 2 + c1 - usize::from(c1 > b1)] += 1;
        }
        // 1000 each, standard deviation 31
        assert!(counts.iter().all(|count| (count - 1000).abs() < 160), "{counts:?}");
    }
}
