//! One number or two for rows and columns.

/// A (vertical, horizontal) pair; one number stands for both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair(pub [usize; 2]);

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Self([both, both])
    }
}

impl From<(usize, usize)> for Pair {
    fn from((vertical, horizontal): (usize, usize)) -> Self {
        Self([vertical, horizontal])
    }
}
