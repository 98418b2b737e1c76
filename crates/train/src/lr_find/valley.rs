//! Where a curve of losses suggests a rate: fastai's `valley`, after an idea of ESRI's.
//!
//! The longest run of ever smaller losses is looked for; there may be larger ones between them. What is suggested lies in the middle
//! third of it: the loss falls steadily there, and the end where it diverges is far.

/// Losses of the valley at least: a shorter one is no fall but chance. fastai has no such bound and suggests something for any
/// curve, the first rate for one that only rises, and the last for one that falls once at its beginning.
const SHORTEST: usize = 3;

/// The longest falling subsequence of a curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Valley {
    /// Losses in it.
    pub length: usize,
    /// Index of its last loss, the first such place of several.
    pub end: usize,
    /// Index of the suggestion: `end - length + length / 3 + length / 6`, each quotient rounded down.
    pub index: usize,
}

/// The valley of the losses of a range test, at rates that rise; none if no three of them fall.
pub fn valley(losses: &[f64]) -> Option<Valley> {
    // of each place: the most losses that fall towards it, itself included
    let mut lengths: Vec<usize> = Vec::with_capacity(losses.len());
    for (index, loss) in losses.iter().enumerate() {
        let before = losses[..index].iter().zip(&lengths).filter(|(other, _)| loss < *other);
        lengths.push(1 + before.map(|(_, length)| *length).max().unwrap_or(0));
    }
    let length = lengths.iter().copied().max().filter(|length| *length >= SHORTEST)?;
    let end = lengths.iter().position(|other| *other == length)?;
    // a valley of `length` losses ends at `length - 1` or later
    let index = (end + length / 3 + length / 6).saturating_sub(length);
    Some(Valley { length, end, index })
}

/// A rate with two digits: what is beyond them is chance.
pub(super) fn rounded(lr: f64) -> f64 {
    format!("{lr:.1e}").parse().unwrap_or(lr)
}
