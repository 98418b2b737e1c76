//! What changes no value that the network computes, or only its place: axes joined, moved, left out; borders of zeros
//! that the next window reads; every s-th pixel, and channels of zeros.

use plusx_model::graph::{Op, SubsampleSpec};
use plusx_model::shape::ImageShape;

use crate::onnx::arithmetic::Cast;
use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Map, Pending, Value};
use crate::onnx::evaluate::{cast, order};
use crate::onnx::layout::{C, H, Layout, N, W};
use crate::onnx::moves::{SliceRange, broadcast};
use crate::onnx::number::{Number, listed};
use crate::onnx::proto;

/// Most rows, columns or channels that a border may have: far above what any network adds.
const WIDEST: i64 = 0xffff;

impl<'a> Builder<'a> {
    /// The value of a node that only changes the view; `None` for another one.
    pub(super) fn view(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
        op: &str,
    ) -> Result<Option<Value<'a>>, String> {
        let with = |map: Map, layout: Layout| Ok(Some(Value::Map(Map { layout, ..map })));
        match op {
            "Identity" => {}
            "Dropout" => self.dropout(node, a)?,
            "Cast" => {
                if cast(a)? != Cast::Float {
                    return Err("it makes whole numbers of what the network computes".to_owned());
                }
            }
            "CastLike" => {
                a.ignore(&["saturate", "round_mode"]);
                if !matches!(self.input(node, 1)?, Value::Map(_)) && self.array(node, 1)?.whole {
                    return Err("it makes whole numbers of what the network computes".to_owned());
                }
            }
            "Reshape" => {
                let map = self.any(node, 0)?;
                let zeros = a.int("allowzero", 0)? != 0;
                let wanted = self.wanted_sizes(node, a)?;
                let layout = map.layout.reshaped(&wanted, zeros)?;
                return with(map, layout);
            }
            "Flatten" => {
                let map = self.any(node, 0)?;
                let layout = map.layout.flattened(a.int("axis", 1)?)?;
                return with(map, layout);
            }
            "Squeeze" => {
                let map = self.any(node, 0)?;
                let layout = map.layout.squeezed(self.setting(node, a, "axes", 1)?.as_deref())?;
                return with(map, layout);
            }
            "Unsqueeze" => {
                let map = self.any(node, 0)?;
                let axes = self.setting(node, a, "axes", 1)?.ok_or("it has no axes")?;
                let layout = map.layout.unsqueezed(&axes)?;
                return with(map, layout);
            }
            "Transpose" => {
                let map = self.any(node, 0)?;
                let layout = map.layout.permuted(&order(a, map.layout.rank())?);
                return with(map, layout);
            }
            "Expand" => {
                let map = self.any(node, 0)?;
                let wanted = self.number_list(node, 1)?;
                let own = map.layout.sizes()?;
                if broadcast(&own, &wanted).ok().as_ref() != Some(&own) {
                    return Err(format!(
                        "it repeats a value of sizes {} to {}",
                        listed(&own),
                        listed(&wanted)
                    ));
                }
            }
            "Gather" => return self.taken(node, a).map(Some),
            "Slice" => return self.slice(node, a).map(Some),
            "Pad" => return self.pad(node, a).map(Some),
            "Concat" => return self.concat(node, a).map(Some),
            "Softmax" | "LogSoftmax" => return self.softmax(node, a).map(Some),
            _ => return Ok(None),
        }
        self.input(node, 0).map(Some)
    }

    /// Nothing happens outside of training.
    fn dropout(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<(), String> {
        a.ignore(&["ratio", "seed"]);
        a.expect("is_test", 1).map_err(|_| "it is in training mode; export the network for inference")?;
        let trains = match Self::has(node, 2) {
            true => !self.array(node, 2)?.uniform().is_some_and(|number| number.is(0.0)),
            false => false,
        };
        if trains {
            Err("it is in training mode; export the network for inference".to_owned())
        } else {
            Ok(())
        }
    }

    /// Gather of all there is in its order, or of the only one.
    fn taken(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let map = self.any(node, 0)?;
        let axis = map.layout.axis(a.int("axis", 0)?)?;
        let size = map.layout.size(axis)?;
        let indices = self.array(node, 1)?;
        let own = map.layout.sizes()?;
        let all = indices.dims.iter().copied().try_fold(Number::of(1.0), Number::times)? == size;
        // the last may be counted from the end
        let last = |size| size == 1.0 && indices.uniform().is_some_and(|index| index.is(-1.0));
        if all && (indices.is_in_order() || size.known().is_some_and(last)) {
            let sizes = [&own[..axis], &indices.dims, &own[axis + 1..]].concat();
            let layout = map.layout.reshaped(&sizes, true)?;
            return Ok(Value::Map(Map { layout, ..map }));
        }
        let wanted = match indices.dims() {
            Ok(_) => listed(&indices.numbers()?),
            Err(_) => "places in a batch".to_owned(),
        };
        let refused = format!(
            "it takes {wanted} of the {size} along axis {axis}; only all of them in their order are understood"
        );
        // a program may ask for the sizes of one image
        match indices.dims.len() {
            0 if map.layout.only(axis) == Some(N) => {
                let layout = map.layout.without(axis);
                Ok(Value::Map(Map { layout, pending: Pending::Part(node.title().into()), ..map }))
            }
            _ => Err(refused),
        }
    }

    /// All of each axis, of rows and columns at any step.
    fn slice(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let map = self.any(node, 0)?;
        let cuts = self.cuts(node, a)?;
        if let Some(middle) = self.middle(&map, &cuts)? {
            return Ok(middle);
        }
        let mut stride = [1, 1];
        for cut in &cuts {
            let axis = map.layout.axis(cut.axis)?;
            let size = map.layout.size(axis)?;
            let step = whole(cut, size).ok_or_else(|| {
                format!(
                    "it cuts axis {axis}, of size {size}, from {} to {} in steps of {}; only all of an axis is understood, \
                     or every s-th row and column",
                    cut.start, cut.end, cut.step
                )
            })?;
            match map.layout.only(axis) {
                _ if step == 1 => {}
                Some(ours @ (H | W)) => stride[ours - H] = step,
                _ => return Err(format!("it takes steps of {step} along axis {axis}")),
            }
        }
        if stride == [1, 1] {
            return Ok(Value::Map(map));
        }
        let map = self.settle(map)?;
        let map = self.expect_map(node, 0, map)?;
        self.subsampled(&map, SubsampleSpec { stride, before: 0, after: 0 })
    }

    /// Every s-th pixel, with channels of zeros.
    pub(super) fn subsampled(&mut self, map: &Map, spec: SubsampleSpec) -> Result<Value<'a>, String> {
        let id = self.plain(Op::Subsample { spec }, &[map.id])?;
        Ok(self.made(id, &map.layout))
    }

    /// Zeros before and after the channels, or a border of rows and columns for the next window.
    fn pad(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let mut map = self.any(node, 0)?;
        let rank = map.layout.rank();
        if let Some(mode) = a.text("mode")?.filter(|mode| *mode != "constant") {
            return Err(format!("attribute mode is {mode:?}, only \"constant\" is understood"));
        }
        // attributes before version 11, inputs since
        let mut value = f64::from(a.float("value", 0.0)?);
        let pads = self.setting(node, a, "pads", 1)?.ok_or("it has no pads")?;
        if Self::has(node, 2) {
            let given = self.array(node, 2)?;
            value = given.uniform().and_then(Number::known).ok_or("what it fills with is not known")?;
        }
        let axes = match Self::has(node, 3) {
            true => self.int_list(node, 3)?,
            false => (0..rank as i64).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(format!("its padding is {pads:?} of axes {axes:?}"));
        }
        let (mut channels, mut sides) = ([0; 2], [0_i64; 4]);
        for (at, axis) in axes.iter().enumerate() {
            let both = [pads[at], pads[at + axes.len()]];
            if both == [0, 0] {
                continue;
            }
            let axis = map.layout.axis(*axis)?;
            let usual = map.layout.is_map().then_some(axis);
            match usual.or(map.layout.only(axis)) {
                Some(C) if both.iter().all(|pad| (0..=WIDEST).contains(pad)) => {
                    channels = both.map(|pad| pad as usize);
                }
                Some(ours @ (H | W)) if both.iter().all(|pad| (-WIDEST..=WIDEST).contains(pad)) => {
                    [sides[ours - H], sides[ours - H + 2]] = both;
                }
                Some(N) => return Err("it adds images".to_owned()),
                _ => return Err(format!("it adds {both:?} along axis {axis}, which is not understood")),
            }
        }
        if channels != [0, 0] {
            if value != 0.0 {
                return Err(format!("it fills channels with {value}, only zeros are understood"));
            }
            let settled = self.settle(map)?;
            let settled = self.expect_map(node, 0, settled)?;
            let spec = SubsampleSpec { stride: [1, 1], before: channels[0], after: channels[1] };
            match self.subsampled(&settled, spec)? {
                Value::Map(padded) => map = padded,
                other => return Ok(other),
            }
        }
        if sides == [0; 4] { Ok(Value::Map(map)) } else { self.bordered(map, sides, value) }
    }

    /// Rows and columns around a map, or fewer than there were around it.
    fn bordered(&mut self, map: Map, sides: [i64; 4], value: f64) -> Result<Value<'a>, String> {
        let (mut before, filled, map) = match map.pending {
            Pending::Border { sides, value } => (sides, value, Map { pending: Pending::Nothing, ..map }),
            _ => ([0; 4], value, self.settle(map)?),
        };
        if filled != value && sides.iter().any(|side| *side > 0) {
            return Err(format!("it fills with {value}, the Pad before it with {filled}"));
        }
        for (own, more) in before.iter_mut().zip(sides) {
            let sum = *own as i64 + more;
            *own = usize::try_from(sum).ok().filter(|sum| *sum as i64 <= WIDEST).ok_or_else(|| {
                format!(
                    "it cuts off {} rows or columns; only what a Pad before it added may be cut off",
                    -more
                )
            })?;
        }
        let ImageShape { c, h, w } = self.graph.node(map.id).shape;
        let [above, left, below, right] = before;
        let (rows, columns) = (h + above + below, w + left + right);
        let layout = match map.layout.is_map() {
            true => Layout::map(map.layout.images(), ImageShape::new(c, rows, columns)),
            // of an axis of size 1 it does not show where it is
            false if h.min(w).min(rows).min(columns) == 1 => {
                return Err(
                    "it adds to rows or columns of size 1 that are not where they usually are".to_owned()
                );
            }
            false => map.layout.with_size(H, Number::size(rows)).with_size(W, Number::size(columns)),
        };
        let pending = match before {
            [0, 0, 0, 0] => Pending::Nothing,
            sides => Pending::Border { sides, value: filled },
        };
        Ok(Value::Map(Map { layout, pending, ..map }))
    }

    /// Maps beside each other, or channels of zeros before and behind those of a map.
    fn concat(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let axis = a.int("axis", 1)?;
        if node.input.len() == 1 {
            return self.input(node, 0);
        }
        let mut found = None;
        let mut zeros = [0, 0];
        for position in 0..node.input.len() {
            if let Value::Map(_) = self.input(node, position)? {
                if found.is_some() {
                    return self.joined(node, axis);
                }
                found = Some(position);
            }
        }
        let found = found.ok_or("it joins constants of unknown sizes")?;
        let map = self.map(node, found)?;
        if map.layout.axis(axis)? != C {
            return Err(format!("it joins along axis {axis}; only zeros along the channels are understood"));
        }
        let own = map.layout.sizes()?;
        for position in (0..node.input.len()).filter(|position| *position != found) {
            let array = self.array(node, position)?;
            let fits =
                array.dims.len() == 4 && [N, H, W].into_iter().all(|axis| array.dims[axis] == own[axis]);
            let count = array.dims.get(C).and_then(|size| size.known());
            let count = count.filter(|count| fits && (0.0..=WIDEST as f64).contains(count));
            match count.filter(|_| array.uniform().is_some_and(|number| number.is(0.0))) {
                Some(count) => zeros[usize::from(position > found)] += count as usize,
                None => {
                    return Err(format!(
                        "it joins channels with constants of sizes {}; only zeros for each image are understood",
                        listed(&array.dims)
                    ));
                }
            }
        }
        self.subsampled(&map, SubsampleSpec { stride: [1, 1], before: zeros[0], after: zeros[1] })
    }

    /// The end of a network: probabilities, or their logarithms.
    fn softmax(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let map = self.settled(node, 0)?;
        // before version 13, of all axes from this one on
        let stated = a.int("axis", if self.opset < 13 { 1 } else { -1 })?;
        let axis = map.layout.axis(stated)?;
        let within = if self.opset < 13 { axis..map.layout.rank() } else { axis..axis + 1 };
        let parts = |axis: usize| map.layout.parts(axis).iter();
        let one = (0..map.layout.rank()).all(|axis| match within.contains(&axis) {
            true => parts(axis).all(|ours| *ours == C),
            false => parts(axis).all(|ours| *ours == N),
        });
        match one {
            true => Ok(Value::Map(Map { pending: Pending::Softmax, ..map })),
            false => Err(format!("attribute axis is {stated}; only a softmax over classes is understood")),
        }
    }
}

/// The step of a cut that leaves nothing of an axis out but for that.
fn whole(cut: &SliceRange, size: Number) -> Option<usize> {
    let step = usize::try_from(cut.step).ok().filter(|step| (1..=WIDEST as usize).contains(step))?;
    let begins = match size.known() {
        Some(size) => cut.start == 0 || cut.start as f64 <= -size,
        None => cut.start == 0,
    };
    // how many images there are, no file knows
    let ends = size.known().map_or(cut.end >= i64::from(i32::MAX), |size| cut.end as f64 >= size);
    (begins && ends).then_some(step)
}
