//! Numbers that a file computes from sizes: how many images there are is a symbol, so that one of them is
//! `fixed + per_image * N` with `N` at least 1. Whole numbers up to 2^53 and 32-bit floats are exact in it.

use std::cmp::Ordering;
use std::fmt;

/// `fixed + per_image * N`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Number {
    fixed: f64,
    per_image: f64,
}

/// The number of images.
pub(super) const IMAGES: Number = Number { fixed: 0.0, per_image: 1.0 };

impl Number {
    pub(super) const fn of(value: f64) -> Self {
        Self { fixed: value, per_image: 0.0 }
    }

    pub(super) const fn size(value: usize) -> Self {
        Self::of(value as f64)
    }

    /// Its value, unless that depends on the number of images.
    pub(super) fn known(self) -> Option<f64> {
        (self.per_image == 0.0).then_some(self.fixed)
    }

    /// Its value as a whole number; larger ones become the largest.
    pub(super) fn int(self) -> Result<i64, String> {
        match self.known() {
            Some(value) if value.is_finite() => Ok(value as i64),
            Some(value) => Err(format!("{value} is no whole number")),
            None => Err(format!("{self} depends on the number of images N")),
        }
    }

    pub(super) fn is(self, value: f64) -> bool {
        self.known() == Some(value)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { fixed: self.fixed + other.fixed, per_image: self.per_image + other.per_image }
    }

    pub(super) fn negative(self) -> Self {
        Self { fixed: -self.fixed, per_image: -self.per_image }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.negative())
    }

    pub(super) fn times(self, other: Self) -> Result<Self, String> {
        let scaled = |one: Self, by: f64| Self { fixed: one.fixed * by, per_image: one.per_image * by };
        match (self.known(), other.known()) {
            (_, Some(by)) => Ok(scaled(self, by)),
            (Some(by), None) => Ok(scaled(other, by)),
            _ => Err(format!("{self} times {other} is not understood, with N images")),
        }
    }

    /// The quotient; of whole numbers with the rest cut off, as ONNX has it.
    pub(super) fn over(self, other: Self, whole: bool) -> Result<Self, String> {
        let wrong = || format!("{self} divided by {other} is not understood, with N images");
        match (self.known(), other.known()) {
            (_, Some(0.0)) if whole => Err("it divides by 0".to_owned()),
            (Some(value), Some(by)) => {
                let quotient = value / by;
                Ok(Self::of(if whole { quotient.trunc() } else { quotient }))
            }
            (None, Some(by)) => {
                let made = Self { fixed: self.fixed / by, per_image: self.per_image / by };
                let exact = made.fixed.fract() == 0.0 && made.per_image.fract() == 0.0;
                if exact || !whole { Ok(made) } else { Err(wrong()) }
            }
            (_, None) => {
                // so many times the same
                let factor = self.per_image / other.per_image;
                let same = self.fixed == factor * other.fixed && (!whole || factor.fract() == 0.0);
                if same { Ok(Self::of(factor)) } else { Err(wrong()) }
            }
        }
    }

    /// What is left of a division, with the sign of the divisor.
    pub(super) fn rest(self, other: Self) -> Result<Self, String> {
        match (self.known(), other.known()) {
            (_, Some(0.0)) => Err("it divides by 0".to_owned()),
            (Some(value), Some(by)) => Ok(Self::of(value - by * (value / by).floor())),
            _ => self.over(other, true).map(|_| Self::of(0.0)),
        }
    }

    /// A function of known numbers; whole multiples of the number of images pass `rounding` ones as they are.
    pub(super) fn map(self, function: impl Fn(f64) -> f64, rounding: bool) -> Result<Self, String> {
        let whole = self.fixed.fract() == 0.0 && self.per_image.fract() == 0.0;
        match self.known() {
            Some(value) => Ok(Self::of(function(value))),
            None if rounding && whole => Ok(self),
            None => Err(format!("{self} depends on the number of images N")),
        }
    }

    /// How two compare, whatever the number of images; an error if that decides it.
    pub(super) fn compared(self, other: Self) -> Result<Ordering, String> {
        let apart = self.minus(other);
        let (least, rise) = (apart.fixed + apart.per_image, apart.per_image);
        let always = match least.partial_cmp(&0.0) {
            Some(Ordering::Greater) if rise >= 0.0 => Some(Ordering::Greater),
            Some(Ordering::Less) if rise <= 0.0 => Some(Ordering::Less),
            Some(Ordering::Equal) if rise == 0.0 => Some(Ordering::Equal),
            _ => None,
        };
        always.ok_or_else(|| format!("whether {self} is {other} depends on the number of images N"))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fixed, self.per_image) {
            (fixed, 0.0) => write!(f, "{fixed}"),
            (0.0, 1.0) => f.write_str("N"),
            (0.0, rise) => write!(f, "{rise} N"),
            (fixed, rise) => write!(f, "{fixed} + {rise} N"),
        }
    }
}

/// A list for a message, not longer than a reader could want.
pub(super) fn listed(numbers: &[Number]) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = numbers.iter().take(MOST).map(Number::to_string).collect();
    format!("[{}{}]", shown.join(", "), if numbers.len() > MOST { ", …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_a_symbol() {
        let (two, n) = (Number::of(2.0), IMAGES);
        let twice = n.times(two).unwrap();
        assert_eq!(twice.to_string(), "2 N");
        assert_eq!(twice.over(n, true), Ok(two));
        assert_eq!(twice.over(two, true), Ok(n));
        assert_eq!(n.plus(two).minus(n), two);
        assert_eq!(twice.rest(two), Ok(Number::of(0.0)));
        assert!(n.over(two, true).unwrap_err().contains("N divided by 2"));
        assert!(n.times(n).is_err() && n.int().is_err());
    }

    #[test]
    fn comparisons_hold_for_every_number_of_images_or_are_none() {
        let compared = |one: f64, other: Number| Number::of(one).compared(other).ok();
        assert_eq!(compared(-1.0, IMAGES), Some(Ordering::Less));
        assert_eq!(compared(0.0, IMAGES), Some(Ordering::Less));
        assert_eq!(compared(1.0, IMAGES), None);
        assert_eq!(IMAGES.compared(IMAGES), Ok(Ordering::Equal));
    }

    #[test]
    fn whole_quotients_are_cut_off_and_rests_have_the_sign_of_the_divisor() {
        let of = Number::of;
        assert_eq!(of(-7.0).over(of(2.0), true), Ok(of(-3.0)));
        assert_eq!(of(-7.0).rest(of(2.0)), Ok(of(1.0)));
        assert_eq!(of(1.0).over(of(4.0), false), Ok(of(0.25)));
        assert!(of(1.0).over(of(0.0), true).is_err());
    }
}
