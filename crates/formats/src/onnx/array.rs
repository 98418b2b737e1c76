//! Constants, given or computed: sizes, and elements in row-major order.

use crate::onnx::number::Number;

/// Most elements of a list that is looked at number by number.
const MOST_NUMBERS: usize = 1 << 16;

/// What an array holds.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Elements {
    /// One number everywhere: nothing is stored for it.
    Same(Number),
    /// Whole numbers, and what is computed from them.
    Numbers(Vec<Number>),
    /// Weights.
    Floats(Vec<f32>),
    /// Whole numbers that go up or down in even steps along each axis: places in a batch of which no one knows how large it
    /// is.
    Counted { first: Number, steps: Vec<Number> },
}

/// A constant.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Array {
    /// Those of [`Elements::Counted`] depend on the number of images, and those of [`Elements::Same`] may.
    pub(super) dims: Vec<Number>,
    pub(super) elements: Elements,
    /// Whether these are whole numbers or truths (1 and 0), whose quotients are cut off.
    pub(super) whole: bool,
}

impl Array {
    pub(super) fn new(dims: &[usize], elements: Elements, whole: bool) -> Self {
        Self { dims: dims.iter().copied().map(Number::size).collect(), elements, whole }
    }

    /// A list of whole numbers.
    pub(super) fn list(numbers: Vec<Number>) -> Self {
        Self::new(&[numbers.len()], Elements::Numbers(numbers), true)
    }

    /// One number without axes.
    pub(super) fn scalar(number: Number, whole: bool) -> Self {
        Self::new(&[], Elements::Same(number), whole)
    }

    /// Numbers as they come out of arithmetic: floats are rounded to 32 bits, as the file's own are.
    pub(super) fn computed(dims: &[usize], numbers: Vec<Number>, whole: bool) -> Self {
        let floats = || numbers.iter().map(|number| number.known().map(|value| value as f32)).collect();
        let elements = match if whole { None } else { floats() } {
            Some(floats) => Elements::Floats(floats),
            None => Elements::Numbers(numbers),
        };
        Self::new(dims, elements, whole)
    }

    /// The sizes; an error if they depend on the number of images.
    pub(super) fn dims(&self) -> Result<Vec<usize>, String> {
        known(&self.dims)
    }

    /// How many elements there are.
    pub(super) fn count(&self) -> Result<usize, String> {
        count(&self.dims()?)
    }

    /// One element; `index` is below [`Array::count`].
    pub(super) fn at(&self, index: usize) -> Number {
        match &self.elements {
            Elements::Same(number) => *number,
            Elements::Numbers(numbers) => numbers[index],
            Elements::Floats(floats) => Number::of(f64::from(floats[index])),
            // no other place in it is known
            Elements::Counted { first, .. } => *first,
        }
    }

    /// All elements of a list or table.
    pub(super) fn numbers(&self) -> Result<Vec<Number>, String> {
        match self.count()? {
            count if count <= MOST_NUMBERS => Ok((0..count).map(|index| self.at(index)).collect()),
            count => Err(format!("it is a list of {count} numbers")),
        }
    }

    /// The one number that all elements are, if they are.
    pub(super) fn uniform(&self) -> Option<Number> {
        match &self.elements {
            Elements::Same(number) => Some(*number),
            Elements::Numbers(numbers) => {
                let first = *numbers.first()?;
                numbers.iter().all(|number| *number == first).then_some(first)
            }
            Elements::Floats(floats) => {
                let first = *floats.first()?;
                floats.iter().all(|float| *float == first).then_some(Number::of(f64::from(first)))
            }
            Elements::Counted { .. } => None,
        }
    }

    /// The first element and the steps along each axis, if all elements go in such.
    pub(super) fn counted(&self) -> Option<(Number, Vec<Number>)> {
        match &self.elements {
            Elements::Counted { first, steps } => Some((*first, steps.clone())),
            Elements::Same(number) => Some((*number, vec![Number::of(0.0); self.dims.len()])),
            Elements::Floats(_) => None,
            Elements::Numbers(numbers) => {
                let dims = self.dims().ok()?;
                let (first, apart) = (*numbers.first()?, strides(&dims));
                let step = |axis: usize| match dims[axis] {
                    1 => Number::of(0.0),
                    _ => numbers[apart[axis]].minus(first),
                };
                let steps: Vec<Number> = (0..dims.len()).map(step).collect();
                let expected = |at: usize| {
                    let places = (0..dims.len()).map(|axis| (at / apart[axis] % dims[axis], steps[axis]));
                    places.into_iter().try_fold(first, |sum, (place, step)| {
                        Some(sum.plus(step.times(Number::size(place)).ok()?))
                    })
                };
                (0..numbers.len()).all(|at| expected(at) == Some(numbers[at])).then_some((first, steps))
            }
        }
    }

    /// Whether the elements are 0, 1, 2 and so on.
    pub(super) fn is_in_order(&self) -> bool {
        let Some((first, steps)) = self.counted() else { return false };
        let mut apart = Number::of(1.0);
        for (size, step) in self.dims.iter().zip(&steps).rev().filter(|(size, _)| !size.is(1.0)) {
            let Ok(next) = apart.times(*size) else { return false };
            if *step != apart {
                return false;
            }
            apart = next;
        }
        first.is(0.0)
    }

    /// The elements at these places, in another shape.
    pub(super) fn picked(&self, dims: &[usize], places: impl Iterator<Item = usize>) -> Self {
        let elements = match &self.elements {
            Elements::Same(number) => Elements::Same(*number),
            Elements::Numbers(numbers) => Elements::Numbers(places.map(|place| numbers[place]).collect()),
            Elements::Floats(floats) => Elements::Floats(places.map(|place| floats[place]).collect()),
            // no place in it is known
            Elements::Counted { .. } => self.elements.clone(),
        };
        Self::new(dims, elements, self.whole)
    }

    /// The same elements under other sizes, which must be as many; those that are counted keep their axes but for ones of
    /// size 1.
    pub(super) fn with_dims(&self, dims: Vec<Number>) -> Result<Self, String> {
        let Elements::Counted { first, steps } = &self.elements else {
            return Ok(Self { dims, ..self.clone() });
        };
        let large = |dims: &[Number]| dims.iter().copied().filter(|size| !size.is(1.0)).collect::<Vec<_>>();
        if large(&dims) != large(&self.dims) {
            return Err("it takes places in a batch apart".to_owned());
        }
        let mut old = self.dims.iter().zip(steps).filter(|(size, _)| !size.is(1.0)).map(|(_, step)| *step);
        let step = |size: &Number| if size.is(1.0) { None } else { old.next() };
        let steps = dims.iter().map(step).map(|step| step.unwrap_or(Number::of(0.0))).collect();
        Ok(Self { dims, elements: Elements::Counted { first: *first, steps }, whole: self.whole })
    }
}

/// Sizes that do not depend on the number of images.
pub(super) fn known(dims: &[Number]) -> Result<Vec<usize>, String> {
    let size = |number: &Number| {
        let value = number.int()?;
        usize::try_from(value).map_err(|_| format!("it makes an axis of size {value}"))
    };
    dims.iter().map(size).collect()
}

/// How many elements sizes make; an error beyond what a network could want.
pub(super) fn count(dims: &[usize]) -> Result<usize, String> {
    // an axis of size 0 must not hide how far apart its neighbours are
    let product = dims.iter().try_fold(1_usize, |product, size| product.checked_mul((*size).max(1)));
    let bounded = product.filter(|count| *count <= plusx_model::shape::MAX_VALUES);
    let count = bounded.map(|count| if dims.contains(&0) { 0 } else { count });
    count.ok_or_else(|| format!("it makes sizes {dims:?}, which is too much"))
}

/// How far apart neighbours along each axis are.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// Places of elements as an odometer counts through `dims`: each axis adds `steps` to the place.
pub(super) struct Places {
    dims: Vec<usize>,
    steps: Vec<isize>,
    at: Vec<usize>,
    place: isize,
    left: usize,
}

impl Places {
    /// `first` is the place of the first element; no step leaves what it counts through. The sizes were counted.
    pub(super) fn new(dims: &[usize], steps: Vec<isize>, first: usize) -> Self {
        let left = dims.iter().product();
        Self { dims: dims.to_vec(), steps, at: vec![0; dims.len()], place: first as isize, left }
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let place = self.place as usize;
        for axis in (0..self.dims.len()).rev() {
            self.at[axis] += 1;
            self.place += self.steps[axis];
            if self.at[axis] < self.dims[axis] {
                break;
            }
            self.place -= self.steps[axis] * self.at[axis] as isize;
            self.at[axis] = 0;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::number::IMAGES;

    #[test]
    fn an_odometer_reads_any_order() {
        let through = |dims: &[usize], steps: &[isize], first| -> Vec<usize> {
            Places::new(dims, steps.to_vec(), first).collect()
        };
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(through(&[2, 3], &[3, 1], 0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(through(&[3, 2], &[1, 3], 0), [0, 3, 1, 4, 2, 5]);
        assert_eq!(through(&[2], &[-1], 1), [1, 0]);
        assert_eq!(through(&[2, 2], &[0, 1], 0), [0, 1, 0, 1]);
        assert_eq!(through(&[], &[], 0), [0]);
        assert!(through(&[2, 0], &[0, 1], 0).is_empty());
    }

    #[test]
    fn places_in_a_batch_are_counted() {
        let numbers = |values: &[f64]| values.iter().copied().map(Number::of).collect::<Vec<_>>();
        let images = Array {
            dims: vec![IMAGES, Number::of(1.0)],
            elements: Elements::Counted { first: Number::of(0.0), steps: numbers(&[1.0, 0.0]) },
            whole: true,
        };
        assert!(images.is_in_order());
        let squeezed = images.with_dims(vec![IMAGES]).unwrap();
        assert!(squeezed.is_in_order() && squeezed.dims().is_err());
        assert!(images.with_dims(vec![Number::of(1.0)]).is_err());
        let table = Array::new(&[2, 3], Elements::Numbers(numbers(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])), true);
        assert_eq!(table.counted(), Some((Number::of(0.0), numbers(&[3.0, 1.0]))));
        assert!(table.is_in_order());
        let columns = Array::new(&[2, 3], Elements::Numbers(numbers(&[0.0, 2.0, 4.0, 1.0, 3.0, 5.0])), true);
        assert!(columns.counted().is_some() && !columns.is_in_order());
        assert_eq!(Array::list(numbers(&[0.0, 2.0, 3.0])).counted(), None);
    }

    #[test]
    fn floats_are_rounded_and_whole_numbers_kept() {
        let tenth = Array::computed(&[1], vec![Number::of(0.1)], false);
        assert_eq!(tenth.elements, Elements::Floats(vec![0.1]));
        assert_eq!(Array::list(vec![Number::of(3.0)]).uniform(), Some(Number::of(3.0)));
    }
}
