//! What squeeze-and-excitation and dense blocks need beside layers: the logistic function, a map times one number for each
//! of its channels, and maps beside each other.

use plusx_model::graph::Op;

use crate::onnx::builder::{Builder, Map, Pending, Value};
use crate::onnx::layout::{C, H, W};
use crate::onnx::number::{Number, listed};
use crate::onnx::proto;

impl<'a> Builder<'a> {
    pub(super) fn sigmoid(&mut self, node: &'a proto::NodeProto) -> Result<Value<'a>, String> {
        let x = self.settled(node, 0)?;
        let id = self.plain(Op::Sigmoid, &[x.id])?;
        Ok(Value::Map(Map { id, alone: true, ..x }))
    }

    /// The product of two values that the network computes: a map, and one number for each of its channels, in any order.
    pub(super) fn multiplied(&mut self, left: Map, right: Map) -> Result<Value<'a>, String> {
        let (left, right) = (self.settle(left)?, self.settle(right)?);
        let (map, scale) = if self.scales(&left, &right) {
            (left, right)
        } else if self.scales(&right, &left) {
            (right, left)
        } else {
            let [one, other] = [&left, &right].map(|map| map.layout.sizes().map(|sizes| listed(&sizes)));
            return Err(format!(
                "it multiplies values of sizes {} and {}; only a map times one number for each of its channels is \
                 understood",
                one.unwrap_or_default(),
                other.unwrap_or_default()
            ));
        };
        let id = self.plain(Op::Multiply, &[map.id, scale.id])?;
        Ok(Value::Map(Map { id, layout: map.layout, pending: Pending::Nothing, alone: true }))
    }

    /// Whether `scale` has one number for each channel of `map`, along the same axis of the file.
    fn scales(&self, map: &Map, scale: &Map) -> bool {
        let [of, by] = [map, scale].map(|map| self.graph.node(map.id).shape);
        let [layout, own] = [&map.layout, &scale.layout];
        // rows and columns of the map may stand where the other has nothing
        let met = |axis: usize| {
            let left: Vec<usize> =
                layout.parts(axis).iter().copied().filter(|part| ![H, W].contains(part)).collect();
            left == own.parts(axis) && (left.is_empty() || left.len() == layout.parts(axis).len())
        };
        (by.c, by.pixels()) == (of.c, 1)
            && layout.images() == own.images()
            && layout.rank() == own.rank()
            && (0..layout.rank()).all(met)
    }

    /// Maps whose channels lie beside each other along the file's axis `axis`.
    pub(super) fn joined(&mut self, node: &'a proto::NodeProto, axis: i64) -> Result<Value<'a>, String> {
        let mut parts = Vec::new();
        for position in 0..node.input.len() {
            let Value::Map(map) = self.input(node, position)? else {
                return Err("it joins constants and several values that the network computes".to_owned());
            };
            parts.push(self.settle(map)?);
        }
        let [first, others @ ..] = &parts[..] else { return Err("it joins nothing".to_owned()) };
        let place = first.layout.axis(axis)?;
        let usual = parts.iter().all(|part| part.layout.is_map()) && place == C;
        // in another order each of them must show where its channels are
        let moved = || parts.iter().all(|part| part.layout.channels() == Some(place));
        if !usual && !moved() {
            return Err(format!("it joins along axis {axis}; only channels of maps are understood"));
        }
        let alike = |other: &Map| {
            let same = |axis: usize| axis == place || first.layout.parts(axis) == other.layout.parts(axis);
            first.layout.rank() == other.layout.rank()
                && first.layout.images() == other.layout.images()
                && (0..first.layout.rank()).all(same)
        };
        if !others.iter().all(alike) {
            return Err("it joins values whose axes are in different orders".to_owned());
        }
        let ids: Vec<_> = parts.iter().map(|part| part.id).collect();
        let id = self.plain(Op::Concat { parts: ids.len() }, &ids)?;
        if usual {
            return Ok(self.made(id, &first.layout));
        }
        let channels = Number::size(self.graph.node(id).shape.c);
        let layout = first.layout.with_size(C, channels);
        Ok(Value::Map(Map { id, layout, pending: Pending::Nothing, alone: true }))
    }
}
