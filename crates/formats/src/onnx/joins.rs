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
        // maps in the usual order may differ in rows and columns only, which the graph says with their sizes
        let joined = |other: &Map| {
            if usual { first.layout.images() == other.layout.images() } else { alike(other) }
        };
        if !others.iter().all(joined) {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use plusx_model::graph::{Graph, Op};
    use prost::Message;

    use crate::FormatError;
    use crate::onnx::proto::{self, Attribute, NodeProto, OperatorSet, ValueInfo};
    use crate::onnx::read::decode;

    fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) -> NodeProto {
        NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: Some(output.to_owned()),
            op_type: Some(op.to_owned()),
            attribute,
            domain: None,
        }
    }

    fn axis(axis: i64) -> Vec<Attribute> {
        vec![Attribute::int("axis", axis)]
    }

    fn order(axes: &[usize]) -> Vec<Attribute> {
        vec![Attribute::ints("perm", axes)]
    }

    /// The graph of a file of these nodes, which compute "logits" from images "x" of 2x4x3.
    fn read(nodes: Vec<NodeProto>) -> Result<Graph, FormatError> {
        let graph = proto::GraphProto {
            node: nodes,
            name: None,
            initializer: Vec::new(),
            input: vec![ValueInfo::batch_of("x", proto::FLOAT, None, &[2, 4, 3])],
            output: vec![ValueInfo::batch_of("logits", proto::FLOAT, None, &[4])],
        };
        let file = proto::ModelProto {
            ir_version: Some(8),
            graph: Some(graph),
            opset_import: vec![OperatorSet { domain: None, version: Some(17) }],
            ..Default::default()
        };
        decode(&file.encode_to_vec(), Path::new("joins.onnx")).map(|found| found.graph)
    }

    fn refused(nodes: Vec<NodeProto>) -> String {
        read(nodes).unwrap_err().to_string()
    }

    #[test]
    fn channels_may_come_last() {
        let graph = read(vec![
            node("Transpose", &["x"], "last", order(&[0, 2, 3, 1])),
            node("Relu", &["last"], "open", Vec::new()),
            node("Concat", &["open", "last"], "both", axis(-1)),
            node("ReduceMean", &["both"], "mean", vec![Attribute::ints("axes", &[1, 2])]),
            node("Sigmoid", &["mean"], "scale", Vec::new()),
            node("Mul", &["scale", "both"], "scaled", Vec::new()),
            node("Transpose", &["scaled"], "first", order(&[0, 3, 1, 2])),
            node("GlobalAveragePool", &["first"], "pooled", Vec::new()),
            node("Flatten", &["pooled"], "logits", axis(1)),
        ])
        .unwrap();
        let kinds: Vec<&str> = graph.nodes.iter().map(|node| node.op.kind()).collect();
        let mean = "global_avg_pool2d";
        assert_eq!(kinds, ["input", "relu", "concat", mean, "sigmoid", "multiply", mean]);
        assert!(matches!(graph.nodes[2].op, Op::Concat { parts: 2 }));
        // the map comes first, whatever the file says
        assert_eq!(graph.nodes[5].inputs.iter().map(|input| input.index()).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn other_products_and_places_are_refused() {
        let logits = || node("GlobalAveragePool", &["y"], "logits", Vec::new());
        let sigmoid = || node("Sigmoid", &["x"], "s", Vec::new());
        let text = refused(vec![sigmoid(), node("Mul", &["x", "s"], "y", Vec::new()), logits()]);
        assert!(text.contains("[N, 2, 4, 3] and [N, 2, 4, 3]") && text.contains("(Mul)"), "{text}");
        let text = refused(vec![sigmoid(), node("Concat", &["x", "s"], "y", axis(2)), logits()]);
        assert!(text.contains("along axis 2") && text.contains("(Concat)"), "{text}");
        let turned = node("Transpose", &["s"], "t", order(&[0, 1, 3, 2]));
        let text = refused(vec![sigmoid(), turned, node("Concat", &["x", "t"], "y", axis(1)), logits()]);
        assert!(text.contains("different orders"), "{text}");
        let pool = node("MaxPool", &["s"], "t", vec![Attribute::ints("kernel_shape", &[2, 1])]);
        let text = refused(vec![sigmoid(), pool, node("Concat", &["x", "t"], "y", axis(1)), logits()]);
        assert!(text.contains("2x4x3 and 2x3x3"), "{text}");
    }
}
