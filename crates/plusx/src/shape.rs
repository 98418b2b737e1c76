//! Shapes as people read them: `(4, 3, 6, 6)`.

use plusx_model::shape::ImageShape;
use std::fmt;

/// Dimensions, outermost first. Images are (images, channels, rows, columns); a dense layer gives (images, units).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The dimensions.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// Number of values; `usize::MAX`, which no tensor holds, if there are more than can be counted.
    pub fn len(&self) -> usize {
        self.0.iter().fold(1, |len, &dim| len.saturating_mul(dim))
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Images and the shape of one, if there are four dimensions and none is 0.
    pub(crate) fn images(&self) -> Option<(usize, ImageShape)> {
        match *self.0 {
            [n, c, h, w] if !self.is_empty() => Some((n, ImageShape::new(c, h, w))),
            _ => None,
        }
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self(dims.to_vec())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, dim) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{dim}")?;
        }
        // one dimension keeps a comma, so that it cannot be read as a number in brackets
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_the_chapter_does() {
        assert_eq!(Shape::from([4, 3, 6, 6]).to_string(), "(4, 3, 6, 6)");
        assert_eq!(Shape::from([1, 10]).to_string(), "(1, 10)");
        assert_eq!(Shape::from([7]).to_string(), "(7,)");
        assert_eq!(Shape::from([]).to_string(), "()");
    }

    #[test]
    fn only_four_nonzero_dimensions_are_images() {
        assert_eq!(Shape::from([4, 3, 6, 5]).images(), Some((4, ImageShape::new(3, 6, 5))));
        assert_eq!(Shape::from([4, 0, 6, 5]).images(), None);
        assert_eq!(Shape::from([4, 3]).images(), None);
    }

    #[test]
    fn sizes_beyond_counting_do_not_wrap() {
        let huge = usize::MAX / 2 + 1;
        assert_eq!(Shape::from([huge, 2, 1, 1]).len(), usize::MAX);
        assert_eq!(Shape::from([huge, 2, 1, 1]).images(), Some((huge, ImageShape::new(2, 1, 1))));
        assert!(Shape::from([huge, huge, 0]).is_empty());
    }
}
