//! How numbers are made of bf16 values.

/// How many bf16 values stand for a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pieces {
    /// The nearest one.
    One,
    /// That, and the nearest to what is left.
    Two,
}

impl Pieces {
    /// How many.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The pieces of both numbers that are multiplied, in the order in which the products are added.
    pub(super) fn products(self) -> &'static [[usize; 2]] {
        match self {
            Self::One => &[[0, 0]],
            Self::Two => &[[0, 1], [0, 0], [1, 0]],
        }
    }
}
