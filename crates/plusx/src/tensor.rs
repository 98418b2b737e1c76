//! Numbers with a shape, in the order people write them: images, channels, rows, columns.

use crate::{Error, Shape};
use plusx_model::executor::NodeValue;
use plusx_model::random::{Philox, TENSOR, uniform24};

/// Values in row-major order: images are \[n\]\[c\]\[h\]\[w\].
#[derive(Clone, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Vec<f32>,
}

impl Tensor {
    /// The values `data`, row-major; [`Error::Length`] if they are not as many as `shape` holds.
    pub fn new(shape: impl Into<Shape>, data: Vec<f32>) -> Result<Self, Error> {
        let shape = shape.into();
        if shape.len() != data.len() {
            return Err(Error::Length { expected: shape.len(), given: data.len(), shape });
        }
        Ok(Self { shape, data })
    }

    /// All zeros; [`Error::Memory`] if there is no room for them.
    pub fn zeros(shape: impl Into<Shape>) -> Result<Self, Error> {
        Self::filled(shape.into(), std::iter::repeat(0.0))
    }

    /// Independent values in \[low, high), the same for the same `seed` on every machine; [`Error::Memory`] if there is
    /// no room for them.
    pub fn uniform(shape: impl Into<Shape>, low: f32, high: f32, seed: u32) -> Result<Self, Error> {
        let generator = Philox::new(seed, TENSOR);
        let bits = (0u64..).flat_map(|index| generator.block([0, 0, (index >> 32) as u32, index as u32]));
        Self::filled(shape.into(), bits.map(|bits| low + (high - low) * uniform24(bits)))
    }

    /// The first of `values`, as many as `shape` holds.
    fn filled(shape: Shape, values: impl Iterator<Item = f32>) -> Result<Self, Error> {
        let mut data = Vec::new();
        if data.try_reserve_exact(shape.len()).is_err() {
            return Err(Error::Memory { shape });
        }
        data.extend(values.take(shape.len()));
        Ok(Self { shape, data })
    }

    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Index of the largest value of each row of the last dimension; the first of equals.
    pub fn argmax(&self) -> Vec<usize> {
        let width = self.shape.dims().last().copied().unwrap_or(1).max(1);
        let best = |row: &[f32]| {
            (1..row.len()).fold(0, |best, index| if row[index] > row[best] { index } else { best })
        };
        self.data.chunks_exact(width).map(best).collect()
    }

    /// The same values as \[n\]\[h\]\[w\]\[c\], which is how networks read images.
    pub(crate) fn to_nhwc(&self) -> Result<Vec<f32>, Error> {
        let (n, image) = self.shape.images().ok_or_else(|| Error::NotImages { shape: self.shape.clone() })?;
        let mut dst = Vec::with_capacity(self.data.len());
        for src in self.data.chunks_exact(image.len()).take(n) {
            for pixel in 0..image.pixels() {
                dst.extend(src.iter().skip(pixel).step_by(image.pixels()));
            }
        }
        Ok(dst)
    }

    /// A node's value as people read it; `flat` values (of dense layers) have two dimensions.
    pub(crate) fn from_node(value: NodeValue, flat: bool) -> Self {
        let NodeValue { n, shape, data } = value;
        if flat {
            return Self { shape: [n, shape.len()].into(), data };
        }
        let mut dst = Vec::with_capacity(data.len());
        for src in data.chunks_exact(shape.len()) {
            for channel in 0..shape.c {
                dst.extend(src.iter().skip(channel).step_by(shape.c));
            }
        }
        Self { shape: [n, shape.c, shape.h, shape.w].into(), data: dst }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the first few values: enough to recognise a tensor, little enough to print
        const SHOWN: usize = 8;
        let dots = if self.data.len() > SHOWN { " .." } else { "" };
        write!(f, "Tensor{} {:?}{dots}", self.shape, &self.data[..self.data.len().min(SHOWN)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::shape::ImageShape;

    #[test]
    fn channels_move_last_and_back() {
        let x = Tensor::new([2, 3, 2, 2], (0..24).map(|v| v as f32).collect()).unwrap();
        let nhwc = x.to_nhwc().unwrap();
        assert_eq!(nhwc[..6], [0.0, 4.0, 8.0, 1.0, 5.0, 9.0]);
        let value = NodeValue { n: 2, shape: ImageShape::new(3, 2, 2), data: nhwc };
        assert_eq!(Tensor::from_node(value, false), x);
    }

    #[test]
    fn dense_values_have_two_dimensions() {
        let value = NodeValue { n: 1, shape: ImageShape::new(10, 1, 1), data: vec![0.5; 10] };
        assert_eq!(Tensor::from_node(value, true).shape().to_string(), "(1, 10)");
    }

    #[test]
    fn wrong_lengths_and_ranks_are_errors() {
        let error = Tensor::new([2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "shape (2, 3) holds 6 values, but 5 were given");
        assert!(matches!(Tensor::zeros([2, 3]).unwrap().to_nhwc(), Err(Error::NotImages { .. })));
    }

    #[test]
    fn sizes_that_no_machine_holds_are_errors() {
        for dims in [[usize::MAX, 2, 2], [1 << 20, 1 << 20, 1 << 22]] {
            assert!(matches!(Tensor::zeros(dims), Err(Error::Memory { .. })));
            assert!(matches!(Tensor::uniform(dims, 0.0, 1.0, 1), Err(Error::Memory { .. })));
            assert!(matches!(Tensor::new(dims, Vec::new()), Err(Error::Length { .. })));
        }
    }

    #[test]
    fn uniform_stays_in_its_range_and_repeats() {
        let x = Tensor::uniform([5, 7], -1.0, 1.0, 3).unwrap();
        assert!(x.data().iter().all(|v| (-1.0..1.0).contains(v)));
        assert_eq!(x, Tensor::uniform([5, 7], -1.0, 1.0, 3).unwrap());
        assert_ne!(x, Tensor::uniform([5, 7], -1.0, 1.0, 4).unwrap());
    }

    #[test]
    fn argmax_takes_the_first_of_equals() {
        let x = Tensor::new([2, 3], vec![0.0, 2.0, 2.0, 5.0, 1.0, 5.0]).unwrap();
        assert_eq!(x.argmax(), [1, 0]);
    }
}
