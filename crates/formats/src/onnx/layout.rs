//! How a file lays out what the network computes.
//!
//! Here a value always has images, channels, rows and columns. A file may have brought them into another order, joined
//! neighbours, or left out what has size 1. So each of its axes is a list of ours, outermost first, in which sizes of 1 do
//! not show. Reshape, Transpose, Flatten and their like change nothing but that list.

use plusx_model::shape::ImageShape;

use crate::onnx::number::{Number, listed};

/// Images, channels, rows, columns: places in [`Layout::sizes`].
pub(super) const N: usize = 0;
pub(super) const C: usize = 1;
pub(super) const H: usize = 2;
pub(super) const W: usize = 3;

/// Most axes of a value; no network of pictures comes near.
pub(super) const MOST_AXES: usize = 8;

/// The axes of a value in the file.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Layout {
    axes: Vec<Vec<usize>>,
    sizes: [Number; 4],
}

impl Layout {
    /// Images, channels, rows, columns.
    pub(super) fn map(images: Number, shape: ImageShape) -> Self {
        Self::in_order(images, shape, [N, C, H, W])
    }

    /// The same in another order.
    pub(super) fn in_order(images: Number, shape: ImageShape, order: [usize; 4]) -> Self {
        let sizes = [images, Number::size(shape.c), Number::size(shape.h), Number::size(shape.w)];
        let mut layout = Self { axes: Vec::new(), sizes };
        layout.axes = order.iter().map(|axis| layout.shown(&[*axis])).collect();
        layout
    }

    /// What shows of a list of our axes.
    fn shown(&self, ours: &[usize]) -> Vec<usize> {
        ours.iter().copied().filter(|axis| !self.sizes[*axis].is(1.0)).collect()
    }

    pub(super) fn images(&self) -> Number {
        self.sizes[N]
    }

    pub(super) fn rank(&self) -> usize {
        self.axes.len()
    }

    /// The sizes that the file sees.
    pub(super) fn sizes(&self) -> Result<Vec<Number>, String> {
        (0..self.rank()).map(|axis| self.size(axis)).collect()
    }

    pub(super) fn size(&self, axis: usize) -> Result<Number, String> {
        product(self.axes[axis].iter().map(|axis| self.sizes[*axis]))
    }

    /// The place of `axis`, which counts from the end if it is negative.
    pub(super) fn axis(&self, axis: i64) -> Result<usize, String> {
        place(axis, self.rank())
    }

    /// Whether an axis of the file is this one of ours.
    pub(super) fn holds(&self, axis: usize, ours: &[usize]) -> bool {
        self.axes.get(axis).is_some_and(|found| *found == self.shown(ours))
    }

    /// The axis of ours that one of the file's is, if it is one, and has another size than 1.
    pub(super) fn only(&self, axis: usize) -> Option<usize> {
        match self.axes[axis][..] {
            [ours] => Some(ours),
            _ => None,
        }
    }

    /// Our axes that one of the file's consists of.
    pub(super) fn parts(&self, axis: usize) -> &[usize] {
        &self.axes[axis]
    }

    /// Whether these are images, channels, rows and columns.
    pub(super) fn is_map(&self) -> bool {
        self.rank() == 4 && [N, C, H, W].into_iter().all(|axis| self.holds(axis, &[axis]))
    }

    /// Whether the last axis is all of an image in the order of (channel, row, column).
    pub(super) fn is_flat(&self) -> bool {
        let Some(last) = self.rank().checked_sub(1) else { return false };
        self.holds(last, &[C, H, W]) && self.axes[..last].iter().flatten().all(|axis| *axis == N)
    }

    /// The axes by which a bias or scale of channels is laid: where channels are alone.
    pub(super) fn channels(&self) -> Option<usize> {
        (0..self.rank()).find(|axis| self.only(*axis) == Some(C))
    }

    /// The last axis becomes channels of one pixel, `count` of them.
    pub(super) fn with_channels(&self, count: usize) -> Self {
        let mut made = self.clone();
        made.sizes = [self.images(), Number::size(count), Number::of(1.0), Number::of(1.0)];
        if let Some(last) = made.axes.len().checked_sub(1) {
            made.axes[last] = made.shown(&[C]);
        }
        made
    }

    /// Another number of rows or columns, which is not 1 and was not.
    pub(super) fn with_size(&self, axis: usize, size: Number) -> Self {
        let mut made = self.clone();
        made.sizes[axis] = size;
        made
    }

    /// An axis of ours after a mean over it; `kept` says whether size 1 stays where the file's axis was.
    pub(super) fn averaged(&self, axis: usize, kept: bool) -> Self {
        let mut made = self.clone();
        for ours in made.axes.remove(axis) {
            made.sizes[ours] = Number::of(1.0);
        }
        if kept {
            made.axes.insert(axis, Vec::new());
        }
        made
    }

    /// One of the values along an axis.
    pub(super) fn without(&self, axis: usize) -> Self {
        let mut made = self.clone();
        made.axes.remove(axis);
        made
    }

    pub(super) fn permuted(&self, order: &[usize]) -> Self {
        Self { axes: order.iter().map(|axis| self.axes[*axis].clone()).collect(), sizes: self.sizes }
    }

    /// Without these axes of size 1; without all of them if none is named.
    pub(super) fn squeezed(&self, axes: Option<&[i64]>) -> Result<Self, String> {
        let mut leaves: Vec<bool> = self.axes.iter().map(|axis| axes.is_none() && axis.is_empty()).collect();
        for axis in axes.unwrap_or_default() {
            let axis = self.axis(*axis)?;
            if !self.axes[axis].is_empty() {
                let size = self.size(axis)?;
                return Err(format!("it takes away axis {axis}, which has size {size} and not 1"));
            }
            leaves[axis] = true;
        }
        let kept = self.axes.iter().zip(leaves).filter(|(_, leaves)| !leaves).map(|(axis, _)| axis.clone());
        Ok(Self { axes: kept.collect(), sizes: self.sizes })
    }

    /// With axes of size 1 at these places.
    pub(super) fn unsqueezed(&self, axes: &[i64]) -> Result<Self, String> {
        let mut old = self.axes.iter();
        let made = with_ones(self.rank(), axes)?;
        let axes = made.into_iter().map(|new| if new { None } else { old.next().cloned() });
        Ok(Self { axes: axes.map(Option::unwrap_or_default).collect(), sizes: self.sizes })
    }

    /// Two axes: those before `axis`, and the others.
    pub(super) fn flattened(&self, axis: i64) -> Result<Self, String> {
        let rank = self.rank() as i64;
        let at = if axis < 0 { axis.saturating_add(rank) } else { axis };
        let at = usize::try_from(at).ok().filter(|at| *at <= self.rank());
        let at = at.ok_or_else(|| format!("attribute axis is {axis}, of {rank} axes"))?;
        Ok(Self { axes: vec![self.axes[..at].concat(), self.axes[at..].concat()], sizes: self.sizes })
    }

    /// Axes of the sizes `wanted`, as Reshape has them: 0 is the size that stands there (unless `zeros` are meant), -1
    /// whatever is left.
    pub(super) fn reshaped(&self, wanted: &[Number], zeros: bool) -> Result<Self, String> {
        let refused = || {
            let own = self.sizes().map(|sizes| listed(&sizes)).unwrap_or_default();
            format!(
                "it makes sizes {} of {own}, with N images; only axes joined, or of size 1, are understood",
                listed(wanted)
            )
        };
        if wanted.len() > MOST_AXES {
            return Err(refused());
        }
        let mut sizes = wanted.to_vec();
        for (at, size) in sizes.iter_mut().enumerate().filter(|(_, size)| size.is(0.0) && !zeros) {
            *size = if at < self.rank() { self.size(at)? } else { return Err(refused()) };
        }
        if let Some(axes) = split(&self.axes.concat(), &self.sizes, &sizes) {
            return Ok(Self { axes, sizes: self.sizes });
        }
        // a file may be made for one number of images, although it promises any
        let made_for = sizes.first().and_then(|size| size.known()).is_some_and(|count| count > 0.0);
        if made_for && self.images().known().is_none() && self.axes.first().is_some_and(|axis| *axis == [N]) {
            let rest = split(&self.axes[1..].concat(), &self.sizes, &sizes[1..]);
            let axes = rest.map(|rest| std::iter::once(vec![N]).chain(rest).collect());
            return axes.map(|axes| Self { axes, sizes: self.sizes }).ok_or_else(refused);
        }
        Err(refused())
    }

    /// With axes of size 1 in front, up to so many.
    pub(super) fn of_rank(mut self, rank: usize) -> Self {
        while self.axes.len() < rank.min(MOST_AXES) {
            self.axes.insert(0, Vec::new());
        }
        self
    }
}

/// `ours` in groups of the sizes `wanted`, of which one may be -1.
fn split(ours: &[usize], sizes: &[Number; 4], wanted: &[Number]) -> Option<Vec<Vec<usize>>> {
    let open = wanted.iter().position(|size| size.is(-1.0));
    let others = product(wanted.iter().copied().filter(|size| !size.is(-1.0))).ok()?;
    let all = product(ours.iter().map(|axis| sizes[*axis])).ok()?;
    let left = match open {
        Some(_) => all.over(others, true).ok().filter(|left| left.times(others) == Ok(all))?,
        None => Number::of(1.0),
    };
    let mut next = ours.iter().copied();
    let mut groups = Vec::new();
    for (at, size) in wanted.iter().enumerate() {
        let size = if Some(at) == open { left } else { *size };
        let (mut group, mut held) = (Vec::new(), Number::of(1.0));
        while held != size {
            let axis = next.next()?;
            held = held.times(sizes[axis]).ok()?;
            group.push(axis);
        }
        groups.push(group);
    }
    next.next().is_none().then_some(groups)
}

/// Where axes of size 1 stand once they have been added to `rank` others.
pub(super) fn with_ones(rank: usize, axes: &[i64]) -> Result<Vec<bool>, String> {
    let all = rank + axes.len();
    if all > MOST_AXES {
        return Err(format!("it makes {all} axes"));
    }
    let mut new = vec![false; all];
    for axis in axes {
        let twice = std::mem::replace(&mut new[place(*axis, all)?], true);
        if twice {
            return Err(format!("it adds axis {axis} twice"));
        }
    }
    Ok(new)
}

/// The place of `axis` of `rank`, which counts from the end if it is negative.
pub(super) fn place(axis: i64, rank: usize) -> Result<usize, String> {
    let at = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let at = usize::try_from(at).ok().filter(|at| *at < rank);
    at.ok_or_else(|| format!("it names axis {axis}, and there are {rank}"))
}

fn product(sizes: impl Iterator<Item = Number>) -> Result<Number, String> {
    sizes.into_iter().try_fold(Number::of(1.0), Number::times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::number::IMAGES;

    fn layout(c: usize, h: usize, w: usize) -> Layout {
        Layout::map(IMAGES, ImageShape::new(c, h, w))
    }

    fn numbers(values: &[f64]) -> Vec<Number> {
        values.iter().copied().map(Number::of).collect()
    }

    #[test]
    fn maps_become_flat_in_every_way() {
        let map = layout(8, 3, 5);
        for wanted in [&[0.0, -1.0][..], &[-1.0, 120.0], &[2.0, -1.0], &[1.0, 120.0]] {
            let flat = map.reshaped(&numbers(wanted), false).unwrap();
            assert!(flat.is_flat() && flat.rank() == 2 && !flat.is_map(), "{wanted:?}");
        }
        assert!(map.reshaped(&[IMAGES, Number::of(-1.0)], false).unwrap().is_flat());
        assert_eq!(map.flattened(1).unwrap(), map.flattened(-3).unwrap());
        // rows before channels are no order that a dense layer could mean
        assert!(!map.permuted(&[0, 2, 3, 1]).flattened(1).unwrap().is_flat());
        assert!(!map.flattened(2).unwrap().is_flat());
    }

    #[test]
    fn what_is_taken_apart_is_refused() {
        let map = layout(8, 4, 4);
        for wanted in [&[0.0, 4.0, 2.0, 4.0, 4.0][..], &[-1.0, 3.0], &[-1.0, 64.0], &[0.0; 5], &[0.0, 7.0]] {
            assert!(map.reshaped(&numbers(wanted), false).is_err(), "{wanted:?}");
        }
        assert!(map.reshaped(&numbers(&[0.0, -1.0]), true).is_err());
        assert!(map.squeezed(Some(&[0])).unwrap_err().contains("size N"));
    }

    #[test]
    fn sizes_of_one_come_and_go() {
        let pixel = layout(8, 1, 1);
        let flat = pixel.squeezed(None).unwrap();
        assert!(flat.is_flat() && flat.rank() == 2);
        assert_eq!(pixel.squeezed(Some(&[3, -2])).unwrap(), flat);
        assert!(flat.unsqueezed(&[2, 3]).unwrap().is_map());
        assert!(flat.unsqueezed(&[-1, -2]).unwrap().is_map());
        // of one image, that may be said of images, too
        let one = Layout::map(Number::of(1.0), ImageShape::new(8, 1, 1));
        assert_eq!(one.squeezed(None).unwrap().rank(), 1);
        assert!(one.squeezed(None).unwrap().is_flat());
        assert!(one.reshaped(&numbers(&[1.0, 8.0]), false).unwrap().unsqueezed(&[2, 3]).unwrap().is_map());
    }

    #[test]
    fn orders_change_places_and_come_back() {
        let last = Layout::in_order(IMAGES, ImageShape::new(3, 4, 5), [N, H, W, C]);
        assert!(!last.is_map() && last.permuted(&[0, 3, 1, 2]).is_map());
        assert_eq!(last.channels(), Some(3));
        assert_eq!(last.sizes().unwrap()[1..], numbers(&[4.0, 5.0, 3.0]));
    }
}
