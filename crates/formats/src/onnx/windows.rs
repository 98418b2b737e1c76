//! Where windows stand: the padding of convolutions and pooling, whichever way a file says it. Here padding is the same on
//! both sides. One that differs between the sides is read if it puts the windows in the same places.

use crate::onnx::attributes::Attributes;

/// A window that slides over a map, in (vertical, horizontal) pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Whether the file rounds the number of places up.
    pub(super) ceil: bool,
}

/// Rows and columns around a map: (above, left, below, right), as `pads` has them.
pub(super) type Sides = [usize; 4];

impl Window {
    fn span(&self, axis: usize) -> i64 {
        self.dilation[axis] as i64 * (self.kernel[axis] as i64 - 1) + 1
    }

    /// How many places there are along an axis of `size` with so much before and behind it.
    fn places(&self, axis: usize, size: i64, [before, behind]: [i64; 2], ceil: bool) -> i64 {
        let stride = self.stride[axis] as i64;
        let spare = if ceil { stride - 1 } else { 0 };
        let room = size + before + behind + spare - self.span(axis);
        let places = room.div_euclid(stride.max(1)) + 1;
        // none begins behind the map and its first border
        let beyond = ceil && (places - 1) * stride >= size + before;
        places - i64::from(beyond)
    }

    /// The padding of a window over a map of `size` with `border` around it, the same before and behind; `ceil` says
    /// whether the operation here can round up.
    pub(super) fn padding(
        &self,
        a: &mut Attributes<'_>,
        size: [usize; 2],
        border: Sides,
        ceil: bool,
    ) -> Result<[usize; 2], String> {
        let stated = a.sizes::<4>("pads")?.unwrap_or_default();
        let auto = a.text("auto_pad")?.unwrap_or("NOTSET");
        let mut padding = [0; 2];
        for axis in 0..2 {
            let [before, behind] = [axis, axis + 2].map(|side| border[side] as i64);
            let outer = size[axis] as i64 + before + behind;
            let [first, last] = match auto {
                "NOTSET" | "" => [axis, axis + 2].map(|side| stated[side] as i64),
                "VALID" => [0, 0],
                "SAME_UPPER" | "SAME_LOWER" => {
                    let stride = (self.stride[axis] as i64).max(1);
                    let needed = (outer.div_euclid(stride) + i64::from(outer % stride != 0) - 1) * stride;
                    let all = (needed + self.span(axis) - outer).max(0);
                    let smaller = all / 2;
                    if auto == "SAME_UPPER" { [smaller, all - smaller] } else { [all - smaller, smaller] }
                }
                other => return Err(format!("attribute auto_pad is {other:?}, which is not understood")),
            };
            let [before, behind] = [before + first, behind + last];
            let size = size[axis] as i64;
            let wanted = self.places(axis, size, [before, behind], self.ceil);
            let found = self.places(axis, size, [before, before], ceil && self.ceil);
            if wanted != found {
                let rounded = if self.ceil && !ceil { ", rounded up" } else { "" };
                return Err(format!(
                    "its padding of {} is {before} before and {behind} behind{rounded}: {wanted} places of its window on \
                     {size} pixels; with {before} on both sides, which is what is understood, there are {found}",
                    ["rows", "columns"][axis]
                ));
            }
            padding[axis] = before as usize;
        }
        Ok(padding)
    }

    /// Whether its last place reaches beyond the map and its padding, as rounding up may have it.
    pub(super) fn overhangs(&self, size: [usize; 2], padding: [usize; 2]) -> bool {
        (0..2).any(|axis| {
            let (size, padding) = (size[axis] as i64, padding[axis] as i64);
            let places = self.places(axis, size, [padding; 2], self.ceil);
            (places - 1) * self.stride[axis] as i64 + self.span(axis) > size + 2 * padding
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{Attribute, NodeProto};

    fn padding(window: Window, size: usize, attributes: Vec<Attribute>) -> Result<[usize; 2], String> {
        let node = NodeProto { attribute: attributes, ..NodeProto::default() };
        window.padding(&mut Attributes::of(&node), [size; 2], [0; 4], false)
    }

    #[test]
    fn padding_of_one_side_is_kept_where_no_window_sees_it() {
        let window = Window { kernel: [3; 2], stride: [2; 2], dilation: [1; 2], ceil: false };
        let pads = |pads: &[usize]| vec![Attribute::ints("pads", pads)];
        assert_eq!(padding(window, 20, pads(&[1, 1, 0, 0])), Ok([1, 1]));
        assert_eq!(padding(window, 21, pads(&[1, 1, 1, 1])), Ok([1, 1]));
        let error = padding(window, 21, pads(&[1, 1, 0, 0])).unwrap_err();
        assert!(error.contains("10 places of its window on 21 pixels") && error.contains("11"), "{error}");
        assert!(padding(window, 20, pads(&[0, 0, 1, 1])).unwrap_err().contains("rows"));
        // rounding up that makes no difference
        let ceil = Window { ceil: true, ..window };
        assert_eq!(padding(ceil, 21, pads(&[1, 1, 1, 1])), Ok([1, 1]));
        assert!(padding(ceil, 20, pads(&[1, 1, 1, 1])).unwrap_err().contains("rounded up"));
    }

    #[test]
    fn padding_that_is_computed() {
        let auto = |text: &str| {
            let s = Some(text.as_bytes().to_vec().into());
            vec![Attribute { name: Some("auto_pad".to_owned()), s, ..Attribute::default() }]
        };
        let one = Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], ceil: false };
        let two = Window { stride: [2; 2], ..one };
        for same in ["SAME_UPPER", "SAME_LOWER"] {
            assert_eq!(padding(one, 20, auto(same)), Ok([1, 1]));
            assert_eq!(padding(two, 21, auto(same)), Ok([1, 1]));
        }
        assert_eq!(padding(Window { dilation: [2; 2], ..one }, 20, auto("SAME_UPPER")), Ok([2, 2]));
        assert!(padding(two, 20, auto("SAME_UPPER")).is_err());
        // one more before: the last window ends where the map does
        assert_eq!(padding(two, 20, auto("SAME_LOWER")), Ok([1, 1]));
        assert_eq!(padding(two, 20, auto("VALID")), Ok([0, 0]));
    }
}
