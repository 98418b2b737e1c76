//! The random numbers of one picture in one epoch.

use plusx_model::random::{AUGMENT, MIX, Philox};

/// A stream of draws that is a function of seed, epoch and sample alone: draw `i` is word `i mod 4` of the block of counter
/// (epoch, sample, i / 4, 0) of stream [`AUGMENT`]. So nothing has to be remembered for a resume, and no thread has a say.
#[derive(Clone, Debug)]
pub struct Draws {
    random: Philox,
    epoch: u32,
    sample: u32,
    next: u32,
    block: [u32; 4],
}

impl Draws {
    /// The draws of a sample, told by its place in the data set, in an epoch, counted from 0.
    pub fn new(seed: u32, epoch: u32, sample: u32) -> Self {
        Self { random: Philox::new(seed, AUGMENT), epoch, sample, next: 0, block: [0; 4] }
    }

    /// The draws of a whole batch, counted from 0 in its epoch, from stream [`MIX`].
    pub fn of_batch(seed: u32, epoch: u32, batch: u32) -> Self {
        Self { random: Philox::new(seed, MIX), epoch, sample: batch, next: 0, block: [0; 4] }
    }

    /// 32 random bits.
    fn word(&mut self) -> u32 {
        let place = (self.next % 4) as usize;
        if place == 0 {
            self.block = self.random.block([self.epoch, self.sample, self.next / 4, 0]);
        }
        self.next += 1;
        self.block[place]
    }

    /// A number in [0, 1), a multiple of 2^-32.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }

    /// A number in [low, high): torch's `uniform_(low, high)`.
    pub fn uniform(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from 0 to before `n`: torch's `randint(n)`. The bias is below n / 2^32.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.word()) * n as u64) >> 32) as usize
    }

    /// Whether what happens with probability `p` happens: `rand() < p`. A probability of 0 takes no draw.
    pub fn happens(&mut self, p: f64) -> bool {
        p > 0.0 && self.unit() < p
    }

    /// An order of 0 to before `N` (Fisher-Yates): torch's `randperm(N)`.
    pub fn order<const N: usize>(&mut self) -> [usize; N] {
        let mut order = std::array::from_fn(|place| place);
        for i in (1..N).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_epoch_and_sample_and_on_nothing_else() {
        let first = |seed, epoch, sample| {
            let mut draws = Draws::new(seed, epoch, sample);
            [0; 6].map(|_: i32| draws.below(1 << 30))
        };
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        for other in [first(0, 2, 3), first(1, 3, 3), first(1, 2, 4)] {
            assert_ne!(other, first(1, 2, 3));
        }
    }

    #[test]
    fn draws_are_spread_evenly() {
        let mut counts = std::collections::BTreeMap::new();
        let mut sum = 0.0;
        for sample in 0..24_000 {
            let mut draws = Draws::new(7, 0, sample);
            *counts.entry(draws.order::<4>()).or_insert(0) += 1;
            sum += draws.unit();
        }
        // 24 orders, 1000 each, standard deviation 31
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|count: &i32| (count - 1000).abs() < 160), "{counts:?}");
        assert!((sum / 24_000.0 - 0.5).abs() < 0.01);
    }
}
