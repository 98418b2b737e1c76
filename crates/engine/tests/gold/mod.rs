//! Golden files: their numbers, the images that both sides draw, and how far a result may be from them.

use plusx_model::random::{Philox, uniform24};
use plusx_model::shape::ImageShape;
use serde_json::Value;

/// Our error may be this many times that of PyTorch's fp32 ...
pub(crate) const TIMES: f64 = 6.0;
/// ... and this much more.
pub(crate) const PLUS: f64 = 1e-6;

pub(crate) fn read(file: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; `cargo xtask golden` makes it"))
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn integer(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no integer")) as usize
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(number).collect()
}

/// Words 0.. of counters [first, second, 0, i / 4].
pub(crate) fn words(stream: usize, length: usize, first: usize, second: u32) -> impl Iterator<Item = u32> {
    let random = Philox::new(42, stream as u32);
    (0..length).map(move |i| random.block([first as u32, second, 0, i as u32 / 4])[i % 4])
}

/// A batch as `images` of tools/philox.py draws it: (3 coarse + fine) / 4, coarse numbers for cells of 8x8.
pub(crate) fn images(shape: ImageShape, stream: usize, batch: usize, n: usize) -> Vec<f32> {
    let ImageShape { c, h, w } = shape;
    let (rows, columns) = (h.div_ceil(8), w.div_ceil(8));
    let coarse: Vec<f32> = words(stream, n * rows * columns * c, batch, 2).map(uniform24).collect();
    let fine = words(stream, n * h * w * c, batch, 0).map(uniform24);
    let mixed = fine.enumerate().map(|(index, fine)| {
        let (image, y, x, channel) = (index / (h * w * c), index / (w * c) % h, index / c % w, index % c);
        (3.0 * coarse[((image * rows + y / 8) * columns + x / 8) * c + channel] + fine) * 0.25
    });
    mixed.collect()
}

pub(crate) fn labels(classes: usize, stream: usize, batch: usize, n: usize) -> Vec<u32> {
    let words = words(stream, n, batch, 1);
    words.map(|word| ((u64::from(word) * classes as u64) >> 32) as u32).collect()
}

/// Collects what is outside its bound, and the largest part of a bound that was used.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) prefix: String,
    pub(crate) failures: Vec<String>,
    pub(crate) checked: usize,
    pub(crate) worst: (f64, String),
}

impl Report {
    pub(crate) fn compare(&mut self, what: impl Fn() -> String, ours: f64, exact: f64, error: f64) {
        let bound = TIMES * error + PLUS;
        let share = (ours - exact).abs() / bound;
        self.checked += 1;
        if share > self.worst.0 {
            self.worst = (share, what());
        }
        // NaN fails too
        if !matches!(share.partial_cmp(&1.0), Some(order) if order.is_le()) {
            let what = what();
            self.failures.push(format!("{what}: {ours:e}, f64 {exact:e}, off by {:.2} bounds", share));
        }
    }

    /// A tensor against its digest: length, norm, sum and the sampled entries.
    pub(crate) fn digest(&mut self, what: &str, ours: &[f32], gold: &Value) {
        assert_eq!(ours.len(), integer(&gold["len"]), "{}: length of {what}", self.prefix);
        let (error, error_norm) = (number(&gold["error"]), number(&gold["error_norm"]));
        let norm = ours.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        self.compare(|| format!("norm of {what}"), norm, number(&gold["norm"]), error_norm);
        let sum: f64 = ours.iter().map(|&v| f64::from(v)).sum();
        // |sum of errors| <= sqrt(n) |errors| (Cauchy-Schwarz); PLUS holds for each of the n entries
        let root = (ours.len() as f64).sqrt();
        let sum_error = root * error_norm + (ours.len() - 1) as f64 * PLUS / TIMES;
        self.compare(|| format!("sum of {what}"), sum, number(&gold["sum"]), sum_error);
        for (at, exact) in list(&gold["at"]).iter().map(integer).zip(numbers(&gold["values"])) {
            self.compare(|| format!("{what}[{at}]"), f64::from(ours[at]), exact, error);
        }
    }

    pub(crate) fn finish(self) {
        let Report { prefix, failures, checked, worst } = self;
        println!("{prefix}: {checked} numbers, nearest to its bound ({:.2} of it): {}", worst.0, worst.1);
        assert!(checked > 0, "{prefix}: nothing was compared");
        let count = failures.len();
        let shown = failures.into_iter().take(20).collect::<Vec<_>>().join("\n  ");
        assert!(count == 0, "{prefix}: {count} of {checked} numbers are outside their bounds:\n  {shown}");
    }
}
