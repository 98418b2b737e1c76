//! Constants rearranged: elements change places or are repeated, and none changes.

use crate::onnx::array::{Array, Elements, Places, count, known, strides};
use crate::onnx::constants::Constants;
use crate::onnx::layout::{MOST_AXES, place, with_ones};
use crate::onnx::number::{Number, listed};

/// What Slice takes of one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct SliceRange {
    /// Counts from the end if it is negative.
    pub(super) axis: i64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
}

/// The first place, and how many there are, a step apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl SliceRange {
    /// What it takes of an axis of this size.
    pub(super) fn of(&self, size: usize) -> Result<Span, String> {
        let size = size as i64;
        let [start, end] = [self.start, self.end].map(|at| if at < 0 { at.saturating_add(size) } else { at });
        let (start, end) = match self.step {
            0 => return Err("it takes steps of 0".to_owned()),
            1.. => (start.clamp(0, size), end.clamp(0, size)),
            _ => (start.clamp(0, (size - 1).max(0)), end.clamp(-1, size - 1)),
        };
        // sizes are far from overflowing; a step may be anything
        let way = (end - start) * self.step.signum();
        let step = self.step.unsigned_abs().min(size.unsigned_abs().max(1));
        let count = if size == 0 { 0 } else { way.max(0).unsigned_abs().div_ceil(step) };
        Ok(Span { first: start as usize, count: count as usize })
    }

    /// Its step along an axis of this size: larger ones than that do not differ.
    pub(super) fn step(&self, size: usize) -> isize {
        let size = (size as i64).max(1);
        self.step.clamp(-size, size) as isize
    }
}

impl Constants<'_> {
    pub(super) fn sliced(&mut self, array: &Array, cuts: &[SliceRange]) -> Result<Array, String> {
        let mut dims = array.dims()?;
        count(&dims)?;
        let apart = strides(&dims);
        let mut steps: Vec<isize> = apart.iter().map(|apart| *apart as isize).collect();
        let mut first = 0;
        for cut in cuts {
            let axis = place(cut.axis, dims.len())?;
            let span = cut.of(dims[axis])?;
            first += span.first * apart[axis];
            steps[axis] *= cut.step(dims[axis]);
            dims[axis] = span.count;
        }
        self.spend(count(&dims)?)?;
        Ok(array.picked(&dims, Places::new(&dims, steps, first)))
    }

    /// Elements along one axis, by their places in it.
    pub(super) fn gathered(&mut self, array: &Array, indices: &Array, axis: i64) -> Result<Array, String> {
        let (dims, wanted) = (array.dims()?, indices.dims()?);
        count(&dims)?;
        let axis = place(axis, dims.len())?;
        let (inner, size) = (dims[axis + 1..].iter().product::<usize>(), dims[axis]);
        let made = [&dims[..axis], &wanted, &dims[axis + 1..]].concat();
        if made.len() > MOST_AXES {
            return Err(format!("it makes {} axes", made.len()));
        }
        self.spend(count(&made)?)?;
        let indices = indices.numbers()?.into_iter().map(|index| place(index.int()?, size));
        let indices = indices.collect::<Result<Vec<usize>, _>>()?;
        let outer: usize = dims[..axis].iter().product();
        let places = (0..outer).flat_map(|outer| {
            let row = indices.iter().map(move |index| (outer * size + index) * inner);
            row.flat_map(|first| first..first + inner)
        });
        Ok(array.picked(&made, places))
    }

    pub(super) fn transposed(&mut self, array: &Array, order: &[usize]) -> Result<Array, String> {
        let dims = array.dims()?;
        self.spend(count(&dims)?)?;
        let apart = strides(&dims);
        let made: Vec<usize> = order.iter().map(|axis| dims[*axis]).collect();
        let steps = order.iter().map(|axis| apart[*axis] as isize).collect();
        Ok(array.picked(&made, Places::new(&made, steps, 0)))
    }

    /// Parts of one axis, of these sizes.
    pub(super) fn divided(
        &mut self,
        array: &Array,
        axis: i64,
        sizes: &[usize],
    ) -> Result<Vec<Array>, String> {
        let dims = array.dims()?;
        let at = place(axis, dims.len())?;
        if sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size)) != Some(dims[at]) {
            return Err(format!("its parts do not make up the {} of axis {axis}", dims[at]));
        }
        let mut start = 0_i64;
        let mut part = |size: &usize| {
            let end = start + *size as i64;
            let cut = SliceRange { axis, start, end, step: 1 };
            start = end;
            self.sliced(array, &[cut])
        };
        sizes.iter().map(&mut part).collect()
    }

    pub(super) fn joined(&mut self, arrays: &[&Array], axis: i64) -> Result<Array, String> {
        let all = arrays.iter().map(|array| array.dims()).collect::<Result<Vec<_>, _>>()?;
        let mut dims = all.first().ok_or("it joins nothing")?.clone();
        let axis = place(axis, dims.len())?;
        for other in &all[1..] {
            let fits =
                other.len() == dims.len() && (0..dims.len()).all(|at| at == axis || other[at] == dims[at]);
            if !fits {
                return Err("it joins constants of other sizes".to_owned());
            }
            dims[axis] = dims[axis].saturating_add(other[axis]);
        }
        let total = count(&dims)?;
        self.spend(total)?;
        let outer: usize = dims[..axis].iter().product();
        let pieces = || {
            (0..outer).flat_map(|outer| {
                arrays.iter().zip(&all).map(move |(array, dims)| {
                    let length: usize = dims[axis..].iter().product();
                    (*array, outer * length..(outer + 1) * length)
                })
            })
        };
        let whole = arrays.iter().all(|array| array.whole);
        let floats = arrays.iter().all(|array| matches!(array.elements, Elements::Floats(_)));
        if floats {
            let mut joined = Vec::with_capacity(total);
            for (array, places) in pieces() {
                if let Elements::Floats(values) = &array.elements {
                    joined.extend_from_slice(&values[places]);
                }
            }
            return Ok(Array::new(&dims, Elements::Floats(joined), false));
        }
        let numbers = pieces().flat_map(|(array, places)| places.map(|place| array.at(place))).collect();
        Ok(Array::computed(&dims, numbers, whole))
    }

    /// Repeated along axes of size 1 and along new ones in front, to sizes that only one repeated number can have
    /// without knowing the number of images.
    pub(super) fn expanded(&mut self, array: &Array, wanted: &[Number]) -> Result<Array, String> {
        let dims = broadcast(&array.dims, wanted)?;
        if let Some(number) = array.uniform() {
            return Ok(Array { dims, elements: Elements::Same(number), whole: array.whole });
        }
        let (own, made) = (array.dims()?, known(&dims)?);
        self.spend(count(&made)?)?;
        Ok(array.picked(&made, Places::new(&made, spread(&own, made.len()), 0)))
    }

    pub(super) fn tiled(&mut self, array: &Array, repeats: &[i64]) -> Result<Array, String> {
        let own = array.dims()?;
        if repeats.len() != own.len() {
            return Err("its repeats are not one for each axis".to_owned());
        }
        let mut made = array.clone();
        for (axis, times) in repeats.iter().enumerate() {
            let times = usize::try_from(*times).map_err(|_| format!("it repeats {times} times"))?;
            if times != 1 {
                let size = made.dims()?[axis];
                let places = size.checked_mul(times).ok_or("it repeats far too often")?;
                self.spend(places)?;
                let indices = (0..places).map(|place| Number::size(place % size.max(1))).collect();
                made = self.gathered(&made, &Array::list(indices), axis as i64)?;
            }
        }
        Ok(made)
    }
}

/// The sizes of two arrays computed with each other, element by element.
pub(super) fn broadcast(one: &[Number], other: &[Number]) -> Result<Vec<Number>, String> {
    let rank = one.len().max(other.len());
    if rank > MOST_AXES {
        return Err(format!("it makes {rank} axes"));
    }
    let size = |dims: &[Number], axis: usize| {
        (axis + dims.len()).checked_sub(rank).map_or(Number::of(1.0), |axis| dims[axis])
    };
    let both = |axis: usize| match (size(one, axis), size(other, axis)) {
        (left, right) if left == right || right.is(1.0) => Ok(left),
        (left, right) if left.is(1.0) => Ok(right),
        _ => Err(format!("sizes {} and {} do not fit each other", listed(one), listed(other))),
    };
    (0..rank).map(both).collect()
}

/// Steps through an array of sizes `own` along each of `rank` axes: none along those it is repeated over.
pub(super) fn spread(own: &[usize], rank: usize) -> Vec<isize> {
    let apart = strides(own);
    let step = |axis: usize| (axis + own.len()).checked_sub(rank).filter(|axis| own[*axis] != 1);
    (0..rank).map(|axis| step(axis).map_or(0, |axis| apart[axis] as isize)).collect()
}

/// Sizes without these axes of size 1; without all of them if none is named.
pub(super) fn squeezed(dims: &[Number], axes: Option<&[i64]>) -> Result<Vec<Number>, String> {
    let mut leaves: Vec<bool> = dims.iter().map(|size| axes.is_none() && size.is(1.0)).collect();
    for axis in axes.unwrap_or_default() {
        let axis = place(*axis, dims.len())?;
        if !dims[axis].is(1.0) {
            return Err(format!("it takes away axis {axis}, which has size {} and not 1", dims[axis]));
        }
        leaves[axis] = true;
    }
    Ok(dims.iter().zip(leaves).filter(|(_, leaves)| !leaves).map(|(size, _)| *size).collect())
}

/// Sizes with axes of size 1 at these places.
pub(super) fn unsqueezed(dims: &[Number], axes: &[i64]) -> Result<Vec<Number>, String> {
    let mut old = dims.iter().copied();
    let made = with_ones(dims.len(), axes)?;
    Ok(made
        .into_iter()
        .map(|new| if new { Number::of(1.0) } else { old.next().unwrap_or(Number::of(1.0)) })
        .collect())
}

/// The sizes that Reshape makes of an array's.
pub(super) fn reshaped(dims: &[Number], wanted: &[Number], zeros: bool) -> Result<Vec<Number>, String> {
    let refused = || format!("it makes sizes {} of {}", listed(wanted), listed(dims));
    let product = |sizes: &[Number]| sizes.iter().copied().try_fold(Number::of(1.0), Number::times);
    if wanted.len() > MOST_AXES {
        return Err(refused());
    }
    let mut sizes = wanted.to_vec();
    for (at, size) in sizes.iter_mut().enumerate().filter(|(_, size)| size.is(0.0) && !zeros) {
        *size = *dims.get(at).ok_or_else(refused)?;
    }
    let all = product(dims)?;
    if let Some(open) = sizes.iter().position(|size| size.is(-1.0)) {
        sizes[open] = Number::of(1.0);
        let others = product(&sizes)?;
        sizes[open] = if others.is(0.0) { Number::of(0.0) } else { all.over(others, true)? };
    }
    let sound = sizes.iter().all(|size| size.known().is_none_or(|size| size >= 0.0));
    if sound && product(&sizes)? == all { Ok(sizes) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[f64]) -> Array {
        Array::list(values.iter().copied().map(Number::of).collect())
    }

    fn table() -> Array {
        list(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).with_dims(vec![Number::size(2), Number::size(3)]).unwrap()
    }

    fn values(array: &Array) -> Vec<f64> {
        array.numbers().unwrap().into_iter().map(|number| number.known().unwrap()).collect()
    }

    #[test]
    fn cuts_are_those_of_python() {
        let cut = |start, end, step| SliceRange { axis: 0, start, end, step };
        let of = |cut: SliceRange, size| cut.of(size).map(|span| (span.first, span.count));
        assert_eq!(of(cut(0, i64::MAX, 2), 5), Ok((0, 3)));
        assert_eq!(of(cut(-2, i64::MAX, 1), 5), Ok((3, 2)));
        assert_eq!(of(cut(-1, i64::MIN, -1), 5), Ok((4, 5)));
        assert_eq!(of(cut(3, 1, 1), 5), Ok((3, 0)));
        assert_eq!(of(cut(1, -1, i64::MAX), 5), Ok((1, 1)));
        assert!(of(cut(0, 1, 0), 5).is_err());
    }

    #[test]
    fn elements_change_places() {
        let mut constants = Constants::new(0, None);
        let table = table();
        assert_eq!(values(&constants.transposed(&table, &[1, 0]).unwrap()), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let rows = SliceRange { axis: 0, start: -1, end: i64::MIN, step: -1 };
        assert_eq!(values(&constants.sliced(&table, &[rows]).unwrap()), [3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
        let column = constants.gathered(&table, &Array::scalar(Number::of(-1.0), true), 1).unwrap();
        assert_eq!((values(&column), column.dims().unwrap()), (vec![2.0, 5.0], vec![2]));
        let twice = constants.joined(&[&table, &table], 1).unwrap();
        assert_eq!(values(&twice)[..6], [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        let parts = constants.divided(&table, 1, &[1, 2]).unwrap();
        assert_eq!(values(&parts[1]), [1.0, 2.0, 4.0, 5.0]);
        assert_eq!(values(&constants.tiled(&list(&[1.0, 2.0]), &[2]).unwrap()), [1.0, 2.0, 1.0, 2.0]);
        let rows = constants.expanded(&list(&[1.0, 2.0]), &[Number::size(2), Number::size(1)]).unwrap();
        assert_eq!((values(&rows), rows.dims().unwrap()), (vec![1.0, 2.0, 1.0, 2.0], vec![2, 2]));
    }

    #[test]
    fn doubling_comes_to_an_end() {
        let mut constants = Constants::new(1000, None);
        let mut made = list(&[1.0]);
        let error = (0..1000).find_map(|_| match constants.joined(&[&made, &made], 0) {
            Ok(twice) => {
                made = twice;
                None
            }
            Err(error) => Some(error),
        });
        assert!(error.unwrap().contains("far more is computed"));
        assert!(made.count().unwrap() < 1 << 17);
    }

    #[test]
    fn sizes_follow_the_rules_of_reshape() {
        let dims = [Number::of(2.0), Number::of(6.0)];
        let wanted = |values: &[f64]| {
            let wanted: Vec<Number> = values.iter().copied().map(Number::of).collect();
            reshaped(&dims, &wanted, false).map(|sizes| listed(&sizes))
        };
        assert_eq!(wanted(&[0.0, 2.0, -1.0]).unwrap(), "[2, 2, 3]");
        assert!(wanted(&[5.0, -1.0]).is_err() && wanted(&[-1.0, -1.0]).is_err() && wanted(&[2.0]).is_err());
    }
}
